"""Originals and twins trained on a task, their masks fixed, under new heads."""

from zootwins.catalogue.transfer import Full
from zootwins.experiments.transfer.backbones import load_backbones
from zootwins.experiments.transfer.full import axes, full_rows, transfer_full
from zootwins.experiments.transfer.rates import WHOLE, chosen_lrs
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.population.randomness import STREAMS
from zootwins.run.job import job, progress, provenance, resume_file
from zootwins.sparsifiers.registry import name_twins
from zootwins.storage.frames import read_csv, write_parquet
from zootwins.storage.resume import Resume
from zootwins.storage.shards import write_trajectory

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    params, wildcards = snakemake.params, snakemake.wildcards
    engine = get_engine(**params.engine, threads=snakemake.threads)
    backbones = load_backbones(snakemake.input, wildcards.shard, params)
    settings, data = Full(**params.settings), load_dataset(snakemake.input.task)
    lr = chosen_lrs(read_csv(snakemake.input.lrs))[WHOLE]
    resume = Resume(*resume_file(snakemake))
    trajectory = transfer_full(
        engine,
        backbones,
        data,
        (wildcards.zoo, wildcards.task),
        settings,
        [lr] * len(backbones.candidates),
        resume,
        progress(snakemake, len(backbones)),
    )
    origin = provenance(snakemake, engine=engine.name, random_streams=STREAMS)
    rows = full_rows(backbones, trajectory, data.test.labels, lr).assign(task=wildcards.task, mode=wildcards.mode)
    write_parquet(rows, snakemake.output.rows, origin)
    write_trajectory(
        snakemake.output.networks,
        "transfer",
        trajectory,
        backbones.models,
        backbones.index,
        axes=axes(backbones, settings),
        metadata=origin,
    )
    resume.discard()

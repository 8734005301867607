"""A raw zoo as stacked tensors and tables."""

from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.run.job import announce, job, provenance
from zootwins.storage.frames import write_csv, write_parquet
from zootwins.zoos.importing import import_zoo, remarks
from zootwins.zoos.originals import write_rows

with job(snakemake):
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    zoo = import_zoo(
        snakemake.input.raw_zoo,
        snakemake.params.architecture,
        snakemake.params.epoch,
        snakemake.params.models,
        engine,
        load_dataset(snakemake.input.dataset).test,
        # no parameter: another limit is no reason to import again
        float(snakemake.config["max_broken_share"]),
        dialect=snakemake.params.dialect,
        factors=snakemake.params.factors,
        sample=snakemake.params.sample,
    )
    for remark in remarks(zoo.models):
        announce(snakemake, f"{remark}; model by model: {snakemake.output.models}")
    metadata = provenance(snakemake, engine=engine.name, network=zoo.architecture.images)
    write_rows(snakemake.output.originals, "originals", zoo.index, zoo.parameters, metadata)
    write_rows(snakemake.output.predictions, "predictions", zoo.index, {"predictions": zoo.predictions}, metadata)
    write_parquet(zoo.history, snakemake.output.history, metadata)
    write_csv(zoo.models, snakemake.output.models, digits=None)

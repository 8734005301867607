"""Training of a shard of a zoo from its generating factors."""

from zootwins.architectures.architecture import fitting_architecture
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.population.randomness import STREAMS
from zootwins.population.trajectory import kept_states
from zootwins.run.job import job, progress, provenance, resume_file
from zootwins.storage.resume import Resume
from zootwins.storage.shards import shard_slice, write_trajectory
from zootwins.zoos.sources import TrainSource
from zootwins.zoos.training import generating_factors, model_names, train_zoo

with job(snakemake):
    settings = TrainSource(**snakemake.params.settings)
    shard = slice(*shard_slice(snakemake.wildcards.shard))
    models, factors = model_names(settings)[shard], generating_factors(settings)[shard]
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    resume = Resume(*resume_file(snakemake))
    data = load_dataset(snakemake.input.dataset)
    zoo = snakemake.wildcards.zoo
    architecture = fitting_architecture(zoo, snakemake.params.architecture, data.train.images, data.train.classes)
    trajectory = train_zoo(
        engine,
        models,
        factors,
        architecture,
        data,
        settings.epochs,
        zoo,
        settings.schedule,
        kept_states(snakemake.params.keep_states, settings.epochs),
        resume,
        progress(snakemake, len(models)),
    )
    write_trajectory(
        snakemake.output[0],
        "trained",
        trajectory,
        models,
        range(shard.start, shard.stop),
        metadata=provenance(snakemake, engine=engine.name, network=architecture.images, random_streams=STREAMS),
    )
    resume.discard()

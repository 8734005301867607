"""A raw zoo as stacked tensors and tables."""

from zootwins.datasets import load_dataset
from zootwins.files import replacing
from zootwins.frames import write_parquet
from zootwins.importing import import_zoo
from zootwins.job import job, provenance
from zootwins.originals import write_rows
from zootwins.population.engines import get_engine

with job(snakemake):
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    zoo = import_zoo(
        snakemake.input.raw_zoo,
        snakemake.params.architecture,
        snakemake.params.epoch,
        snakemake.params.models,
        engine,
        load_dataset(snakemake.input.dataset).test,
    )
    metadata = provenance(snakemake, engine=engine.name)
    write_rows(snakemake.output.originals, "originals", zoo.index, zoo.parameters, metadata)
    write_rows(snakemake.output.predictions, "predictions", zoo.index, {"predictions": zoo.predictions}, metadata)
    write_parquet(zoo.history, snakemake.output.history, metadata)
    with replacing(snakemake.output.models) as temporary:
        zoo.models.to_csv(temporary, index=False)

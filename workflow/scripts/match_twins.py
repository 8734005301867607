"""Published twins beside their originals: the files that import_zoo writes of a raw zoo, for the twins."""

from zootwins.run.job import announce, job, provenance
from zootwins.sparsifiers.published import match_twins, select_originals
from zootwins.storage.frames import read_parquet, write_csv, write_parquet
from zootwins.zoos.importing import excluded
from zootwins.zoos.originals import load_originals, read_models, read_predictions, write_rows

with job(snakemake):
    paths, params = snakemake.input, snakemake.params
    models = read_models(paths.models)
    originals = load_originals(paths.originals, paths.models, params.architecture)
    limit = float(snakemake.config["max_broken_share"])  # no parameter, as in import_zoo
    table = match_twins(paths.raw_zoo, originals.architecture, params.epochs, params.models, models, limit)
    if (table.status == "excluded").any():
        announce(snakemake, f"{excluded(table)}; model by model: {snakemake.output.models}")
    index, parameters, predictions, history = select_originals(
        table, originals, *read_predictions(paths.predictions), read_parquet(paths.history)
    )
    metadata = provenance(snakemake)
    write_rows(snakemake.output.originals, "originals", index, parameters, metadata)
    write_rows(snakemake.output.predictions, "predictions", index, {"predictions": predictions}, metadata)
    write_parquet(history, snakemake.output.history, metadata)
    write_csv(table, snakemake.output.models, digits=None)

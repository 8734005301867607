"""Candidates for the paper's unexplained numbers, on one zoo."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from zootwins.analyses.hypotheses import Evidence, beside_paper, hypotheses
from zootwins.analyses.layer_spread import pruned_weights
from zootwins.analyses.paper_tables import TABLE7_EPOCHS, TABLE8_PERCENTS
from zootwins.analyses.response import twin_predictions
from zootwins.analyses.results import load_results
from zootwins.analyses.training_mode import training_mode_predictions
from zootwins.images.datasets import load_dataset
from zootwins.population.variational import GaussianNoise
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard
from zootwins.zoos.originals import load_originals, read_predictions

with job(snakemake):
    params = snakemake.params
    (results,) = load_results([params.zoo], snakemake.input.metrics)
    shards = defaultdict(list)
    for path in snakemake.input.shards:
        shard = read_shard(path)
        shards[shard.method].append(shard)
    everyone, results = len(results.models), results.undiverged()
    whole = results.originals.index

    def of_whole(values, index):
        """Return the rows of the models whose twins all are finite."""
        return values[np.isin(index, whole)]

    index, predictions = (tensor.numpy() for tensor in read_predictions(snakemake.input.predictions))
    held = {method: np.concatenate([shard.index for shard in parts]) for method, parts in shards.items()}
    points = {method: point for method, point in results.operating_points("agreement").items() if method in shards}
    test = load_dataset(snakemake.input.dataset).test
    originals = load_originals(snakemake.input.originals, snakemake.input.models, params.architecture, 0, everyone)
    layers = [layer.name for layer in originals.architecture.layers]
    weights = {method: get_sparsifier(method).weights(results.zoo.methods[method]) for method in points}
    rows = {"mp": TABLE8_PERCENTS, "vd": TABLE7_EPOCHS}
    evidence = Evidence(
        results,
        predictions[pd.Index(index).get_indexer(results.originals.index)],
        {method: of_whole(*twin_predictions(shards[method], point)) for method, point in points.items()},
        {
            method: of_whole(
                training_mode_predictions(shards[method], point, originals, weights[method], results.zoo.id, test),
                held[method],
            )
            for method, point in points.items()
            if isinstance(weights[method], GaussianNoise)
        },
        test.labels.numpy(),
        {
            method: {
                value: {
                    layer: of_whole(pruned, held[method])
                    for layer, pruned in pruned_weights(
                        shards[method], point, layers, results.zoo.methods[method]
                    ).items()
                }
                for value in rows[method]
                if (point := results.zoo.point(method, value)) is not None
            }
            for method in shards
        },
    )
    paper = {Path(path).stem: pd.read_csv(path) for path in snakemake.input.paper}
    found = beside_paper(hypotheses(evidence, params.paper_models), paper, params.paper_zoo, params.paper_models)
    write_parquet(found, snakemake.output[0], provenance(snakemake))

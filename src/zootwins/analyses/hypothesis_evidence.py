"""Evidence that the hypotheses on the paper's unexplained numbers are computed from.

Apart from `zootwins.analyses.hypotheses`, whose table needs no networks. One of the hypotheses is that the paper's
agreement is that of twins by variational dropout in training mode, without dropout: noisy, and with nothing pruned.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from zootwins.analyses.hypotheses import Evidence
from zootwins.analyses.layer_spread import pruned_weights
from zootwins.analyses.paper_tables import TABLE7_EPOCHS, TABLE8_PERCENTS
from zootwins.analyses.response import twin_predictions
from zootwins.analyses.results import ZooResults
from zootwins.population import ImageSet, Population
from zootwins.population.batched_network import noisy_predictions
from zootwins.population.variational import GaussianNoise
from zootwins.run.keys import stream_key
from zootwins.sparsifiers.base import Point
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.shards import TwinShard
from zootwins.zoos.originals import Originals

ROWS = {"mp": TABLE8_PERCENTS, "vd": TABLE7_EPOCHS}  # the operating points whose layers the paper prints


def by_method(shards: Iterable[TwinShard]) -> dict[str, list[TwinShard]]:
    """Group shards by method, in their order."""
    found: dict[str, list[TwinShard]] = {}
    for shard in shards:
        found.setdefault(shard.method, []).append(shard)
    return found


def gather_evidence(
    results: ZooResults,
    shards: Mapping[str, Sequence[TwinShard]],
    originals: Originals,
    predictions: np.ndarray,
    index: np.ndarray,
    test: ImageSet,
) -> Evidence:
    """Gather the evidence of a zoo.

    Args:
        results: its long tables.
        shards: all shards of the methods looked at, by method.
        originals: its dense models.
        predictions: their predicted classes on the test images, `[originals, samples]`, in the order of `index`.
        index: their indices in models.csv, `[originals]`.
        test: the test images.
    """
    results = results.undiverged()
    whole, layers = results.originals.index, [layer.name for layer in originals.architecture.layers]
    held = {method: np.concatenate([shard.index for shard in of_method]) for method, of_method in shards.items()}

    def of_whole(values: np.ndarray, models: np.ndarray) -> np.ndarray:
        """Return the rows of the models all of whose twins are finite."""
        return values[np.isin(models, whole)]

    points = {method: point for method, point in results.operating_points("agreement").items() if method in shards}
    settings = {method: results.zoo.methods[method] for method in shards}
    weights = {method: get_sparsifier(method).weights(settings[method]) for method in points}
    return Evidence(
        results,
        predictions[pd.Index(index).get_indexer(whole)],
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
                    for layer, pruned in pruned_weights(of_method, point, layers, settings[method]).items()
                }
                for value in ROWS[method]
                if (point := results.zoo.point(method, value)) is not None
            }
            for method, of_method in shards.items()
        },
    )


def training_mode_predictions(
    shards: Sequence[TwinShard], point: Point, originals: Originals, weights: GaussianNoise, zoo: str, data: ImageSet
) -> np.ndarray:
    """Predict classes of twins under one draw of their noise, `[models, samples]`, without dropout.

    Args:
        shards: the zoo's, in order.
        originals: these models, in any order.
        weights: of the method.
        zoo: its id, a part of the noise's key.

    Raises:
        InputError: if the shards have no weights of that epoch.
    """
    rows, names = {index: row for row, index in enumerate(originals.index)}, weights.start(originals.parameters)
    parts = []
    for shard in shards:
        twin, state = shard.twin(point.at), shard.weight_state(point.epoch)
        parameters = {name: shard.twins(name)[:, twin, state].clone() for name in names if name in shard.shapes}
        keys = torch.tensor([stream_key(zoo, model, "training mode") for model in shard.models], dtype=torch.int64)
        factors = [originals.factors[rows[index]] for index in shard.index]
        population = Population(originals.architecture, factors, keys, parameters, weights=weights)
        parts.append(noisy_predictions(population, data).numpy())
    return np.concatenate(parts)

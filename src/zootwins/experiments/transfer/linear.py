"""Linear transfer: a linear classifier on the activations of a network that stays as it is.

Features are extracted once, in evaluation, and no image is augmented, as in the reference's main variant. Nothing of
the network is written to; masks do not matter, since weights of 0 are weights of 0.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zootwins.catalogue.transfer import Linear
from zootwins.experiments.transfer.backbones import Backbones
from zootwins.experiments.transfer.schedules import class_accuracy, lr_factor, rows_of, transfer_keys
from zootwins.population import Engine, ImageData
from zootwins.population.features import layer_features
from zootwins.population.probe import exact_head, predicted_classes, regularised_loss, train_heads, with_ones

SGD, EXACT = "sgd", "exact"
_AT_ONCE = 1 << 27  # features held at a time
Features = dict[str, Tensor]  # of each split, `[models, candidates, samples, features + 1]`


def transfer_linear(
    engine: Engine,
    backbones: Backbones,
    data: ImageData,
    names: tuple[str, str],
    settings: Linear,
    lrs: Mapping[str, float],
) -> pd.DataFrame:
    """Train and test probes of every candidate, at every layer, by SGD and by the exact solver.

    Args:
        engine: what extracts the features.
        backbones: the candidates.
        data: the task.
        names: of zoo and task, for the random streams.
        settings: of linear transfer.
        lrs: SGD's learning rate at each layer.

    Returns:
        The rows of `rows_of` with layer, solver, restart (0 of the exact solver, which has none), epoch, lr,
        validation_accuracy, accuracy, class_accuracy (of the test images) and loss (what was minimised).
    """
    parts = []
    for layer in settings.layers:
        found: dict[tuple[str, int], list[dict[str, np.ndarray]]] = {}
        for models, features in _features(engine, backbones, data, layer):
            for solver, restart, heads in _heads(features, data, backbones.models[models], names, settings, layer, lrs):
                scores = _scores(features, data, heads, settings.weight_decay)
                found.setdefault((solver, restart), []).append(scores)
        for (solver, restart), scores in found.items():
            joined = {name: np.concatenate([each[name] for each in scores]) for name in scores[0]}
            trained = {"epoch": settings.epochs, "lr": lrs[layer]} if solver == SGD else {"epoch": 0, "lr": np.nan}
            rows = rows_of(backbones, layer=layer, solver=solver, restart=restart, **trained, **joined)
            parts.append(rows)
    return pd.concat(parts, ignore_index=True) if parts else rows_of(backbones)


def _features(engine: Engine, backbones: Backbones, data: ImageData, layer: str) -> Iterator[tuple[slice, Features]]:
    """The features of a few models at a time."""
    splits = {split: getattr(data, split) for split in ("train", "validation", "test")}
    width = next(each.activations for each in backbones.architecture.layers if each.name == layer) + 1
    numbers = len(backbones.candidates) * sum(map(len, splits.values())) * width
    at_once = max(1, _AT_ONCE // numbers)
    for first in range(0, len(backbones), at_once):
        models = slice(first, min(first + at_once, len(backbones)))
        population = backbones.population(models)
        grid = (models.stop - models.start, len(backbones.candidates))
        yield (
            models,
            {
                split: with_ones(layer_features(engine, population, images, layer)).unflatten(0, grid)
                for split, images in splits.items()
            },
        )


def _heads(
    features: Features,
    data: ImageData,
    models: list[str],
    names: tuple[str, str],
    settings: Linear,
    layer: str,
    lrs: Mapping[str, float],
) -> Iterator[tuple[str, int, Tensor]]:
    """Solver, restart and classifiers `[models, candidates, classes, features + 1]`."""
    train, labels = features["train"], data.train.labels
    schedule = [lrs[layer] * lr_factor(epoch, settings.epochs) for epoch in range(1, settings.epochs + 1)]
    rule = {name: getattr(settings, name) for name in ("batch_size", "momentum", "weight_decay")}
    for restart in range(settings.restarts):
        keys = transfer_keys(names[0], models, names[1], "linear", restart)
        yield SGD, restart, train_heads(train, labels, keys, schedule, **rule)
    if layer in settings.exact:
        heads = [exact_head(each, labels, settings.weight_decay) for each in train.flatten(0, 1)]
        yield EXACT, 0, torch.stack(heads).unflatten(0, train.shape[:2])


def _scores(features: Features, data: ImageData, heads: Tensor, weight_decay: float) -> dict[str, np.ndarray]:
    """What classifiers come to, each `[models, candidates]`."""
    predictions = {split: predicted_classes(features[split], heads).numpy() for split in ("validation", "test")}
    labels = {split: getattr(data, split).labels.numpy() for split in predictions}
    return {
        "validation_accuracy": (predictions["validation"] == labels["validation"]).mean(-1),
        "accuracy": (predictions["test"] == labels["test"]).mean(-1),
        "class_accuracy": class_accuracy(predictions["test"], labels["test"]),
        "loss": regularised_loss(features["train"], data.train.labels, heads, weight_decay).numpy(),
    }

"""Linear transfer: a linear classifier on the activations of a frozen network.

Features are extracted once, in evaluation, and no image is augmented, as in the reference's main variant. Nothing of
the network is written to; masks do not matter, since weights of 0 are weights of 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zootwins.analyses.status import COLLAPSED, status_of
from zootwins.architectures.architecture import Architecture
from zootwins.catalogue.transfer import HEAD_INPUTS, LAST, Linear
from zootwins.experiments.transfer.backbones import Backbones
from zootwins.experiments.transfer.schedules import class_accuracy, log_diverged, lr_factor, rows_of, transfer_keys
from zootwins.population import Engine, ImageData, ImageSet
from zootwins.population.batched_network import layer_features
from zootwins.population.probe import exact_head, predicted_classes, regularised_loss, train_heads, with_ones
from zootwins.run.errors import InputError

SGD, EXACT = "sgd", "exact"
SCORES = ("validation_accuracy", "accuracy", "class_accuracy", "loss")
_AT_ONCE = 1 << 27  # features held at a time, if those of a single network are no more
Features = dict[str, Tensor]  # of each split, `[models, candidates, samples, features + 1]`
Place = tuple[slice, slice]  # of models and of candidates


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
        validation_accuracy, accuracy, class_accuracy (of the test images), loss (what was minimised) and status
        (`zootwins.analyses.status`). Where the loss is not finite, or there is no exact optimum, all four numbers are
        NaN.
    """
    shape, parts = (len(backbones), len(backbones.candidates)), []
    for layer in settings.layers:
        layer_of(backbones.architecture, layer)  # what there is not is refused before anything is trained
    for layer in settings.layers:
        solved = [(SGD, restart) for restart in range(settings.restarts)]
        solved += [(EXACT, 0)] if layer in settings.exact else []
        found = {key: {name: np.full(shape, np.nan) for name in (*SCORES, COLLAPSED)} for key in solved}
        for place, features in _features(engine, backbones, data, layer):
            models = backbones.models[place[0]]
            for solver, restart, heads in _heads(features, data, models, names, settings, layer, lrs):
                for name, values in _scores(features, data, heads, settings.weight_decay).items():
                    found[solver, restart][name][place] = values
            del features  # before the next are extracted
        for (solver, restart), scores in found.items():
            finite = np.isfinite(scores["loss"])
            log_diverged(backbones, finite, f"finite loss in linear transfer from {layer} ({solver})")
            status = status_of(~finite, scores.pop(COLLAPSED) == 1)
            scores = {name: np.where(finite, values, np.nan) for name, values in scores.items()}
            trained = {"epoch": settings.epochs, "lr": lrs[layer]} if solver == SGD else {"epoch": 0, "lr": np.nan}
            parts.append(
                rows_of(backbones, layer=layer, solver=solver, restart=restart, **trained, **scores, status=status)
            )
    return pd.concat(parts, ignore_index=True)


def layer_of(architecture: Architecture, layer: str) -> str:
    """Return the name of a layer that the configuration calls by name or `last`.

    Raises:
        InputError: if the network has no such layer, or fc1 is not its last.
    """
    names = [each.name for each in architecture.layers[:-1]]
    if layer == LAST:
        return names[-1]
    if layer not in names or (layer in HEAD_INPUTS and layer != names[-1]):
        wrong = "is no layer" if layer not in names else "is not the layer before the head"
        raise InputError(
            f"transfer.linear.layers: {layer} {wrong} of {architecture.name} ({', '.join(names)}); call what the old "
            f"head sees {LAST}, and others by these names"
        )
    return layer


def _features(engine: Engine, backbones: Backbones, data: ImageData, layer: str) -> Iterator[tuple[Place, Features]]:
    """Compute the features of a few networks at a time."""
    splits = {split: getattr(data, split) for split in ("train", "validation", "test")}
    name = layer_of(backbones.architecture, layer)
    width = prod(backbones.architecture.layer_after(name).input_shape) + 1
    for place in _places(len(backbones), len(backbones.candidates), sum(map(len, splits.values())) * width):
        population = backbones.population(*place)
        grid = tuple(part.stop - part.start for part in place)
        yield (
            place,
            {
                split: with_ones(layer_features(engine, population, images, name)).unflatten(0, grid)
                for split, images in splits.items()
            },
        )


def _places(models: int, candidates: int, numbers: int) -> Iterator[Place]:
    """Group networks by what `_AT_ONCE` allows: of some models all candidates, or of one model some of them.

    Args:
        models: how many.
        candidates: how many of each.
        numbers: that are held of each.
    """
    at_once = max(1, _AT_ONCE // numbers)
    for some_models in _slices(models, max(1, at_once // candidates)):
        for some_candidates in _slices(candidates, at_once):
            yield some_models, some_candidates


def _slices(count: int, at_once: int) -> Iterator[slice]:
    for first in range(0, count, at_once):
        yield slice(first, min(first + at_once, count))


def _heads(
    features: Features,
    data: ImageData,
    models: Sequence[str],
    names: tuple[str, str],
    settings: Linear,
    layer: str,
    lrs: Mapping[str, float],
) -> Iterator[tuple[str, int, Tensor]]:
    """Return solver, restart and classifiers `[models, candidates, classes, features + 1]`."""
    train, labels = features["train"], data.train.labels
    schedule = [lrs[layer] * lr_factor(epoch, settings.epochs) for epoch in range(1, settings.epochs + 1)]
    rule = {name: getattr(settings, name) for name in ("batch_size", "momentum", "weight_decay")}
    for restart in range(settings.restarts):
        keys = transfer_keys(names[0], models, names[1], "linear", restart)
        yield SGD, restart, train_heads(train, labels, keys, schedule, classes=data.train.classes, **rule)
    if layer in settings.exact:
        heads = [_exact_or_nan(each, data.train, settings.weight_decay) for each in train.flatten(0, 1)]
        yield EXACT, 0, torch.stack(heads).unflatten(0, train.shape[:2])


def _exact_or_nan(features: Tensor, data: ImageSet, weight_decay: float) -> Tensor:
    """Return `exact_head`, or NaN where it is not found, so that one network does not end the others."""
    try:
        return exact_head(features, data.labels, weight_decay, data.classes)
    except ArithmeticError:
        return features.new_full((data.classes, features.shape[-1]), torch.nan, dtype=torch.float64)


def _scores(features: Features, data: ImageData, heads: Tensor, weight_decay: float) -> dict[str, np.ndarray]:
    """Score classifiers: `SCORES` and whether they collapsed, each `[models, candidates]`."""
    predictions = {split: predicted_classes(features[split], heads).numpy() for split in ("validation", "test")}
    labels = {split: getattr(data, split).labels.numpy() for split in predictions}
    return {
        "validation_accuracy": (predictions["validation"] == labels["validation"]).mean(-1),
        "accuracy": (predictions["test"] == labels["test"]).mean(-1),
        "class_accuracy": class_accuracy(predictions["test"], labels["test"]),
        COLLAPSED: (predictions["test"] == predictions["test"][..., :1]).all(-1),
        "loss": regularised_loss(features["train"], data.train.labels, heads, weight_decay).numpy(),
    }

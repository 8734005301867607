"""Results of methods whose accuracies are written down: what tests of the tables of many methods share."""

from collections.abc import Mapping, Sequence

import pandas as pd

from synthetic import make_models, make_zoo
from zootwins.analyses.results import ZooResults
from zootwins.sparsifiers import gradual_pruning, l0_regularization, random_pruning, scratch
from zootwins.sparsifiers.base import Settings

EPOCHS = 3
LAYERS = {"conv1": 200, "fc2": 600}


def pruning_settings(kind=gradual_pruning, percents: Sequence[float] = (50, 90), ends=(1,), **more) -> Settings:
    """Of gmp or, with `random_pruning`, of rp."""
    return kind.Settings(sparsities=percents, epochs=EPOCHS, begin=0, ends=ends, **more)


SETTINGS = {
    "gmp": pruning_settings(),
    "rp": pruning_settings(random_pruning),
    "l0": l0_regularization.Settings(penalties=(1, 10, 100), epochs=EPOCHS, ramp=0),
}


def pruned(accuracies: Mapping[float, Sequence[float]], validation: Mapping[float, Sequence[float]] | None = None):
    """Scores of gmp or rp at its operating points: by requested sparsity, each model's accuracy; at the last epoch."""
    twins = {ratio: (100 * ratio, [ratio] * len(a), a) for ratio, a in accuracies.items()}
    return _scores("ratio", twins, validation).assign(end=1.0, distribution=0.0)


def beside(scores: pd.DataFrame, change: Sequence[float] | float, **place: float) -> pd.DataFrame:
    """Scores with twins at another place on the axes too, whose accuracies differ by so much for each model."""
    others = scores.assign(point=float("nan"), **place)
    gains = change if isinstance(change, float) else others["index"].map(dict(enumerate(change)))
    return pd.concat([scores, others.assign(test_accuracy=others["test_accuracy"] + gains)], ignore_index=True)


def penalised(twins: Mapping[float, tuple[Sequence[float], Sequence[float]]], validation=None) -> pd.DataFrame:
    """Scores of L0: by penalty, each model's sparsity and accuracy."""
    return _scores("penalty", {penalty: (penalty, *both) for penalty, both in twins.items()}, validation)


def _scores(axis: str, twins: Mapping[float, tuple], validation: Mapping[float, Sequence[float]] | None):
    parts = [
        pd.DataFrame(
            {
                "index": range(len(accuracy)),
                axis: value,
                "epoch": EPOCHS,
                "point": float(point),
                "sparsity": sparsity,
                "test_accuracy": accuracy,
                "validation_accuracy": accuracy if validation is None else validation[value],
            }
        )
        for value, (point, sparsity, accuracy) in twins.items()
    ]
    return pd.concat(parts, ignore_index=True)


def layers_of(scores: pd.DataFrame, factors: Mapping[str, float]) -> pd.DataFrame:
    """The layers of scores: each one's sparsity is the network's times a factor."""
    parts = [
        scores.assign(layer=layer, sparsity=scores["sparsity"] * factor, weights=LAYERS[layer])
        for layer, factor in factors.items()
    ]
    return pd.concat(parts, ignore_index=True)


def agreement_of(scores: pd.DataFrame, constant: Sequence[bool]) -> pd.DataFrame:
    """The agreement table of scores; `constant` by model."""
    return scores.assign(agreement=1.0, constant=[constant[index] for index in scores["index"]])


def made(tables: Mapping[str, pd.DataFrame], original: Sequence[float], **changes) -> ZooResults:
    """A zoo's results by the methods that the tables' names begin with; `original`: accuracies of the dense models."""
    methods = {name.split("/")[0]: None for name in tables if "/" in name}
    settings = {method: changes.pop(method, None) or SETTINGS[method] for method in methods}
    models = make_models(len(original)).assign(test_accuracy=original, **changes)
    return ZooResults(make_zoo(methods=settings, models=len(original)), models, tables)


def retrained(accuracies: Mapping[tuple[float, int], Sequence[float]], inits: bool = False) -> pd.DataFrame:
    """Scores of a retraining method: by ratio and epoch (or ratio, epoch and sparse_init), each model's accuracy."""
    parts = []
    for key, accuracy in accuracies.items():
        rows = pd.DataFrame({"index": range(len(accuracy)), "ratio": key[0], "epoch": key[1]})
        if inits:
            rows["sparse_init"] = float(key[2])
        last = key[1] == RETRAINED.epochs and (not inits or key[2] == 0)
        rows["point"] = 100 * key[0] if last else float("nan")
        parts.append(rows.assign(sparsity=key[0], test_accuracy=accuracy, validation_accuracy=accuracy))
    return pd.concat(parts, ignore_index=True)


RETRAINED = scratch.Settings(sparsities=(50,), epochs=4, pruning_epochs=1, masks="gmp")

"""Results of transfer, one row per model and network: the view that tables, findings and figures share.

Every network is set beside its own model's control: the twin that magnitude pruning trained without pruning it, for as
many epochs as its other twins (other methods may train longer), or the original where a zoo has none.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from zootwins.analyses.results import ZooResults
from zootwins.catalogue.candidates import KINDS, MASKS_OF, ORIGINAL
from zootwins.catalogue.transfer import HEAD_INPUTS
from zootwins.sparsifiers.registry import get_sparsifier

PLACE = ["task", "mode", "layer", "solver"]  # where and how
NETWORK = ["method", "point"]
# The layers and the solver that claims are about.
MAIN = {"linear": {(layer, "sgd") for layer in HEAD_INPUTS}, "full": {("all", "sgd")}}


def outcomes(results: ZooResults) -> pd.DataFrame:
    """Return one row per place (`PLACE`), network (`NETWORK`) and model, after the last epoch, means over the restarts.

    Columns: those of `PLACE` and `NETWORK`, index, accuracy and class_accuracy on test images, upstream_accuracy,
    sparsity, lr, restarts, restart_std (of the accuracy), control and control_upstream (the accuracies of
    the model's control), and change and change_upstream (those of the network less these). Fractions. Networks without
    an accuracy (there may be no exact optimum), or whose control has none, are left out.
    """
    rows = results.tables["transfer"].fillna({"layer": "all", "solver": "sgd"})
    rows = rows[(rows["mode"] != "full") | (rows["epoch"] == rows.loc[rows["mode"] == "full", "epoch"].max())]
    same = rows.groupby([*PLACE, *NETWORK, "index"], sort=False)
    table = same[["accuracy", "class_accuracy", "upstream_accuracy", "sparsity", "lr"]].mean().reset_index()
    deviation, counts = same["accuracy"].std().to_numpy(), same.size().to_numpy()
    table = table.assign(restarts=counts, restart_std=deviation)
    dense = (MASKS_OF, 0.0) if (table["method"] == MASKS_OF).any() else (ORIGINAL, 0.0)
    table["is_control"] = (table["method"] == dense[0]) & (table["point"] == dense[1])
    controls = table.loc[table["is_control"], [*PLACE, "index", "accuracy", "upstream_accuracy"]]
    controls = controls.rename(columns={"accuracy": "control", "upstream_accuracy": "control_upstream"})
    table = table.merge(controls, on=[*PLACE, "index"], how="left").dropna(subset=["accuracy", "control"])
    return table.assign(
        change=table["accuracy"] - table["control"],
        change_upstream=table["upstream_accuracy"] - table["control_upstream"],
    )


def main_outcomes(results: ZooResults) -> pd.DataFrame:
    """Return those of linear transfer from the last features by SGD, and of full transfer."""
    table = outcomes(results)
    places = zip(table["layer"], table["solver"], table["mode"], strict=True)
    return table[np.array([(layer, solver) in MAIN[mode] for layer, solver, mode in places], dtype=bool)]


def networks(table: pd.DataFrame) -> Iterator[tuple[tuple, pd.DataFrame]]:
    """Group rows of `outcomes` by place and network, `(task, mode, layer, solver, method, point)`."""
    for key, part in table.groupby([*PLACE, *NETWORK], sort=False):
        yield key, part.set_index("index").sort_index()


def method_name(method: str) -> str:
    """Return the short name of a method or kind of network."""
    return KINDS[method] if method in KINDS else get_sparsifier(method).short


def point_name(method: str, point: float) -> str:
    """Return a value of a method's sweep parameter as text; `–` where there is none."""
    if method in KINDS and not point:
        return "–"
    return get_sparsifier(MASKS_OF if method in KINDS else method).sweep.form.format(point)


def error_increase(accuracy: np.ndarray, control: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return (error − error of the controls) / error of the controls, errors being means over the models."""
    error, dense = 1 - accuracy.mean(axis), 1 - control.mean(axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (error - dense) / dense

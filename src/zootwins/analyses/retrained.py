"""Twins that retrain the masks of others, and the pruning that the masks are of.

Budgets are states of one run (`zootwins.sparsifiers.retraining`): E, as many epochs as the original had; matched, as
many as original and pruning together; B, twice as many as the original.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from zootwins.analyses.pairing import at_sparsity
from zootwins.analyses.results import ZooResults
from zootwins.sparsifiers import retraining
from zootwins.sparsifiers.registry import get_sparsifier

BUDGETS = ("E", "matched", "B")
INITS = {0: "plain", 1: "sparse"}  # values of the axis sparse_init


@dataclass(frozen=True)
class Arm:
    """Twins of one retraining: a method, a budget, and how their initial weights were scaled."""

    method: str
    budget: str
    init: str = INITS[0]


def retraining_methods(results: ZooResults) -> dict[str, retraining.Settings]:
    """Return the settings of the methods of a zoo that retrain masks, by id."""
    methods = results.zoo.methods.items()
    return {method: settings for method, settings in methods if isinstance(settings, retraining.Settings)}


def pruning_methods(results: ZooResults) -> list[str]:
    """Return the other methods of a zoo: those that choose what they prune."""
    return [method for method in results.zoo.methods if method not in retraining_methods(results)]


def arms(results: ZooResults) -> list[Arm]:
    """Return all retrainings of a zoo."""
    found = []
    for method in retraining_methods(results):
        inits = results.tables[f"{method}/scores"].get("sparse_init", pd.Series([0.0])).unique()
        found += [Arm(method, budget, INITS[int(init)]) for budget, init in product(BUDGETS, sorted(inits))]
    return found


def arm_accuracy(results: ZooResults, arm: Arm, ratio: float) -> pd.Series:
    """Test accuracies of an arm's twins at a requested sparsity, by index; empty if the arm is not there."""
    settings = retraining_methods(results).get(arm.method)
    if settings is None:
        return pd.Series(dtype=float)
    rows = results.tables[f"{arm.method}/scores"]
    epoch = dict(zip(BUDGETS, settings.budgets, strict=True))[arm.budget]
    chosen = (rows["epoch"] == epoch) & np.isclose(rows["ratio"], ratio)
    if "sparse_init" in rows:
        chosen &= rows["sparse_init"].map(INITS) == arm.init
    return rows[chosen].set_index("index")["test_accuracy"]


def pruned_accuracy(results: ZooResults, method: str, ratio: float) -> pd.Series:
    """Test accuracies of the twins that masks were taken from, or of others of a requested sparsity, by index."""
    if method not in results.zoo.methods:
        return pd.Series(dtype=float)
    return at_sparsity(results.curve(method), [ratio])[ratio]


def accuracy_of(results: ZooResults, side: Arm | str, ratio: float) -> pd.Series:
    """Test accuracies of an arm's twins, or of a method's, at a requested sparsity, by index."""
    return arm_accuracy(results, side, ratio) if isinstance(side, Arm) else pruned_accuracy(results, side, ratio)


def label(side: Arm | str) -> str:
    """Return the name of an arm or a method in tables: `Scratch-B, sparse init`."""
    if isinstance(side, str):
        return get_sparsifier(side).short
    init = "" if side.init == INITS[0] else f", {side.init} init"
    return f"{get_sparsifier(side.method).short}-{side.budget}{init}"

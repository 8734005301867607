"""Can what pruning finds be trained from scratch? Pruned models against the same masks retrained, model by model.

Budgets are states of one run (`zootwins.sparsifiers.retraining`): E, as many epochs as the original had; matched, as
many as original and pruning together; B, twice as many as the original.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.cells import lines, shorts, texts, value_interval
from zootwins.analyses.correlation import kendall
from zootwins.analyses.pairing import at_sparsity, wilcoxon
from zootwins.analyses.results import ZooResults
from zootwins.analyses.state_of_sparsity import DENSE, published_score
from zootwins.analyses.tables import summary
from zootwins.sparsifiers import retraining
from zootwins.zoos.sources import FACTORS

BUDGETS = ("E", "matched", "B")
INITS = {0: "plain", 1: "sparse"}  # values of the axis sparse_init


@dataclass(frozen=True)
class Arm:
    """Twins of one retraining: a method, a budget, and how their initial weights were scaled."""

    method: str
    budget: str
    init: str = INITS[0]


def retraining_methods(results: ZooResults) -> dict[str, retraining.Settings]:
    """The settings of the methods of a zoo that retrain masks, by id."""
    return {
        method: settings for method, settings in results.zoo.methods.items() if isinstance(settings, retraining.Settings)
    }


def arms(results: ZooResults) -> list[Arm]:
    """All retrainings of a zoo."""
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


def scratch_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Mean paired difference in points, pruned less retrained, one row a zoo, retraining, budget and sparsity.

    Sparsity 0: the fine-tuned control less a dense network that is trained again.
    """
    rows = []
    for results in zoos:
        settings = retraining_methods(results)
        for arm in arms(results):
            masks = settings[arm.method].masks
            for ratio in settings[arm.method].ratios:
                difference = pruned_accuracy(results, masks, ratio) - arm_accuracy(results, arm, ratio)
                row = {"zoo": results.zoo.id, "pruned": masks, **vars(arm), "sparsity": 100 * ratio}
                row |= _difference(difference) | {
                    network: published_score(network, masks, ratio) - published_score(network, arm.method, ratio, budget)
                    for network in DENSE
                    for budget in [arm.budget]
                    if arm.init == INITS[0]
                }
                rows.append(row)
    columns = ["zoo", "pruned", "method", "budget", "init", "sparsity", "mean", "std", "models", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "better", "p", *DENSE])

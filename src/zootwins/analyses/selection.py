"""Choice of settings on pilot models' validation images; results are those of the others' test images.

Pilots are a quarter of a zoo's models with twins, rounded up, at most 16: those whose keys, made of zoo and index, are
lowest. They are the same for every method, table and figure, and do not depend on how a zoo is sorted.
"""

from math import ceil

import pandas as pd

from zootwins.analyses.pairing import TOLERANCE
from zootwins.analyses.results import ZooResults
from zootwins.run.keys import sample_by_key
from zootwins.sparsifiers.base import Point

PILOT_SHARE = 0.25
MOST_PILOTS = 16


def pilots(results: ZooResults) -> list[int]:
    """Return the indices of a zoo's pilot models, in order."""
    index = results.originals.index.tolist()
    count = min(MOST_PILOTS, ceil(PILOT_SHARE * len(index)))
    return sample_by_key(index, count, results.zoo.id, "pilot")


def others(rows: pd.DataFrame, results: ZooResults) -> pd.DataFrame:
    """Return the rows of models that are no pilots, with the models as their index."""
    return rows[~rows.index.isin(pilots(results))]


def means_of_pilots(rows: pd.DataFrame, worth: list[str]) -> pd.DataFrame:
    """Return means over pilots by `point`: of sparsity, and of scores, in which a pilot without twin counts as 0.

    Args:
        rows: of the pilots' twins, those that diverged being missing.
        worth: columns of what is good to be large.
    """
    of_point = rows.groupby("point")
    present = of_point["index"].nunique() / rows["index"].nunique()
    means = of_point[["sparsity", *worth]].mean()
    return means.assign(**{name: means[name] * present for name in worth})


def chosen_point(results: ZooResults, method: str, sparsity: float) -> Point | None:
    """Return the operating point with the best pilot accuracy of those that are at least as sparse in the mean.

    Accuracy is that on validation images; a pilot whose twin at a point diverged has none there. None if no point is as
    sparse.
    """
    rows = results.curve(method)
    means = means_of_pilots(rows[rows["index"].isin(pilots(results))], ["validation_accuracy"])
    reached = means.loc[means["sparsity"] >= sparsity - TOLERANCE, "validation_accuracy"].dropna()
    return None if reached.empty else results.zoo.point(method, reached.idxmax())

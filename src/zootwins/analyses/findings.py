"""Findings: statements on one number each, which hold, do not hold, or are inconclusive.

A finding states on which side of a bound a statistic lies. It holds where the whole 95 % bootstrap interval does
(models are drawn), does not hold where the whole interval is on the other side, and is inconclusive otherwise. Verdicts
are not corrected for their number: of many findings without an effect, one in twenty has its interval beside the bound.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from zootwins.analyses.cells import texts, value_interval
from zootwins.analyses.intervals import LEAST, mean_interval

HOLDS, FAILS, OPEN = "holds", "does not hold", "inconclusive"


@dataclass(frozen=True)
class Finding:
    """A statement on one zoo; `above` says on which side of the bound the statistic has to lie."""

    method: str
    finding: str
    statistic: str
    value: float
    low: float
    high: float
    bound: float
    models: int
    above: bool = True

    @property
    def verdict(self) -> str:
        if self.low > self.bound:
            return HOLDS if self.above else FAILS
        if self.high < self.bound:
            return FAILS if self.above else HOLDS
        return OPEN  # NaN included


def mean_finding(
    method: str, finding: str, statistic: str, values: np.ndarray, bound: float = 0.0, *, above: bool = True
) -> Finding:
    """Test whether the mean of `[models]` is above a bound, or below; models without a value are left out.

    Where some are on the bound and too few beside it for a verdict, there is no interval.
    """
    values = values[~np.isnan(values)]
    mean = values.mean() if len(values) else np.nan
    beside = values != bound
    bounds = mean_interval(values) if beside.all() or beside.sum() >= LEAST else (np.nan, np.nan)
    return Finding(method, finding, statistic, mean, *bounds, bound, len(values), above)


def verdict_texts(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the columns that all tables of findings end with, as text."""
    return {
        "Statistic": texts(table["statistic"]),
        "n": texts(table["models"], "{:.0f}"),
        "Value": value_interval(table["value"], table["low"], table["high"], "{:.2f}"),
        "Bound": texts(table["bound"], "{:g}"),
        "Verdict": texts(table["verdict"]),
    }

"""The leaderboard: every baseline on every task, with intervals over splits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, numbers, texts, value_interval
from zootwins.analyses.intervals import split_interval
from zootwins.analyses.results import ZooResults
from zootwins.publishing.splits import SPLITS as SHARES
from zootwins.run.errors import InputError

if TYPE_CHECKING:
    from zootwins.publishing.loading import PublishedZoo

log = logging.getLogger(__name__)

SPLITS = 5  # the frozen one and four others
COLUMNS = [
    "task",
    "baseline",
    "metric",
    "frozen_split",
    "mean",
    "low",
    "high",
    "ceiling",
    "splits",
    "items",
    "originals",
]
CEILING = "_ceiling"  # ends the name of a metric that says how high another can be


def score_baselines(zoo: PublishedZoo, splits: int = SPLITS) -> pd.DataFrame:
    """Score all baselines on all tasks of a zoo.

    Returns:
        One row per task, baseline, metric and split (0 is the frozen one): task, baseline, metric, split, value, items
        (number of test items), originals (number of test originals).

    Raises:
        InputError: if the zoo is too small for a task.
    """
    from zootwins.benchmark.baselines import BASELINES, predict
    from zootwins.benchmark.tasks import TASKS, evaluate, get_task

    rows = []
    for name in TASKS:
        for split in range(splits):
            task = get_task(name, zoo, split)
            tested = zoo.index["original"].to_numpy()[task.inputs[task.test]]
            numbers = {"split": split, "items": len(task.test), "originals": len(np.unique(tested))}
            for baseline in BASELINES[name]:
                try:
                    scores = evaluate(task, predict(task, baseline))
                except InputError as error:
                    log.warning("%s by %s, split %d: left out (%s)", name, baseline, split, error)
                    continue
                rows += [
                    {"task": name, "baseline": baseline, "metric": metric, "value": value, **numbers}
                    for metric, value in scores.items()
                ]
    return pd.DataFrame(rows)


def leaderboard(scores: pd.DataFrame) -> pd.DataFrame:
    """Summarise scores over the splits.

    Args:
        scores: of `score_baselines`.

    Returns:
        One row per task, baseline and metric: the frozen split's value, the mean over splits and its 95 % interval
        (`split_interval`, since splits share originals), splits with a defined value, the ceiling that ties between
        targets impose on the frozen split, its test items and originals.
    """
    rows = []
    ceilings = scores["metric"].str.endswith(CEILING)
    ceiling = scores[ceilings & (scores["split"] == 0)].drop_duplicates(["task", "metric"])
    ceiling = ceiling.set_index(["task", "metric"])["value"]
    for keys, part in scores[~ceilings].groupby(["task", "baseline", "metric"], sort=False):
        values = part["value"].dropna().to_numpy()
        frozen = part[part["split"] == 0]  # none where the baseline was left out there
        sizes = (part if frozen.empty else frozen).iloc[0]
        low, high = split_interval(values, SHARES["test"] / SHARES["train"])
        rows.append(
            dict(zip(("task", "baseline", "metric"), keys, strict=True))
            | {
                "frozen_split": np.nan if frozen.empty else frozen["value"].iloc[0],
                "mean": values.mean() if len(values) else np.nan,
                "low": low,
                "high": high,
            }
            | {"ceiling": ceiling.get((keys[0], keys[2] + CEILING), np.nan)}
            | {"splits": len(values), "items": int(sizes["items"]), "originals": int(sizes["originals"])}
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def leaderboard_table(results: Sequence[ZooResults]) -> pd.DataFrame:
    """Stack the leaderboards of zoos; see `leaderboard`."""
    tables = [leaderboard(one.tables["benchmark"]) for one in results]
    for one, table in zip(results, tables, strict=True):
        table.insert(0, "zoo", one.zoo.id)
    return pd.concat(tables, ignore_index=True)


def arrange_leaderboard(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange a line per zoo, task, baseline and metric."""
    cells = {
        "Frozen split": texts(table["frozen_split"], "{:.3f}"),
        "Mean over splits": value_interval(table["mean"], table["low"], table["high"], "{:.3f}"),
        "Ceiling": texts(table["ceiling"], "{:.3f}"),
        "Splits": numbers(table["splits"]),
        "Test networks": numbers(table["items"]),
        "Test originals": numbers(table["originals"]),
    }
    keys = {"Zoo": "zoo", "Task": "task", "Baseline": "baseline", "Metric": "metric"}
    return lines({heading: table[column] for heading, column in keys.items()}, cells)

"""The zoos with soups, without the models that there is nothing to be told of."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from zootwins.analyses.results import ZooResults
from zootwins.catalogue.soups import SEED
from zootwins.experiments.soups.gains import CELL
from zootwins.experiments.soups.pairs import PARTS

FIRST = {"member": 1}  # the part that the others of its mixture are paired with


def with_soups(zoos: Sequence[ZooResults]) -> list[ZooResults]:
    """The zoos that there are soups of, in their tables the models alone that tell classes apart, and pairs of such."""
    told = [_without(results) for results in zoos if "soups" in results.tables]
    return [results for results in told if len(results.tables["soups"])]


def non_collapsed(soups: pd.DataFrame) -> set[int]:
    """The models of which a network of the first phase tells classes apart, by index.

    Of a model that puts all images into one class whatever is made is as good, and no gain of it says anything.
    """
    first = soups[(soups["phase"] == 1) & (soups["variant"] == SEED)]
    return set(first.loc[~first["collapsed"], "index"])


def _without(results: ZooResults) -> ZooResults:
    soups = results.tables["soups"]
    told = non_collapsed(soups)
    tables = {
        name: table[table["index"].isin(told)] if "index" in table else table for name, table in results.tables.items()
    }
    if "soup_pairs" in tables:
        tables["soup_pairs"] = tables["soup_pairs"][_both_tell(tables["soup_pairs"], soups)]
    return replace(results, tables=tables)


def _both_tell(pairs: pd.DataFrame, soups: pd.DataFrame) -> np.ndarray:
    """Whether both parts of each pair tell classes apart; of strangers the second is another model's."""
    keys = [*CELL, "kind", "index", "member"]
    parts = soups[soups["arm"].isin(PARTS)]
    parts = parts.assign(kind=parts["arm"].map(PARTS))[[*keys, "collapsed"]]
    second, first = (pairs[keys].assign(**of).merge(parts, how="left", on=keys)["collapsed"] for of in ({}, FIRST))
    return ~(second.to_numpy(dtype=bool) | first.to_numpy(dtype=bool))

"""Tables of soups while pruning trains: gains, barriers between copies, and statements; percent and points."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, shorts, texts, value_interval
from zootwins.analyses.findings import mean_finding
from zootwins.analyses.results import ZooResults
from zootwins.experiments.soups.gains import more, percent
from zootwins.experiments.soups.soup_tables import BARRIER, GAIN, barrier_cells, barrier_of, gain_cells, paired

CELL = ["method", "members", "goal"]
NAMES = {
    "single": "the method alone",
    "restarted": "the same, its optimiser restarted",
    "long": "the method, m times as long",
    "mean_member": "mean copy",
    "best_member": "best copy",
    "ensemble": "ensemble of the copies",
}
STATEMENTS = {
    "single": "soups while {} trains are better than {} alone",
    "restarted": "soups while {} trains are better than {} whose optimiser restarts with them",
    "long": "soups while {} trains are better than {} trained m times as long",
    "mean_member": "the last average of soups while {} trains is better than its mean copy",
}
FINDING = ["zoo", *CELL, "finding", "statistic", "value", "low", "high", "bound", "models", "verdict"]


def accuracies(results: ZooResults) -> pd.DataFrame:
    """Test accuracy, a row per model and cell (`CELL`, index), a column per arm.

    A model that every network of a cell puts all images into one class for is left out of that cell.
    """
    table = results.tables["pruning_soups"]
    keys = [*CELL, "index"]
    wide = table.pivot_table(index=keys, columns="arm", values="test_accuracy", aggfunc="mean")
    collapsed = table.groupby(keys)["collapsed"].all()
    return wide[~collapsed.reindex(wide.index).to_numpy(dtype=bool)]


def gains(results: ZooResults) -> pd.DataFrame:
    """Subtract what soups are compared with from the soups: `CELL`, index, against, value (of the soup), gain."""
    wide = accuracies(results)
    parts = [
        pd.DataFrame({"against": other, "value": wide["soup"], "gain": more(wide["soup"], wide[other])})
        for other in NAMES
        if {other, "soup"} <= set(wide)
    ]
    columns = [*CELL, "index", "against", "value", "gain"]
    return pd.concat(parts).dropna(subset="gain").reset_index() if parts else pd.DataFrame(columns=columns)


def gain_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Summarise what soups gain, by zoo, method, members, goal and what they are compared with."""
    keys, rows = [*CELL, "against"], []
    for results in zoos:
        sparsity = results.tables["pruning_soups"].query("arm == 'soup'").groupby(CELL)["sparsity"].mean()
        for key, part in gains(results).groupby(keys, sort=False):
            row = {"zoo": results.zoo.id} | dict(zip(keys, key, strict=True))
            row |= {"sparsity": 100 * sparsity[key[:3]], "accuracy": 100 * part["value"].mean()}
            rows.append(row | paired(part["gain"]))
    return _in_percent(pd.DataFrame(rows, columns=["zoo", *keys, "sparsity", "accuracy", *GAIN]))


def barrier_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Summarise distance, agreement and barrier of the copies before the last average, mean over a model's pairs."""
    rows = []
    for results in zoos:
        pairs = results.tables["pruning_soup_pairs"].groupby([*CELL, "index"], sort=False).mean(numeric_only=True)
        models = pairs[pairs.index.isin(accuracies(results).index)].reset_index()
        for key, part in models.groupby(CELL, sort=False):
            row = {"zoo": results.zoo.id} | dict(zip(CELL, key, strict=True)) | {"models": len(part)}
            row |= {"distance": part["distance"].mean(), "agreement": 100 * part["agreement"].mean()}
            rows.append(row | barrier_of(part))
    return _in_percent(pd.DataFrame(rows, columns=["zoo", *CELL, "models", "distance", "agreement", *BARRIER]))


def findings_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Test every statement on every zoo, method and goal that it applies to."""
    return _in_percent(pd.DataFrame([row for results in zoos for row in _findings(results)], columns=FINDING))


def _findings(results: ZooResults) -> Iterator[dict[str, object]]:
    table = gains(results)
    for key, part in table.groupby(CELL, sort=False):
        name = shorts(pd.Series([key[0]])).iloc[0]
        for against, statement in STATEMENTS.items():
            values = 100 * part.loc[part["against"] == against].sort_values("index")["gain"].to_numpy(dtype=np.float64)
            text, statistic = statement.format(name, name), "accuracy, soup less other, points"
            finding = mean_finding(key[0], text, statistic, values)
            yield {
                "zoo": results.zoo.id,
                "verdict": finding.verdict,
                **vars(finding),
                **dict(zip(CELL, key, strict=True)),
            }


def _in_percent(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(goal=[percent(goal) for goal in table["goal"]])


def _keys(table: pd.DataFrame) -> dict[str, pd.Series]:
    return {"Zoo": table["zoo"], "Method": shorts(table["method"]), "m": table["members"], "Goal, %": table["goal"]}


def arrange_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange a line per zoo, method, goal and comparison."""
    against = {"Against": table["against"].replace(NAMES)}
    return lines(_keys(table) | against, {"Soup": texts(table["accuracy"], "{:.1f}"), **gain_cells(table)})


def arrange_barriers(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange a line per zoo, method and goal."""
    cells = {
        "n": texts(table["models"]),
        "Distance": texts(table["distance"], "{:.2f}"),
        "Agreement": texts(table["agreement"], "{:.1f}"),
        **barrier_cells(table),
    }
    return lines(_keys(table), cells)


def arrange_findings(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange a line per zoo, method, goal and statement."""
    cells = {
        "Statistic": texts(table["statistic"]),
        "n": texts(table["models"]),
        "Value": value_interval(table["value"], table["low"], table["high"], "{:.2f}"),
        "Verdict": texts(table["verdict"]),
    }
    return lines(_keys(table) | {"Finding": table["finding"]}, cells)

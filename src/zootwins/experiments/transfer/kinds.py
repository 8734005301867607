"""Does the kind of pruning decide between linear probing and full fine-tuning? A table, and claims of the paper.

The kinds are the paper's five; its authors count AC/DC and RigL among regularisation when they summarise, here AC/DC is
progressive and RigL regrowth. Networks are compared with their models' dense controls at the same share of pruned
weights below the head. Methods that are pruned to a sparsity have twins there; of those that sweep something else each
model's curve is interpolated at the mean sparsity of its other twins.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.cells import lines, texts, value_interval
from zootwins.analyses.findings import Finding, mean_finding
from zootwins.analyses.pairing import interpolated
from zootwins.analyses.paper_tables import summary
from zootwins.analyses.results import ZooResults
from zootwins.analyses.statistics import wilcoxon
from zootwins.experiments.transfer.outcomes import main_outcomes, method_name
from zootwins.sparsifiers.registry import get_sparsifier, is_known, of_section

KINDS = {
    "progressive": ("gmp", "acdc"),
    "second order": ("woodfisher", "obc"),
    "regrowth": ("rigl", "set"),
    "regularisation": ("str", "vd", "l0"),
    "lottery tickets": ("imp", "lottery"),
}
# How the paper's raw results rank linear against full transfer: which of the two is each kind relatively better in?
BETTER_IN_LINEAR = {
    "progressive": True,
    "second order": False,
    "regrowth": True,
    "regularisation": True,
    "lottery tickets": False,
}
EXCESS = "linear − full"
CELL = ["task", "goal", "kind", "method"]
_MEAN = ["mean", "std", "models", "low", "high"]
_COLUMNS = ["zoo", *CELL, "mode", "sparsity", *_MEAN, "better", "p", "kinds_w", "kinds_p"]


def kind_of(method: str) -> str | None:
    """Return the kind of a method, or of the sparsifier of a named twin; None if it is of none."""
    if not is_known(method):
        return None
    sparsifier = of_section(get_sparsifier(method).section).id
    return next((kind for kind, methods in KINDS.items() if sparsifier in methods), None)


def changes(results: ZooResults) -> pd.DataFrame:
    """Return what each network changes over its control: `CELL`, mode, index, sparsity, change; fractions.

    Goals are percent; a third mode, `EXCESS`, has the change in linear transfer less that in full transfer.
    """
    rows = main_outcomes(results)
    rows = rows.assign(kind=rows["method"].map(kind_of)).dropna(subset="kind")
    rows = rows[(rows["point"] > 0) & ~rows["is_control"]]
    pruned = np.array([get_sparsifier(one).sweep.name == "sparsity" for one in rows["method"]], dtype=bool)
    columns = [*CELL, "mode", "index", "sparsity", "change"]
    fixed = rows[pruned].rename(columns={"point": "goal"})[columns]
    wanted = fixed.groupby(["task", "mode", "goal", "index"])["sparsity"].mean().reset_index()
    both = pd.concat([fixed, *_interpolated(rows[~pruned], wanted)], ignore_index=True)
    wide = both.pivot_table(index=[*CELL, "index"], columns="mode", values=["change", "sparsity"])
    if not {("change", "linear"), ("change", "full")} <= set(wide):
        return both
    excess = wide["change", "linear"] - wide["change", "full"]
    frame = pd.DataFrame({"change": excess, "sparsity": wide["sparsity"].mean(axis=1)}).dropna()
    return pd.concat([both, frame.reset_index().assign(mode=EXCESS)[columns]], ignore_index=True)


def _interpolated(rows: pd.DataFrame, wanted: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the changes of methods that sweep something else, at each model's wanted sparsity."""
    for (task, mode, kind, method), part in rows.groupby(["task", "mode", "kind", "method"]):
        ordered = part.sort_values("point").groupby("index")
        curves = {index: one[["sparsity", "change"]].to_numpy().T for index, one in ordered}
        at = wanted[(wanted["task"] == task) & (wanted["mode"] == mode) & wanted["index"].isin(curves)]
        places = zip(at["index"], at["sparsity"], strict=True)
        found = [interpolated(*curves[index], [sparsity])[0] for index, sparsity in places]
        yield at.assign(kind=kind, method=method, change=found).dropna(subset="change")


def agreement(table: pd.DataFrame) -> tuple[float, float]:
    """Return Kendall's W of the models on the order of the kinds, and the p-value of Friedman's test of it.

    NaN where fewer than three models have the same three kinds.

    Args:
        table: rows of `changes` of one task, goal and mode.
    """
    wide = table.pivot_table(index="index", columns="kind", values="change").dropna()
    models, kinds = wide.shape
    if models < 3 or kinds < 3:
        return np.nan, np.nan
    test = stats.friedmanchisquare(*wide.round(9).to_numpy().T)
    return float(test.statistic / (models * (kinds - 1))), float(test.pvalue)


def kind_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return the change of each method by kind, goal and mode, and linear less full transfer.

    `kinds_w` and `kinds_p` are those of `agreement`, the same in all rows of a task, goal and mode.
    """
    rows = []
    for results in zoos:
        table = changes(results)
        for (task, goal, mode), part in table.groupby(["task", "goal", "mode"], sort=False):
            kinds = dict(zip(("kinds_w", "kinds_p"), agreement(part), strict=True))
            for (kind, method), own in part.groupby(["kind", "method"], sort=False):
                key = {"zoo": results.zoo.id, "task": task, "goal": goal, "kind": kind, "method": method, "mode": mode}
                key |= {"sparsity": 100 * own["sparsity"].mean(), **summary(own["change"])}
                rows.append(key | {"better": 100 * (own["change"] > 0).mean(), "p": wilcoxon(own["change"])} | kinds)
    return pd.DataFrame(rows, columns=_COLUMNS)


def kind_findings(results: ZooResults) -> Iterator[tuple[str, Finding]]:
    """Test claim 9 by task: each kind is, beside the others, better in the mode that the paper reports."""
    table = changes(results)
    table = table[table["mode"] == EXCESS]
    for (task, goal), part in table.groupby(["task", "goal"], sort=False):
        wide = part.pivot_table(index="index", columns="kind", values="change")
        for kind in [kind for kind in KINDS if kind in wide and wide.shape[1] > 1]:
            values = 100 * (wide[kind] - wide.drop(columns=kind).mean(axis=1)).to_numpy()
            mode = "linear" if BETTER_IN_LINEAR[kind] else "full"
            text = f"{kind}, {goal:g} %: relatively better in {mode} transfer than the other kinds"
            statistic = f"{EXCESS}, less the mean of the other kinds, points"
            yield task, mean_finding(kind, text, statistic, values, above=BETTER_IN_LINEAR[kind])


def arrange_kinds(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange a line per zoo, task, goal, method and mode."""
    keys = {"Zoo": table["zoo"], "Task": table["task"], "Goal, %": table["goal"], "Kind": table["kind"]}
    keys |= {"Method": table["method"].map(method_name), "Mode": table["mode"]}
    return lines(
        keys,
        {
            "n": texts(table["models"]),
            "Sparsity": texts(table["sparsity"], "{:.1f}"),
            "Less its control": value_interval(table["mean"], table["low"], table["high"], "{:.2f}"),
            "Better": texts(table["better"], "{:.0f}"),
            "p": texts(table["p"], "{:.2g}"),
            "W of kinds": texts(table["kinds_w"], "{:.2f}"),
            "p of kinds": texts(table["kinds_p"], "{:.2g}"),
        },
    )

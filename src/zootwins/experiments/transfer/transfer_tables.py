"""The tables of transfer, from the long table of each zoo; percent and points.

`transfer_kinds` asks whether the kind of pruning decides between linear probing and full fine-tuning. The kinds are the
paper's five; its authors count AC/DC and RigL among regularisation when they summarise, here AC/DC is progressive and
RigL regrowth. Networks are compared with their models' dense controls at the same share of pruned weights below the
head. Methods that are pruned to a sparsity have twins there; of those that sweep something else each model's curve is
interpolated at the mean sparsity of its other twins.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.cells import lines, mean_std, numbers, texts, value_interval
from zootwins.analyses.findings import Finding, mean_finding
from zootwins.analyses.intervals import interval
from zootwins.analyses.pairing import interpolated
from zootwins.analyses.paper_tables import summary
from zootwins.analyses.results import ZooResults
from zootwins.analyses.statistics import Coefficient, kendall, pearson, wilcoxon
from zootwins.experiments.transfer.outcomes import (
    NETWORK,
    PLACE,
    error_increase,
    main_outcomes,
    method_name,
    networks,
    outcomes,
    point_name,
)
from zootwins.sparsifiers.base import LOTTERY_TICKETS, PROGRESSIVE, REGROWTH, REGULARISATION, SECOND_ORDER
from zootwins.sparsifiers.registry import get_sparsifier, is_known

REFERENCE = Path(__file__).with_name("reference.csv")
KEYS = ["zoo", *PLACE, *NETWORK]
_MEAN = ["mean", "std", "models", "low", "high"]
_INCREASE = [f"error_increase{end}" for end in ("", "_low", "_high")]
_COEFFICIENTS = [f"{name}{end}" for name in ("tau", "r") for end in ("", "_low", "_high", "_p")]
# How the paper's raw results rank linear against full transfer: which of the two is each kind relatively better in?
BETTER_IN_LINEAR = {
    PROGRESSIVE: True,
    SECOND_ORDER: False,
    REGROWTH: True,
    REGULARISATION: True,
    LOTTERY_TICKETS: False,
}
EXCESS = "linear − full"
CELL = ["task", "goal", "kind", "method"]
_COLUMNS = ["zoo", *CELL, "mode", "sparsity", *_MEAN, "better", "p", "kinds_w", "kinds_p"]


def transfer_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return accuracy on the task and relative increase in error, one row per zoo, place and network."""
    rows = []
    for results in zoos:
        for key, part in networks(outcomes(results)):
            pair = (part["accuracy"].to_numpy(), part["control"].to_numpy())
            row = dict(zip(KEYS, (results.zoo.id, *key), strict=True))
            row |= {"sparsity": 100 * part["sparsity"].mean(), **summary(part["accuracy"])}
            low, high = interval(pair, error_increase)
            row |= {
                "class_accuracy": 100 * part["class_accuracy"].mean(),
                "upstream_accuracy": 100 * part["upstream_accuracy"].mean(),
                "error_increase": 100 * float(error_increase(*pair)),
                "error_increase_low": 100 * low,
                "error_increase_high": 100 * high,
                "restarts": part["restarts"].max(),
                "lr": part["lr"].mean(),
            }
            rows.append(row)
    columns = ["class_accuracy", "upstream_accuracy", *_INCREASE, "restarts", "lr"]
    return pd.DataFrame(rows, columns=[*KEYS, "sparsity", *_MEAN, *columns])


def paired_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Compare each network with its own control, in points: mean, interval, Wilcoxon's p, share that is better."""
    rows = []
    for results in zoos:
        table = outcomes(results)
        for key, part in networks(table[~table["is_control"]]):
            change = part["change"]
            row = dict(zip(KEYS, (results.zoo.id, *key), strict=True))
            row |= {"sparsity": 100 * part["sparsity"].mean(), **summary(change)}
            rows.append(row | {"better": 100 * (change > 0).mean(), "p": wilcoxon(change)})
    return pd.DataFrame(rows, columns=[*KEYS, "sparsity", *_MEAN, "better", "p"])


def correlation_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Correlate models' accuracies: Kendall's tau-b and Pearson's r over the models of every network.

    Three quantities: upstream with downstream accuracy (`accuracy`), their changes from the control (`change`), and
    accuracy by linear with that by full transfer (`linear and full`, mode `both`).
    """
    rows = []
    for results in zoos:
        table = main_outcomes(results)
        for (task, mode, _, _, *network), part in networks(table):
            key = dict(zip(("zoo", "task", "mode", *NETWORK), (results.zoo.id, task, mode, *network), strict=True))
            pairs = {"accuracy": ("upstream_accuracy", "accuracy"), "change": ("change_upstream", "change")}
            rows += [
                {**key, "quantity": quantity, **_coefficients(part[x], part[y])}
                for quantity, (x, y) in pairs.items()
                if part[x].notna().any() and not (quantity == "change" and part["is_control"].all())
            ]
            if mode == "full" and (both := _linear_too(table, task, network, part)) is not None:
                values = _coefficients(both, part["accuracy"])
                rows.append({**key, "mode": "both", "quantity": "linear and full", **values})
    return pd.DataFrame(rows, columns=["zoo", "task", "mode", *NETWORK, "quantity", "models", *_COEFFICIENTS])


def _linear_too(table: pd.DataFrame, task: str, network: Sequence, part: pd.DataFrame) -> pd.Series | None:
    """Return the linear accuracies of the same network and models, or None."""
    linear = table[(table["mode"] == "linear") & (table["task"] == task)]
    same = linear[(linear[NETWORK[0]] == network[0]) & (linear[NETWORK[1]] == network[1])]
    return same.set_index("index")["accuracy"].reindex(part.index) if len(same) else None


def _coefficients(x: pd.Series, y: pd.Series) -> dict[str, float]:
    """Return the coefficients of the models that have both, and how many these are."""
    both = np.stack([x, y])[:, (x.notna() & y.notna()).to_numpy()]
    x, y = both.round(9)  # shares of images: rounding must not part what is tied
    named: dict[str, Coefficient] = {"tau": kendall(x, y), "r": pearson(x, y)}
    return {"models": len(x)} | {
        f"{name}{end}": value
        for name, one in named.items()
        for end, value in (("", one.value), ("_low", one.low), ("_high", one.high), ("_p", one.p))
    }


def reference_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Put the reference's relative increase in error of pruned ResNet-50s beside ours, on another scale.

    Theirs: over 12 data sets, computed from the raw results in their repository (one network per method and sparsity,
    so that `better` counts data sets). Ours: over the models of a zoo on one task (`better` counts models).
    """
    theirs = pd.read_csv(REFERENCE)
    sets = 12
    theirs = theirs.assign(
        zoo="resnet50_imagenet", task=f"{sets} data sets", n=sets, better=100 * theirs.pop("sets_better") / sets
    )
    ours = []
    for results in zoos:
        table = main_outcomes(results)
        for (task, mode, _, _, method, _), part in networks(table[~table["is_control"]]):
            accuracy, control = part["accuracy"].to_numpy(), part["control"].to_numpy()
            ours.append(
                {
                    "zoo": results.zoo.id,
                    "task": task,
                    "mode": mode,
                    "method": method,
                    "sparsity": 100 * part["sparsity"].mean(),
                    "error_increase": 100 * float(error_increase(accuracy, control)),
                    "better": 100 * (accuracy > control).mean(),
                    "n": len(part),
                }
            )
    columns = ["zoo", "task", "mode", "method", "sparsity", "error_increase", "better", "n"]
    return pd.concat([theirs[columns], pd.DataFrame(ours, columns=columns)], ignore_index=True)


def _keys(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the keys of a row for people, without what is the same for all of a mode."""
    points = [point_name(*network) for network in zip(table["method"], table["point"], strict=True)]
    keys = {"Zoo": table["zoo"], "Task": table["task"], "Mode": table["mode"]}
    if "layer" in table:
        keys |= {"Layer": table["layer"], "Solver": table["solver"]}
    return keys | {"Network": table["method"].map(method_name), "At": pd.Series(points, table.index, dtype=object)}


def arrange_transfer(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, place and network."""
    return lines(
        _keys(table),
        {
            "n": texts(table["models"]),
            "Sparsity": texts(table["sparsity"], "{:.1f}"),
            "Accuracy": mean_std(table["mean"], table["std"]),
            "By class": texts(table["class_accuracy"], "{:.1f}"),
            "Increase in error": value_interval(
                table["error_increase"], table["error_increase_low"], table["error_increase_high"]
            ),
            "lr": numbers(table["lr"]),
        },
    )


def arrange_paired(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, place and network."""
    return lines(
        _keys(table),
        _change_texts(table) | {"std": texts(table["std"], "{:.1f}"), **_better_texts(table)},
    )


def arrange_correlation(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, task, mode, network and quantity."""
    return lines(
        {**_keys(table), "Of": table["quantity"]},
        {
            "n": texts(table["models"]),
            "Kendall's τ": value_interval(table["tau"], table["tau_low"], table["tau_high"], "{:.2f}"),
            "Pearson's r": value_interval(table["r"], table["r_low"], table["r_high"], "{:.2f}"),
        },
    )


def arrange_reference(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per network: theirs, then ours."""
    ours = table["zoo"] != "resnet50_imagenet"
    names = table["method"].where(~ours, table["method"].where(ours).map(method_name, na_action="ignore"))
    zoos = table["zoo"].where(ours, "ResNet-50 on ImageNet (Iofinova et al.)")
    return lines(
        {"Zoo": zoos, "Task": table["task"], "Mode": table["mode"], "Network": names},
        {
            "Sparsity": texts(table["sparsity"], "{:.1f}"),
            "Increase in error": texts(table["error_increase"], "{:.1f}"),
            "Better": texts(table["better"], "{:.0f}"),
            "of": texts(table["n"]),
        },
    )


def kind_of(method: str) -> str | None:
    """Return the kind of a method, or of the sparsifier of a named twin; None if it is of none."""
    return (get_sparsifier(method).kind or None) if is_known(method) else None


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
        for kind in [kind for kind in BETTER_IN_LINEAR if kind in wide and wide.shape[1] > 1]:
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
        _change_texts(table)
        | _better_texts(table)
        | {
            "W of kinds": texts(table["kinds_w"], "{:.2f}"),
            "p of kinds": texts(table["kinds_p"], "{:.2g}"),
        },
    )


def _change_texts(table: pd.DataFrame) -> dict[str, pd.Series]:
    return {
        "n": texts(table["models"]),
        "Sparsity": texts(table["sparsity"], "{:.1f}"),
        "Less its control": value_interval(table["mean"], table["low"], table["high"], "{:.2f}"),
    }


def _better_texts(table: pd.DataFrame) -> dict[str, pd.Series]:
    return {"Better": texts(table["better"], "{:.0f}"), "p": texts(table["p"], "{:.2g}")}

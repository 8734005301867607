"""Our numbers beside those that the paper printed, with a flag where the paper contradicts itself.

A difference is given in the paper's standard deviations, which says whether a model of ours would be unusual in the
paper's zoo, and in standard errors of both samples (`zootwins.analyses.two_samples`), which says whether the two zoos
can have the same mean. Of many numbers 5 % differ by chance: `p_adjusted` holds for all numbers of a zoo together, and
`count_agreements` says how many agree, and how many would.

Zoos are matched by their id; a catalogue entry's `compare_with` names a zoo of the paper that is like it but not the
same, and such rows say so (`same_zoo`).
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, mean_std, texts
from zootwins.analyses.two_samples import Difference, holm, kendall_differ, means_differ, pearson_differ
from zootwins.storage.frames import read_csv

log = logging.getLogger(__name__)

PAPER_LAYERS = ("conv1", "conv2", "conv3", "fc1", "fc2")  # of Tables 7 and 8
RESOLUTION = 0.1  # of the paper's numbers, percent
LEVEL = 0.05  # of a p-value, from which on numbers agree
_EQUAL = 1e-4  # a standard deviation, percent, below which shares differ by the rounding of float32 alone
COLUMNS = [
    "table",
    "zoo",
    "paper_zoo",
    "same_zoo",
    "at",
    "quantity",
    "paper_mean",
    "paper_std",
    "paper_models",
    "mean",
    "std",
    "models",
    "low",
    "high",
    "difference",
    "difference_in_paper_std",
    "difference_in_se",
    "p",
    "p_adjusted",
    "flag",
]
AGREEMENT_COLUMNS = [
    *("zoo", "table", "models", "numbers", "with_paper_std", "within_paper_std"),
    *("tested", "agree", "expected", "differ", "median_difference_in_se"),
]
_ROW_KEYS = {
    "table5": {"sparsity_percent": "{:g} %", "epoch": "epoch {:g}"},
    "table6": {"epoch": "epoch {:g}"},
    "table7": {"epoch": "epoch {:g}"},
    "table8": {"sparsity_percent": "{:g} %"},
}
_VALUES = ["mean", "std", "models", "low", "high"]
_KEYS = ["table", "zoo", "at", "quantity"]


def compare(
    tables: Mapping[str, pd.DataFrame],
    paper: Mapping[str, pd.DataFrame],
    counterparts: Mapping[str, str],
    paper_models: pd.Series,
) -> pd.DataFrame:
    """Compare every number of the paper whose zoo was run with ours; percent.

    A correlation has no standard deviation over models, so its difference in paper standard deviations is undefined;
    a requested sparsity has no error, so that it is not tested.

    Args:
        tables: our tables by name (`table1`, …), as `zootwins.analyses.paper_tables` makes them.
        paper: the paper's tables of the same names.
        counterparts: the paper's zoo for each of ours; those that are not named are compared by their own id.
        paper_models: how many models the paper's zoos have, by their ids.
    """
    parts = []
    for name, printed in paper.items():
        theirs = long_numbers(name, printed).rename(
            columns={"mean": "paper_mean", "std": "paper_std", "zoo": "paper_zoo"}
        )
        ours = long_numbers(name, tables[name])
        ours["paper_zoo"] = [counterparts.get(zoo, zoo) for zoo in ours["zoo"]]
        keys = ["table", "paper_zoo", "at", "quantity"]
        parts.append(ours.merge(theirs[[*keys, "paper_mean", "paper_std"]], on=keys))
    joined = pd.concat(parts, ignore_index=True)
    joined["same_zoo"] = joined["zoo"] == joined["paper_zoo"]
    joined["paper_models"] = joined["paper_zoo"].map(paper_models).astype(float)
    joined["difference"] = joined["mean"] - joined["paper_mean"]
    joined["difference_in_paper_std"] = joined["difference"] / joined["paper_std"].replace(0, np.nan)
    tested = _tested(joined)
    joined["difference_in_se"], joined["p"] = tested.in_standard_errors, tested.p
    joined["p_adjusted"] = joined.groupby("zoo")["p"].transform(holm)
    joined["flag"] = [
        contradiction(*row) for row in joined[["table", "paper_zoo", "at", "quantity"]].itertuples(index=False)
    ]
    if joined.empty:
        log.warning("no zoo of this run is in the paper, and none has compare_with in the catalogue")
    return joined[COLUMNS]


def _tested(joined: pd.DataFrame) -> Difference:
    """Test the difference of each row by the test of its quantity.

    The standard deviations that the paper prints of layers' sparsities are over weights and not over models
    (`zootwins.analyses.hypotheses`); ours stand in for them.
    """
    ours, theirs = joined["mean"], joined["paper_mean"]
    models = joined["models"], joined["paper_models"]
    correlations = [
        test(ours / 100, models[0], theirs / 100, models[1], RESOLUTION / 100)
        for test in (pearson_differ, kendall_differ)
    ]
    std = joined["std"].where(joined["std"] > _EQUAL, 0.0)
    paper_std = std.where(joined["quantity"].isin(PAPER_LAYERS), joined["paper_std"])
    means = means_differ(ours, std.where(joined["std"].notna()), models[0], theirs, paper_std, models[1], RESOLUTION)
    chosen = [joined["quantity"] == quantity for quantity in ("pearson_r", "kendall_tau")]
    return Difference(
        *(
            np.select(chosen, [getattr(test, name) for test in correlations], getattr(means, name))
            for name in ("in_standard_errors", "p")
        )
    )


def count_agreements(comparison: pd.DataFrame) -> pd.DataFrame:
    """Count the numbers of each table that agree with the paper's; `all` is a zoo's last row.

    `expected` is how many would agree on average if the zoos were alike. The numbers of a zoo depend on each other,
    being of the same models, so that more or fewer are no surprise; `differ` counts what is beyond chance for all
    numbers of the zoo together (Holm), which holds in spite of that.
    """
    rows = []
    for zoo, numbers in comparison.groupby("zoo", sort=False):
        for table, part in [*numbers.groupby("table", sort=False), ("all", numbers)]:
            tested = part.dropna(subset="p")
            spread = part.dropna(subset="difference_in_paper_std")
            rows.append(
                {
                    "zoo": zoo,
                    "table": table,
                    "models": part["models"].max(),
                    "numbers": len(part),
                    "with_paper_std": len(spread),
                    "within_paper_std": (spread["difference_in_paper_std"].abs() <= 1).sum(),
                    "tested": len(tested),
                    "agree": (tested["p"] >= LEVEL).sum(),
                    "expected": (1 - LEVEL) * len(tested),
                    "differ": (tested["p_adjusted"] < LEVEL).sum(),
                    "median_difference_in_se": tested["difference_in_se"].abs().median(),
                }
            )
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)


def long_numbers(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per number: table, zoo, at, quantity; where the table has them mean, std, models, low, high."""
    if "method" in table:  # other methods than the paper's
        table = table[table["method"] == "mp"]
    if name in _ROW_KEYS:
        keys = _ROW_KEYS[name]
        at = [", ".join(text.format(row[key]) for key, text in keys.items()) for row in table.to_dict("records")]
        return table.rename(columns={"metric": "quantity"}).assign(table=name, at=at).reindex(columns=_KEYS + _VALUES)
    records = []
    for row in table.to_dict("records"):
        for method in ("mp", "vd"):
            for quantity, columns in _quantities(name, f"{method}_"):
                values = {value: row.get(column) for value, column in columns.items()}
                records.append({"table": name, "zoo": row["zoo"], "at": method.upper(), "quantity": quantity, **values})
    long = pd.DataFrame(records, columns=_KEYS + _VALUES)
    return long.dropna(subset="mean").astype(dict.fromkeys(_VALUES, float))


def _quantities(name: str, prefix: str) -> list[tuple[str, dict[str, str]]]:
    """Return the quantities of a wide table, and the columns of their values."""
    if name == "table1":
        return [
            (
                quantity,
                {"models": "models"} | {value: f"{prefix}{quantity}_{value}" for value in _VALUES if value != "models"},
            )
            for quantity in ("accuracy", "sparsity", "agreement")
        ]
    bounds = ("low", "high")
    return [
        (
            quantity,
            {"models": "models", "mean": f"{prefix}{quantity}"}
            | {bound: f"{prefix}{quantity}_{bound}" for bound in bounds},
        )
        for quantity in ("sparsity", "pearson_r", "kendall_tau")
    ]


def contradiction(table: str, zoo: str, at: str, quantity: str) -> str:
    """Return why a number of the paper is not to be relied on, or nothing."""
    grid = zoo.endswith(("_fixed", "_random"))
    if table == "table1" and quantity == "agreement" and zoo in ("mnist_s_seed", "usps_s_seed"):
        return "the text says that MP has the higher agreement; here VD has"
    if table == "table2" and (zoo, at) in _OTHER_POINT:
        return "Table 1 has another operating point for this zoo and method"
    if zoo in ("mnist_s_fixed", "mnist_s_random") and (table, at, quantity) in _UNEQUAL_STARTS:
        return "Tables 5 and 6 start from different accuracies of the same originals"
    if table == "table6" and grid and not zoo.startswith("mnist") and at != "epoch 0":
        return "the learning rate of Table 4 cannot produce these sparsities"
    if table == "table7" and "_l_" in zoo and quantity.startswith(("conv", "fc")):
        return "layers do not average to Table 6 (up to 0.6 off; biases counted)"
    if table == "table8" and quantity.startswith(("conv", "fc")):
        if zoo in ("cifar10_s_seed", "stl10_s_seed"):
            return "layers do not average to the requested sparsity"
        if zoo == "svhn_s_seed":
            return "every layer at the requested sparsity: pruned layer by layer, or nominal values printed"
    return ""


_OTHER_POINT = {
    ("usps_s_seed", "MP"),
    ("svhn_s_seed", "MP"),
    ("svhn_s_seed", "VD"),
    ("fmnist_s_seed", "MP"),
    ("fmnist_s_seed", "VD"),
    ("cifar10_s_seed", "MP"),
    ("stl10_s_seed", "MP"),
}
_UNEQUAL_STARTS = {("table5", "0 %, epoch 0", "accuracy"), ("table6", "epoch 0", "accuracy")}


def arrange_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per number of the paper; the note says what limits the comparison."""
    another = ("another zoo than " + table["paper_zoo"]).where(~table["same_zoo"].astype(bool), "")
    notes = ["; ".join(filter(None, both)) for both in zip(another, table["flag"].fillna(""), strict=True)]
    return lines(
        {"Table": table["table"], "Zoo": table["zoo"], "At": table["at"], "Quantity": table["quantity"]},
        {
            "Paper": mean_std(table["paper_mean"], table["paper_std"]),
            "Ours": mean_std(table["mean"], table["std"]),
            "n": texts(table["models"], "{:.0f}"),
            "Difference": texts(table["difference"], "{:+.1f}"),
            "in std": texts(table["difference_in_paper_std"], "{:+.1f}"),
            "in SE": texts(table["difference_in_se"], "{:+.1f}"),
            "p": texts(table["p"], "{:.2g}"),
            "p, adjusted": texts(table["p_adjusted"], "{:.2g}"),
            "Note": pd.Series(notes, table.index, dtype=object),
        },
    )


def arrange_agreements(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo and table."""
    return lines(
        {"Zoo": table["zoo"], "Table": table["table"].str.removeprefix("table")},
        {
            "n": texts(table["models"], "{:.0f}"),
            "Numbers": texts(table["numbers"]),
            "Within the paper's std": texts(table["within_paper_std"]) + " of " + texts(table["with_paper_std"]),
            "Agree": texts(table["agree"]) + " of " + texts(table["tested"]),
            "Expected": texts(table["expected"], "{:.1f}"),
            "Differ (Holm)": texts(table["differ"]),
            "Median distance, SE": texts(table["median_difference_in_se"], "{:.1f}"),
        },
    )


def read_comparison(zoos: Iterable[Mapping[str, Any]], files: Iterable[str], paper: Sequence[str]) -> tuple[Any, ...]:
    """Read the arguments of `compare` from files.

    Args:
        zoos: fields of `Zoo` as plain mappings.
        files: our tables.
        paper: the paper's, and last the one of its zoos.
    """
    ours = {Path(path).stem: read_csv(path) for path in files}
    printed = {Path(path).stem: pd.read_csv(path) for path in paper[:-1]}
    counterparts = {zoo["id"]: zoo["compare_with"] for zoo in zoos if zoo["compare_with"]}
    return ours, printed, counterparts, pd.read_csv(paper[-1], index_col="zoo")["models"]


def read_tables(
    zoos: Iterable[Mapping[str, Any]], files: Iterable[str], paper: Sequence[str]
) -> tuple[pd.DataFrame, ...]:
    """Read other tables of the run, which need neither zoos nor the paper."""
    return tuple(map(read_csv, files))

"""The paper's Table 3 with simpler baselines beside it, and whether the auto-encoder is better than these."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, texts, value_interval
from zootwins.analyses.findings import FAILS, HOLDS, OPEN
from zootwins.analyses.intervals import split_interval
from zootwins.storage.frames import read_parquet

QUANTITIES = {
    "weights": "w",
    "alphas": "log α",
    "accuracy": "Accuracy",
    "sparsity": "Sparsity",
    "epoch": "Epoch",
    "generalization_gap": "Gap",
}
OURS = "representation"
BASELINES = {
    "pca": "PCA",
    "aligned_pca": "PCA, aligned",
    "largest": "largest weights",
    "epoch": "epoch alone",
    "weight_statistics": "weight statistics",
    "weight_statistics_boosted": "weight statistics, boosted trees",
    "raw_weights": "raw weights",
    "aligned_weights": "raw weights, aligned",
}
PREDICTORS = {OURS: "hyper-representation", "representation_boosted": "hyper-representation, boosted trees"} | BASELINES
SIZES = ("models", "train_models", "validation_models", "test_models", "states")


def table3(scores: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """Make Table 3: R² in percent, its mean over seeds; one row per zoo.

    The paper's columns come first; then intervals over the seeds (`split_interval`), the same of everything else on
    the same splits, and what the paper printed for the zoo or the one that it is like (`paper_zoo`).

    Args:
        scores: what `evaluate_representation` found, below one another: zoo, paper_zoo, seed, configuration,
            quantity, predictor, layer, r2, and the numbers of models.
        paper: the paper's table.
    """
    printed = paper.set_index("zoo")
    rows = []
    for zoo, r2, first in _by_zoo(scores):
        row = {"zoo": zoo} | {f"{name}_r2": r2[OURS, name].mean() for name in QUANTITIES}
        share = first["test_models"] / first["train_models"]
        for predictor in PREDICTORS:
            for name in QUANTITIES:
                if (predictor, name) in r2:
                    column = f"{name}_r2" + ("" if predictor == OURS else f"_{predictor}")
                    row[column] = r2[predictor, name].mean()
                    row[f"{column}_low"], row[f"{column}_high"] = split_interval(r2[predictor, name].to_numpy(), share)
        row |= {size: first[size] for size in SIZES}
        row |= {"seeds": len(r2), "configuration": first["configuration"]}
        if first["paper_zoo"] in printed.index:
            row |= {"paper_zoo": first["paper_zoo"], **printed.loc[first["paper_zoo"]].add_suffix("_paper")}
        rows.append(row)
    return pd.DataFrame(rows)


def claims_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return R² of the auto-encoder less that of the best baseline, in points; one row per zoo and quantity.

    The best baseline, the one with the highest mean over the seeds, is for show: it is known from test scores, so that
    the verdict does not rest on it. A claim holds where the interval of the difference on the same splits is above 0
    for every baseline (an intersection-union test, which needs no correction), and does not hold where it is below 0
    for one of them.

    Args:
        scores: as `table3`.
    """
    rows = []
    for zoo, r2, first in _by_zoo(scores):
        share = first["test_models"] / first["train_models"]
        for name in QUANTITIES:
            differences = pd.DataFrame({one: r2[OURS, name] - r2[one, name] for one in BASELINES if (one, name) in r2})
            best = differences.mean().idxmin()
            intervals = differences.apply(lambda one, share=share: split_interval(one.to_numpy(), share))
            row = {"zoo": zoo, "quantity": name, "r2": r2[OURS, name].mean(), "baseline": best}
            row |= {"baseline_r2": r2[best, name].mean(), "difference": differences[best].mean()}
            row |= {"low": intervals[best][0], "high": intervals[best][1]}
            row |= {"seeds": len(r2), "seeds_above": int((differences > 0).all(axis=1).sum())}
            row |= {size: first[size] for size in SIZES}
            lows, highs = intervals.iloc[0], intervals.iloc[1]
            rows.append(row | {"verdict": HOLDS if (lows > 0).all() else FAILS if (highs < 0).any() else OPEN})
    return pd.DataFrame(rows)


def _by_zoo(scores: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.Series]]:
    """Return each zoo's R² in percent, `[seeds, (predictor, quantity)]`, and a row that all of them share."""
    for zoo, of_zoo in scores.groupby("zoo", sort=False):
        whole = of_zoo[of_zoo["layer"] == "all"]
        yield zoo, 100 * whole.pivot_table(index="seed", columns=["predictor", "quantity"], values="r2"), of_zoo.iloc[0]


def arrange_table3(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo and predictor, and one for what the paper printed."""
    parts = []
    for predictor, title in PREDICTORS.items():
        ours = predictor == OURS
        if not ours and not any(f"{name}_r2_{predictor}" in table for name in QUANTITIES):
            continue
        text = title + " (" + table["configuration"] + ")" if ours else title
        parts.append(_lines_of(table, text, "" if ours else f"_{predictor}"))
    if "paper_zoo" in table:
        printed = table[table["paper_zoo"].notna()]
        parts.append(_lines_of(printed, "paper: " + printed["paper_zoo"], "_paper").assign(n="", seeds=""))
    grid = pd.concat(parts)
    order = {zoo: position for position, zoo in enumerate(table["zoo"])}
    grid = grid.sort_values("zoo", key=lambda zoos: zoos.map(order), kind="stable")
    keys = {"Zoo": "zoo", "n": "n", "Seeds": "seeds", "Predicted from": "predictor"}
    return lines(
        {heading: grid[key] for heading, key in keys.items()}, {text: grid[text] for text in QUANTITIES.values()}
    )


def _lines_of(table: pd.DataFrame, title: str | pd.Series, suffix: str) -> pd.DataFrame:
    """Return the lines of a predictor, or of the paper: keys, and a text for each of the `QUANTITIES`."""
    cells = {}
    for name, heading in QUANTITIES.items():
        columns = [f"{name}_r2{suffix}{end}" for end in ("", "_low", "_high")]
        cells[heading] = value_interval(*(table.get(column, pd.Series(np.nan, table.index)) for column in columns))
    keys = {"zoo": table["zoo"], "n": texts(table["models"]), "seeds": texts(table["seeds"]), "predictor": title}
    return pd.DataFrame(keys | cells)


def arrange_claims(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo and quantity."""
    keys = {"Zoo": table["zoo"], "n": table["models"], "Seeds": table["seeds"]}
    return lines(
        keys | {"R² of": table["quantity"].map(QUANTITIES)},
        {
            "Hyper-representation": texts(table["r2"], "{:.1f}"),
            "Best baseline": table["baseline"].map(BASELINES) + texts(table["baseline_r2"], ": {:.1f}"),
            "Difference": value_interval(table["difference"], table["low"], table["high"]),
            "Seeds above": texts(table["seeds_above"]),
            "Better": texts(table["verdict"]),
        },
    )


def read_representations(
    zoos: Iterable[Mapping[str, Any]], files: Iterable[str], paper: Sequence[str]
) -> tuple[pd.DataFrame, ...]:
    """Read a table of all zoos and seeds, with each one's zoo of the paper (`paper_zoo`), and the paper's.

    Args:
        zoos: fields of `Zoo` as plain mappings.
        files: the table's parts.
        paper: the paper's tables.
    """
    table = pd.concat(map(read_parquet, files), ignore_index=True)
    table["paper_zoo"] = table["zoo"].map({zoo["id"]: zoo["compare_with"] or zoo["id"] for zoo in zoos})
    return table, *map(pd.read_csv, paper)


def read_drawn(
    zoos: Iterable[Mapping[str, Any]], files: Iterable[str], paper: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read a table of all zoos and seeds, and the zoos' titles, by id."""
    return pd.concat(map(read_parquet, files), ignore_index=True), {zoo["id"]: zoo["title"] for zoo in zoos}

"""Candidates for the paper's unexplained numbers (`zootwins.analyses.riddles`) beside these: which are excluded.

A candidate fits where the paper's number, with its rounding, lies in the candidate's 95 % interval, widened by the
paper's own sampling error, which is as much smaller as its zoo is larger. Many candidates are looked at and 5 % of true
ones are excluded by chance, so that one number says little; the same reading has to fit in every zoo and row.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, shorts, texts, value_interval
from zootwins.analyses.paper_comparison import RESOLUTION, long_numbers
from zootwins.analyses.results import ZooResults
from zootwins.analyses.riddles import ACCURACY, AGREEMENT, COLUMNS, CORRELATION, GAP, SPREAD, TRAIN

FITS, EXCLUDED, OPEN = "fits", "excluded", "cannot be told"
TABLE_COLUMNS = ["zoo", *COLUMNS, "paper", "verdict"]


def beside_paper(
    rows: pd.DataFrame, paper: Mapping[str, pd.DataFrame], paper_zoo: str, paper_models: int
) -> pd.DataFrame:
    """The rows of `riddles.candidates` whose number the paper prints, with that number and a verdict."""
    long = pd.concat([long_numbers(name, table) for name, table in paper.items()], ignore_index=True)
    printed = long[long["zoo"] == paper_zoo].set_index(["table", "at", "quantity"])[["mean", "std"]]
    found = [_printed(row, printed) for row in rows.itertuples(index=False)]
    beside = rows.assign(paper=np.array(found, dtype=float)).dropna(subset="paper")
    return beside.assign(verdict=[_verdict(row, paper_models) for row in beside.itertuples(index=False)])


def _printed(row, printed: pd.DataFrame) -> float:
    """The paper's number that a candidate is to explain, NaN if there is none.

    Train accuracy it prints as test accuracy and a gap.
    """
    name = row.method.upper()
    if row.riddle == TRAIN:
        return sum(_printed(row._replace(riddle=part), printed) for part in (ACCURACY, GAP))
    layers = ("table8", f"{row.at} %") if row.method == "mp" else ("table7", f"epoch {row.at}")
    key, column = {
        CORRELATION: (("table2", name, row.quantity), "mean"),
        AGREEMENT: (("table1", name, "agreement"), row.quantity),
        ACCURACY: (("table5", f"{row.at} %, epoch 15", "accuracy"), "mean"),
        GAP: (("table5", f"{row.at} %, epoch 15", "generalization_gap"), "mean"),
        SPREAD: ((*layers, row.quantity), "std"),
    }[row.riddle]
    return float(printed.loc[key, column]) if key in printed.index else np.nan


def _verdict(row, paper_models: int) -> str:
    wider, rounding = np.sqrt(1 + row.models / paper_models), RESOLUTION / 2 * (2 if row.riddle == TRAIN else 1)
    low = row.value - wider * (row.value - row.low) - rounding
    high = row.value + wider * (row.high - row.value) + rounding
    if np.isnan(low) or np.isnan(high):
        return OPEN
    return FITS if low <= row.paper <= high else EXCLUDED


def candidate_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Every candidate of the zoos that the paper has or that are like one of its own."""
    parts = [
        results.tables["candidates"].assign(zoo=results.zoo.id) for results in zoos if "candidates" in results.tables
    ]
    return pd.concat(parts, ignore_index=True)[TABLE_COLUMNS] if parts else pd.DataFrame(columns=TABLE_COLUMNS)


def arrange_candidates(table: pd.DataFrame) -> pd.DataFrame:
    """A line a candidate."""
    return lines(
        {
            "Zoo": table["zoo"],
            "Number": table["riddle"].replace(RIDDLES) + ", " + shorts(table["method"]),
            "Quantity": table["quantity"],
            "Candidate": table["candidate"],
            "At": table["at"],
        },
        {
            "n": texts(table["models"]),
            "Ours": value_interval(table["value"], table["low"], table["high"]),
            "Paper": texts(table["paper"], "{:.1f}"),
            "Verdict": texts(table["verdict"]),
        },
    )


RIDDLES = {
    CORRELATION: "Correlation (Table 2)",
    AGREEMENT: "Agreement (Table 1)",
    ACCURACY: "Accuracy after fine-tuning (Table 5)",
    GAP: "Generalisation gap after fine-tuning (Table 5)",
    TRAIN: "Train accuracy after fine-tuning (Table 5: the sum of both)",
    SPREAD: "Standard deviation of a layer's sparsity (Tables 7, 8)",
}

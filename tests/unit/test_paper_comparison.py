from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from zootwins.analyses.paper_comparison import (
    COLUMNS,
    arrange_agreements,
    arrange_comparison,
    compare,
    contradiction,
    count_agreements,
)
from zootwins.reporting.figures.paper_comparison import paper_comparison

RESOURCES = Path(__file__).parents[2] / "resources/paper"
PAPER = {f"table{number}": pd.read_csv(RESOURCES / f"table{number}.csv") for number in (1, 2, 5, 6, 7, 8)}

MODELS = pd.read_csv(RESOURCES / "zoos.csv", index_col="zoo")["models"]


def as_ours(table, shift):
    """The paper's own table as if we had made it, every mean shifted."""
    means = [column for column in table if column == "mean" or column.endswith(("_mean", "pearson_r"))]
    return table.assign(models=1000, low=0.0, high=1.0, **{column: table[column] + shift for column in means})


def test_every_number_of_the_paper_finds_its_counterpart():
    ours = {name: as_ours(table, 0.0) for name, table in PAPER.items()}
    table = compare(ours, PAPER, {}, MODELS)
    assert table.columns.tolist() == COLUMNS
    numbers = {"table1": 6 * 6, "table2": 8 * 6, "table5": 240, "table6": 462, "table7": 336, "table8": 210}
    assert table.groupby("table").size().to_dict() == numbers
    assert (table["difference"] == 0).all()
    assert table["same_zoo"].all()
    flagged = table[table["flag"] != ""]
    assert len(flagged["flag"].unique()) == 7


def test_differences_in_standard_deviations():
    ours = {name: as_ours(table, 2.0) for name, table in PAPER.items()}
    row = compare(ours, PAPER, {}, MODELS).query(
        "table == 'table5' and paper_zoo == 'mnist_s_seed' and at == '50 %, epoch 15'"
    )
    row = row.set_index("quantity").loc["accuracy"]
    assert row["difference"] == pytest.approx(2)
    assert row["difference_in_paper_std"] == pytest.approx(2 / 0.7)
    correlation = compare(ours, PAPER, {}, MODELS).query("quantity == 'pearson_r'")
    assert correlation["difference_in_paper_std"].isna().all()


def test_differences_in_standard_errors_of_both_samples():
    """As `scipy.stats.ttest_ind_from_stats` has them, but for the rounding of the paper's mean."""
    ours = {name: as_ours(table, 2.0).assign(models=128) for name, table in PAPER.items()}
    table = compare(ours, PAPER, {}, MODELS).set_index(["table", "paper_zoo", "at", "quantity"])
    row = table.loc["table5", "mnist_s_seed", "50 %, epoch 15", "accuracy"]
    welch = stats.ttest_ind_from_stats(95.3, 0.7, 128, 93.3, 0.7, 1000, equal_var=False)
    assert row["difference_in_se"] == pytest.approx(welch.statistic, rel=0.15)
    assert row["difference_in_se"] == pytest.approx(2 / np.sqrt(0.49 / 128 + 0.49 / 1000 + 0.01 / 12))
    row = table.loc["table2", "fmnist_s_seed", "VD", "pearson_r"]
    fisher = (np.arctanh(0.606) - np.arctanh(0.586)) / np.sqrt(1 / 125 + 1 / 997)
    assert row["difference_in_se"] == pytest.approx(fisher, rel=0.01)
    row = table.loc["table2", "fmnist_s_seed", "VD", "kendall_tau"]
    assert row["p"] == 1


def test_what_was_set_is_not_tested():
    ours = {name: as_ours(table, 0.0) for name, table in PAPER.items()}
    table = compare(ours, PAPER, {}, MODELS)
    untested = table[table["p"].isna()]
    assert set(zip(untested["table"], untested["quantity"], strict=True)) >= {
        ("table1", "sparsity"),
        ("table2", "sparsity"),
    }
    assert (untested["paper_std"].fillna(0) == 0).all()


def test_agreements_are_counted_with_what_chance_would_leave():
    shifts = dict.fromkeys(PAPER, 0.0) | {"table6": 50.0}
    ours = {name: as_ours(table[table["zoo"] == "mnist_s_seed"], shifts[name]) for name, table in PAPER.items()}
    counted = count_agreements(compare(ours, PAPER, {}, MODELS))
    by_table = counted.set_index("table")
    assert by_table.loc["table6", ["numbers", "tested", "agree", "differ", "within_paper_std"]].tolist() == [
        33,
        33,
        0,
        33,
        0,
    ]
    assert by_table.loc["table5", ["agree", "differ"]].tolist() == [24, 0]
    assert by_table.loc["all", "numbers"] == by_table["numbers"].iloc[:-1].sum()
    assert by_table.loc["all", "expected"] == pytest.approx(0.95 * by_table.loc["all", "tested"])
    assert arrange_agreements(counted).loc[("mnist_s_seed", "6"), "Agree"] == "0 of 33"


def test_a_counterpart_is_named_as_such():
    ours = {
        name: as_ours(table[table["zoo"] == "fmnist_s_seed"].assign(zoo="mini"), 1.0) for name, table in PAPER.items()
    }
    assert compare(ours, PAPER, {}, MODELS).empty
    table = compare(ours, PAPER, {"mini": "fmnist_s_seed"}, MODELS)
    assert (table["paper_zoo"] == "fmnist_s_seed").all()
    assert not table["same_zoo"].any()
    assert np.isfinite(table["difference"]).all()
    notes = arrange_comparison(table)["Note"]
    assert notes.str.startswith("another zoo than fmnist_s_seed").all()
    assert notes[table["flag"].to_numpy() != ""].str.contains("; ").all()
    assert paper_comparison(table).axes
    assert not paper_comparison(table.iloc[:0]).axes  # a sentence instead


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (("table1", "mnist_s_seed", "MP", "agreement"), "VD has"),
        (("table1", "svhn_s_seed", "MP", "agreement"), ""),
        (("table2", "usps_s_seed", "MP", "pearson_r"), "another operating point"),
        (("table2", "usps_s_seed", "VD", "pearson_r"), ""),
        (("table5", "mnist_s_fixed", "0 %, epoch 0", "accuracy"), "start from different"),
        (("table6", "fmnist_s_fixed", "epoch 10", "sparsity"), "learning rate"),
        (("table7", "stl10_l_seed", "epoch 5", "conv2"), "biases counted"),
        (("table8", "stl10_s_seed", "70 %", "conv2"), "do not average"),
        (("table8", "svhn_s_seed", "70 %", "fc1"), "layer by layer"),
    ],
)
def test_contradictions_of_the_paper_are_flagged(number, says):
    assert says in contradiction(*number)
    assert bool(says) == bool(contradiction(*number))

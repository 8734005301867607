from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zootwins.analyses.paper_comparison import COLUMNS, arrange_comparison, compare, contradiction
from zootwins.reporting.figures.paper_comparison import paper_comparison

PAPER = {
    f"table{number}": pd.read_csv(Path(__file__).parents[2] / f"resources/paper/table{number}.csv")
    for number in (1, 2, 5, 6, 7, 8)
}


def as_ours(table, shift):
    """The paper's own table as if we had made it, every mean shifted."""
    means = [column for column in table if column == "mean" or column.endswith(("_mean", "pearson_r"))]
    return table.assign(models=1000, low=0.0, high=1.0, **{column: table[column] + shift for column in means})


def test_every_number_of_the_paper_finds_its_counterpart():
    ours = {name: as_ours(table, 0.0) for name, table in PAPER.items()}
    table = compare(ours, PAPER, {})
    assert table.columns.tolist() == COLUMNS
    numbers = {"table1": 6 * 6, "table2": 8 * 6, "table5": 240, "table6": 462, "table7": 336, "table8": 210}
    assert table.groupby("table").size().to_dict() == numbers
    assert (table["difference"] == 0).all()
    assert table["same_zoo"].all()
    flagged = table[table["flag"] != ""]
    assert len(flagged["flag"].unique()) == 7


def test_differences_in_standard_deviations():
    ours = {name: as_ours(table, 2.0) for name, table in PAPER.items()}
    row = compare(ours, PAPER, {}).query("table == 'table5' and paper_zoo == 'mnist_s_seed' and at == '50 %, epoch 15'")
    row = row.set_index("quantity").loc["accuracy"]
    assert row["difference"] == pytest.approx(2)
    assert row["difference_in_paper_std"] == pytest.approx(2 / 0.7)
    correlation = compare(ours, PAPER, {}).query("quantity == 'pearson_r'")
    assert correlation["difference_in_paper_std"].isna().all()


def test_a_counterpart_is_named_as_such():
    ours = {
        name: as_ours(table[table["zoo"] == "fmnist_s_seed"].assign(zoo="mini"), 1.0) for name, table in PAPER.items()
    }
    assert compare(ours, PAPER, {}).empty
    table = compare(ours, PAPER, {"mini": "fmnist_s_seed"})
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

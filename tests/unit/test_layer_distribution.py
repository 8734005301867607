import numpy as np
import pandas as pd
import pytest

from made_methods import layers_of, made, pruned
from zootwins.analyses.layer_distribution import arrange_layer_distribution, layer_distribution_table


@pytest.fixture
def table():
    scores = pruned({0.0: [0.9, 0.8], 0.5: [0.8, 0.7], 0.9: [0.5, 0.5]})
    layers = layers_of(scores, {"conv1": 0.4, "fc2": 1.1})
    layers.loc[(layers["index"] == 1) & (layers["layer"] == "conv1"), "sparsity"] *= 2
    return layer_distribution_table([made({"gmp/scores": scores, "gmp/layers": layers}, [0.9, 0.8])])


def row(table, layer, sparsity):
    chosen = (table["layer"] == layer) & np.isclose(table["sparsity"], sparsity)
    (found,) = table[chosen].to_dict("records")
    return found


def test_layers_where_the_network_has_a_sparsity(table):
    conv1 = row(table, "conv1", 80)
    assert conv1["mean"] == pytest.approx(np.mean([32, 64]))  # 0.4 and 0.8 of the network's, linear in between
    assert conv1["std"] == pytest.approx(np.std([32, 64], ddof=1))
    assert (conv1["models"], conv1["weights"], conv1["less_than_overall"]) == (2, 200, 100)
    assert row(table, "fc2", 80)["mean"] == pytest.approx(88)
    assert row(table, "fc2", 80)["less_than_overall"] == 0


def test_a_layer_that_differs_by_less_than_a_weight_is_not_spared():
    """What is left of 200 and of 600 weights at 80 % of the network: half a weight more than its share, and two."""
    scores = pruned({0.0: [0.9, 0.8], 0.8: [0.7, 0.6]})
    layers = layers_of(scores, {"conv1": 159.5 / 160, "fc2": 478 / 480})
    table = layer_distribution_table([made({"gmp/scores": scores, "gmp/layers": layers}, [0.9, 0.8])])
    assert row(table, "conv1", 80)["less_than_overall"] == 0
    assert row(table, "fc2", 80)["less_than_overall"] == 100


def test_beyond_the_curve_there_is_a_reason(table):
    assert row(table, "conv1", 95)["reason"] == "twins are 0.0 to 90.0 % sparse"
    assert row(table, "conv1", 95)["models"] == 0


def test_layers_stand_beside_each_other(table):
    text = arrange_layer_distribution(table)
    assert list(text.columns) == ["conv1", "fc2"] or text.columns.get_level_values(-1).tolist() == ["conv1", "fc2"]
    assert isinstance(text.index, pd.MultiIndex)
    assert (text == "48.0 (22.6)").any(axis=None)  # at 80 %

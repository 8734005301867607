from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from synthetic import make_results
from zootwins.analyses.compression import compression_table, remaining_share


def test_remaining_share_by_hand():
    layers = pd.DataFrame(
        {"weights": [100, 300], "multiply_adds": [1000, 300], "sparsity": [0.5, 1.0]},
        index=pd.Index([7, 7], name="index"),
    )
    assert remaining_share(layers, "weights") == pytest.approx([50 / 400])
    assert remaining_share(layers, "multiply_adds") == pytest.approx([500 / 1300])


def test_a_bound_beyond_nothing_left_is_infinite(tmp_path):
    """Of fewer than six models an interval is Student's, whose bounds can lie below 0."""
    results = make_results(tmp_path)
    layers = results.tables["mp/layers"]
    few = layers[layers["index"] < 3].assign(sparsity=lambda rows: rows["index"].map({0: 0.99, 1: 0.98, 2: 0.9}))
    scores = results.tables["mp/scores"].query("index < 3")
    table = compression_table([replace(results, tables={**results.tables, "mp/layers": few, "mp/scores": scores})])
    mp = table[table["method"] == "mp"]
    assert (mp["compression_high"] == np.inf).all()
    assert (mp["compression_low"] > 1).all()


def test_compression_is_the_inverse_of_the_remaining_weights(tmp_path):
    results = make_results(tmp_path)
    table = compression_table([results]).set_index(["method", "point"])
    for (method, point), row in table.iterrows():
        scores = results.at(method, point)
        assert row["compression"] == pytest.approx(1 / (1 - scores["sparsity"].mean()), rel=1e-5)
        assert row["compression_low"] <= row["compression"] <= row["compression_high"]
        change = scores["test_accuracy"].mean() - results.models["test_accuracy"].mean()
        assert row["change_mean"] == pytest.approx(100 * change, abs=1e-5)
    assert table.loc[("mp", 0.0), "compression"] == 1
    assert table.loc[("mp", 0.0), "speed_up"] == 1

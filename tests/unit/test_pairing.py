from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from synthetic import MP_EPOCHS, SETTINGS_OF, make_results, make_zoo
from zootwins.analyses.matched import paired_table
from zootwins.analyses.pairing import interpolated, method_differences


@pytest.fixture
def results(tmp_path):
    """Two models, MP accuracy falling from 0.8 to 0.4 between 0 and 50 % sparsity and to 0 at 100 %."""
    made = make_results(tmp_path)
    mp = pd.DataFrame(
        [
            {
                "index": i,
                "ratio": s,
                "epoch": MP_EPOCHS,
                "point": 100 * s,
                "sparsity": s,
                "test_accuracy": 0.8 * (1 - s),
            }
            for i in (0, 1)
            for s in (0.0, 0.5, 0.9)
        ]
    )
    vd = pd.DataFrame(
        {"index": [0, 1, 0, 1], "epoch": [2, 2, 4, 4], "sparsity": [0.25, 0.5, 0.6, 0.95], "test_accuracy": 0.3}
    )
    return replace(made, tables={"mp/scores": mp, "vd/scores": vd.assign(point=vd["epoch"].astype(float))})


def test_mp_is_taken_at_the_twins_sparsity(results):
    table = method_differences(results, "mp", "vd").set_index(["index", "epoch"])["difference"]
    assert table[0, 2] == pytest.approx(0.6 - 0.3)
    assert table[1, 2] == pytest.approx(0.4 - 0.3)
    assert table[0, 4] == pytest.approx(0.32 - 0.3)
    assert np.isnan(table[1, 4])  # beyond the sparsest MP twin


def test_table(results):
    table = paired_table([results]).set_index("point")
    assert set(zip(table["method"], table["against"], strict=True)) == {("mp", "vd")}
    assert table.loc[2, "mean"] == pytest.approx(20)
    assert table.loc[2, "models"] == 2
    assert table.loc[2, "better"] == 100
    assert table.loc[4, "models"] == 1


def test_zoo_with_one_method_is_left_out(results):
    assert paired_table([replace(results, zoo=make_zoo(methods={"vd": SETTINGS_OF["vd"]}))]).empty


def test_a_curve_counts_where_it_first_passes_a_sparsity():
    """The third network was ruined by its penalty, at a sparsity between the first two's and the last's."""
    sparsity, accuracy = np.array([0.6, 0.7, 0.81, 0.85]), np.array([0.8, 0.7, 0.1, 0.66])
    assert interpolated(sparsity, accuracy, [0.65]) == pytest.approx([0.75])
    back = np.array([0.6, 0.85, 0.81, 0.9])
    assert interpolated(back, accuracy, [0.83, 0.9, 0.904, 0.91]) == pytest.approx(
        [0.8 - 0.1 * 0.23 / 0.25, 0.66, 0.66, np.nan], nan_ok=True
    )
    whole = np.array([0.70033, 0.80008, 0.89983])  # what comes to 70, 80 and 90 % of 2,416 weights
    assert interpolated(whole, accuracy[:3], [0.7, 0.8, 0.9]).tolist() == accuracy[:3].tolist()
    assert interpolated(np.array([0.5, 0.5]), np.array([0.9, 0.8]), [0.5]) == pytest.approx([0.9])

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from synthetic import MP_EPOCHS, make_results
from zootwins.analyses.pairing import paired_differences, paired_table


@pytest.fixture
def results(tmp_path):
    """Two models, MP accuracy falling from 0.8 to 0.4 between 0 and 50 % sparsity and to 0 at 100 %."""
    made = make_results(tmp_path)
    mp = pd.DataFrame(
        [
            {"index": i, "ratio": s, "epoch": MP_EPOCHS, "sparsity": s, "test_accuracy": 0.8 * (1 - s)}
            for i in (0, 1)
            for s in (0.0, 0.5, 0.9)
        ]
    )
    vd = pd.DataFrame(
        {"index": [0, 1, 0, 1], "epoch": [2, 2, 4, 4], "sparsity": [0.25, 0.5, 0.6, 0.95], "test_accuracy": 0.3}
    )
    return replace(made, tables={"mp": mp, "vd": vd})


def test_mp_is_taken_at_the_twins_sparsity(results):
    table = paired_differences(results).set_index(["index", "epoch"])["difference"]
    assert table[0, 2] == pytest.approx(0.6 - 0.3)
    assert table[1, 2] == pytest.approx(0.4 - 0.3)
    assert table[0, 4] == pytest.approx(0.32 - 0.3)
    assert np.isnan(table[1, 4])  # beyond the sparsest MP twin


def test_table(results):
    table = paired_table([results]).set_index("epoch")
    assert table.loc[2, "mean"] == pytest.approx(20)
    assert table.loc[2, "models"] == 2
    assert table.loc[2, "mp_better"] == 100
    assert table.loc[4, "models"] == 1


def test_zoo_with_one_method_is_left_out(results):
    assert paired_table([replace(results, zoo=replace(results.zoo, magnitude_pruning=None))]).empty

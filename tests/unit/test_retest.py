"""A second run of pruned twins is set beside the first one, model by model (benchmarks/retest.py)."""

import importlib.util

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from projects import REPOSITORY
from synthetic import make_results
from zootwins.storage.shards import read_shard


@pytest.fixture(scope="module")
def retest():
    specification = importlib.util.spec_from_file_location("retest", REPOSITORY / "benchmarks/retest.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_accuracies_are_those_of_the_ratio_after_the_last_epoch(retest, tmp_path):
    results = make_results(tmp_path)
    shard = read_shard(tmp_path / "mini-mp-0000.safetensors")
    expected = results.at("mp", 80)["test_accuracy"]
    found = retest.accuracies(shard, 0.8).reindex(expected.index)
    assert found.to_numpy() == pytest.approx(expected.to_numpy())


def test_correlations_are_scipys(retest):
    rng = np.random.default_rng(0)
    originals, first, second = (pd.Series(rng.normal(size=20)) for _ in range(3))
    row = retest.correlated(first, second, originals)
    assert row["both_tau"] == pytest.approx(100 * stats.kendalltau(first, second).statistic)
    assert row["both_r"] == pytest.approx(100 * stats.pearsonr(first, second).statistic)
    assert row["original_mean_tau"] == pytest.approx(100 * stats.kendalltau(originals, first + second).statistic)
    assert row["second_std"] == pytest.approx(100 * second.std(ddof=1))
    assert row["both_tau_low"] < row["both_tau"] < row["both_tau_high"]

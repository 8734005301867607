import math

import numpy as np
import pytest

from synthetic import make_results
from zootwins.analyses.predictability import cross_validated_r2, predictability_table, weight_statistics


def test_weight_statistics_by_hand():
    weights = np.arange(24.0).reshape(2, 3, 4)
    table = weight_statistics({"fc1.weight": weights})
    assert table["fc1.weight.mean"].tolist() == [5.5, 17.5]
    assert table["fc1.weight.variance"][0] == pytest.approx(np.var(np.arange(12)))
    assert table["fc1.weight.p50"][1] == 17.5
    assert len(table.columns) == 7


def test_r2_of_a_line_of_noise_and_of_a_constant():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 1))
    value, low, high = cross_validated_r2(x, 0.1 * x[:, 0] + 0.5, ridge=False)
    assert value == pytest.approx(1)
    assert (low, high) == pytest.approx((1, 1))
    value, low, high = cross_validated_r2(rng.normal(size=(60, 20)), rng.uniform(size=60), ridge=True)
    assert value < 0.2  # nothing to learn
    assert low < value < high
    assert math.isnan(cross_validated_r2(x, np.ones(60), ridge=False)[0])
    assert math.isnan(cross_validated_r2(x[:9], x[:9, 0], ridge=False)[0])


def test_a_diverged_model_does_not_decide():
    """Its weights are far from all that the regression has seen."""
    rng = np.random.default_rng(0)
    features, noise = rng.normal(size=(60, 5)), rng.normal(0, 0.02, 60)
    target = (0.5 + 0.1 * features[:, 0] + noise).clip(0, 1)
    features[7], target[7] = 1e7, 0.1
    assert cross_validated_r2(features, target, ridge=True)[0] > -1


def test_models_are_matched_by_index(tmp_path):
    results = make_results(tmp_path)
    table = predictability_table([results]).set_index("method")
    assert table.loc["mp", "original_accuracy_r2"] > 0.5  # the made-up twins follow their originals
    assert table.loc["mp", "weight_statistics_r2"] < 0.5  # and the made-up weights are noise

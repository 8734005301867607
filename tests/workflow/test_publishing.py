"""A zoo of a run is published by its one target, and comes back as networks that score what the run says."""

import pandas as pd
import pytest

import zootwins
from zootwins.images.datasets import load_dataset

pytestmark = pytest.mark.workflow
ZOO = "fmnist_mini_seed"


def test_a_published_zoo_scores_what_its_run_says(tabulated):
    folder = f"results/published/{ZOO}"
    tabulated.run(folder)
    zoo = zootwins.load(tabulated.root / folder)
    assert set(zoo.index["method"]) == {"original", "mp", "vd"}
    scores = pd.read_parquet(tabulated.root / f"results/metrics/{ZOO}/mp/scores.parquet")
    assert (zoo.index["method"] == "mp").sum() == scores["point"].notna().sum()
    test = load_dataset(tabulated.root / f"results/zoos/{ZOO}/dataset.safetensors").test
    for network in range(0, len(zoo), 5):
        right = (zoo.module(network)(test.images).argmax(1) == test.labels).double().mean().item()
        # plain PyTorch sums in another order, so that an image between two classes may change sides
        assert right == pytest.approx(zoo.index["test_accuracy"].iloc[network], abs=1.5 / len(test))


def test_a_benchmark_of_too_few_models_says_so(tabulated):
    assert "needs some ten models" in tabulated.run("results/tables/leaderboard.csv", succeeds=False)

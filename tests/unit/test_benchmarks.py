"""Scripts beside the workflow do what they say: those of benchmarks/."""

import importlib.util
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats
from snakemake.utils import update_config

from projects import REPOSITORY
from synthetic import make_results
from zootwins.catalogue.entries import load_run
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.shards import SCORES, read_shard


def script(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, REPOSITORY / f"benchmarks/{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def retest():
    return script("retest")


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


def test_a_synthetic_zoo_has_the_shards_that_the_workflow_reads(tmp_path):
    scale = script("scale")
    run = scale.configure(tmp_path, 0.002, "final")
    zoo = run.catalogue[run.zoos[0]]
    scale.draw_zoo(run, zoo.id, tmp_path, test_images=20)
    assert (tmp_path / f"archives/{zoo.id}.zip").exists()
    for method, settings in zoo.methods.items():
        for name in run.shards(zoo.id):
            shard = read_shard(tmp_path / f"results/twins/{zoo.id}/{method}/{name}.safetensors")
            assert tuple(shard.axes) == get_sparsifier(method).axes(settings)
            assert {*SCORES, "sparsity", "predictions", "conv1.weight"} <= set(shard.shapes)


@pytest.mark.parametrize("name", sorted(path.stem for path in (REPOSITORY / "benchmarks").glob("*.py")))
def test_every_script_finds_what_it_imports(name):
    assert script(name).__doc__


def test_the_plan_of_the_papers_zoos_is_the_pages():
    plan = script("plan")
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, yaml.safe_load((REPOSITORY / "config/paper.yaml").read_text(encoding="utf-8")))
    table = plan.table(load_run(config, REPOSITORY), yaml.safe_load(plan.COSTS.read_text(encoding="utf-8")))
    assert table in (REPOSITORY / "docs/paper_scale.md").read_text(encoding="utf-8")

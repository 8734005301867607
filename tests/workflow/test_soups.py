"""From a zoo to soups, their tables and figures, with a few models and very short phases."""

import pandas as pd
import pytest
import yaml

from zootwins.storage.shards import read_shard
from zootwins.storage.verification import check_zip

pytestmark = pytest.mark.workflow

ZOO = "fmnist_mini_random"
SHORT = {"goals": [80], "phases": 2, "epochs": 1, "members": [2], "vary": ["length"], "controls": ["unrelated_models"]}
CUT = f"results/models/{ZOO}/seed-2-soup/1.safetensors"
EXPORT = f"results/exports/{ZOO}/seed-2-soup.zip"


@pytest.fixture
def short(project):
    project.configure(max_models=6, models_per_shard=4, zoos=[ZOO], soups=SHORT)
    return project


def test_soups_are_made_once_exported_and_cut(short):
    short.configure(max_models=6, models_per_shard=6, zoos=[ZOO], soups=SHORT)
    short.run("soups", CUT, EXPORT)
    tables = short.root / "results/tables"
    gains = pd.read_csv(tables / "soup_gains.csv")
    assert set(gains["variant"]) == {"seed", "length"}
    assert set(gains["models"]) == {6}
    assert len(pd.read_csv(tables / "soup_findings.csv")) > 5
    assert all(len(pd.read_csv(table)) for table in tables.glob("soup_*.csv"))
    assert short.planned("soups", CUT, EXPORT) == {}
    one = read_shard(short.root / CUT)
    assert (len(one.models), one.method, one.states) == (1, "soup", [1, 2])
    check_zip(short.root / EXPORT)
    short.run("verify", succeeds=False)  # what `all` makes is missing
    read = pd.read_csv(short.root / "results/verification.csv").query("status == 'ok'")["file"]
    made = [str(path.relative_to(short.root)) for path in (short.root / "results/soups").rglob("*.*")]
    assert len(made) > 20
    assert set(made) <= set(read)

    # a soup in the raw layout is a zoo, with the accuracies that it had
    entry = {"source": {"archive": {"path": EXPORT}}, "dataset": "archive", "architecture": "cnn_s", "models": 6}
    (short.root / "soup_zoo.yaml").write_text(yaml.safe_dump({"zoos": {"soup_zoo": entry}}), encoding="utf-8")
    short.configure(zoos=["soup_zoo"], catalogue="soup_zoo.yaml")
    short.run("results/zoos/soup_zoo/models.csv")
    again = pd.read_csv(short.root / "results/zoos/soup_zoo/models.csv")
    assert (again["recorded_test_accuracy"] - again["test_accuracy"]).abs().max() < 2e-3
    assert set(again["epoch"]) == {2}


def test_a_further_variant_trains_no_other_again(short):
    short.run(f"results/metrics/{ZOO}/soups.parquet")
    more = SHORT | {"vary": ["length", "lr"], "controls": ["unrelated_models", "dense"]}
    short.configure(max_models=6, models_per_shard=4, zoos=[ZOO], soups=more)
    planned = short.planned(f"results/metrics/{ZOO}/soups.parquet")
    assert planned == {"make_soups_varied": 2, "make_soups_dense": 2, "evaluate_soups": 4, "collect_soups": 1}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (f"results/exports/{ZOO}/lr-2-soup.zip", "lr-2: no soups of this configuration"),
        (f"results/exports/{ZOO}/length-2-imp.zip", "length-2-imp: no arm of these soups"),
        (f"results/soups/{ZOO}/seed-7-soup/0000-0003.safetensors", "seed-7: no soups of this configuration"),
    ],
)
def test_what_is_not_trained_is_refused(short, target, message):
    assert message in short.run("-n", target, succeeds=False)

"""Twins that others published go through the same tables as ours: here our own, in the authors' layout."""

import pandas as pd
import pytest
import torch
import yaml

from raw_zoos import twin_files, write_zip
from zootwins.storage.shards import read_shard

pytestmark = pytest.mark.workflow

ORIGINALS, TWINS = "fmnist_mini_seed", "published"
TABLE6 = "results/tables/table6.csv"


@pytest.fixture
def published(project, finished):
    """A project whose catalogue has, beside the mini zoo, its three twins of another run, in their own archive."""
    folder = finished.root / f"results/twins/{ORIGINALS}/vd"
    shards = [read_shard(folder / f"{name}.safetensors") for name in ("0000-0001", "0002-0002")]
    files = {}
    for shard in shards:
        for position, model in enumerate(shard.models):
            files |= twin_files(shard, position, model, f"NN_tune_trainable_{9 - shard.index[position]}")
    write_zip(project.root / "twins.zip", {f"ard/{name}": content for name, content in files.items()})
    catalogue = yaml.safe_load((project.root / "config/zoos.yaml").read_text(encoding="utf-8"))
    originals = catalogue["zoos"][ORIGINALS]
    catalogue["zoos"][TWINS] = {
        "source": {"archive": {"path": "twins.zip"}},
        "twins_of": ORIGINALS,
        "dataset": originals["dataset"],
        "architecture": "cnn_s",
        "models": 3,
        "magnitude_pruning": False,
    }
    (project.root / "mine.yaml").write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    project.configure(catalogue="mine.yaml", zoos=[TWINS])
    return project


def test_published_twins_go_through_the_same_tables_as_ours(published, finished):
    planned = published.planned(TABLE6, "results/tables/table2.csv")
    assert {"match_twins": 1, "import_twins": 2, "import_zoo": 1}.items() <= planned.items()
    assert "variational_dropout" not in planned
    published.run(TABLE6, "results/tables/table2.csv", f"results/metrics/{TWINS}/vd/agreement.parquet")
    theirs, ours = (read_shard(p.root / f"results/twins/{z}/vd/{s}.safetensors") for p, z, s in
                    ((published, TWINS, "0002-0002"), (finished, ORIGINALS, "0000-0001")))  # fmt: skip
    assert torch.equal(theirs.tensor("conv1.log_sigma2", 0), ours.tensor("conv1.log_sigma2", 0))
    assert torch.equal(theirs.tensor("predictions", 0), ours.tensor("predictions", 0))
    table, expected = (pd.read_csv(p.root / TABLE6).query("zoo == @z").reset_index(drop=True) for p, z in
                       ((published, TWINS), (finished, ORIGINALS)))  # fmt: skip
    pd.testing.assert_frame_equal(table.drop(columns="zoo"), expected.drop(columns="zoo"))
    agreements = [
        pd.read_parquet(p.root / f"results/metrics/{z}/vd/agreement.parquet").sort_values(
            ["index", "epoch"], ascending=a
        )
        for p, z, a in ((published, TWINS, True), (finished, ORIGINALS, [False, True]))
    ]
    assert agreements[0].agreement.tolist() == agreements[1].agreement.tolist()

"""A release holds what the shards hold, loads without them, and its metadata are valid."""

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch.utils.data import DataLoader

import zootwins
from synthetic import (
    ARCHITECTURE,
    MP_EPOCHS,
    PERCENTS,
    SETTINGS_OF,
    VD_EPOCHS,
    make_models,
    make_predictions,
    make_shard,
)
from zootwins.analyses.metrics import collect_metrics
from zootwins.publishing import weights
from zootwins.publishing.loading import load
from zootwins.publishing.release import write_release
from zootwins.publishing.splits import SPLITS, split_of_originals
from zootwins.run.errors import InputError
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.twins import evaluated_parameters
from zootwins.zoos.originals import Originals, model_factors

MODELS = 14
ABOUT = {
    "zoo": "mini",
    "title": "Made-up",
    "dataset": "fashion_mnist_mini",
    "architecture": "cnn_s",
    "license": "CC-BY-4.0",
    "authors": ["Ada Lovelace"],
}


def originals(models: pd.DataFrame) -> Originals:
    generator = torch.Generator().manual_seed(0)
    parameters = {
        name: torch.randn(len(models), *shape, generator=generator)
        for name, shape in ARCHITECTURE.parameter_shapes.items()
    }
    factors = list(model_factors(models).values())
    return Originals(ARCHITECTURE, models["model"].tolist(), models["index"].tolist(), factors, parameters)


def scores_of(shard, models: pd.DataFrame) -> pd.DataFrame:
    """The long table of a shard's scores, with the sparsity that its weights have."""
    curve = get_sparsifier(shard.method).curve(SETTINGS_OF[shard.method])
    scores = collect_metrics([shard], *make_predictions(models), ARCHITECTURE, curve).scores
    evaluated = evaluated_parameters(shard)
    zeros = torch.cat(
        [(evaluated[name] == 0).flatten(1 + len(shard.axes) + 1) for name in ARCHITECTURE.weight_names], -1
    )
    return scores.assign(sparsity=zeros.double().mean(-1).flatten().numpy())


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A release of 14 originals with twins by mp and vd, the shards, and the originals."""
    folder = tmp_path_factory.mktemp("release")
    models = make_models(MODELS)
    shards = {method: make_shard(folder / f"{method}.safetensors", method, models) for method in ("mp", "vd")}
    dense = originals(models)
    twins = [(shard, scores_of(shard, models), SETTINGS_OF[method]) for method, shard in shards.items()]
    write_release(folder / "published", ABOUT, dense, models, twins, {"configuration": "{}"})
    return folder / "published", shards, dense


def test_every_network_is_a_row(release):
    folder, _, _ = release
    index = load(folder).index
    assert index["id"].is_unique
    counts = index["method"].value_counts()
    assert counts["original"] == MODELS
    assert counts["mp"] == MODELS * (1 + len(PERCENTS))  # the dense control beside the ratios
    assert counts["vd"] == MODELS * (VD_EPOCHS + 1)
    assert set(index.columns) >= {"original", "settings", "ratio", "epoch", "sparsity", "activation", "split"}
    assert (index.loc[index["method"] == "mp", "epoch"] == MP_EPOCHS).all()
    assert json.loads(index.loc[index["method"] == "mp", "settings"].iloc[0])["sparsities"] == list(PERCENTS)


@pytest.mark.parametrize("method", ["mp", "vd"])
def test_weights_are_those_that_were_evaluated(release, method):
    folder, shards, _ = release
    zoo, shard = load(folder), shards[method]
    evaluated = evaluated_parameters(shard)
    rows = np.flatnonzero(zoo.index["method"] == method)[::7]
    for row in rows:
        entry = zoo.index.iloc[row]
        model, state = shard.models.index(entry["original"]), shard.weight_state(entry["epoch"])
        twin = shard.twin({axis.name: entry[axis.name] for axis in shard.axes})
        for name, tensor in zoo.parameters(row).items():
            expected = evaluated[name][model]
            assert torch.equal(tensor, expected[twin, state] if shard.axes else expected[state])
        assert entry["test_accuracy"] == shard.twins("test_accuracy")[model, twin, entry["epoch"]]
        zeros = [(tensor == 0).float() for name, tensor in zoo.parameters(row).items() if name.endswith("weight")]
        assert entry["sparsity"] == pytest.approx(torch.cat([part.flatten() for part in zeros]).mean().item())


def test_forms_of_a_network_agree(release):
    folder, _, dense = release
    zoo = load(folder)
    first = torch.cat([tensor[0].flatten() for tensor in dense.parameters.values()])
    assert torch.equal(zoo.vector(0), first)
    assert torch.equal(zoo.vectors([3, 0, 40]), torch.stack([zoo.vector(row) for row in (3, 0, 40)]))
    module = zoo.module(0)
    assert torch.equal(torch.cat([parameter.flatten() for parameter in module.parameters()]), first)
    assert module(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert not module.training
    vectors, accuracies = next(iter(DataLoader(zoo.dataset("train"), batch_size=5, num_workers=1)))
    assert vectors.shape == (5, len(first))
    assert accuracies[0] == zoo.index["test_accuracy"].iloc[np.flatnonzero(zoo.index["split"] == "train")[0]]


def test_package_loads_by_name(release):
    assert len(zootwins.load(release[0])) == len(pd.read_parquet(release[0] / "index.parquet"))


def test_weights_load_without_this_package(release):
    folder, _, dense = release
    index = pd.read_parquet(folder / "index.parquet")
    row = index.iloc[5]
    tensors = load_file(folder / row["file"])
    assert torch.equal(tensors["conv1.weight"][row["row"]], dense.parameters["conv1.weight"][5])


def test_files_are_cut_by_size(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "BYTES_PER_FILE", 100_000)
    models = make_models(MODELS)
    shard = make_shard(tmp_path / "mp.safetensors", "mp", models)
    write_release(
        tmp_path / "published",
        ABOUT,
        originals(models),
        models,
        [(shard, scores_of(shard, models), SETTINGS_OF["mp"])],
        {},
    )
    zoo = load(tmp_path / "published")
    assert zoo.index["file"].nunique() > 3
    assert torch.equal(zoo.vectors(), torch.stack([zoo.vector(row) for row in range(len(zoo))]))


def test_siblings_are_in_one_split(release):
    index = load(release[0]).index
    assert len(index[["original", "split"]].drop_duplicates()) == MODELS
    shares = index.drop_duplicates("original")["split"].value_counts() / MODELS
    assert all(abs(shares[name] - share) <= 1 / MODELS for name, share in SPLITS.items())


def test_split_depends_on_names_alone():
    names = [f"NN_{number}" for number in range(20)]
    assert split_of_originals("zoo", names) == split_of_originals("zoo", names[::-1] * 2)
    assert split_of_originals("zoo", names) != split_of_originals("other", names)


def test_diverged_networks_are_marked(tmp_path):
    models = make_models(MODELS)
    dense = originals(models)
    dense.parameters["fc1.bias"][3, 2] = torch.nan
    index = write_release(tmp_path / "published", ABOUT, dense, models, [], {})
    assert index["status"].tolist() == ["diverged" if row == 3 else "ok" for row in range(MODELS)]
    assert index["sparsity"].isna().tolist() == [row == 3 for row in range(MODELS)]


def test_collapsed_originals_are_marked(tmp_path):
    models = make_models(MODELS).assign(collapsed=[row == 5 for row in range(MODELS)])
    index = write_release(tmp_path / "published", ABOUT, originals(models), models, [], {})
    assert index["status"].tolist() == ["collapsed" if row == 5 else "ok" for row in range(MODELS)]
    assert "batch_size" in index


def test_metadata_are_valid(release):
    folder, _, _ = release
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(folder / "croissant.json")
    assert dataset.metadata.license == ["https://spdx.org/licenses/CC-BY-4.0.html"]
    record = next(iter(dataset.records("networks")))
    assert record["networks/original"] in (b"NN_0000", "NN_0000")
    text = (folder / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(text.split("---")[1])
    assert header["license"] == "cc-by-4.0"
    assert header["configs"] == [{"config_name": "index", "data_files": "index.parquet"}]
    crate = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    assert {"index.parquet", "zoo.json"} <= {entity["@id"] for entity in crate["@graph"]}
    assert yaml.safe_load((folder / "CITATION.cff").read_text(encoding="utf-8"))["license"] == "CC-BY-4.0"


def test_checksums_cover_every_file(release):
    folder, _, _ = release
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    listed = {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()}
    assert listed == {path.name for path in folder.iterdir()} - {"SHA256SUMS"}


@pytest.mark.parametrize("missing", ["license", "authors"])
def test_no_release_without_a_licence(tmp_path, missing):
    models = make_models(MODELS)
    with pytest.raises(InputError, match=rf"zoos\.mini\.publication: has no {missing}"):
        write_release(tmp_path / "published", ABOUT | {missing: None}, originals(models), models, [], {})


@pytest.mark.parametrize("content", [None, "{}", "no JSON"])
def test_what_is_no_release_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "zoo.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"zoo\.json"):
        load(tmp_path)


def test_a_folder_that_is_not_there_names_the_remedy(tmp_path):
    with pytest.raises(InputError, match="snakemake --cores 4 results/published"):
        load(tmp_path / "missing")

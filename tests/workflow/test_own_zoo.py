"""A stranger's zoo, by the few lines and the one command that docs/own_zoo.md gives; and the same zoo from Zenodo."""

import json
import re
import shlex
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
import torch
import yaml

from zenodo import KEY, RECORD, serving
from zootwins.zoos.originals import initial_rows

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).parents[2]
ARCHIVE = ROOT / "tests/data/fmnist_uniform_raw.zip"
MODELS = 2
DOCUMENT = (ROOT / "docs/own_zoo.md").read_text(encoding="utf-8")


def documented(language: str) -> str:
    """The first block of a language in docs/own_zoo.md."""
    return re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)[1]


@pytest.fixture
def catalogue() -> dict:
    """The documented catalogue, of the archive in the tests."""
    catalogue = yaml.safe_load(documented("yaml"))
    catalogue["zoos"]["my_zoo"]["source"]["archive"]["path"] = str(ARCHIVE)
    catalogue["zoos"]["my_zoo"]["models"] = MODELS
    return catalogue


def command() -> list[str]:
    """The arguments of the documented command."""
    arguments = shlex.split(documented("sh"))
    assert arguments[:3] == ["snakemake", "--cores", "4"]
    return arguments[3:]


def test_documented_lines_and_command_make_table_2(project, catalogue):
    (project.root / "my_zoos.yaml").write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    project.run(*command())
    models = pd.read_csv(project.root / "results/zoos/my_zoo/models.csv")
    assert list(models.status) == ["ok"] * MODELS
    assert (models.recorded_test_accuracy - models.test_accuracy).abs().max() < 1e-3  # to within rounding
    table = pd.read_csv(project.root / "results/tables/table2.csv")
    assert list(table.zoo) == ["my_zoo"]


def test_a_folder_is_imported_again_when_a_file_in_it_has_changed(project, catalogue):
    with ZipFile(ARCHIVE) as archive:
        archive.extractall(project.root / "my_zoo")
    catalogue["zoos"]["my_zoo"]["source"] = {"directory": "my_zoo"}
    (project.root / "my_zoos.yaml").write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    project.configure(catalogue="my_zoos.yaml", zoos=["my_zoo"])
    originals = "results/zoos/my_zoo/originals.safetensors"
    project.run(originals)
    assert "Nothing to be done" in project.run(originals)
    project.configure(catalogue="my_zoos.yaml", zoos=["my_zoo"], data_dir="elsewhere", download="full")
    assert "Nothing to be done" in project.run(originals)  # where data come from is nothing to train again for
    params = next((project.root / "my_zoo").rglob("params.json"))
    params.write_text(params.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert project.planned(originals)["import_zoo"] == 1


def test_the_same_zoo_from_zenodo_imports_the_same_models(project, catalogue, monkeypatch):
    entry = catalogue["zoos"]["my_zoo"]
    remote = {"source": {"archive": {"zenodo": RECORD, "file": "*seed*.zip"}}, "initial_weights": "checkpoint"}
    catalogue["zoos"]["remote"] = entry | remote
    catalogue["zoos"]["my_zoo"] = entry | {"initial_weights": "checkpoint"}
    (project.root / "my_zoos.yaml").write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    with serving() as server:
        server.publish({KEY: ARCHIVE.read_bytes(), "fmnist_hyp_fix.zip": b""})
        monkeypatch.setenv("ZENODO_API", f"{server.base}/api")
        zoos = ("my_zoo", "remote")
        project.configure(catalogue="my_zoos.yaml", zoos=list(zoos))
        project.run(*(f"results/zoos/{zoo}/models.csv" for zoo in zoos))
        fetched = (project.root / "results/zoos/remote/raw.zip").stat().st_mtime_ns
        project.run(*(f"results/zoos/{zoo}/initial.safetensors" for zoo in zoos))  # as a method later asks for them
        assert fetched == (project.root / "results/zoos/remote/raw.zip").stat().st_mtime_ns
    with ZipFile(project.root / "results/zoos/remote/epoch-0.zip") as of_epoch:
        checkpoints = [name for name in of_epoch.namelist() if "checkpoint" in name]
        assert len(checkpoints) == MODELS == sum("checkpoint_000000/" in name for name in checkpoints)
    initial, of_remote = (
        initial_rows(project.root / f"results/zoos/{zoo}/initial.safetensors").tensors() for zoo in zoos
    )
    assert all(torch.equal(of_remote[name], tensor) for name, tensor in initial.items())
    local, remote = (pd.read_csv(project.root / f"results/zoos/{zoo}/models.csv") for zoo in zoos)
    pd.testing.assert_frame_equal(local, remote)
    source = json.loads((project.root / "results/zoos/remote/source.json").read_text(encoding="utf-8"))
    assert (source["record"], source["key"], source["download"]) == (RECORD, KEY, "selective")
    with ZipFile(project.root / "results/zoos/remote/raw.zip") as fetched, ZipFile(ARCHIVE) as whole:
        checkpoints = [name for name in fetched.namelist() if "checkpoint" in name]
        assert len(checkpoints) == MODELS < sum("checkpoint" in name for name in whole.namelist())


def test_a_failed_fetch_is_one_line_and_leaves_nothing(project, catalogue):
    catalogue["zoos"]["my_zoo"]["source"]["archive"]["sha256"] = "0" * 64
    (project.root / "my_zoos.yaml").write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    project.configure(catalogue="my_zoos.yaml", zoos=["my_zoo"])
    printed = project.run("results/zoos/my_zoo/raw.zip", "--forcerun", "fetch_zoo", succeeds=False)
    assert "Error in rule fetch_zoo" in printed
    assert re.search(r"fmnist_uniform_raw\.zip: its sha256 is [0-9a-f]+, but 0+ was expected", printed)
    assert "Traceback" not in printed
    assert not (project.root / "results/zoos/my_zoo/raw.zip").exists()

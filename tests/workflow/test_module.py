"""The workflow as a module of a Snakefile in another folder, by hand and in the layout that snakedeploy writes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from projects import REPOSITORY, Project
from zootwins.run.paths import located

pytestmark = pytest.mark.workflow

ARCHIVE = REPOSITORY / "tests/data/fmnist_uniform_raw.zip"
MODULE = """
module zootwins:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from zootwins
"""


@pytest.fixture
def user(pristine, tmp_path) -> Project:
    """A folder with nothing in it but a Snakefile that uses the project's, and a small configuration."""
    folder = Project(tmp_path / "user")
    folder.root.mkdir()
    (folder.root / "Snakefile").write_text(MODULE.format(snakefile=pristine / "Snakefile"), encoding="utf-8")
    folder.configure()
    return folder


def times(folder: Path) -> dict[Path, int]:
    """When each file and folder in a folder was last written."""
    return {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}


def test_a_module_with_few_keys_plans_what_the_project_does(user, project):
    jobs = user.planned()  # the default target is the project's
    assert jobs == project.planned("all")
    assert jobs["all"] == 1
    assert len(jobs) > 10


def test_a_users_zoo_becomes_a_table_in_the_users_folder(user, pristine):
    shutil.copy(ARCHIVE, user.root / "my_zoo.zip")
    entry = {"source": {"archive": {"path": "my_zoo.zip"}}, "dataset": "archive", "architecture": "cnn_s", "models": 2}
    (user.root / "my_zoos.yaml").write_text(yaml.safe_dump({"zoos": {"my_zoo": entry}}), encoding="utf-8")
    user.configure(catalogue="my_zoos.yaml", zoos=["my_zoo"])
    before = times(pristine)
    user.run("results/tables/table2.csv", "results/figures/figure1.svg")  # which plans all of it in yet another folder
    table = pd.read_csv(user.root / "results/tables/table2.csv")
    assert list(table.zoo) == ["my_zoo"]
    assert list(table.models) == [2]
    assert times(pristine) == before


def test_snakedeploys_layout_finds_what_the_project_brings_along(pristine, tmp_path):
    """`config` copied, and `workflow/Snakefile` with the module; archives and images stay where they are."""
    shutil.copytree(pristine / "config", tmp_path / "config")
    (tmp_path / "workflow").mkdir()
    snakefile = 'configfile: "config/config.yaml"\n' + MODULE.format(snakefile=pristine / "workflow/Snakefile")
    (tmp_path / "workflow/Snakefile").write_text(snakefile, encoding="utf-8")
    user = Project(tmp_path)
    user.configure(zoos=["fmnist_mini_seed"])
    assert user.planned()["all"] == 1
    before = times(pristine)
    user.run("results/zoos/fmnist_mini_seed/originals.safetensors")
    assert len(pd.read_csv(tmp_path / "results/zoos/fmnist_mini_seed/models.csv")) == 16
    assert times(pristine) == before


def test_a_snakefile_that_is_not_on_this_machine_is_refused_with_the_remedy(user, pristine):
    server = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(pristine), "0"]
    with subprocess.Popen(server, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as serving:
        port = serving.stdout.readline().split(" port ")[1].split()[0]
        (user.root / "Snakefile").write_text(
            MODULE.format(snakefile=f"http://127.0.0.1:{port}/Snakefile"), encoding="utf-8"
        )
        printed = user.run("-n", succeeds=False)
        serving.terminate()
    assert "clone it, and use that Snakefile as the module" in printed


@pytest.mark.parametrize(
    ("there", "found"),
    [([], "zoo.zip"), (["user"], "zoo.zip"), (["project"], "project/zoo.zip"), (["user", "project"], "zoo.zip")],
)
def test_the_users_own_file_comes_before_the_projects(there, found, tmp_path, monkeypatch):
    for folder in ("user", "project"):
        (tmp_path / folder).mkdir()
    for folder in there:
        (tmp_path / folder / "zoo.zip").touch()
    monkeypatch.chdir(tmp_path / "user")
    path = located("zoo.zip", tmp_path / "project")
    assert path == (tmp_path / found if "/" in found else Path(found))

"""Copies of the project that tests may run, change and damage."""

import os
import shutil
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when libraries are imported; two workers share two cores

import pytest
import torch

from disturbance import CONFIGURATION, TABLE, ZOO
from projects import SMALL, TABLES, Project, copy_project

# Networks of the tests are small: torch's threads would only wait for each other, and for those of other workers.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> Path:
    return copy_project(tmp_path_factory.mktemp("copies") / "project")


def copy_without_results(pristine: Path, root: Path) -> Path:
    return shutil.copytree(pristine, root, ignore=shutil.ignore_patterns("results", ".snakemake"))


@pytest.fixture(scope="session")
def tabulated(pristine) -> Project:
    """The project after a run of the paper's Table 2 of one zoo; tests leave it as they found it."""
    project = Project(pristine, SMALL | {"zoos": ["fmnist_mini_seed"]})
    project.configure()
    project.run(*TABLES)
    return project


@pytest.fixture(scope="session")
def finished(pristine, tmp_path_factory) -> Project:
    """A project after a run of everything; tests leave it as they found it."""
    project = Project(copy_without_results(pristine, tmp_path_factory.mktemp("finished") / "project"))
    project.configure()
    project.run("all")
    return project


@pytest.fixture(scope="module")
def copied(pristine, tmp_path_factory) -> Project:
    """A copy that the tests of a module share and may change."""
    project = Project(copy_without_results(pristine, tmp_path_factory.mktemp("copied") / "project"))
    project.configure()
    return project


@pytest.fixture
def project(pristine, tmp_path) -> Project:
    """A copy of its own, without results."""
    project = Project(copy_without_results(pristine, tmp_path / "project"))
    project.configure()
    return project


@pytest.fixture(scope="session")
def prepared(pristine, tmp_path_factory) -> Path:
    """A project whose zoo is imported and not trained yet."""
    root = copy_without_results(pristine, tmp_path_factory.mktemp("prepared") / "project")
    project = Project(root)
    project.configure(**CONFIGURATION)
    project.run(*(f"results/zoos/{ZOO}/{file}.safetensors" for file in ("dataset", "originals")))
    return root


@pytest.fixture(scope="session")
def undisturbed(prepared, tmp_path_factory) -> Project:
    """The imported project after a run that nothing happened to; tests leave it as they found it."""
    project = Project(shutil.copytree(prepared, tmp_path_factory.mktemp("undisturbed") / "project", symlinks=True))
    project.run(TABLE)
    return project


@pytest.fixture
def imported(prepared, tmp_path) -> Project:
    """A copy of the imported project for a run that something happens to."""
    return Project(shutil.copytree(prepared, tmp_path / "project", symlinks=True))

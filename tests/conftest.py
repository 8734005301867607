"""Copies of the project that tests may run, change and damage."""

import os
import shutil
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when libraries are imported; two workers share two cores

import pytest
import torch

from disturbance import CONFIGURATION, TABLE, ZOO
from projects import TABLES, Project, copy_project

# Networks of the tests are small: torch's threads would only wait for each other, and for those of other workers.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> Path:
    return copy_project(tmp_path_factory.mktemp("copies") / "project")


@pytest.fixture(scope="session")
def tabulated(pristine) -> Project:
    """The project after a run of the paper's tables; tests leave it as they found it."""
    project = Project(pristine)
    project.configure()
    project.run(*TABLES)
    return project


@pytest.fixture(scope="session")
def finished(tabulated) -> Project:
    """That project after a run of everything; tests leave it as they found it."""
    tabulated.run("all")
    return tabulated


@pytest.fixture(scope="module")
def copied(pristine, tmp_path_factory) -> Project:
    """A copy that the tests of a module share and may change."""
    ignored = shutil.ignore_patterns("results", ".snakemake")
    project = Project(shutil.copytree(pristine, tmp_path_factory.mktemp("copied") / "project", ignore=ignored))
    project.configure()
    return project


@pytest.fixture
def project(pristine, tmp_path) -> Project:
    """A copy of its own, without results."""
    ignored = shutil.ignore_patterns("results", ".snakemake")
    project = Project(shutil.copytree(pristine, tmp_path / "project", ignore=ignored))
    project.configure()
    return project


@pytest.fixture(scope="session")
def prepared(pristine, tmp_path_factory) -> Path:
    """A project whose zoo is imported and not trained yet."""
    ignored = shutil.ignore_patterns("results", ".snakemake")
    root = shutil.copytree(pristine, tmp_path_factory.mktemp("prepared") / "project", ignore=ignored)
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

"""A copy of the project that tests may run, change and damage."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from zootwins.population import native_engine

REPOSITORY = Path(__file__).parents[2]
PARTS = ("Snakefile", "config.yaml", "config", "profiles", "resources", "rules", "schemas", "src", "workflow", "envs")
SMALL = {  # minutes become seconds: three models of each zoo in shards of two, two epochs
    "max_models": 3,
    "models_per_shard": 2,
    "magnitude_pruning": {"sparsities": [50, 80], "epochs": 2},
    "variational_dropout": {"epochs": 2},
}
# An editable installation puts its own finder before every path; the copy's package has to come first.
SITE = "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if 'Editable' not in type(f).__name__]\n"


@dataclass
class Project:
    """A copied project and how to run its workflow."""

    root: Path

    def configure(self, **changes) -> None:
        """Write the configuration that the next runs take: the small one with changes."""
        configuration = {key: dict(value) if isinstance(value, dict) else value for key, value in SMALL.items()}
        for key, value in changes.items():
            both = isinstance(value, dict) and isinstance(configuration.get(key), dict)
            configuration[key] = configuration[key] | value if both else value
        (self.root / "small.yaml").write_text(yaml.safe_dump(configuration))

    def run(self, *arguments: str, succeeds: bool = True) -> str:
        """Run snakemake; returns what it printed, and fails where it fares other than expected."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", "small.yaml"]
        environment = os.environ | {"PYTHONPATH": str(self.root / "src"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, cwd=self.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert (done.returncode == 0) == succeeds, done.stdout
        return done.stdout

    def planned(self, *targets: str) -> dict[str, int]:
        """How many jobs of each rule a run would do."""
        printed = self.run("-n", "--quiet", "rules", *targets) + self.run("-n", *targets)
        jobs: dict[str, int] = {}
        for line in printed.splitlines():
            words = line.split()
            if line.startswith(("rule ", "localrule ")):
                rule = words[1].rstrip(":")
                jobs[rule] = jobs.get(rule, 0) + 1
        return jobs


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for part in PARTS:
        source = REPOSITORY / part
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(source, root / part, ignore=ignored) if source.is_dir() else shutil.copy(source, root / part)
    (root / "src/sitecustomize.py").write_text(SITE)
    if native_engine.is_available():
        shutil.copy(native_engine._native.__file__, root / "src/zootwins/population")
    return root


@pytest.fixture(scope="session")
def finished(pristine) -> Project:
    """The project after a run of everything; tests leave it as they found it."""
    project = Project(pristine)
    project.configure()
    project.run("all")
    return project


@pytest.fixture
def project(pristine, tmp_path) -> Project:
    """A copy of its own, without results."""
    ignored = shutil.ignore_patterns("results", ".snakemake")
    project = Project(shutil.copytree(pristine, tmp_path / "project", ignore=ignored))
    project.configure()
    return project

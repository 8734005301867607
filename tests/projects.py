"""A copy of the project that tests may run, change and damage, and how to run it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from zootwins.population import native_engine

REPOSITORY = Path(__file__).parents[1]
PARTS = ("Snakefile", "config.yaml", "config", "profiles", "resources", "rules", "src", "workflow", "envs")
SMALL = {  # minutes become seconds: three models of each zoo in shards of two, two epochs
    "max_models": 3,
    "twins": {"mp": {"sparsifier": "magnitude_pruning"}, "vd": {"sparsifier": "variational_dropout"}},
    "models_per_shard": 2,
    "magnitude_pruning": {"sparsities": [50, 80], "epochs": 2},
    "variational_dropout": {"epochs": 2},
}
TABLES = ["results/tables/table2.csv"]  # of both methods; the longer tests make them all
# An editable installation puts its own finder before every path; the copy's package has to come first.
SITE = "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in type(f).__module__]\n"


def copy_project(root: Path) -> Path:
    """Copy what the workflow runs from, the built kernels among it, into a new folder."""
    root.mkdir(parents=True)
    for part in PARTS:
        source = REPOSITORY / part
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(source, root / part, ignore=ignored) if source.is_dir() else shutil.copy(source, root / part)
    (root / "src/sitecustomize.py").write_text(SITE, encoding="utf-8")
    if native_engine.is_available():
        shutil.copy(native_engine._native.__file__, root / "src/zootwins/population")
    return root


@dataclass
class Project:
    """A copied project and how to run its workflow."""

    root: Path
    usual: dict = field(default_factory=lambda: SMALL)  # the configuration that `configure` changes

    def configure(self, **changes) -> None:
        """Write the configuration that the next runs take: the usual one with changes."""
        configuration = {key: dict(value) if isinstance(value, dict) else value for key, value in self.usual.items()}
        for key, value in changes.items():
            both = isinstance(value, dict) and isinstance(configuration.get(key), dict)
            configuration[key] = configuration[key] | value if both else value
        (self.root / "small.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start snakemake; what it prints is to be read from its `stdout`."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", "small.yaml"]
        environment = os.environ | {"PYTHONPATH": str(self.root / "src"), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            command, cwd=self.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments: str, succeeds: bool = True) -> str:
        """Run snakemake; returns what it printed, and fails where it fares other than expected."""
        with self.start(*arguments) as process:
            printed = process.communicate()[0]
        assert (process.returncode == 0) == succeeds, printed
        return printed

    def planned(self, *targets: str) -> dict[str, int]:
        """How many jobs of each rule a run would do."""
        jobs: dict[str, int] = {}
        for line in self.run("-n", *targets).splitlines():
            words = line.split()
            if line.removeprefix("local").startswith(("rule ", "checkpoint ")):
                rule = words[1].rstrip(":")
                jobs[rule] = jobs.get(rule, 0) + 1
        return jobs

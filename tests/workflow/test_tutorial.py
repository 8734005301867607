"""The tutorial runs as it stands, with fewer epochs: its files, commands and Python, in their order."""

import re
import shlex

import pandas as pd
import pytest
import yaml

from projects import REPOSITORY
from zootwins.storage.shards import read_shard

pytestmark = pytest.mark.workflow

BLOCK = re.compile(r'```(\w+)(?: title="([^"]+)")?\n(.*?)```', re.DOTALL)
CONFIGURATION = "tutorial.yaml"


def written(project, file: str, content: str) -> None:
    """Write a file of the page, or add to one that is there; with fewer epochs."""
    path = project.root / file
    content = re.sub(r"epochs: \d+", "epochs: 1", content)
    if file.endswith("registry.py"):
        opening = content.splitlines()[0]
        content = path.read_text(encoding="utf-8").replace(f"{opening}\n", content)
    elif path.exists():
        content = path.read_text(encoding="utf-8") + content
    path.write_text(content, encoding="utf-8")


def run(project, command: str) -> None:
    """Run a command of the page; its configuration is what `Project` passes."""
    configuration = yaml.safe_load((project.root / CONFIGURATION).read_text(encoding="utf-8"))
    (project.root / "small.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    start, targets, end = re.fullmatch(r"(snakemake --cores 4) (.*) (--configfile \S+)", command).groups()
    assert end == f"--configfile {CONFIGURATION}", start
    project.run(*shlex.split(targets))


def test_the_tutorial_runs(project, monkeypatch):
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {}
    for language, file, content in BLOCK.findall((REPOSITORY / "docs/tutorial.md").read_text(encoding="utf-8")):
        if file:
            written(project, file, content)
        elif language == "sh":
            run(project, content.strip())
        else:
            exec(content, names)
    assert (project.root / "tutorial.png").exists()
    compared = pd.read_csv("results/tables/method_difference.csv")
    assert set(zip(compared["method"], compared["against"], strict=True)) == {("mp", "relative")}
    assert len(names["zoo"]) == 12 * (1 + 4 + 4)
    shard = read_shard("results/twins/tutorial/relative/0000-0011.safetensors")
    weight, kept = shard.tensor("conv2.weight")[:, 0, 0], shard.tensor("mask.conv2.weight")[:, -1]
    assert kept.flatten(1).any(1).all()
    for model, mask in zip(weight.abs(), kept, strict=True):  # within a layer, order is that of the weights' size
        assert model[mask].min() >= model[~mask].max()

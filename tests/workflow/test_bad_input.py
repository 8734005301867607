"""What is wrong with the input is said in one line, and nothing half-made stays behind."""

import os
import shutil
import time

import pytest
import yaml

from projects import Project

pytestmark = pytest.mark.workflow


@pytest.fixture
def project(pristine, tmp_path) -> Project:
    """A copy without results, with the small configuration."""
    shutil.copytree(pristine, tmp_path / "copy", ignore=shutil.ignore_patterns("results", ".snakemake"))
    project = Project(tmp_path / "copy")
    project.configure()
    return project


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zoos": ["no_such_zoo"]}, "zoos: 'no_such_zoo' is not in config/zoos.yaml"),
        ({"max_model": 4}, "there is no key 'max_model' here; did you mean max_models?"),
        (
            {"magnitude_pruning": {"sparsities": [50, 100]}},
            "magnitude_pruning.sparsities.1: 100: input should be less than",
        ),
        (
            {"magnitude_pruning": {"sparsities": [0, 50]}},
            "magnitude_pruning.sparsities.0: 0: input should be greater than",
        ),
        ({"engine": "jax"}, "engine: 'jax': is not one of 'auto'"),
        ({"catalogue": "config/none.yaml"}, "none.yaml: there is no such catalogue"),
        (
            {"twins": {"scratch": {"sparsifier": "scratch"}}},
            "zoos.fmnist_mini_seed.scratch: masks: 'gmp' is no method of this zoo; add it",
        ),
    ],
)
def test_configuration(project, changes, message):
    project.configure(**changes)
    printed = project.run("-n", "all", succeeds=False)
    assert message in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("target", "changes", "message"),
    [
        ("all", {"engine": "jax"}, "engine: 'jax'"),
        ("results/tables/table3.csv", {}, "representations.zoos is empty"),
        ("results/models/fmnist_mini_seed/vd/7.safetensors", {}, "7: not among the 3 models of fmnist_mini_seed"),
        ("results/tables/table10.csv", {}, "did you mean results/tables/table1.csv"),
        ("tabels", {}, "tabels: there is no such target; did you mean tables?"),
        ("results/zoos/mine/models.csv", {}, "there is no zoo 'mine'; the catalogue has fmnist_mini_seed"),
    ],
)
def test_what_is_refused_while_planning_is_one_line_even_if_nothing_is_to_be_shown(project, target, changes, message):
    project.configure(**changes)
    printed = project.run("-n", target, "--quiet", "all", succeeds=False)
    assert message in printed.splitlines()[-1]
    assert "Traceback" not in printed


def with_zoo(project: Project, **changes) -> str:
    """Run the import of a zoo whose catalogue entry is the seed zoo's with changes; what was printed."""
    entry = (
        yaml.safe_load((project.root / "config/zoos.yaml").read_text(encoding="utf-8"))["zoos"]["fmnist_mini_seed"]
        | changes
    )
    (project.root / "config/bad.yaml").write_text(yaml.safe_dump({"zoos": {"bad": entry}}), encoding="utf-8")
    project.configure(catalogue="config/bad.yaml", zoos=["bad"])
    printed = project.run("results/zoos/bad/originals.safetensors", succeeds=False)
    left = [path for path in (project.root / "results/zoos/bad").rglob("*") if "tmp" in path.name]
    assert left == []
    assert not (project.root / "results/zoos/bad/originals.safetensors").exists()
    assert "Traceback" not in printed
    return printed


ARCHIVE = "resources/zoos/fmnist_mini_seed.zip"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": {"archive": {"path": ARCHIVE, "sha256": "0" * 64}}}, "sha256"),
        ({"source": {"archive": {"path": "nowhere.zip"}}}, "nowhere.zip"),
        ({"source": {"archive": {"path": "config.yaml"}}}, "config.yaml"),
        ({"source": {"archive": {"path": "../../../x.zip"}}}, "../../../x.zip"),
        ({"source": {"archive": {"path": "/etc/passwd"}}}, "passwd: not a zip or tar archive"),
        ({"source": {"directory": "../copy/config"}}, "no models in the raw ModelZoo layout"),
        ({"models": 15}, "holds 16 models, but the catalogue says 15"),
        ({"architecture": "cnn_l"}, "correct dataset or architecture"),
        ({"epoch": 7}, "missing checkpoint of epoch 7"),
        ({"compare_with": "fmnist_s_sed"}, "zoos.bad.compare_with: 'fmnist_s_sed' is no zoo of the paper"),
    ],
)
def test_zoo(project, changes, message):
    assert message in with_zoo(project, **changes)


def test_an_archive_from_the_future_is_refused_while_planning(project):
    ahead = time.time() + 3600
    os.utime(project.root / ARCHIVE, (ahead, ahead))
    printed = project.run("-n", "results/zoos/fmnist_mini_seed/models.csv", succeeds=False)
    assert f"{ARCHIVE}: is dated" in printed.splitlines()[-1]
    assert "Traceback" not in printed


@pytest.fixture(scope="module")
def alone(pristine, tmp_path_factory) -> Project:
    """A copy in a folder of its own, beside which nothing is."""
    root = tmp_path_factory.mktemp("beside") / "copy"
    shutil.copytree(pristine, root, ignore=shutil.ignore_patterns("results", ".snakemake"))
    project = Project(root)
    project.configure()
    return project


@pytest.mark.parametrize(
    "target",
    [
        "results/twins/../../x/mp/0000-0001.safetensors",
        "results/twins/fmnist_mini_seed/../../../mp/0000-0001.safetensors",
        "results/zoos/../../../originals.safetensors",
        "results/models/fmnist_mini_seed/vd/../../../../../x.safetensors",
        "results/exports/fmnist_mini_seed/../../../../mp.zip",
        "results/../../results/tables/table2.csv",
        "/elsewhere/results/tables/table2.csv",
        "results/twins/no_such_zoo/mp/0000-0001.safetensors",
    ],
)
def test_a_target_that_leads_out_of_results_is_refused(alone, target):
    printed = alone.run(target, succeeds=False)
    assert "No rule to produce" in printed or "there is no zoo 'no_such_zoo'" in printed
    assert "Traceback" not in printed
    assert list(alone.root.parent.iterdir()) == [alone.root]
    assert not (alone.root / "results").exists()

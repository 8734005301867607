"""From twins to the tables and figures of transfer, of two models to digits and back on shuffled pixels."""

import pandas as pd
import pytest

pytestmark = pytest.mark.workflow

ZOO = "fmnist_mini_seed"
QUICK = {"epochs": 2, "lrs": [0.1, 0.01]}
TINY = {
    "tasks": ["digits", "digits:shuffled"],
    "points": {"mp": [50, 80]},
    "random": [80],
    "scratch": [80],
    "lr_models": 1,
    "linear": QUICK | {"layers": ["fc1"]},
    "full": QUICK,
}


@pytest.fixture
def tiny(project):
    project.configure(zoos=[ZOO], transfer=TINY)
    return project


def test_everything_is_made_once_and_lost_files_are_restored(tiny):
    tiny.run("transfer")
    rows = pd.read_csv(tiny.root / "results/tables/transfer.csv")
    assert set(rows["task"]) == {"digits", "digits-shuffled"}
    assert set(rows["method"]) == {"original", "mp", "vd", "mp_random", "mp_scratch", "untrained"}
    assert set(rows["models"]) == {3}
    assert set(pd.read_csv(tiny.root / "results/tables/transfer_findings.csv")["claim"]) >= {1, 2, 3, 4, 5, 6, 7}
    for figure in ("transfer", "transfer_models", "transfer_upstream", "transfer_difficulty"):
        assert (tiny.root / f"results/figures/{figure}.svg").exists()
    assert tiny.planned("transfer") == {}
    (tiny.root / f"results/transfer/{ZOO}/digits/full/0000-0001.safetensors").unlink()
    assert tiny.planned("transfer")["transfer_full"] == 1
    assert "magnitude_pruning" not in tiny.planned("transfer")


def test_a_wrong_point_is_one_line(project):
    project.configure(zoos=[ZOO], transfer=TINY | {"points": {"mp": [55]}})
    printed = project.run("-n", "transfer", succeeds=False)
    assert "transfer.points.mp: 55 is not among what fmnist_mini_seed is run at (0, 50, 80)" in printed
    project.run("-n", "results/tables/table1.csv")  # who does not ask for transfer is not warned


def test_initial_weights_are_made_for_those_who_begin_with_them(project):
    project.configure(zoos=[ZOO], transfer=TINY)
    assert project.planned("transfer")["initial_weights"] == 1
    project.configure(zoos=[ZOO], transfer=TINY | {"scratch": [], "untrained": False})
    assert "initial_weights" not in project.planned("transfer")

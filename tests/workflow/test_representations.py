"""From twins to Table 3 and its figures, with a very small auto-encoder on nine models."""

import pandas as pd
import pytest

from zootwins.experiments.representations.storage import load_representation

pytestmark = pytest.mark.workflow

ZOOS = ["fmnist_mini_seed", "fmnist_mini_random"]
TINY = {"name": "tiny", "zoos": ZOOS[:1], "across": ZOOS[1:], "seeds": 2, "dimension": 16, "largest": 200, "epochs": 2}
TABLES = ("table3", "representation_claims", "prune_decisions", "zero_shot")
FIGURES = (
    *("latent_space", "reconstruction", "property_prediction"),
    *("representation_baselines", "latent_size", "prune_decisions", "zero_shot"),
)
RESULTS = [*(f"results/tables/{name}.csv" for name in TABLES), *(f"results/figures/{name}.svg" for name in FIGURES)]


@pytest.fixture
def tiny(project):
    project.configure(max_models=9, models_per_shard=9, zoos=ZOOS, representations=TINY)
    return project


def test_tables_and_figures_are_made_once(tiny):
    tiny.run(*RESULTS)
    assert all((tiny.root / result).exists() for result in RESULTS)
    table = pd.read_csv(tiny.root / RESULTS[0]).set_index("zoo")
    row = table.loc["fmnist_mini_seed"]
    assert (row["models"], row["seeds"], row["states"], row["configuration"]) == (9, 2, 9 * 3, "tiny")
    assert "tiny" in (tiny.root / "results/tables/table3.md").read_text(encoding="utf-8")
    twins = pd.read_csv(tiny.root / "results/tables/zero_shot.csv")
    assert set(twins["learned_on"]) == {"fmnist_mini_seed"}
    assert twins.groupby("zoo")["models"].max().between([9, 1], [9, 2]).all()  # of the other zoo, all are unseen
    seeds = [load_representation(tiny.root / f"results/representations/fmnist_mini_seed/{n}.safetensors") for n in "01"]
    assert seeds[0].split != seeds[1].split
    assert tiny.planned(*RESULTS) == {}

    # another setting trains auto-encoders again, but no twin
    tiny.configure(max_models=9, models_per_shard=9, zoos=ZOOS, representations=TINY | {"latent": 8})
    planned = tiny.planned(RESULTS[0])
    assert planned["train_representation"] == 2
    assert "variational_dropout" not in planned


def test_without_zoos_the_remedy_is_named(project):
    printed = project.run("-n", "results/tables/table3.csv", succeeds=False)
    assert "representations.zoos is empty" in printed
    assert "config/representations.yaml" in printed

"""Tables of soups: numbers against SciPy and by hand, on made-up zoos."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from synthetic import make_results, make_zoo
from zootwins.analyses.findings import FAILS, HOLDS, OPEN
from zootwins.catalogue.experiments import get_experiment, tables
from zootwins.experiments.soups import soup_tables
from zootwins.experiments.soups.gains import arms, gains, noise_of_gains, unrelated_models, with_soups
from zootwins.experiments.soups.soup_findings import soup_findings

SOUP_TABLES = [table.name for table in get_experiment("soups").tables]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("twins"))


def values(results, arm, variant="seed", goal=0.95, phase=2) -> pd.Series:
    table = results.tables["soups"]
    chosen = (table["variant"] == variant) & (table["goal"] == goal) & (table["phase"] == phase) & (table["arm"] == arm)
    return table[chosen].groupby("index")["test_accuracy"].mean()


def changed(results, arm, accuracy, variant="seed", goal=None):
    """The results with other accuracies of an arm, of one goal or all."""
    table = results.tables["soups"].copy()
    rows = (table["arm"] == arm) & (table["variant"] == variant) & ((table["goal"] == goal) | (goal is None))
    table.loc[rows, "test_accuracy"] = accuracy(table.loc[rows, "test_accuracy"])
    return replace(results, tables={**results.tables, "soups": table})


def test_gains_are_paired_and_tested_as_scipy_does(results):
    table = soup_tables.gain_table([results])
    row = table.query(
        "variant == 'seed' and goal == 95 and phase == 2 and arm == 'soup' and against == 'imp'"
    ).squeeze()
    soup, imp = values(results, "soup"), values(results, "imp")  # the mean of three runs
    difference = 100 * (soup - imp)
    assert (row["models"], row["members"], row["sparsity"]) == (14, 3, pytest.approx(95))
    assert row["mean"] == pytest.approx(difference.mean())
    assert row["std"] == pytest.approx(difference.std(ddof=1))
    assert row["better"] == pytest.approx(100 * (difference > 0).mean())
    assert row["p"] == pytest.approx(stats.wilcoxon(difference).pvalue)
    assert row["low"] < row["mean"] < row["high"]
    assert row["accuracy"] == pytest.approx(100 * soup.mean())


def test_std_of_the_models_is_without_the_noise_of_the_images(results):
    table = soup_tables.gain_table([results]).query("arm == 'soup' and against == 'mean_member' and phase == 2")
    assert table["std_noise"].to_numpy() == pytest.approx(0.1)
    expected = np.sqrt(np.maximum(0, table["std"] ** 2 - 0.01))
    assert table["std_models"].to_numpy() == pytest.approx(expected.to_numpy())


def test_variants_without_imp_are_held_against_that_of_the_seed(results):
    wide = arms(results)
    assert wide.loc["lr"]["imp_long"].equals(wide.loc["seed"]["imp_long"])
    assert wide.loc["dense"]["imp_long"].notna().all()
    assert wide.loc["lr"]["greedy"].isna().all()  # its own or none
    found = gains(results)
    assert not found["gain"].isna().any()
    assert "unrelated_models" not in set(found["variant"])


def test_the_greedy_soup_is_compared_with_members_of_its_own_alone(results):
    """Later phases keep the members of the uniform soup's chain; the greedy one has others."""
    greedy = gains(results).query("arm == 'greedy'")
    later = greedy[greedy["phase"] > 1]
    assert "mean_member" in set(greedy.loc[greedy["phase"] == 1, "against"])
    assert "imp_long" in set(later["against"])
    assert not {"mean_member", "best_member", "best_by_test", "ensemble"} & set(later["against"])


def test_effects_of_factors_are_those_of_scipy(results):
    table = soup_tables.factor_table([results])
    cell = table.query("variant == 'seed' and goal == 95 and against == 'mean_member'").set_index("predictor")
    gain = values(results, "soup") - values(results, "mean_member")
    models = results.models.set_index("index")
    levels = [part for _, part in gain.groupby(models["activation"])]
    test = stats.kruskal(*levels)
    assert cell.loc["activation", "value"] == pytest.approx(test.statistic / 13)
    assert cell.loc["activation", "p"] == pytest.approx(test.pvalue)
    assert cell.loc["activation", "highest"] == max(
        ("relu", "tanh"), key=lambda a: gain[models["activation"] == a].mean()
    )
    tau = stats.kendalltau(models["test_accuracy"], gain)
    assert cell.loc["dense_accuracy", "value"] == pytest.approx(tau.statistic)
    assert cell.loc["dense_accuracy", "p"] == pytest.approx(tau.pvalue)
    assert {"distance", "disagreement", "norm_drop"} < set(cell.index)
    assert "init" not in cell.index  # the same in all


def test_models_without_pairs_do_not_count_in_effects_of_factors(results):
    """Of a model whose members put all images into one class no pair is known, and no predictor has it."""
    pairs = results.tables["soup_pairs"]
    known = replace(results, tables={**results.tables, "soup_pairs": pairs[pairs["index"] > 3]})
    cell = soup_tables.factor_table([known]).query("variant == 'seed' and goal == 95 and against == 'mean_member'")
    gain = values(results, "soup") - values(results, "mean_member")
    gain, models = gain[gain.index > 3], results.models.set_index("index")
    test = stats.kruskal(*(part for _, part in gain.groupby(models["activation"])))
    row = cell.set_index("predictor").loc["activation"]
    assert row["models"] == len(gain)
    assert row["value"] == pytest.approx(test.statistic / (len(gain) - 1))
    assert row["p"] == pytest.approx(test.pvalue)


def test_controls(results):
    table = soup_tables.control_table([results]).set_index(["control", "goal"])
    assert set(table.index.get_level_values("control")) == {
        "members of one model",
        "own masks",
        "one mask",
        "constant",
        "dense",
    }
    own = table.loc["own masks", 95]
    assert own["merged"] == pytest.approx(10)
    mixed = unrelated_models(results).query("kind == 'own masks' and goal == 0.95")
    assert own["parts"] == pytest.approx(100 * mixed["parts"].mean())
    assert own["over_worst"] == pytest.approx(100 * (0.1 - mixed["worst"]).mean())
    assert (mixed["worst"] <= mixed["parts"]).all()


def test_shifted_gains_stand_beside_those_on_test_images(results):
    table = soup_tables.shifted_table([results]).query("variant == 'seed' and goal == 95 and against == 'mean_member'")
    by_set = table.groupby("set")["mean"].mean()
    plain = 100 * (values(results, "soup") - values(results, "mean_member")).mean()
    assert by_set["test"] == pytest.approx(plain)
    assert by_set["corruptions"] == pytest.approx(by_set.drop(["test", "corruptions"]).mean())
    assert len(table) == 2 + 7 * 5


def test_fairness_is_of_the_measure(results):
    table = soup_tables.fairness_table([results]).query(
        "variant == 'seed' and against == 'mean_member' and arm == 'soup'"
    )
    of_measure = table.set_index(["measure", "goal"])
    assert of_measure.loc[("ece", 95), "mean"] == pytest.approx(0)
    assert of_measure.loc[("worst_class", 95), "value"] == pytest.approx(100 * values(results, "soup").mean() - 30)


def test_noise_is_what_resampling_the_images_gives():
    """Images that are hard for all models alike are no noise of the gains' spread."""
    rng = np.random.default_rng(0)
    models, samples = 30, 400
    differences = rng.choice([-1.0, 0.0, 1.0], (models, samples), p=[0.05, 0.85, 0.1])
    differences += rng.choice([0.0, 1.0], samples)  # shared
    draws = rng.multinomial(samples, np.full(samples, 1 / samples), size=3000) / samples
    means = draws @ differences.T - differences.mean(1)
    assert noise_of_gains(differences) == pytest.approx(means.var(axis=1, ddof=1).mean(), rel=0.05)
    assert noise_of_gains(np.tile(differences[:1], (5, 1))) == pytest.approx(0)


def collapsed(results, arms, indices, members=None):
    """The results with networks that put all images into one class."""
    table = results.tables["soups"].copy()
    rows = table["arm"].isin(arms) & table["index"].isin(indices)
    table.loc[rows if members is None else rows & table["member"].isin(members), "collapsed"] = True
    return replace(results, tables={**results.tables, "soups": table})


def test_models_that_tell_no_classes_apart_have_no_gain(results):
    blind = collapsed(results, results.tables["soups"]["arm"].unique(), [3, 5])
    table = soup_tables.gain_table([blind]).query("variant == 'seed' and goal == 95 and against == 'imp'")
    assert set(table["models"]) == {12}
    gain = (values(results, "soup") - values(results, "imp")).drop([3, 5])
    assert table.query("arm == 'soup' and phase == 2")["mean"].item() == pytest.approx(100 * gain.mean())
    assert set(soup_tables.barrier_table([blind])["models"]) == {12}
    assert set(soup_tables.shifted_table([blind])["models"]) == {12}
    none = collapsed(results, results.tables["soups"]["arm"].unique(), results.models["index"])
    assert all(tables()[name].make([none]).empty for name in SOUP_TABLES)
    later = collapsed(results, ["soup"], [3])  # a soup that fails is a result
    assert set(soup_tables.gain_table([later])["models"]) == {14}


def test_a_mixture_with_a_part_that_tells_no_classes_apart_does_not_count(results):
    """Any average is as good as such a part."""
    blind = collapsed(results, ["own_masks_part"], [3], [2])
    table = soup_tables.control_table([blind]).set_index(["control", "goal"])
    assert table.loc[("own masks", 95), "models"] == 13
    assert table.loc[("one mask", 95), "models"] == 14
    (without,) = with_soups([blind])
    pairs = without.tables["soup_pairs"].query("kind == 'unrelated models, own masks' and index == 3 and goal == 0.95")
    assert pairs["member"].tolist() == [3]


def test_no_pair_counts_whose_first_part_tells_no_classes_apart(results):
    blind = collapsed(results, ["member"], [3], [1])
    (without,) = with_soups([replace(blind, tables={**blind.tables, "soups": later_alone(results, blind)})])
    pairs = without.tables["soup_pairs"].query("kind == 'members of one model' and index == 3 and variant == 'seed'")
    assert set(pairs["phase"]) == {1}


def later_alone(results, changed) -> pd.DataFrame:
    """The table of changed results, its first phase as it was."""
    table, before = changed.tables["soups"].copy(), results.tables["soups"]
    table.loc[table["phase"] == 1, "collapsed"] = before.loc[before["phase"] == 1, "collapsed"]
    return table


def test_equal_accuracies_are_no_gain(results):
    """0.1 + 0.2 and 0.3 are not equal as floating-point numbers."""
    level = changed(changed(results, "soup", lambda a: 0.1 + 0.2 + 0 * a), "mean_member", lambda a: 0.3 + 0 * a)
    row = soup_tables.gain_table([level]).query("variant == 'seed' and goal == 95 and phase == 2 and arm == 'soup'")
    assert row.query("against == 'mean_member'")["better"].item() == 0


@pytest.mark.parametrize("name", SOUP_TABLES)
def test_every_table_is_arranged_for_people(results, name):
    table = tables()[name]
    made = table.make([results, replace(results, zoo=make_zoo("other"))])
    assert set(made["zoo"]) == {"mini", "other"}
    keys = [*made.select_dtypes(exclude="floating").columns, "goal"]
    assert not made.duplicated(keys).any()
    grid = table.arrange(made, {"mini": "Made-up", "other": "Other"})
    assert "Made-up" in grid.index.get_level_values("Zoo")
    bare = replace(results, tables={k: v for k, v in results.tables.items() if not k.startswith("soup")})
    assert table.make([bare]).empty


def verdict(results, start, goal=95) -> str:
    table = soup_findings([results])
    row = table[table["finding"].str.startswith(start) & (table["goal"] == goal)]
    assert len(row) == 1, start
    return row["verdict"].item()


def test_findings(results):
    table = soup_findings([results])
    assert not table.duplicated(["zoo", "goal", "finding"]).any()
    assert set(table["verdict"]) <= {HOLDS, FAILS, OPEN}
    assert verdict(results, "a soup is better than the mean") == HOLDS
    assert verdict(changed(results, "soup", lambda a: a - 0.1), "a soup is better than the mean") == FAILS
    assert verdict(changed(results, "imp_long", lambda a: a + 0.1), "a soup is better than one run") == FAILS
    assert verdict(results, "averages of unrelated models (own masks) are worse") == HOLDS
    assert (
        verdict(changed(results, "own_masks", lambda a: a + 1, "unrelated_models"), "averages of unrelated models (own")
        == FAILS
    )
    assert verdict(results, "members that start from a soup") == HOLDS
    assert verdict(results, "soups of unpruned models work", goal=0) == HOLDS
    assert verdict(results, "soups gain more on corrupted images") == HOLDS
    assert verdict(results, "between members there is no barrier") == HOLDS
    assert verdict(results, "soups work whose members differ by learning rate") == HOLDS
    for difference, expected in ((-0.1, HOLDS), (0.1, FAILS)):
        assert verdict(changed(results, "soup", lambda a, d=difference: a + d, goal=0.95), "the gain falls") == expected


def without(results, *places):
    """The results without networks of some models and goals, as where these diverged."""
    table = results.tables["soups"]
    for index, goal, variant in places:
        table = table[~((table["index"] == index) & (table["goal"] == goal) & (table["variant"] == variant))]
    return replace(results, tables={**results.tables, "soups": table})


def test_goals_are_compared_model_by_model_where_some_are_missing(results):
    first, second = (index for index in results.tables["soups"].query("variant == 'seed'")["index"].unique()[:2])
    goals = sorted(results.tables["soups"]["goal"].unique())[-2:]
    lost = without(results, (first, goals[0], "seed"), (second, goals[1], "seed"))
    both = [gains(lost).query("variant == 'seed' and against == 'mean_member' and arm == 'soup'") for _ in goals]
    both = [table[(table["goal"] == goal) & (table["phase"] == 2)] for table, goal in zip(both, goals, strict=True)]
    before, last = (100 * table.groupby("index")["gain"].mean() for table in both)
    found = soup_findings([lost])
    (row,) = found[found["finding"].str.startswith("the gain falls")].to_dict("records")
    assert row["value"] == pytest.approx((last - before).mean())
    assert row["models"] == (last - before).notna().sum() < len(before.index.union(last.index))


def test_controls_are_of_models_that_have_both_networks(results):
    table = results.tables["soups"]
    dense = table[(table["variant"] == "dense") & (table["arm"] == "soup")]
    lost = replace(results, tables={**results.tables, "soups": table.drop(dense.index[0])})
    before, after = (soup_tables.control_table([one]).query("control == 'dense'").iloc[0] for one in (results, lost))
    assert after["models"] == before["models"] - 1
    assert np.isfinite([after["mean"], after["p"]]).all()

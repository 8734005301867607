from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from made_methods import RETRAINED, made, pruned, retrained
from zootwins.analyses.scratch import (
    arrange_scratch,
    arrange_scratch_gap,
    arrange_topology,
    scratch_gap_table,
    scratch_table,
    topology_table,
)
from zootwins.sparsifiers import lottery_ticket, shuffled_mask

ORIGINAL = [0.9, 0.8, 0.7, 0.6, 0.5]
GMP = [0.8, 0.7, 0.65, 0.5, 0.45]
RP = [0.6, 0.5, 0.4, 0.3, 0.2]
# by ratio and epoch (E, matched and B are 2, 3 and 4): scratch gains 0.1 by every epoch
SCRATCH = {(r, e): np.array(ORIGINAL) - r / 2 + (e - 2) / 10 for r in (0.0, 0.5) for e in (0, 1, 2, 3, 4)}
WIDER = {(r, e, 0): a for (r, e), a in SCRATCH.items()} | {(r, e, 1): a + 0.01 for (r, e), a in SCRATCH.items()}
SHUFFLED = {key: a - 0.05 for key, a in SCRATCH.items()}
LOTTERY = {key: a + np.array([0.01, -0.02, 0.03, 0, 0.01]) for key, a in SCRATCH.items()}


def of(kind):
    return kind.Settings(**RETRAINED.model_dump(exclude={"init_scales"}))


def retraining_results():
    """Five models, each pruned, and retrained in three ways."""
    tables = {
        "gmp/scores": pruned({0.0: ORIGINAL, 0.5: GMP}),
        "rp/scores": pruned({0.0: ORIGINAL, 0.5: RP}),
        "scratch/scores": retrained(WIDER, inits=True),
        "lottery/scores": retrained(LOTTERY),
        "shuffled/scores": retrained(SHUFFLED),
    }
    settings = {"scratch": RETRAINED, "lottery": of(lottery_ticket), "shuffled": of(shuffled_mask)}
    return made(tables, ORIGINAL, **settings)


@pytest.fixture
def results():
    return retraining_results()


def rows(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    return table.to_dict("records")


@pytest.mark.parametrize(("budget", "epoch"), [("E", 2), ("matched", 3), ("B", 4)])
def test_budgets_are_states_of_one_run(results, budget, epoch):
    (row,) = rows(scratch_table([results]), method="scratch", budget=budget, init="plain", sparsity=50)
    difference = 100 * (np.array(GMP) - SCRATCH[0.5, epoch])
    assert row["mean"] == pytest.approx(difference.mean())
    assert row["std"] == pytest.approx(difference.std(ddof=1))
    assert row["better"] == pytest.approx(100 * (difference.round(9) > 0).mean())
    assert row["p"] == pytest.approx(stats.wilcoxon(difference.round(7)).pvalue)
    assert (row["pruned"], row["models"]) == ("gmp", 5)


def test_equal_accuracies_are_no_gain(results):
    """Twins of 80 % of 2,416 weights are 80.008 % sparse, and no mixture with those of another sparsity."""
    scores = results.tables["gmp/scores"]
    level = scores.assign(
        sparsity=scores["sparsity"] + 0.0002 * (scores["sparsity"] > 0),
        test_accuracy=scores["test_accuracy"].where(scores["sparsity"] == 0, 0.5),
    )
    tables = {
        name: table.assign(test_accuracy=0.5) if name.endswith("scores") else table
        for name, table in results.tables.items()
    }
    table = scratch_table([replace(results, tables={**tables, "gmp/scores": level})])
    for row in rows(table, sparsity=50):
        assert (row["better"], row["p"]) == (0, 1)


def test_control_and_wider_initial_weights(results):
    table = scratch_table([results])
    (control,) = rows(table, method="scratch", budget="E", init="plain", sparsity=0)
    assert control["mean"] == pytest.approx(0)  # the pruned side's control has the originals' accuracies
    (plain,) = rows(table, method="scratch", budget="E", init="plain", sparsity=50)
    (sparse,) = rows(table, method="scratch", budget="E", init="sparse", sparsity=50)
    assert plain["mean"] - sparse["mean"] == pytest.approx(1)
    assert plain["resnet50"] == pytest.approx(76.53 - 74.68)
    assert plain["transformer"] == pytest.approx(26.33 - 24.58)
    assert np.isnan(sparse["resnet50"])
    assert arrange_scratch(table)["Note"].eq("–").all()


def test_topology_contrasts_differ_by_one_thing(results):
    table = topology_table([results])
    (places,) = rows(table, first="Scratch-B", second="Shuffled-B", sparsity=50)
    assert places["mean"] == pytest.approx(5)
    (random,) = rows(table, first="Shuffled-matched", second="RP", sparsity=50)
    assert random["mean"] == pytest.approx(100 * (SHUFFLED[0.5, 3] - np.array(RP)).mean())
    (start,) = rows(table, first="Lottery-E", second="Scratch-E", sparsity=50)
    assert start["mean"] == pytest.approx(0.6)
    (longer,) = rows(table, first="Scratch-B", second="Scratch-E", sparsity=50)
    assert longer["mean"] == pytest.approx(20)
    (wider,) = rows(table, first="Scratch-B, sparse init", second="Scratch-B", sparsity=50)
    assert wider["mean"] == pytest.approx(1)
    assert "Scratch-B" in arrange_topology(table).index.get_level_values("First")


def test_what_was_not_run_has_a_row_that_says_so(results):
    without = made(
        {name: results.tables[name] for name in ("gmp/scores", "scratch/scores")}, ORIGINAL, scratch=RETRAINED
    )
    (row,) = rows(topology_table([without]), first="Scratch-E", second="Shuffled-E", sparsity=50)
    assert (row["models"], row["reason"]) == (0, "no twins by shuffled at that sparsity")
    none = made({"gmp/scores": results.tables["gmp/scores"]}, ORIGINAL)
    for table in (scratch_table([none]), topology_table([none])):
        assert table["reason"].tolist() == ["the run has no method that retrains masks"]
    assert arrange_scratch(scratch_table([none]))["Difference"].tolist() == ["–"]


def test_who_suffers_from_retraining(results):
    table = scratch_gap_table([results])
    gap = 100 * (np.array(GMP) - SCRATCH[0.5, 2])
    (tau,) = rows(table, method="scratch", budget="E", init="plain", predictor="original accuracy")
    expected = stats.kendalltau(ORIGINAL, gap.round(9))
    assert (tau["value"], tau["p"]) == pytest.approx((expected.statistic, expected.pvalue))
    (optimizer,) = rows(table, method="scratch", budget="E", init="plain", predictor="optimizer")
    adam = np.array([True, True, False, False, True])  # of `make_models`
    test = stats.kruskal(gap[adam].round(9), gap[~adam].round(9))
    assert (optimizer["value"], optimizer["p"]) == pytest.approx((test.statistic / 4, test.pvalue))
    assert not rows(table, predictor="lr")  # all models have the same
    assert len(arrange_scratch_gap(table)) == len(table)


def test_arms_with_masks_of_other_methods_are_not_contrasted(results):
    other = of(lottery_ticket).model_copy(update={"masks": "mp"})
    changed = replace(results, zoo=replace(results.zoo, methods=results.zoo.methods | {"lottery": other}))
    (row,) = rows(topology_table([changed]), first="Lottery-E", second="Scratch-E", sparsity=50)
    assert (row["models"], row["reason"]) == (0, "lottery has masks of mp, scratch of gmp")
    assert np.isnan(row["mean"])


def test_arms_are_contrasted_at_the_budgets_that_they_share(results):
    other = of(lottery_ticket).model_copy(update={"pruning_epochs": RETRAINED.pruning_epochs + 1})
    changed = replace(results, zoo=replace(results.zoo, methods=results.zoo.methods | {"lottery": other}))
    table = topology_table([changed])
    reasons = {
        budget: rows(table, first=f"Lottery-{budget}", second=f"Scratch-{budget}", sparsity=50)[0]["reason"]
        for budget in ("E", "matched", "B")
    }
    assert (reasons["E"], reasons["B"]) == ("", "")
    assert reasons["matched"] == "lottery trains for 4 epochs, scratch for 3"

import numpy as np
import pytest

from made_methods import agreement_of, layers_of, made, penalised, pruned
from synthetic import make_models, make_zoo
from zootwins.analyses.results import ZooResults
from zootwins.analyses.selection import chosen_point, pilots
from zootwins.analyses.state_of_sparsity import published_score, published_scores
from zootwins.analyses.tradeoff import arrange_tradeoff, tradeoff_table

ORIGINAL = (0.9, 0.8, 0.7, 0.6)
# by penalty, each model's sparsity and accuracy
L0 = {1: ([0.4] * 4, ORIGINAL), 10: ([0.6, 0.6, 0.6, 0.5], [0.7, 0.6, 0.5, 0.4]), 100: ([0.8] * 4, [0.3] * 4)}


def results(constant=(False,) * 4, factor=1.0, validation=None):
    scores = penalised(L0, validation)
    layers = layers_of(scores, {"conv1": factor, "fc2": 1})
    return made({"l0/scores": scores, "l0/layers": layers, "l0/agreement": agreement_of(scores, constant)}, ORIGINAL)


def row(table, sparsity):
    (found,) = table[np.isclose(table["sparsity"], sparsity)].to_dict("records")
    return found


def test_accuracy_between_a_models_own_points():
    table = tradeoff_table([results()])
    at_half = row(table, 50)  # half way from 40 to 60 % for three models; the fourth is there
    assert at_half["mean"] == pytest.approx(np.mean([80, 70, 60, 40]))
    assert at_half["median"] == pytest.approx(65)
    assert at_half["p10"] == pytest.approx(46)  # 0.3 of the way from the lowest to the next
    assert at_half["models"] == 4
    assert at_half["change_mean"] == pytest.approx(np.mean([-10, -10, -10, -20]))
    assert row(table, 70)["mean"] == pytest.approx(np.mean([50, 45, 40, (0.4 + 0.3 * 2) / 3 * 100]))
    assert row(table, 80)["mean"] == pytest.approx(30)


def test_sparsity_that_no_twin_has_is_a_row_with_the_reason():
    beyond = row(tradeoff_table([results()]), 90)
    assert beyond["models"] == 0
    assert np.isnan(beyond["mean"])
    assert np.isnan(beyond["setting"])
    assert beyond["reason"] == "twins are 40.0 to 80.0 % sparse"
    assert row(tradeoff_table([results()]), 80)["reason"] == ""


def test_pilots_choose_by_validation_and_the_others_are_reported():
    (pilot,) = pilots(results())
    better_sparser = {1: [0.9] * 4, 10: [0.5] * 4, 100: [0.6] * 4}
    made_so = results(validation=better_sparser)
    assert chosen_point(made_so, "l0", 0.3).value == 1
    assert chosen_point(made_so, "l0", 0.5).value == 100  # better on validation images than penalty 10, and sparser
    opposite = {
        penalty: np.where(np.arange(4) == pilot, value, 1 - np.array(value))
        for penalty, value in better_sparser.items()
    }
    assert chosen_point(results(validation=opposite), "l0", 0.5).value == 100  # the others have no say
    at_half = row(tradeoff_table([made_so]), 50)
    assert (at_half["setting"], at_half["setting_models"]) == (100, 3)
    assert at_half["setting_mean"] == pytest.approx(30)
    assert at_half["setting_sparsity"] == pytest.approx(80)
    assert at_half["pilots"] == str(pilot)


@pytest.mark.parametrize(("models", "count"), [(0, 0), (1, 1), (4, 1), (5, 2), (64, 16), (100, 16)])
def test_pilots_are_a_quarter_at_most_sixteen_and_the_zoos_own(models, count):
    of_zoo = ZooResults(make_zoo(models=models), make_models(models), {})
    turned = ZooResults(make_zoo(models=models), make_models(models).iloc[::-1], {})
    assert len(pilots(of_zoo)) == count
    assert pilots(of_zoo) == pilots(turned)
    if models == 100:
        assert pilots(of_zoo) != pilots(ZooResults(make_zoo("other", models=100), make_models(100), {}))
        assert pilots(of_zoo) != list(range(16))


def test_models_that_fall_apart_are_counted():
    (pilot,) = pilots(results())
    one = (pilot + 1) % 4
    table = tradeoff_table([results(constant=[index in (pilot, one) for index in range(4)])])
    assert row(table, 80)["constant"] == pytest.approx(100 / 3)  # of the others
    assert row(table, 80)["emptied"] == 0
    assert row(tradeoff_table([results(factor=1.25)]), 80)["emptied"] == 100  # 0.8 · 1.25


def test_landing_share_is_that_of_twins_between_half_and_98_percent():
    table = tradeoff_table([results()])
    assert table["landed"].iloc[0] == pytest.approx(100 * 8 / 12)


def test_pruning_lands_where_it_is_asked_to_and_its_control_does_not_count():
    scores = pruned({0.0: ORIGINAL, 0.5: [0.6] * 4, 0.98: [0.5] * 4})
    scores["sparsity"] = scores["sparsity"].replace({0.5: 0.4999, 0.98: 0.9802})  # whole weights
    tables = {"gmp/scores": scores, "gmp/layers": layers_of(scores, {"fc2": 1})}
    table = tradeoff_table([made(tables | {"gmp/agreement": agreement_of(scores, [False] * 4)}, ORIGINAL)])
    assert table["landed"].iloc[0] == 100


def test_requested_sparsity_counts_though_whole_weights_are_pruned():
    scores = pruned({0.0: ORIGINAL, 0.9: [0.5] * 4})
    scores.loc[scores["ratio"] == 0.9, "sparsity"] = [0.8998, 0.9, 0.9002, 0.8999]
    tables = {"gmp/scores": scores, "gmp/layers": layers_of(scores, {"fc2": 1})}
    table = tradeoff_table([made(tables | {"gmp/agreement": agreement_of(scores, [False] * 4)}, ORIGINAL)])
    assert row(table, 90)["models"] == 4
    assert row(table, 90)["mean"] == pytest.approx(50, abs=0.05)
    assert row(table, 90)["setting"] == 90
    assert (row(table, 90)["resnet50"], row(table, 90)["transformer"]) == (73.91, 23.26)


def test_texts_say_the_setting_and_the_reason():
    text = arrange_tradeoff(tradeoff_table([results()]))
    assert text["Chosen"].iloc[0] == "penalty 10"
    assert text["Note"].iloc[-1].startswith("twins are")
    assert text["Accuracy"].iloc[-1] == "–"


def test_published_scores():
    assert published_score("transformer", "scratch", 0.5) == 26.03  # B, the longest
    assert published_score("transformer", "scratch", 0.5, "E") == 24.58
    assert np.isnan(published_score("resnet50", "l0", 0.5))
    assert np.isnan(published_score("resnet50", "scratch", 0.98))
    assert published_scores("mp") == {"resnet50": {}, "transformer": {}}
    # the mask's own worth grows with sparsity
    own = [
        published_score("resnet50", "scratch", s, "E") - published_score("resnet50", "rp", s)
        for s in (0.5, 0.7, 0.9, 0.95)
    ]
    assert own == sorted(own)


def test_a_setting_at_which_pilots_diverge_is_not_chosen_by_those_that_are_left():
    scores = penalised({10: ([0.8] * 16, [0.80] * 16), 100: ([0.8] * 16, [0.81] * 16)})
    originals = np.linspace(0.7, 0.9, 16)
    survivor = pilots(made({"l0/scores": scores}, originals))[0]
    left = scores[(scores["penalty"] == 10) | (scores["index"] == survivor)]
    assert chosen_point(made({"l0/scores": scores}, originals), "l0", 0.8).value == 100
    assert chosen_point(made({"l0/scores": left}, originals), "l0", 0.8).value == 10

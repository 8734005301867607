"""Tables of soups while pruning trains: numbers against SciPy and by hand, on made-up results."""

import pandas as pd
import pytest
from scipy import stats

from synthetic import PRUNING_SOUPS, make_models, make_pruning_soups, make_zoo
from zootwins.analyses.findings import FAILS, HOLDS, OPEN
from zootwins.analyses.results import ZooResults
from zootwins.catalogue.experiments import get_experiment
from zootwins.experiments.soups import while_pruning_tables
from zootwins.reporting.figures.pruning_soup_gain import pruning_soup_gain

MODELS = 12


def rows(method="rigl", models=range(MODELS), **more) -> pd.DataFrame:
    return make_pruning_soups(method, models, **more)["pruning_soups"]


def results_of(*tables: pd.DataFrame) -> ZooResults:
    table = pd.concat(tables, ignore_index=True)
    pairs = table[table["arm"] == "soup"].assign(distance=1.0, agreement=0.9, barrier=0.02)
    return ZooResults(make_zoo(), make_models(), {"pruning_soups": table, "pruning_soup_pairs": pairs})


def test_gains_are_paired_as_scipy_does():
    table = rows()
    row = while_pruning_tables.gain_table([results_of(table)]).query("against == 'long'").squeeze()
    wide = table.pivot_table(index="index", columns="arm", values="test_accuracy")
    difference = 100 * (wide["soup"] - wide["long"])
    assert (row["method"], row["members"], row["goal"], row["models"]) == ("rigl", 3, 90, MODELS)
    assert row["mean"] == pytest.approx(difference.mean())
    assert row["p"] == pytest.approx(stats.wilcoxon(difference).pvalue)
    assert row["low"] < row["mean"] < row["high"] < 0
    assert row["accuracy"] == pytest.approx(100 * wide["soup"].mean())


def test_statements_have_verdicts_both_ways_and_few_models_decide_nothing():
    few = rows("gmp", models=range(2), arms=PRUNING_SOUPS | {"single": 0.7195})
    table = while_pruning_tables.findings_table([results_of(rows(), few)])
    verdicts = {(row.method, row.finding): row.verdict for row in table.itertuples()}
    assert verdicts["rigl", "soups while RigL trains are better than RigL alone"] == HOLDS
    assert verdicts["rigl", "soups while RigL trains are better than RigL trained m times as long"] == FAILS
    assert verdicts["gmp", "soups while GMP trains are better than GMP alone"] == OPEN
    assert set(table["goal"]) == {90}


def test_models_of_which_every_network_is_collapsed_do_not_count():
    table = while_pruning_tables.gain_table([results_of(rows(collapsed=(0, 5)))])
    assert set(table["models"]) == {MODELS - 2}


def test_barriers_are_means_over_models():
    row = while_pruning_tables.barrier_table([results_of(rows())]).squeeze()
    assert (row["models"], row["distance"], row["agreement"], row["barrier_mean"]) == (MODELS, 1, 90, 2)


@pytest.mark.parametrize("made", [results_of(rows(), rows("gmp")), results_of(rows().iloc[:0])])
def test_all_tables_and_the_figure_are_made(made):
    for table in get_experiment("pruning_soups").tables:
        frame = table.make([made])
        arranged = table.arrange(frame, {"synthetic": "Synthetic"})
        assert len(arranged) == len(frame)
    assert pruning_soup_gain([made]).get_axes() or len(made.tables["pruning_soups"]) == 0

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthetic import MP_EPOCHS, SETTINGS_OF, VD_EPOCHS, make_results, make_zoo
from zootwins.analyses.paper_tables import summary
from zootwins.analyses.results import paper_order
from zootwins.catalogue.experiments import tables
from zootwins.run.errors import InputError
from zootwins.sparsifiers import variational_dropout
from zootwins.sparsifiers.registry import name_twins

PAPER = Path(__file__).parents[2] / "resources" / "paper"
TABLES = {name: table.make for name, table in tables().items() if re.fullmatch(r"table[^3]", name)}
FLOAT32 = 1e-5  # percent, from float32 shards
VD = {"vd": SETTINGS_OF["vd"]}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("twins"))


@pytest.mark.parametrize(("number", "paper"), [(1, 1), (2, 2), (5, 5), (6, 6), (7, 7), (8, 8), (9, 1)])
def test_tables_begin_with_the_papers_columns(results, number, paper):
    columns = pd.read_csv(PAPER / f"table{paper}.csv").columns.tolist()
    table = TABLES[f"table{number}"]([results])
    assert table.columns.tolist()[: len(columns)] == columns
    assert "models" in table
    assert (table["models"] == 14).all()


@pytest.mark.parametrize("name", TABLES)
def test_every_row_is_there_once(results, name):
    other = replace(results, zoo=replace(results.zoo, id="other"))
    table = TABLES[name]([other, results])
    keys = [column for column in ("zoo", "sparsity_percent", "epoch", "metric", "quantity") if column in table]
    assert not table.duplicated(keys).any()
    assert table["zoo"].unique().tolist() == ["other", "mini"]


def test_agreement_table_by_hand(results):
    row = TABLES["table1"]([results]).iloc[0]
    scores = results.tables["mp/scores"]
    scores = scores[(scores["ratio"] == 0.8) & (scores["epoch"] == MP_EPOCHS)]
    agreements = results.tables["vd/agreement"]
    agreements = agreements[agreements["epoch"] == VD_EPOCHS]["agreement"]
    assert row["mp_accuracy_mean"] == pytest.approx(100 * scores["test_accuracy"].mean(), abs=FLOAT32)
    assert row["mp_accuracy_std"] == pytest.approx(100 * np.std(scores["test_accuracy"], ddof=1), abs=FLOAT32)
    assert row["vd_agreement_mean"] == pytest.approx(100 * agreements.mean(), abs=FLOAT32)
    assert row["vd_agreement_low"] < row["vd_agreement_mean"] < row["vd_agreement_high"]


def test_correlation_table_joins_twins_with_their_own_originals(results):
    row = TABLES["table2"]([results]).iloc[0]
    twins = results.tables["mp/scores"]
    twins = twins[(twins["ratio"] == 0.8) & (twins["epoch"] == MP_EPOCHS)].sort_values("index")
    r = np.corrcoef(results.models["test_accuracy"], twins["test_accuracy"])[0, 1]
    assert row["mp_pearson_r"] == pytest.approx(100 * r)
    assert row["mp_pearson_r"] > 80  # the made-up twins follow their originals
    shuffled = replace(results, models=results.models.sample(frac=1, random_state=0))
    assert TABLES["table2"]([shuffled]).iloc[0]["mp_kendall_tau"] == pytest.approx(row["mp_kendall_tau"])


def test_zoo_without_a_method_or_a_point(results):
    bare = replace(results, zoo=make_zoo(methods=VD))
    row = TABLES["table1"]([bare]).iloc[0]
    assert math.isnan(row["mp_agreement_mean"])
    assert row["vd_agreement_mean"] > 0
    assert row["models"] == 14
    assert TABLES["table5"]([bare]).empty
    assert TABLES["table5"]([bare]).columns[0] == "zoo"
    absent = replace(results, zoo=make_zoo(points=results.zoo.points | {"agreement": {}}))
    assert TABLES["table1"]([absent]).empty
    assert len(TABLES["table2"]([absent])) == 1


def test_operating_point_that_was_not_run_is_named():
    points = {"agreement": {"mp": 60}, "correlation": {"vd": VD_EPOCHS + 1}}
    with pytest.raises(InputError, match=r"zoos\.mini\.operating_points\.agreement\.mp_sparsity: 60 is not among"):
        make_zoo(points=points).check_points()
    with pytest.raises(InputError, match=r"correlation\.vd_epoch: 6 is not among what is run \(0, 1, 2, 3, 4, 5\)"):
        make_zoo(points=points, methods=VD).check_points()


def test_rows_follow_the_paper_where_they_were_run(results):
    assert TABLES["table6"]([results])["epoch"].unique().tolist() == [0, 2, 4]
    assert TABLES["table7"]([results])["epoch"].unique().tolist() == [0, 5]
    assert TABLES["table5"]([results])["sparsity_percent"].unique().tolist() == [0, 50, 70, 80, 90]
    assert TABLES["table5"]([results])["epoch"].unique().tolist() == [0, MP_EPOCHS]
    paper = pd.read_csv(PAPER / "table2.csv")
    zoos = [replace(results, zoo=make_zoo(name)) for name in ("mini", "svhn_s_seed", "usps_s_seed")]
    assert [r.zoo.id for r in paper_order(zoos, paper)] == ["usps_s_seed", "svhn_s_seed", "mini"]


def with_many(results):
    """The same zoo with a named twin of MP, whose sparsities the paper does not print, and with gmp's id for VD."""
    name_twins({"mp_erk": {"sparsifier": "magnitude_pruning"}})
    odd = SETTINGS_OF["mp"].model_copy(update={"sparsities": (15, 80)})
    scores = results.tables["mp/scores"]
    few = scores[scores["ratio"].isin((0, 0.5, 0.8))]
    few = few.assign(ratio=few["ratio"].replace(0.5, 0.15), point=few["point"].replace(50.0, 15.0))
    tables = {**results.tables, "mp_erk/scores": few, "mp_erk/agreement": results.tables["mp/agreement"]}
    points = {name: {"mp_erk": 80, **own} for name, own in results.zoo.points.items()}
    zoo = replace(results.zoo, methods={"mp_erk": odd, **results.zoo.methods}, points=points)
    return replace(results, tables=tables, zoo=zoo)


@pytest.fixture
def many(results):
    yield with_many(results)
    name_twins({})


@pytest.mark.parametrize("number", [1, 2, 5])
def test_other_methods_and_ratios_follow_the_papers(results, many, number):
    alone, table = TABLES[f"table{number}"]([results]), TABLES[f"table{number}"]([many])
    printed = pd.read_csv(PAPER / f"table{number}.csv").columns.tolist()
    assert table.columns.tolist()[: len(printed)] == printed
    shared = [column for column in alone if column != "models"]
    pd.testing.assert_frame_equal(table[shared].head(len(alone)), alone[shared])
    text = tables()[f"table{number}"].arrange(table, {"mini": "Mini"})
    assert "MP erk" in text.index.get_level_values("Method")
    if number != 5:
        assert table["mp_erk_point"].tolist() == [80]
        return
    erk = table[table["method"] == "mp_erk"]
    assert erk["sparsity_percent"].unique().tolist() == [0, 80, 15]  # the paper's first
    assert erk["epoch"].unique().tolist() == [0, MP_EPOCHS]


def test_quartiles_stand_beside_means(results):
    row = TABLES["table1"]([results]).iloc[0]
    accuracies = 100 * results.at("mp", 80)["test_accuracy"]
    assert row["mp_accuracy_median"] == pytest.approx(accuracies.median())
    assert row["mp_accuracy_upper_quartile"] == pytest.approx(accuracies.quantile(0.75))


def test_layer_tables_average_to_the_sparsity(results):
    table = TABLES["table8"]([results]).set_index(["sparsity_percent", "quantity"])["mean"]
    sizes = {"conv1": 200, "conv2": 1200, "conv3": 96, "fc1": 720, "fc2": 200}
    weighted = sum(size * table[70, layer] for layer, size in sizes.items()) / 2416
    assert weighted == pytest.approx(100 * results.at("mp", 70)["sparsity"].mean(), abs=FLOAT32)


def test_configuration_table(results):
    row = TABLES["table4"]([results]).iloc[0]
    assert row["weights"] == 2416
    assert row["activation"] == "relu, tanh"
    assert row["dropout"] == "0, 0.5"
    assert (row["lr_vd"], row["lr_mp"]) == ("0.01", "0.001")
    own = replace(results, zoo=make_zoo(methods={"vd": variational_dropout.Settings(epochs=5, threshold=3.0)}))
    row = TABLES["table4"]([own]).iloc[0]
    assert row["lr_vd"] == "source"
    assert row["lr_mp"] is None


def test_summary_of_one_and_of_no_model():
    one = summary(pd.Series([0.5]))
    assert (one["mean"], one["models"]) == (50, 1)
    assert math.isnan(one["std"])
    assert math.isnan(summary(pd.Series([], dtype=float))["mean"])

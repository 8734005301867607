"""Every table and figure of zoos with no, one or two models, and of models that all predict one class."""

import warnings
from dataclasses import replace

import pandas as pd
import pytest

from synthetic import ARCHITECTURE, SETTINGS_OF, draw, make_results
from test_scratch import retraining_results
from zootwins.analyses.mask_overlap import mask_overlaps
from zootwins.analyses.paper_comparison import PAPER_LAYERS
from zootwins.analyses.prune_shares import prune_shares
from zootwins.catalogue.experiments import figures, tables
from zootwins.reporting.explorer import explorer_page
from zootwins.reporting.figures import save
from zootwins.reporting.typeset import write_texts
from zootwins.storage.frames import write_csv
from zootwins.storage.shards import read_shard

READER = "zootwins.analyses.results:read_results"
OF_ZOOS = [table for table in tables().values() if table.reader == READER]
DRAWN = [name for name, figure in figures().items() if figure.reader == READER]
SIZES = {"no models": 0, "one model": 1, "two models": 2}
CLASSES = 10


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twins")
    made = make_results(folder)
    history = pd.DataFrame([{"index": i, "epoch": e, "test_accuracy": 0.1 * e} for i in range(14) for e in range(6)])
    shards = {method: [read_shard(folder / f"mini-{method}-0000.safetensors")] for method in SETTINGS_OF}
    overlaps = mask_overlaps(shards, SETTINGS_OF, ARCHITECTURE.weight_shares.numpy())
    more = {
        "history": history,
        "vd/prune_shares": prune_shares(shards["vd"], 3.0, PAPER_LAYERS),
        "mask_overlap": overlaps,
    }
    return replace(made, tables={**made.tables, **more})


def of_first(results, models):
    """The first models of a zoo, as `max_models` takes them."""
    tables = {
        name: table[table["index"] < models] if "index" in table else table for name, table in results.tables.items()
    }
    if not models:
        tables = {name: table if "index" in table else table.iloc[:0] for name, table in tables.items()}
    return replace(results, models=results.models[results.models["index"] < models], tables=tables)


def of_one_class(results):
    """The same models, all of which put every image into one class."""

    def collapsed(table):
        accuracies = [name for name in table if "accuracy" in name or name.startswith("line_")]
        flags = [name for name in ("constant", "collapsed") if name in table]
        return table.assign(**dict.fromkeys(accuracies, 1 / CLASSES), **dict.fromkeys(flags, True))

    tables = {name: collapsed(table) for name, table in results.tables.items()}
    return replace(results, models=collapsed(results.models), tables=tables)


CASES = [*SIZES, "one class", "all of these"]
ALONE = [pytest.param(case, marks=pytest.mark.workflow) for case in ("one model", "two models", "one class")]
CHECKED = ["no models", "all of these", *ALONE]  # a case alone is among the longer tests


def zoos_of(results, case):
    if case == "all of these":
        return [replace(zoo, zoo=replace(zoo.zoo, id=one)) for one in CASES[:-1] for zoo in zoos_of(results, one)]
    return [of_one_class(of_first(results, 5)) if case == "one class" else of_first(results, SIZES[case])]


@pytest.mark.parametrize("case", CHECKED)
@pytest.mark.parametrize("table", OF_ZOOS, ids=lambda table: table.name)
def test_a_table(whole, table, case, tmp_path):
    results = retraining_results() if table.module.endswith("scratch") else whole
    zoos = zoos_of(results, case)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # means of nothing, division by 0
        rows = table.make(zoos)
    write_csv(rows, tmp_path / "table.csv")
    titles = {zoo.zoo.id: zoo.zoo.title for zoo in zoos}
    texts = [tmp_path / f"table.{form}" for form in ("md", "tex", "html")]
    write_texts(table.arrange(rows, titles), table.title, table.note, texts, {})


@pytest.mark.parametrize("case", CHECKED)
@pytest.mark.parametrize("name", DRAWN)
def test_a_figure(whole, name, case, tmp_path):
    results = retraining_results() if name == "scratch_comparison" else whole
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        figure = draw(name, zoos_of(results, case))
    save(figure, [tmp_path / f"{name}.svg"], {})


@pytest.mark.parametrize("case", CHECKED)
def test_the_explorer(whole, case):
    explorer_page(zoos_of(whole, case))

"""The registry of experiments: cheap to read, and every name in it means something."""

import subprocess
import sys
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from pkgutil import resolve_name

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from synthetic import draw, make_results
from zootwins.catalogue.experiments import REGISTRY, experiments, figures, get_experiment, tables
from zootwins.population import Factors
from zootwins.run import provenance
from zootwins.zoos.sources import FACTORS, TrainSource

PAPER = Path(__file__).parents[2] / "resources" / "paper"
SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
RESULTS = [*tables().values(), *figures().values()]
WITHOUT_P_VALUES = (
    *(
        "table1",
        "table3",
        "table4",
        "table5",
        "table6",
        "table7",
        "table8",
        "table9",
        "rank_changes",
        "predictability",
        "compression",
    ),
    *("compression", "sparsity_tradeoff", "layer_distribution", "mask_overlap", "paper_comparison"),
    *("paper_agreement", "representation_claims", "prune_decisions", "zero_shot"),
)


def test_reading_the_registry_loads_no_heavy_library():
    """The Snakefile reads it, and every job reads the Snakefile."""
    heavy = {"torch", "pandas", "scipy", "numpy", "matplotlib"}
    code = f"import sys; from zootwins.catalogue import files as f; f.experiments(); print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def imported_by(results, *names):
    """Return which libraries are loaded where what makes some results is imported."""
    scripts = [SCRIPTS / f"{name}.py" for name in ("make_table", "make_figure", "make_explorer")]
    modules = {module for result in results for module in result.modules}
    modules |= {name for path in scripts for name in provenance._source(path).imports if provenance._file(name)}
    code = f"import sys; [__import__(name) for name in {sorted(modules)}]; print(*(set({names}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr == ""
    return set(run.stdout.split())


def test_no_table_and_no_figure_imports_torch():
    """Importing it takes longer than making most of them; what needs tensors imports them where it does."""
    assert "torch" not in imported_by(RESULTS, "torch")


def test_tables_without_p_values_and_figures_of_all_import_no_scipy_stats():
    """Importing it takes as long as everything else that they import."""
    drawn = [figure for one in experiments() if one.in_all for figure in one.figures]
    light = [tables()[name] for name in WITHOUT_P_VALUES]
    assert imported_by([*drawn, *light], "scipy.stats", "sklearn", "seaborn") == set()


def test_experiments_and_results_have_one_name_each():
    assert [one.id for one in experiments()] == list(REGISTRY)
    assert len(tables()) == sum(len(one.tables) for one in experiments())
    assert len(figures()) == sum(len(one.figures) for one in experiments())


@pytest.mark.parametrize("experiment", experiments(), ids=lambda one: one.id)
def test_an_experiment_reads_its_own_long_tables_and_those_that_it_extends(experiment):
    known = set(chain(experiment.long_tables, *(get_experiment(other).long_tables for other in experiment.extends)))
    known |= {source.replace("*", method) for source in known for method in ("mp", "vd")}
    for result in (*experiment.tables, *experiment.figures):
        assert {source for source in result.sources if not source.startswith("tables/")} <= known, result.name
    assert experiment.findings in (None, *(table.name for table in experiment.tables))
    if experiment.page:
        assert (PAPER.parents[1] / "docs" / experiment.page).is_file()


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: f"{type(result).__name__}-{result.name}")
def test_every_entry_can_be_looked_up(result):
    assert callable(resolve_name(result.reader))
    for module in result.modules:
        assert provenance._file(module).is_file()  # what the digest of code covers
    for table in result.paper:
        assert (PAPER / f"{table}.csv").is_file()
    assert result.sources
    assert result.label


@pytest.mark.parametrize("table", tables().values(), ids=lambda table: table.name)
def test_every_table_can_be_made_and_typeset(table):
    assert callable(table._function(table.maker))
    assert callable(table._function(table.arranger))
    # pandas escapes cells, but not titles and notes: LaTeX has to bear them but for the percent sign
    assert not set("&#_${}~^\\") & set(table.title + table.note)


def test_factors_are_those_of_the_models():
    assert set(FACTORS) < {field.name for field in fields(Factors)}
    assert set(FACTORS) < set(TrainSource.model_fields)


def of_zoos(results):
    """The tables or figures that are made of the results of zoos."""
    return [result for result in results.values() if result.reader == "zootwins.analyses.results:read_results"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("twins"))


def given(results, sources):
    """The results as a rule gives them, with the tables that are its sources alone."""
    names = {table.replace("*", method) for table in sources for method in results.zoo.methods}
    return replace(results, tables={name: table for name, table in results.tables.items() if name in names})


@pytest.mark.parametrize("table", of_zoos(tables()), ids=lambda table: table.name)
def test_a_table_needs_no_more_than_its_sources(results, table):
    pd.testing.assert_frame_equal(table.make([given(results, table.sources)]), table.make([results]))


@pytest.mark.parametrize("table", of_zoos(tables()), ids=lambda table: table.name)
def test_a_table_of_a_zoo_without_operating_points_is_arranged(results, table):
    """As of the paper's grid zoos, which its Tables 1 and 2 leave out."""
    points = {comparison: dict.fromkeys(methods) for comparison, methods in results.zoo.points.items()}
    left = {name: rows for name, rows in results.tables.items() if not name.endswith("/response")}
    without = replace(results, zoo=replace(results.zoo, points=points), tables=left)
    assert without.operating_points("correlation") == {}
    table.arrange(table.make([without]), {"mini": "Made-up"})


@pytest.mark.parametrize(
    "figure", [one for one in of_zoos(figures()) if one.name != "figure2"], ids=lambda figure: figure.name
)  # figure2's histories are not made up
def test_a_figure_needs_no_more_than_its_sources(results, figure):
    def drawn(zoo):
        shown = draw(figure.name, [zoo], [results])
        plt.close(shown)
        return [(axes.get_title(), len(axes.lines), len(axes.collections), len(axes.patches)) for axes in shown.axes]

    assert drawn(given(results, figure.sources)) == drawn(results)

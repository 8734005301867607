"""The registry of tables: cheap to read, and every name in it means something."""

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from synthetic import make_results
from zootwins.population import Factors
from zootwins.reporting.gallery import TABLES
from zootwins.reporting.gallery.figures import FIGURES
from zootwins.run import provenance
from zootwins.zoos.sources import FACTORS, TrainSource

PAPER = Path(__file__).parents[2] / "resources" / "paper"
SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
MAKERS = {one.rule for one in (*TABLES.values(), *FIGURES.values())}


def test_reading_the_registries_loads_no_heavy_library():
    """The Snakefile reads those of tables and of figures, and every job reads the Snakefile."""
    heavy = {"torch", "pandas", "scipy", "numpy", "matplotlib"}
    code = f"import sys, zootwins.reporting.gallery.figures; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_no_table_and_no_figure_imports_torch():
    """Importing it takes longer than making most of them; what needs tensors imports them where it does."""
    scripts = [path for path in SCRIPTS.glob("*.py") if path.stem in MAKERS or path.stem == "make_explorer"]
    modules = {table.module for table in TABLES.values()} | {figure.module for figure in FIGURES.values()}
    modules |= {name for path in scripts for name in provenance._source(path).imports if provenance._file(name)}
    code = f"import sys; [__import__(name) for name in {sorted(modules)}]; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("False\n", "")


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_entry_can_be_looked_up(table):
    assert callable(table._function(table.maker))
    assert callable(table._function(table.arranger))
    assert provenance._file(table.module).is_file()  # what the digest of code covers
    assert (PAPER / f"{table.order}.csv").is_file()
    assert table.sources
    # pandas escapes cells, but not titles and notes: LaTeX has to bear them but for the percent sign
    assert not set("&#_${}~^\\") & set(table.title + table.note)


def test_factors_are_those_of_the_models():
    assert set(FACTORS) < {field.name for field in fields(Factors)}
    assert set(FACTORS) < set(TrainSource.model_fields)


OF_ZOOS = [table for table in TABLES.values() if table.rule in ("make_table", "make_soup_table", "make_transfer_table")]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("twins"))


def given(results, sources):
    """The results as a rule gives them, with the tables that are its sources alone."""
    names = {table.replace("*", method) for table in sources for method in results.zoo.methods}
    return replace(results, tables={name: table for name, table in results.tables.items() if name in names})


@pytest.mark.parametrize("table", OF_ZOOS, ids=lambda table: table.name)
def test_a_table_needs_no_more_than_its_sources(results, table):
    pd.testing.assert_frame_equal(table.make([given(results, table.sources)]), table.make([results]))


@pytest.mark.parametrize("table", OF_ZOOS, ids=lambda table: table.name)
def test_a_table_of_a_zoo_without_operating_points_is_arranged(results, table):
    """As of the paper's grid zoos, which its Tables 1 and 2 leave out."""
    points = {comparison: dict.fromkeys(methods) for comparison, methods in results.zoo.points.items()}
    left = {name: rows for name, rows in results.tables.items() if not name.endswith("/response")}
    without = replace(results, zoo=replace(results.zoo, points=points), tables=left)
    assert without.operating_points("correlation") == {}
    table.arrange(table.make([without]), {"mini": "Made-up"})


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "figure2"])  # its histories are not made up
def test_a_figure_needs_no_more_than_its_sources(results, name):
    def drawn(zoo):
        figure = FIGURES[name].draw([zoo])
        plt.close(figure)
        return [(axes.get_title(), len(axes.lines), len(axes.collections), len(axes.patches)) for axes in figure.axes]

    assert drawn(given(results, FIGURES[name].sources)) == drawn(results)

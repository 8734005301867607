"""The registry of tables: cheap to read, and every name in it means something."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from zootwins.population import Factors
from zootwins.reporting.gallery import TABLES
from zootwins.run import provenance
from zootwins.zoos.sources import FACTORS, TrainSource

PAPER = Path(__file__).parents[2] / "resources" / "paper"


def test_reading_the_registries_loads_no_heavy_library():
    """The Snakefile reads those of tables and of figures, and every job reads the Snakefile."""
    heavy = {"torch", "pandas", "scipy", "numpy", "matplotlib"}
    code = f"import sys, zootwins.reporting.gallery.figures; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


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

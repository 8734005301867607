"""Digests of settings and sources."""

import shutil
from pathlib import Path

import pytest

from zootwins import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package whose sources can be changed."""
    copy = tmp_path / "src/zootwins"
    shutil.copytree(Path(provenance.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    monkeypatch.setattr(provenance, "NATIVE", tmp_path / "native")

    def digest(module):
        provenance.source_digest.cache_clear()
        return provenance.source_digest(module)

    yield copy, digest
    provenance.source_digest.cache_clear()


def test_a_module_depends_on_what_it_imports_and_on_nothing_else(package):
    folder, digest = package
    before = {name: digest(f"zootwins.{name}") for name in ("magnitude_pruning", "variational_dropout", "correlation")}
    with (folder / "magnitude_pruning.py").open("a") as file:
        file.write("\nADDED = 1\n")
    assert digest("zootwins.magnitude_pruning") != before["magnitude_pruning"]
    assert digest("zootwins.variational_dropout") == before["variational_dropout"]
    with (folder / "population/trajectory.py").open("a") as file:
        file.write("\nADDED = 1\n")
    assert digest("zootwins.variational_dropout") != before["variational_dropout"]
    assert digest("zootwins.correlation") == before["correlation"]


def test_prose_and_formatting_do_not_count(package):
    folder, digest = package
    before = digest("zootwins.randomness")
    source = (folder / "randomness.py").read_text()
    (folder / "randomness.py").write_text(source.replace('"""Counter-based', '"""Counter based') + "\n# a comment\n")
    assert digest("zootwins.randomness") == before


def test_the_kernels_count_for_what_trains(package):
    folder, digest = package
    trains, analyses = digest("zootwins.population.engines"), digest("zootwins.population")
    kernels = folder.parents[1] / "native"
    kernels.mkdir()
    (kernels / "kernels.cpp").write_text("int x;")
    assert digest("zootwins.population.engines") != trains
    assert digest("zootwins.population") == analyses


def test_a_file_that_a_module_reads_counts(package):
    folder, digest = package
    assert all(digest(f"zootwins.{path.stem}") for path in folder.glob("*.py"))  # every file that is named is there
    page, style = digest("zootwins.explorer"), digest("zootwins.figures.tradeoff")
    for name in ("explorer.html", "figures/zootwins.mplstyle"):
        with (folder / name).open("a") as file:
            file.write("\n")
    assert digest("zootwins.explorer") != page
    assert digest("zootwins.figures.tradeoff") != style


def test_settings_digest_ignores_the_order_of_keys():
    assert provenance.digest({"a": 1, "b": 2}) == provenance.digest({"b": 2, "a": 1})
    assert provenance.digest({"a": 1}) != provenance.digest({"a": 2})


def test_record_is_text_and_names_the_software():
    record = provenance.record({"epochs": 15}, engine="torch", seeds=[1, 2])
    assert all(isinstance(value, str) for value in record.values())
    assert '"torch"' in record["software"]
    assert record["engine"] == "torch"
    assert record["seeds"] == "[1, 2]"

"""Digests of settings and sources."""

import shutil
from pathlib import Path

import pytest

from zootwins.run import provenance


def forget() -> None:
    """Sources are read once a process; these tests change them."""
    provenance.code_digest.cache_clear()
    provenance._source.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package whose sources can be changed, and the digest of a script that imports a module of it."""
    copy = tmp_path / "src/zootwins"
    shutil.copytree(provenance.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    monkeypatch.setattr(provenance, "NATIVE", tmp_path / "native")

    def digest(module):
        script = tmp_path / "script.py"
        script.write_text(f"import zootwins.{module}", encoding="utf-8")
        forget()
        return provenance.code_digest(script)

    yield copy, digest
    forget()


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_a_script_depends_on_what_it_imports_and_on_nothing_else(package):
    folder, digest = package
    pruning, dropout, statistics = (
        "sparsifiers.magnitude_pruning",
        "sparsifiers.variational_dropout",
        "analyses.statistics",
    )
    before = {name: digest(name) for name in (pruning, dropout, statistics)}
    append(folder / "sparsifiers/magnitude_pruning.py", "\nADDED = 1\n")
    assert digest(pruning) != before[pruning]
    assert digest(dropout) == before[dropout]
    append(folder / "population/trajectory.py", "\nADDED = 1\n")
    assert digest(dropout) != before[dropout]
    assert digest(statistics) == before[statistics]


def test_parent_packages_count(package):
    folder, digest = package
    before = digest("analyses.metrics")
    append(folder / "analyses/__init__.py", "\nADDED = 1\n")
    assert digest("analyses.metrics") != before


def test_modules_loaded_by_name_count(package, tmp_path):
    folder, _ = package
    script = tmp_path / "script.py"
    script.write_text("import json", encoding="utf-8")
    before = provenance.code_digest(script, "zootwins.analyses.statistics")
    append(folder / "analyses/statistics.py", "\nADDED = 1\n")
    forget()
    assert provenance.code_digest(script, "zootwins.analyses.statistics") != before


def test_prose_and_formatting_do_not_count(package):
    folder, digest = package
    before = digest("population.randomness")
    path = folder / "population/randomness.py"
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace('"""Counter-based', '"""Counter based') + "\n# a comment\n", encoding="utf-8")
    assert path.read_text(encoding="utf-8") != source
    assert digest("population.randomness") == before


def test_the_kernels_count_for_what_trains(package):
    folder, digest = package
    trains, analyses = digest("population.engines"), digest("population")
    kernels = folder.parents[1] / "native"
    kernels.mkdir()
    (kernels / "kernels.cpp").write_text("int x;", encoding="utf-8")
    assert digest("population.engines") != trains
    assert digest("population") == analyses


def test_a_file_that_a_module_reads_counts(package):
    folder, digest = package
    page, style = digest("reporting.explorer"), digest("reporting.figures.tradeoff")
    for name in ("explorer.html", "figures/zootwins.mplstyle"):
        append(folder / "reporting" / name, "\n")
    assert digest("reporting.explorer") != page
    assert digest("reporting.figures.tradeoff") != style


def test_settings_digest_ignores_the_order_of_keys():
    assert provenance.digest({"a": 1, "b": 2}) == provenance.digest({"b": 2, "a": 1})
    assert provenance.digest({"a": 1}) != provenance.digest({"a": 2})


def test_record_is_text_and_names_the_software():
    record = provenance.record({"epochs": 15}, engine="torch", seeds=[1, 2])
    assert all(isinstance(value, str) for value in record.values())
    assert '"torch"' in record["software"]
    assert record["engine"] == "torch"
    assert record["seeds"] == "[1, 2]"

"""docs/replication.md is what its data make, and a zoo's run leaves the other zoos' numbers alone."""

import importlib.util
from types import ModuleType

import pandas as pd
import pytest

from projects import REPOSITORY
from zootwins.storage.frames import write_csv


@pytest.fixture(scope="module")
def replication() -> ModuleType:
    specification = importlib.util.spec_from_file_location("replication", REPOSITORY / "docs/replication.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_page_has_the_numbers_of_its_data(replication):
    """If it does not: python docs/replication.py, with the results of a run."""
    page = replication.PAGE.read_text(encoding="utf-8")
    assert replication.with_numbers(page, replication.stored_tables()) == page


def test_every_number_on_the_page_has_its_n(replication):
    tables = replication.stored_tables()
    blocks = replication.Blocks(tables, {zoo: zoo for zoo in tables["paper_comparison"]["zoo"]})
    for zoo, part in tables["paper_comparison"].groupby("zoo"):
        assert f"{zoo}, n = {part['models'].max():.0f}" in blocks.numbers()


def test_a_run_replaces_its_own_zoo_and_no_other(replication, monkeypatch, tmp_path):
    monkeypatch.setattr(replication, "DATA", tmp_path / "data")

    def run(zoo: str, value: int) -> None:
        for name in replication.TABLES:
            path = tmp_path / f"results/tables/{name}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_csv(pd.DataFrame({"zoo": [zoo], "value": [value], "models": [64]}), path)
        replication.collect(tmp_path / "results")

    benchmarks = tmp_path / "results/benchmarks/train_zoo/first"
    benchmarks.mkdir(parents=True)
    for shard in ("0000-0031", "0032-0063", "0064-0095"):  # the last one is of models that are not in the tables
        (benchmarks / f"{shard}.tsv").write_text("s\tcpu_time\n7200\t3600\n", encoding="utf-8")
    run("first", 1)
    run("second", 2)
    run("first", 3)
    for name in replication.TABLES:
        stored = pd.read_csv(tmp_path / f"data/{name}.csv").set_index("zoo")["value"]
        assert stored.to_dict() == {"first": 3, "second": 2}
    cost = pd.read_csv(tmp_path / "data/cost.csv")
    assert cost[["zoo", "step", "shards", "hours", "processor_hours"]].values.tolist() == [
        ["first", "training", 2, 4, 2]
    ]

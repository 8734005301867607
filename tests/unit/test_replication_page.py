"""docs/replication.md is what its tables make, and zoos whose long tables are not kept stay as they were."""

import re

import pandas as pd
import pytest
import replication
from kept_tables import KeptTables
from made_pages import INLINE, MADE
from replication_blocks import Blocks, Numbers


def stored_tables() -> dict[str, pd.DataFrame]:
    names = (*replication.TABLES, *replication.OF_ZOO)
    return {name: pd.read_csv(replication.DATA / f"{name}.csv") for name in names}


def test_the_page_has_the_numbers_of_its_tables():
    """If it does not: python docs/replication.py."""
    page = replication.PAGE.read_text(encoding="utf-8")
    assert replication.with_numbers(page, stored_tables()) == page


def test_every_zoo_on_the_page_has_its_n():
    tables = stored_tables()
    verdicts = Blocks(tables, {zoo: zoo for zoo in tables["paper_comparison"]["zoo"]}).verdicts()
    for zoo, part in tables["paper_comparison"].groupby("zoo"):
        assert re.search(rf"^\| {zoo} +\| {part['models'].max():.0f} ", verdicts, re.MULTILINE)


def test_numbers_in_sentences_are_put_in(monkeypatch):
    monkeypatch.setattr(Numbers, "agree", lambda self, zoo: {"one": "3 of 4"}[zoo])
    text = "Of USPS's, <!-- n: agree; one -->x<!-- --> agree; 7 stays."
    assert replication.with_numbers(text, stored_tables()) == text.replace(">x<", ">3 of 4<")
    with pytest.raises(KeyError):
        replication.with_numbers("<!-- n: agree; other --><!-- -->", stored_tables())


def test_a_kept_zoo_replaces_its_own_rows_and_no_others(monkeypatch, tmp_path):
    first, second = replication.RUN.whole()["zoos"][:2]
    monkeypatch.setattr(replication, "DATA", tmp_path)
    monkeypatch.setattr(KeptTables, "models", {second: 3})
    made = {"findings": pd.DataFrame({"zoo": [second], "value": [5]})}
    monkeypatch.setattr(KeptTables, "make", lambda self, names: made)
    pd.DataFrame({"zoo": [second, first], "value": [1, 2]}).to_csv(tmp_path / "findings.csv", index=False)
    table = replication.remade_tables(("findings",))["findings"]
    assert table.values.tolist() == [[first, 2], [second, 5]]


def test_costs_are_those_of_all_shards(tmp_path):
    benchmarks = tmp_path / "benchmarks/train_zoo/first"
    benchmarks.mkdir(parents=True)
    for shard in ("0000-0031", "0032-0063"):
        (benchmarks / f"{shard}.tsv").write_text("s\tcpu_time\n7200\t3600\n", encoding="utf-8")
    assert replication.costs(tmp_path, "first").values.tolist() == [["first", "training", 2, 4, 2]]


def test_zoos_without_long_tables_are_marked():
    titles, page = replication.titles_of_zoos(), replication.PAGE.read_text(encoding="utf-8")
    kept = {path.parent.name for path in replication.KEPT.glob("*/models.csv")}
    assert {zoo for zoo, title in titles.items() if "†" not in title} <= kept
    assert re.search("† .*long tables", page)


def test_sentences_have_no_measured_number_that_is_typed():
    page = replication.PAGE.read_text(encoding="utf-8")
    for made in (MADE, INLINE, re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)", re.DOTALL)):
        page = made.sub("", page)
    constants = {"0.05", "0.1", "0.437"}  # of the tests: a level, the paper's rounding, the variance of Kendall's τ
    assert set(re.findall(r"\d+\.\d+", page)) <= constants

"""docs/sparsifiers_compared.md is what its long tables make, and a twin is compared with its own model's."""

import pandas as pd
import pytest
import sparsifiers_compared as compared

from zootwins.analyses.pairing import SAME

KEPT = {name: one for name, one in compared.COMPARISONS.items() if one.run.folder.is_dir()}
ZOOS = [(name, zoo) for name, comparison in KEPT.items() for zoo in comparison.zoos]


@pytest.fixture(scope="module")
def pages() -> dict[str, compared.Page]:
    return {name: comparison.page() for name, comparison in KEPT.items()}


def test_the_page_has_the_numbers_of_its_tables(pages):
    """If it does not: python docs/sparsifiers_compared.py."""
    text = compared.PAGE.read_text(encoding="utf-8")
    assert compared.with_numbers(text, pages) == text


@pytest.mark.parametrize(("comparison", "zoo"), ZOOS)
def test_changes_are_those_of_the_scores(pages, comparison, zoo):
    page, kept = pages[comparison], KEPT[comparison].run.folder
    tables = {name: pd.read_parquet(kept / zoo / name / "scores.parquet") for name in ("mp", "rigl")}
    mp, rigl = (rows[rows["point"] == 90].set_index("index") for rows in tables.values())
    own = page.part(90, "rigl", zoo).set_index("index")["change"]
    assert len(own) == page.models[zoo]
    alike = own.index[(mp["sparsity"] - rigl["sparsity"]).abs().loc[own.index] < SAME]
    expected = (rigl["test_accuracy"] - mp["test_accuracy"]).loc[alike]
    pd.testing.assert_series_equal(own.loc[alike], expected, check_names=False)
    assert len(alike) > len(own) // 2

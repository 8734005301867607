"""Pages have the tables and numbers that their kept tables make, and what is made is put where the page says."""

import re

import other_networks
import pandas as pd
import pruning_soups
import pytest
import transfer_kinds
from made_pages import Estimate, made_anew, markdown, signed

from zootwins.storage.frames import read_parquet

SEED = "fmnist_mini_seed"
PAGES = pruning_soups.PAGE.parent


def test_tables_and_numbers_are_put_where_the_page_says():
    text = "A <!-- made: one x -->\n\nold\n\n<!-- end -->\n, <!-- n: two y -->old<!-- --> and <!-- n: 3 --><!-- -->."
    made = made_anew(text, lambda asked: f"[{asked}]\n", lambda asked: f"({asked})")
    table, numbers = made.split("\n, ")
    assert table == "A <!-- made: one x -->\n\n[one x]\n\n<!-- end -->"
    assert numbers == "<!-- n: two y -->(two y)<!-- --> and <!-- n: 3 -->(3)<!-- -->."
    assert made_anew(made, lambda asked: f"[{asked}]\n", lambda asked: f"({asked})") == made


@pytest.mark.parametrize(("number", "text"), [(-0.04, "0.0"), (-1.25, "−1.2"), (3.0, "3.0"), (float("nan"), "nan")])
def test_numbers_have_true_minus_signs_and_none_before_zero(number, text):
    assert signed(number) == text


def test_an_estimate_without_models_is_a_dash():
    assert Estimate(float("nan"), float("nan"), float("nan"), 0).text() == "–"
    assert Estimate(0.012, -0.001, 0.02, 9).text(100) == "1.2 [−0.1, 2.0]"


def test_columns_but_the_first_are_to_the_right():
    assert markdown(["a", "b"], [["x", 1]]) == "| a | b |\n| --- | --: |\n| x | 1 |\n"


@pytest.mark.parametrize("module", [pruning_soups, transfer_kinds])
def test_a_page_has_the_numbers_of_its_tables(module):
    """If it does not: python docs/MODULE.py."""
    text = module.PAGE.read_text(encoding="utf-8")
    assert module.with_numbers(text, module.Page()) == text


def test_the_page_of_networks_has_the_numbers_of_its_tables():
    """If it does not: python docs/other_networks.py."""
    tables = [pd.read_csv(other_networks.DATA / f"{name}.csv") for name in ("networks", "costs")]
    text = other_networks.PAGE.read_text(encoding="utf-8")
    assert other_networks.with_numbers(text, other_networks.Page(*tables)) == text


def test_what_soups_gain_is_that_of_the_scores():
    table = read_parquet(pruning_soups.MINI.folder / SEED / "pruning_soups.parquet")
    rigl = table[table["method"] == "rigl"].pivot_table("test_accuracy", "index", "arm")
    gain = 100 * (rigl["soup"] - rigl["single"]).mean()
    assert pruning_soups.Page().gain(SEED, "rigl", "single").startswith(f"{signed(gain)} [")


def test_the_controls_of_transfer_are_those_of_the_scores():
    table = read_parquet(transfer_kinds.KEPT / SEED / "transfer.parquet")
    control = table[(table["method"] == "mp") & (table["point"] == 0) & (table["mode"] == "full")]
    last = control.sort_values("epoch").groupby(["index", "restart"]).tail(1)
    assert transfer_kinds.Page().control(SEED, "full") == f"{100 * last['accuracy'].mean():.1f}"


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_no_line_of_a_paragraph_starts_with_a_number_that_is_made(page):
    """A comment at the start of a line ends a paragraph of Markdown."""
    assert not re.search(r"^ *<!-- (n:|-->)", page.read_text(encoding="utf-8"), re.MULTILINE)

import re

import numpy as np
import pandas as pd
import pytest

from synthetic import make_results, make_zoo
from zootwins.analyses.cells import mean_std, value_interval
from zootwins.catalogue.experiments import get_experiment, tables
from zootwins.reporting.typeset import to_html, to_latex, to_markdown, write_texts
from zootwins.zoos.sources import FACTORS

OF_RESULTS = [*get_experiment("twins").tables, *get_experiment("state_of_sparsity").tables]
TITLE = r"Mini & 100 %_x|{~$\<b>"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("twins"), make_zoo("mini_100"))


def series(*values: float) -> pd.Series:
    return pd.Series(values, dtype=float)


def test_cells():
    nan = np.nan
    assert mean_std(series(73.64, 80, nan), series(1.25, nan, nan)).tolist() == ["73.6 (1.2)", "80.0", "–"]
    bounds = series(94.9, nan, 1), series(96.4, nan, 2)
    assert value_interval(series(95.71, 95.71, nan), *bounds).tolist() == ["95.7 [94.9, 96.4]", "95.7", "–"]


@pytest.mark.parametrize("table", OF_RESULTS, ids=lambda table: table.name)
def test_every_table_in_every_form(results, table):
    grid = table.arrange(table.make([results]), {"mini_100": TITLE})
    markdown = to_markdown(grid, table.title, table.note)
    lines = [line.replace(r"\|", "") for line in markdown.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {grid.index.nlevels + len(grid.columns) + 1}
    assert len(lines) == len(grid) + 2
    latex = to_latex(grid, table.title, table.note)
    assert latex.count("\\toprule") == latex.count("\\bottomrule") == 1
    has_rows = len(grid) > 0  # some tables are of methods and results that these zoos lack
    assert (r"Mini \& 100 \%\_x|\{\textasciitilde \$\textbackslash <b>" in latex) == has_rows
    assert not set("ταε²×−–") & set(latex)
    html = to_html(grid, table.title, table.note)
    assert ("Mini &amp; 100 %_x|{~$\\&lt;b&gt;" in html) == has_rows
    assert html.count("<td") == grid.size
    assert html == to_html(grid, table.title, table.note)  # nothing drawn by chance


def test_html_and_markdown_hold_the_cells(results):
    table = tables()["table2"]
    grid = table.arrange(table.make([results]), {"mini_100": "Mini"})
    html = to_html(grid, "Title", "Note")
    assert re.findall(r"<td[^>]*>(.*?)</td>", html) == grid.to_numpy().ravel().tolist()
    assert re.findall(r'<th class="col_heading level1[^>]*>(.*?)</th>', html) == [name for _, name in grid.columns]
    assert re.findall(r'<th class="row_heading[^>]*>(.*?)</th>', html) == ["Mini", "14"]
    last = to_markdown(grid, "Title", "Note").splitlines()[-1]
    assert [cell.strip() for cell in last.strip("|").split("|")] == ["Mini", "14", *grid.iloc[0]]


def test_mean_and_std_are_where_the_paper_has_them(results):
    rows = tables()["table5"].make([results])
    grid = tables()["table5"].arrange(rows, {"mini_100": "Mini"})
    expected = rows[(rows.sparsity_percent == 70) & (rows.epoch == 3) & (rows.metric == "accuracy")]
    cell = grid.loc[("Mini", "14", "Accuracy"), ("70 %", "epoch 3")]
    assert cell == mean_std(expected["mean"], expected["std"]).item()


def test_friendly_and_hard_models_come_with_all_of_their_factors(results):
    table = tables()["rank_changes"]
    grid = table.arrange(table.make([results]), {})
    assert list(grid.columns[-len(FACTORS) - 1 :]) == ["seed", *FACTORS]
    assert len(grid) == 2 * (3 + 3)


def test_zoos_of_one_title_stay_two(results):
    rows = tables()["table6"].make([results])
    both = pd.concat([rows, rows.assign(zoo="other", mean=1.0)])
    grid = tables()["table6"].arrange(both, {"mini_100": "Same", "other": "Same"})
    assert len(grid) == 6


@pytest.mark.parametrize("name", ["table1", "table7", "table8", "rank_changes", "findings"])
def test_an_empty_table_is_a_header(results, name):
    grid = tables()[name].arrange(tables()[name].make([results]).iloc[:0], {})
    assert "Zoo" in to_markdown(grid, "Title", "Note")
    assert "toprule" in to_latex(grid, "Title", "Note")
    assert r"below 5 \%, p $<$ 0.05" in to_latex(grid, "Title", "below 5 %, p < 0.05")
    assert "Zoo" in to_html(grid, "Title", "Note")


def test_undefined_cells_say_so():
    cells = [
        f"{method}_{quantity}_{value}"
        for method in ("mp", "vd")
        for quantity in ("accuracy", "sparsity", "agreement")
        for value in ("mean", "std", "median", "lower_quartile", "upper_quartile")
    ]
    table = pd.DataFrame({"zoo": ["a"], "models": [3]}).reindex(columns=["zoo", "models", *cells])
    assert (tables()["table1"].arrange(table, {"a": "A"}) == "–").all(axis=None)


def test_files_carry_their_origin(results, tmp_path):
    table = tables()["table4"]
    grid = table.arrange(table.make([results]), {"mini_100": "Mini"})
    paths = [tmp_path / f"table4{suffix}" for suffix in (".md", ".tex", ".html", ".csv")]
    write_texts(grid, table.title, table.note, paths, {"software": "ours"})
    assert not paths.pop().exists()
    for path in paths:
        assert '{"software": "ours"}' in path.read_text(encoding="utf-8")
        assert "Mini" in path.read_text(encoding="utf-8")

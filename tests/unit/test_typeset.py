import numpy as np
import pandas as pd
import pytest

from synthetic import make_results, make_zoo
from zootwins.reporting.gallery import TABLES
from zootwins.reporting.typeset import TITLES, arrange, mean_std, to_html, to_latex, to_markdown, value_interval


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("twins"), make_zoo("mini_100"))


def test_cells():
    assert mean_std(73.64, 1.25) == "73.6 (1.2)"
    assert mean_std(80, np.nan) == "80.0"
    assert mean_std(np.nan, np.nan) == "–"
    assert value_interval(95.71, 94.9, 96.4) == "95.7 [94.9, 96.4]"
    assert value_interval(95.71, np.nan, np.nan) == "95.7"


@pytest.mark.parametrize("name", TABLES)
def test_every_table_in_every_form(results, name):
    grid = arrange(name, TABLES[name]([results]), {"mini_100": "Mini & 100 %_x"})
    markdown = to_markdown(grid, *TITLES[name])
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {grid.index.nlevels + len(grid.columns) + 1}
    assert len(lines) == len(grid) + 2
    latex = to_latex(grid, *TITLES[name])
    assert latex.count("\\toprule") == latex.count("\\bottomrule") == 1
    assert r"Mini \& 100 \%\_x" in latex
    assert "&amp; 100" in to_html(grid, *TITLES[name])


def test_mean_and_std_are_where_the_paper_has_them(results):
    table = TABLES["table5"]([results])
    grid = arrange("table5", table, {"mini_100": "Mini"})
    expected = table[(table.sparsity_percent == 70) & (table.epoch == 3) & (table.metric == "accuracy")].iloc[0]
    assert grid.loc[("Mini", "12", "Accuracy"), ("70 %", "epoch 3")] == mean_std(expected["mean"], expected["std"])


def test_an_empty_table_is_a_header(results):
    empty = TABLES["table8"]([results]).iloc[:0]
    assert "Zoo" in to_markdown(arrange("table8", empty, {}), "Title", "Note")
    assert "toprule" in to_latex(arrange("table8", empty, {}), "Title", "Note")


def test_undefined_cells_say_so():
    table = pd.DataFrame({"zoo": ["a"], "models": [3]}).reindex(
        columns=[
            "zoo",
            "models",
            *(
                f"{m}_{q}_{s}"
                for m in ("mp", "vd")
                for q in ("accuracy", "sparsity", "agreement")
                for s in ("mean", "std")
            ),
        ]
    )
    assert (arrange("table1", table, {"a": "A"}) == "–").all(axis=None)

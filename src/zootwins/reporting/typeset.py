"""Tables for people as Markdown, LaTeX (booktabs) and HTML; pandas writes and escapes them.

A grid is a frame of text with row keys in its index, as the arrangements beside the tables make it
(`zootwins.analyses.cells`).
"""

import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from string import Template

import pandas as pd
from pandas.io.formats.style import Styler

from zootwins.storage.files import replacing

PAGE = Path(__file__).with_name("table.html")
_SYMBOLS = str.maketrans(  # what LaTeX's Unicode lacks, or draws too short
    {"τ": r"$\tau$", "α": r"$\alpha$", "ε": r"$\epsilon$", "²": r"$^2$", "×": r"$\times$", "−": r"$-$", "–": "--"}
)


def to_markdown(grid: pd.DataFrame, title: str, note: str) -> str:
    """Write a pipe table under a heading."""
    headings = [" ".join(filter(None, column)) if isinstance(column, tuple) else column for column in grid.columns]
    flat = grid.set_axis(headings, axis=1).reset_index().replace(r"\|", r"\|", regex=True)
    sides = ["left"] * grid.index.nlevels + ["right"] * len(headings)
    return f"## {title}\n\n{note}\n\n{flat.to_markdown(index=False, disable_numparse=True, colalign=sides)}\n"


def to_latex(grid: pd.DataFrame, title: str, note: str) -> str:
    """Write a table environment; it needs the packages booktabs and multirow."""
    styler = grid.rename_axis(index=[_latex(name) for name in grid.index.names]).style
    styler.format(_symbols, escape="latex")
    for axis in (0, 1):
        styler.format_index(_symbols, axis=axis, escape="latex")
    return styler.to_latex(
        hrules=True,
        caption=_latex(f"{title}. {note}"),
        position_float="centering",
        column_format="l" * grid.index.nlevels + "r" * len(grid.columns),
        multicol_align="c",
        multirow_align="t",
    )


def to_html(grid: pd.DataFrame, title: str, note: str) -> str:
    """Write a page of its own, for the report."""
    styler = Styler(grid, uuid="table", cell_ids=False).format(escape="html")  # pandas draws the id by chance
    for axis in (0, 1):
        styler.format_index(axis=axis, escape="html")
    page = Template(PAGE.read_text(encoding="utf-8"))
    return page.substitute(title=escape(title), note=escape(note), table=styler.to_html().strip())


def _symbols(text: str) -> str:
    return text.translate(_SYMBOLS)


def _latex(text: str) -> str:
    """Escape the special characters of our texts: pandas does not escape captions and names."""
    return _symbols(text.replace("%", r"\%").replace("<", "$<$").replace(">", "$>$"))


def write_texts(
    grid: pd.DataFrame, title: str, note: str, paths: Iterable[str | Path], origin: Mapping[str, str]
) -> None:
    """Write a table as Markdown, LaTeX and HTML, its origin in a comment.

    Args:
        grid: the table's text, arranged.
        title: its title.
        note: what its numbers are.
        paths: files; those that end in .md, .tex and .html are written.
        origin: provenance (`zootwins.run.provenance.record`).
    """
    comment = json.dumps(origin)
    forms = {
        ".md": lambda: f"{to_markdown(grid, title, note)}\n<!-- {comment} -->\n",
        ".tex": lambda: f"% {comment}\n{to_latex(grid, title, note)}",
        ".html": lambda: f"{to_html(grid, title, note)}<!-- {comment} -->\n",
    }
    for path in map(Path, paths):
        if path.suffix in forms:
            with replacing(path) as temporary:
                temporary.write_text(forms[path.suffix](), encoding="utf-8")

"""Tables for people: mean (std) in the paper's arrangement, as Markdown, LaTeX (booktabs) and HTML.

What a table shows is `zootwins.tables`' affair; here its long rows become cells of text in rows and columns.
"""

from collections.abc import Callable, Iterable, Mapping
from html import escape

import pandas as pd

from zootwins.frames import number_text

UNDEFINED = "–"
METHODS = {"mp": "Magnitude pruning", "vd": "Variational dropout"}
QUANTITIES = {"accuracy": "Accuracy", "sparsity": "Sparsity", "generalization_gap": "Gap", "agreement": "Agreement"}

Cell = tuple[tuple[str, ...], tuple[str, ...], str]  # row, column, text


def mean_std(mean: float, std: float) -> str:
    """`73.6 (1.3)`, in percent."""
    if pd.isna(mean):
        return UNDEFINED
    return f"{mean:.1f}" if pd.isna(std) else f"{mean:.1f} ({std:.1f})"


def value_interval(value: float, low: float, high: float) -> str:
    """`95.7 [94.9, 96.4]`, in percent."""
    if pd.isna(value):
        return UNDEFINED
    return f"{value:.1f}" if pd.isna(low) else f"{value:.1f} [{low:.1f}, {high:.1f}]"


def arrange(name: str, table: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """A table of the paper as text, arranged as the paper does.

    Args:
        name: such as `table1`, after the paper's number.
        table: as `zootwins.tables` makes it.
        titles: how people call the zoos, by id.
    """
    named = table.assign(title=table["zoo"].map(titles))
    return ARRANGEMENTS[name](named)


def _grid(cells: Iterable[Cell], rows: list[str]) -> pd.DataFrame:
    """Cells as a frame with rows and columns in order of appearance; `rows` names the row keys."""
    texts: dict[tuple[str, ...], dict[tuple[str, ...], str]] = {}
    columns: dict[tuple[str, ...], None] = {}
    for row, column, text in cells:
        texts.setdefault(row, {})[column] = text
        columns[column] = None
    body = [[line.get(column, UNDEFINED) for column in columns] for line in texts.values()]
    index = (
        pd.MultiIndex.from_tuples(texts, names=rows)
        if texts
        else pd.MultiIndex.from_product([[]] * len(rows), names=rows)
    )
    nested = any(len(column) > 1 for column in columns)
    headings = pd.MultiIndex.from_tuples(columns) if nested else [column[0] for column in columns]
    return pd.DataFrame(body, index=index, columns=headings)


def _agreement(table: pd.DataFrame) -> pd.DataFrame:
    return _grid(
        (
            ((row["title"], str(row["models"])), (METHODS[method], QUANTITIES[quantity]), text)
            for _, row in table.iterrows()
            for method in METHODS
            for quantity in ("accuracy", "sparsity", "agreement")
            for text in [mean_std(row[f"{method}_{quantity}_mean"], row[f"{method}_{quantity}_std"])]
        ),
        ["Zoo", "n"],
    )


def _correlation(table: pd.DataFrame) -> pd.DataFrame:
    def cells():
        for _, row in table.iterrows():
            key = (row["title"], str(row["models"]))
            for method, name in METHODS.items():
                yield key, (name, "Sparsity"), mean_std(row[f"{method}_sparsity"], float("nan"))
                for column, heading in (("pearson_r", "Pearson r"), ("kendall_tau", "Kendall τ")):
                    bounds = [row[f"{method}_{column}{end}"] for end in ("", "_low", "_high")]
                    yield key, (name, heading), value_interval(*bounds)

    return _grid(cells(), ["Zoo", "n"])


def _configuration(table: pd.DataFrame) -> pd.DataFrame:
    headings = {
        "data": "Data",
        "architecture": "Architecture",
        "weights": "W",
        "activation": "Activation",
        "init": "Initialisation",
        "optimizer": "Optimiser",
        "lr": "lr",
        "weight_decay": "wd",
        "dropout": "Dropout",
        "models": "n",
        "twinned": "Twinned",
        "lr_vd": "lr VD",
        "lr_mp": "lr MP",
    }
    return _grid(
        (
            ((row["title"],), (heading,), UNDEFINED if pd.isna(row[column]) else number_text(row[column]))
            for _, row in table.iterrows()
            for column, heading in headings.items()
        ),
        ["Zoo"],
    )


def _mp(table: pd.DataFrame) -> pd.DataFrame:
    return _summaries(
        table, ("title", "models", "metric"), lambda row: (f"{row['sparsity_percent']:g} %", f"epoch {row['epoch']}")
    )


def _vd(table: pd.DataFrame) -> pd.DataFrame:
    return _summaries(table, ("title", "models", "metric"), lambda row: ("Epoch", str(row["epoch"])))


def _vd_layers(table: pd.DataFrame) -> pd.DataFrame:
    return _summaries(
        table, ("title", "models", "epoch"), lambda row: (QUANTITIES.get(row["quantity"], row["quantity"]),)
    )


def _mp_layers(table: pd.DataFrame) -> pd.DataFrame:
    return _summaries(
        table, ("title", "models", "sparsity_percent"), lambda row: (QUANTITIES.get(row["quantity"], row["quantity"]),)
    )


def _summaries(
    table: pd.DataFrame, rows: tuple[str, ...], column: Callable[[pd.Series], tuple[str, ...]]
) -> pd.DataFrame:
    """Long rows of mean and std as a grid, one of the keys turned into columns."""
    headings = {"title": "Zoo", "models": "n", "metric": "", "epoch": "Epoch", "sparsity_percent": "Pruned, %"}
    return _grid(
        (
            (
                tuple(QUANTITIES.get(row[name], number_text(row[name])) for name in rows),
                column(row),
                mean_std(row["mean"], row["std"]),
            )
            for _, row in table.iterrows()
        ),
        [headings[name] for name in rows],
    )


ARRANGEMENTS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "table1": _agreement,
    "table2": _correlation,
    "table4": _configuration,
    "table5": _mp,
    "table6": _vd,
    "table7": _vd_layers,
    "table8": _mp_layers,
    "table9": _agreement,
}

PERCENT = "Percent; mean (standard deviation) over the zoo's n models."
TITLES = {
    "table1": ("Accuracy, sparsity and agreement with the original", PERCENT),
    "table2": (
        "Correlation of original and twin test accuracy",
        "Percent; in brackets the 95 % bootstrap interval over the zoo's n models.",
    ),
    "table4": ("Configuration of the zoos", "Factors that vary within a zoo list their values; W: prunable weights."),
    "table5": ("Magnitude pruning before and after fine-tuning", PERCENT),
    "table6": ("Variational dropout over the epochs", PERCENT),
    "table7": ("Variational dropout: sparsity of each layer", PERCENT),
    "table8": ("Magnitude pruning: sparsity of each layer after fine-tuning", PERCENT),
    "table9": ("Accuracy, sparsity and agreement with the original (repeats Table 1)", PERCENT),
}


def to_markdown(grid: pd.DataFrame, title: str, note: str) -> str:
    """A pipe table under a heading; row keys that repeat are printed once."""
    header = [*grid.index.names, *map(_joined, grid.columns)]
    lines = [header, ["---"] * grid.index.nlevels + ["--:"] * len(grid.columns), *_rows(grid)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"## {title}\n\n{note}\n\n{table}\n"


def to_latex(grid: pd.DataFrame, title: str, note: str) -> str:
    """A booktabs table environment; needs the packages booktabs and multirow."""
    escaped = grid.rename_axis(index=[_latex(name) for name in grid.index.names])
    styler = escaped.style.format(_latex).format_index(_latex, axis=0).format_index(_latex, axis=1)
    return styler.to_latex(
        hrules=True,
        caption=f"{_latex(title)}. {_latex(note)}",
        position_float="centering",
        column_format="l" * grid.index.nlevels + "r" * len(grid.columns),
        multicol_align="c",
        multirow_align="t",
    )


def to_html(grid: pd.DataFrame, title: str, note: str) -> str:
    """A page of its own, for the report."""
    header = "".join(f"<th>{escape(text)}</th>" for text in [*grid.index.names, *map(_joined, grid.columns)])
    keys = grid.index.nlevels
    body = "\n".join(
        "<tr>"
        + "".join(f"<th>{escape(text)}</th>" for text in row[:keys])
        + "".join(f"<td>{escape(text)}</td>" for text in row[keys:])
        + "</tr>"
        for row in _rows(grid)
    )
    return _PAGE.format(title=escape(title), note=escape(note), header=header, body=body)


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; color: #1a1a1a; margin: 1.5rem; }}
h1 {{ font-size: 1.1rem; margin: 0; }}
p {{ color: #555; margin: .25rem 0 1rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .3rem .8rem; text-align: right; white-space: nowrap; }}
th {{ font-weight: 600; text-align: left; }}
thead th {{ border-bottom: 2px solid #1a1a1a; vertical-align: bottom; white-space: normal; }}
tbody tr:nth-child(even) {{ background: #f5f5f5; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{note}</p>
<table>
<thead><tr>{header}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</body>
</html>
"""

_LATEX = str.maketrans(
    {
        "%": r"\%",
        "_": r"\_",
        "&": r"\&",
        "#": r"\#",
        "τ": r"$\tau$",
        "α": r"$\alpha$",
        "²": r"$^2$",
        "–": "--",
        "×": r"$\times$",
    }
)


def _latex(text: str) -> str:
    return text.translate(_LATEX)


def _joined(column: tuple[str, ...] | str) -> str:
    return column if isinstance(column, str) else " ".join(part for part in column if part)


def _rows(grid: pd.DataFrame) -> list[list[str]]:
    """Rows as text, a row key left out where it and all keys before it are those of the row above."""
    rows, above = [], [None] * grid.index.nlevels
    for key, values in zip(grid.index, grid.to_numpy(), strict=True):
        parts = list(key)
        same = next((i for i, (a, b) in enumerate(zip(parts, above, strict=True)) if a != b), len(parts))
        rows.append([""] * same + parts[same:] + list(values))
        above = parts
    return rows

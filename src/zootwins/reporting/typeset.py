"""Tables for people: mean (std) in the paper's arrangement, as Markdown, LaTeX (booktabs) and HTML.

What a table shows is other modules' affair; here its long rows become cells of text in rows and columns.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path

import pandas as pd

from zootwins.sparsifiers.registry import get_sparsifier, sparsifiers
from zootwins.storage.files import replacing
from zootwins.storage.frames import number_text

UNDEFINED = "–"
METHODS = {method: get_sparsifier(method).title for method in ("mp", "vd")}  # the paper's
SHORT = {method.id: method.short for method in sparsifiers()}
DIALS = {method.id: method.dial for method in sparsifiers()}
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
        table: as `zootwins.analyses.tables` makes it.
        titles: how people call the zoos, by id.
    """
    named = table.assign(title=table["zoo"].map(titles))
    if "method" in named:
        named["method"] = named["method"].str.upper()
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


def _columns(
    table: pd.DataFrame, keys: Mapping[str, str], cells: Mapping[str, Callable[[pd.Series], str]]
) -> pd.DataFrame:
    """One line a row: its keys by their headings, and a text for each further heading."""
    lines = [tuple(number_text(row[key]) for key in keys) for _, row in table.iterrows()]
    texts = [[cell(row) for cell in cells.values()] for _, row in table.iterrows()]
    index = pd.MultiIndex.from_arrays(list(zip(*lines, strict=True)) or [[]] * len(keys), names=list(keys.values()))
    return pd.DataFrame(texts, index=index, columns=list(cells))


def _text(column: str, form: str = "{}") -> Callable[[pd.Series], str]:
    return lambda row: UNDEFINED if pd.isna(row[column]) else form.format(row[column])


def _interval(column: str, low: str, high: str, scale: float = 1) -> Callable[[pd.Series], str]:
    return lambda row: value_interval(scale * row[column], scale * row[low], scale * row[high])


_ZOO_METHOD = {"title": "Zoo", "method": "Method"}


def _rank_changes(table: pd.DataFrame) -> pd.DataFrame:
    groups = table.groupby(["zoo", "method"], sort=False)
    ends = pd.concat([groups.head(3), groups.tail(3)])
    ends = ends[~ends.index.duplicated()].sort_index()
    cells = {
        "n": _text("models"),
        "Original": lambda row: f"{100 * row['original_accuracy']:.1f}",
        "Twin": lambda row: f"{100 * row['twin_accuracy']:.1f}",
        "Rank change": _interval("rank_change", "low", "high"),
        **{factor: _text(factor) for factor in ("seed", "activation", "init", "optimizer", "lr", "dropout")},
    }
    return _columns(ends, {**_ZOO_METHOD, "index": "Model"}, cells)


def _factors(table: pd.DataFrame) -> pd.DataFrame:
    cells = {
        "n": _text("models"),
        "ε²": _text("epsilon_squared", "{:.2f}"),
        "p": _text("p", "{:.2g}"),
        "Friendliest": lambda row: f"{row['friendliest']} ({row['mean_change_friendliest']:+.1f})",
        "Hardest": lambda row: f"{row['hardest']} ({row['mean_change_hardest']:+.1f})",
    }
    return _columns(table, {**_ZOO_METHOD, "factor": "Factor"}, cells)


def _predictability(table: pd.DataFrame) -> pd.DataFrame:
    headings = {"original_accuracy": "Original accuracy", "weight_statistics": "Weight statistics", "both": "Both"}
    cells = {heading: _interval(f"{name}_r2", f"{name}_low", f"{name}_high", 100) for name, heading in headings.items()}
    return _columns(table, _ZOO_METHOD, {"n": _text("models"), **cells})


def _paired(table: pd.DataFrame) -> pd.DataFrame:
    cells = {
        "n": _text("models"),
        "Sparsity": _text("sparsity", "{:.1f}"),
        "Difference": _interval("mean", "low", "high"),
        "std": _text("std", "{:.1f}"),
        "First better": _text("better", "{:.0f}"),
        "p": _text("p", "{:.2g}"),
    }
    pair = [f"{SHORT[m]} − {SHORT[a]}" for m, a in zip(table["method"].str.lower(), table["against"], strict=True)]
    points = [DIALS[a].form.format(p) for a, p in zip(table["against"], table["point"], strict=True)]
    return _columns(table.assign(pair=pair, point=points), {"title": "Zoo", "pair": "Methods", "point": "At"}, cells)


def _compression(table: pd.DataFrame) -> pd.DataFrame:
    cells = {
        "n": _text("models"),
        "Accuracy": lambda row: mean_std(row["accuracy_mean"], row["accuracy_std"]),
        "Change": _interval("change_mean", "change_low", "change_high"),
        "Sparsity": _text("sparsity", "{:.1f}"),
        "Compression": _text("compression", "{:.2f} ×"),
        "Speed-up": _text("speed_up", "{:.2f} ×"),
    }
    methods = table["method"].str.lower()
    points = table.assign(point=[DIALS[m].form.format(p) for m, p in zip(methods, table["point"], strict=True)])
    return _columns(points, {**_ZOO_METHOD, "point": "Point"}, cells)


def _findings(table: pd.DataFrame) -> pd.DataFrame:
    cells = {
        "Statistic": _text("statistic"),
        "n": _text("models"),
        "Value": lambda row: (
            UNDEFINED if pd.isna(row["value"]) else f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        ),
        "Bound": _text("bound", "{:g}"),
        "Verdict": _text("verdict"),
    }
    return _columns(table, {**_ZOO_METHOD, "finding": "Finding"}, cells)


def _paper_comparison(table: pd.DataFrame) -> pd.DataFrame:
    cells = {
        "Paper": lambda row: mean_std(row["paper_mean"], row["paper_std"]),
        "Ours": lambda row: mean_std(row["mean"], row["std"]),
        "n": _text("models", "{:.0f}"),
        "Difference": _text("difference", "{:+.1f}"),
        "in std": _text("difference_in_paper_std", "{:+.1f}"),
        "Note": lambda row: "; ".join(
            ([] if row["same_zoo"] else [f"another zoo than {row['paper_zoo']}"])
            + ([row["flag"]] if row["flag"] else [])
        ),
    }
    return _columns(table, {"table": "Table", "title": "Zoo", "at": "At", "quantity": "Quantity"}, cells)


def _representations(table: pd.DataFrame) -> pd.DataFrame:
    headings = {"weights": "w", "alphas": "log α", **_TARGETS}
    cells = {
        heading: _interval(f"{name}_r2", f"{name}_r2_low", f"{name}_r2_high") for name, heading in headings.items()
    }
    for baseline, text in (("weight_statistics", "statistics"), ("raw_weights", "raw weights")):
        cells |= {f"{heading}, {text}": _text(f"{name}_r2_{baseline}", "{:.1f}") for name, heading in _TARGETS.items()}
    if "paper_zoo" in table:
        cells |= {f"{heading}, paper": _text(f"{name}_r2_paper", "{:.1f}") for name, heading in headings.items()}
    return _columns(table, {"title": "Zoo", "models": "n", "seeds": "Seeds", "configuration": "Settings"}, cells)


_TARGETS = {"accuracy": "Accuracy", "sparsity": "Sparsity", "epoch": "Epoch", "generalization_gap": "Gap"}


def _zero_shot(table: pd.DataFrame) -> pd.DataFrame:
    names = {
        "zero_shot": "Zero-shot",
        "zero_shot_mask": "Zero-shot mask, own weights",
        "vd": "Variational dropout, trained",
        "mp": "Magnitude pruning",
        "random": "Random pruning",
    }
    named = table.assign(method=table["method"].str.lower().map(names))
    cells = {
        QUANTITIES[measure]: lambda row, measure=measure: mean_std(row[f"{measure}_mean"], row[f"{measure}_std"])
        for measure in ("sparsity", "accuracy", "agreement")
    }
    return _columns(named, {"title": "Zoo", "models": "n", "method": "Twin", "epochs": "Epochs of fine-tuning"}, cells)


ARRANGEMENTS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "table1": _agreement,
    "table2": _correlation,
    "table4": _configuration,
    "table5": _mp,
    "table6": _vd,
    "table7": _vd_layers,
    "table8": _mp_layers,
    "table9": _agreement,
    "rank_changes": _rank_changes,
    "rank_change_factors": _factors,
    "predictability": _predictability,
    "paired_difference": _paired,
    "compression": _compression,
    "findings": _findings,
    "paper_comparison": _paper_comparison,
    "table3": _representations,
    "zero_shot": _zero_shot,
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
    "rank_changes": (
        "The sparsification-friendliest and -hardest models",
        "Rank by test accuracy among the twins less rank among the originals; in brackets its 95 % interval over the "
        "test images. The CSV file has every model.",
    ),
    "rank_change_factors": (
        "Generating factors and rank change",
        "Effect size ε² and p-value of Kruskal and Wallis' test; levels with their mean rank change.",
    ),
    "predictability": (
        "How well a dense model tells its twin's accuracy",
        "Cross-validated R² in percent, and its 95 % bootstrap interval over the n models.",
    ),
    "paired_difference": (
        "Magnitude pruning against variational dropout at equal sparsity",
        "Mean difference in test accuracy per model, in points, with its 95 % bootstrap interval; MP better: percent "
        "of models; p: Wilcoxon's signed-rank test.",
    ),
    "compression": (
        "Accuracy, compression and theoretical speed-up",
        "Accuracy in percent: mean (standard deviation). Change: twin less original, with its 95 % bootstrap interval.",
    ),
    "findings": (
        "The paper's findings, tested",
        "A finding holds where the whole 95 % interval is on its side of the bound.",
    ),
    "paper_comparison": (
        "Our numbers beside the paper's",
        "Percent; mean (standard deviation). Rows appear for zoos of the paper, and for zoos that the catalogue says "
        "to compare with one.",
    ),
    "table3": (
        "Hyper-representations of VD twins",
        "R² in percent on models that were not trained on: mean over seeds and its 95 % interval; n: models of all "
        "splits. w and log α: reconstruction; the others: ridge regression on the latent space, and the same on "
        "statistics of the weights and on the raw weights.",
    ),
    "zero_shot": (
        "Zero-shot twins beside trained and pruned ones",
        "Percent; mean (standard deviation) over the n models that were not trained on. MP and random pruning take as "
        "many weights as zero-shot.",
    ),
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
        "−": r"$-$",
        "ε": r"$\epsilon$",
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


def write_texts(
    name: str, table: pd.DataFrame, titles: Mapping[str, str], paths: Iterable[str], origin: Mapping[str, str]
) -> None:
    """Write a table as Markdown, LaTeX and HTML, its origin in a comment.

    Args:
        name: the table's name, such as `table1`.
        table: its rows.
        titles: how people call the zoos, by id.
        paths: files; those that end in .md, .tex and .html are written.
        origin: provenance (`zootwins.run.provenance.record`).
    """
    grid, comment = arrange(name, table, titles), json.dumps(origin)
    forms = {
        ".md": lambda: f"{to_markdown(grid, *TITLES[name])}\n<!-- {comment} -->\n",
        ".tex": lambda: f"% {comment}\n{to_latex(grid, *TITLES[name])}",
        ".html": lambda: f"{to_html(grid, *TITLES[name])}<!-- {comment} -->\n",
    }
    for path in map(Path, paths):
        if path.suffix in forms:
            with replacing(path) as temporary:
                temporary.write_text(forms[path.suffix]())

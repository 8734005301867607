"""Numbers as text in rows and columns: shared by the arrangements of all tables.

An arrangement takes a table as it is made, long and with ids, and returns a frame of text: row keys in the index, of
which `Zoo` holds ids, headings in the columns. `zootwins.reporting.typeset` writes it.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from zootwins.sparsifiers.registry import get_sparsifier, is_known
from zootwins.storage.frames import number_text

UNDEFINED = "–"
QUANTITIES = {"accuracy": "Accuracy", "sparsity": "Sparsity", "generalization_gap": "Gap", "agreement": "Agreement"}


def texts(values: pd.Series, form: str | Callable[[object], str] = "{}") -> pd.Series:
    """Format each value, `–` where it is undefined."""
    write = form.format if isinstance(form, str) else form
    return pd.Series([UNDEFINED if pd.isna(value) else write(value) for value in values], values.index, dtype=object)


def numbers(values: pd.Series) -> pd.Series:
    """Format each value as `number_text` does, `–` where it is undefined."""
    return texts(values, number_text)


def mean_std(mean: pd.Series, std: pd.Series) -> pd.Series:
    """Format a mean and a standard deviation in percent: `73.6 (1.3)`."""
    text = texts(mean, "{:.1f}")
    return text.where(mean.isna() | std.isna(), text + texts(std, " ({:.1f})"))


def value_interval(value: pd.Series, low: pd.Series, high: pd.Series, form: str = "{:.1f}") -> pd.Series:
    """Format a value and its interval in percent: `95.7 [94.9, 96.4]`."""
    text = texts(value, form)
    bounds = texts(low, f" [{form}, ") + texts(high, f"{form}]")
    return text.where(value.isna() | low.isna(), text + bounds)


def shorts(methods: pd.Series) -> pd.Series:
    """Return the short names of methods in figures and tables: `MP`."""
    return methods.map(lambda method: get_sparsifier(method).short if is_known(method) else method)


def sweep_texts(methods: pd.Series, values: pd.Series) -> pd.Series:
    """Format each value of its method's sweep parameter: `80 % pruned`, `epoch 25`."""
    text = [get_sparsifier(one).sweep.form.format(value) for one, value in zip(methods, values, strict=True)]
    return pd.Series(text, values.index, dtype=object)


def lines(keys: Mapping[str, pd.Series], cells: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Arrange one line per row: its keys by their headings, and a text for each further heading."""
    index = pd.MultiIndex.from_frame(pd.DataFrame({name: numbers(values) for name, values in keys.items()}))
    return pd.DataFrame(dict(cells)).set_axis(index)


def summaries(table: pd.DataFrame, keys: Mapping[str, str], columns: list[pd.Series]) -> pd.DataFrame:
    """Arrange rows of `mean` and `std` as a grid in order of appearance, some of the keys turned into columns.

    Args:
        table: long, with one row per summary.
        keys: the columns that the rows keep, and their headings; `zoo` is one.
        columns: the headings of each row's summary, a level each.
    """
    parts = {heading: numbers(table[key].replace(QUANTITIES)) for key, heading in keys.items()}
    headings = {f"column {level}": values for level, values in enumerate(columns)}
    long = pd.DataFrame({**parts, **headings, "text": mean_std(table["mean"], table["std"])})
    grid = long.pivot_table("text", list(parts), list(headings), aggfunc="first", sort=False, fill_value=UNDEFINED)
    return grid.rename_axis(columns=[None] * len(headings))


def by_sparsity(table: pd.DataFrame, cell: pd.Series, between: str) -> pd.DataFrame:
    """Arrange texts of a table of pairs: one line per zoo and pair, sparsities from left to right."""
    keys = {"Zoo": table["zoo"], "Methods": shorts(table["method"]) + between + shorts(table["against"])}
    long = pd.DataFrame({**keys, "at": texts(table["sparsity"], "{:g} %"), "text": cell})
    return long.pivot_table("text", list(keys), "at", aggfunc="first", sort=False).rename_axis(columns=None)

"""Our numbers less the paper's, in standard deviations of the paper and in standard errors of both samples."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from scipy import special

from zootwins.analyses.paper_comparison import LEVEL, compare
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.layout import SMALL, wrapped

NAMES = 1.9  # inches for the names of lines
LINEAR_UP_TO = 3.0  # beyond this the axis is logarithmic
KINDS = (
    ("#0072B2", "o", "of the same zoo"),
    ("#56B4E9", "o", "of a zoo like it"),
    ("#E69F00", "X", "the paper contradicts itself"),
)
PANELS = {  # the half width of the band in which numbers agree, and the axis' label
    "difference_in_paper_std": (1.0, "Ours − paper, in the paper's std"),
    "difference_in_se": (-special.ndtri(LEVEL / 2), "Ours − paper, in standard errors"),
}


def compared(
    tables: Mapping[str, pd.DataFrame],
    paper: Mapping[str, pd.DataFrame],
    counterparts: Mapping[str, str],
    paper_models: pd.Series,
) -> Figure:
    """Draw our tables less the paper's; arguments as those of `zootwins.analyses.paper_comparison.compare`."""
    return paper_comparison(compare(tables, paper, counterparts, paper_models))


@styled
def paper_comparison(table: pd.DataFrame) -> Figure:
    """One line per table and zoo, one point per number."""
    numbers = table.dropna(subset=list(PANELS), how="all")
    if numbers.empty:
        return message("None of the paper's zoos was run, and no zoo says which of them to compare with.")
    groups = list(numbers.groupby(["table", "zoo"], sort=False))
    names = [
        wrapped(f"{name.replace('table', 'Table ')} · {zoo}, n = {part['models'].max():.0f}", NAMES, SMALL)
        for (name, zoo), part in groups
    ]
    line_height = 0.18 + 0.1 * (1 + max(name.count("\n") for name in names))
    figure, panels = plt.subplots(1, 2, figsize=(2 * COLUMN, 0.9 + line_height * len(groups)), sharey=True)
    for axes, (column, (band, label)) in zip(panels, PANELS.items(), strict=True):
        axes.axvspan(-band, band, color="#eeeeee", linewidth=0)
        axes.axvline(0, color="#555555", linewidth=0.8)
        for line, (_, part) in enumerate(groups):
            _draw_line(axes, line, part, column)
        axes.set_xscale("symlog", linthresh=LINEAR_UP_TO)
        axes.xaxis.set_major_locator(FixedLocator([-1000, -100, -10, -3, -1, 0, 1, 3, 10, 100, 1000]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(label)
    panels[0].set_yticks(range(len(groups)), names, fontsize=SMALL)
    panels[0].set_ylim(len(groups) - 0.5, -0.5)
    for chosen, (colour, marker, label) in zip(_kinds(numbers), KINDS, strict=True):
        if chosen.any():
            panels[0].plot([], [], marker, color=colour, label=label)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def _kinds(numbers: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """Return which of the numbers are of each of `KINDS`."""
    flagged = (numbers["flag"].fillna("") != "").to_numpy()
    same = numbers["same_zoo"].to_numpy(dtype=bool)
    return ~flagged & same, ~flagged & ~same, flagged


def _draw_line(axes: Axes, line: int, part: pd.DataFrame, column: str) -> None:
    """Draw the numbers of a table and zoo, from top to bottom in the table's order."""
    offset = np.linspace(-0.3, 0.3, len(part)) if len(part) > 1 else np.zeros(1)
    for chosen, (colour, marker, _) in zip(_kinds(part), KINDS, strict=True):
        x = part[column].to_numpy()[chosen]
        axes.plot(x, (line + offset)[chosen], marker, color=colour, markersize=2.5, alpha=0.7, markeredgewidth=0)

"""Whether two methods rank models alike: Kendall's tau between their twins' accuracies, and with the originals'."""

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from zootwins.analyses.matched import ORIGINAL, method_ranks_table
from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.pair_matrix import most_covered, pair_matrix


@styled
def method_ranks(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo: above the diagonal of accuracies, below it of what originals do not tell of them; bold: not 0."""
    table = most_covered(method_ranks_table(zoos).dropna(subset="tau"))
    shown = [results for results in zoos if results.zoo.id in set(table["zoo"])]
    if not shown:
        return message("None of the zoos has three models whose twins are about as sparse.")
    sparsity = table["sparsity"].iloc[0]
    figure, grid = plt.subplots(len(shown), 1, figsize=(COLUMN, 0.4 + 2.5 * len(shown)), squeeze=False)
    for axes, results in zip(grid.flat, shown, strict=True):
        cells = {}
        for row in table[table["zoo"] == results.zoo.id].to_dict("records"):
            pair = row["method"], row["against"]
            cells[pair] = _cell(row, "tau")
            if row["against"] != ORIGINAL:
                cells[pair[::-1]] = _cell(row, "residual_tau")
        image = pair_matrix(axes, list(results.zoo.methods), cells, Normalize(-1, 1), "PuOr", [ORIGINAL])
        axes.set_title(f"{results.zoo.title}, n ≤ {len(results.originals)}", fontsize=6.5)
    bar = figure.colorbar(image, ax=grid.ravel().tolist(), shrink=0.6, pad=0.02)
    label = f"Kendall's tau at {sparsity:g} % sparsity\n(top right: accuracy, bottom left: given the original)"
    bar.set_label(label, fontsize=6.5)
    return figure


def _cell(row: dict, name: str) -> tuple[float, str]:
    decided = row[f"{name}_low"] > 0 or row[f"{name}_high"] < 0
    text = f"{row[name]:.2f}"
    return row[name], f"$\\mathbf{{{text}}}$" if decided else text.replace("-", "−")

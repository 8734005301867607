"""Every two methods at the same sparsity: mean paired difference in accuracy over the zoo's models."""

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure

from zootwins.analyses.matched import equal_sparsity_comparison_table
from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.pair_matrix import most_covered, pair_matrix


@styled
def equal_sparsity_comparison(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo: accuracy by the row's method less that by the column's; bold: the interval excludes 0."""
    table = most_covered(equal_sparsity_comparison_table(zoos))
    shown = [results for results in zoos if results.zoo.id in set(table["zoo"])]
    if not shown:
        return message("None of the zoos has two methods that are about as sparse.")
    sparsity = table["sparsity"].iloc[0]
    figure, grid = plt.subplots(len(shown), 1, figsize=(COLUMN, 0.4 + 2.3 * len(shown)), squeeze=False)
    norm = CenteredNorm(halfrange=table["mean"].abs().max() or 1)
    for axes, results in zip(grid.flat, shown, strict=True):
        cells = {}
        for row in table[table["zoo"] == results.zoo.id].itertuples():
            decided = row.low > 0 or row.high < 0
            for pair, mean in (((row.method, row.against), row.mean), ((row.against, row.method), -row.mean)):
                cells[pair] = mean, f"$\\mathbf{{{mean:+.1f}}}$" if decided else f"{mean:+.1f}".replace("-", "−")
        image = pair_matrix(axes, list(results.zoo.methods), cells, norm, "RdBu")
        axes.set_title(f"{results.zoo.title}, n ≤ {len(results.originals)}", fontsize=6.5)
    bar = figure.colorbar(image, ax=grid.ravel().tolist(), shrink=0.6, pad=0.02)
    bar.set_label(f"Accuracy, row − column, at {sparsity:g} % sparsity, points", fontsize=6.5)
    return figure

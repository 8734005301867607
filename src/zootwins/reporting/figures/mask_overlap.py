"""Overlap of two methods' masks of the same model, over what chance has."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from zootwins.analyses.mask_overlap import ALL, mask_overlap_table
from zootwins.analyses.results import ZooResults
from zootwins.analyses.scratch import pruning_methods
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.pair_matrix import most_covered, pair_matrix


@styled
def mask_overlap(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo: the mean over models of the Jaccard index over that of chance; 1: as chance has it.

    Methods that retrain the masks of another have those and are left out.
    """
    table = mask_overlap_table(zoos)
    chosen = {(results.zoo.id, method) for results in zoos for method in pruning_methods(results)}
    table = table[table["layer"] == ALL]
    own = [{(row.zoo, row.method), (row.zoo, row.against)} <= chosen for row in table.itertuples()]
    table = most_covered(table[np.array(own, dtype=bool)])
    shown = [results for results in zoos if results.zoo.id in set(table["zoo"])]
    if not shown:
        return message("None of the zoos has two methods with masks that are about as sparse.")
    sparsity = table["sparsity"].iloc[0]
    figure, grid = plt.subplots(len(shown), 1, figsize=(COLUMN, 0.4 + 2.3 * len(shown)), squeeze=False)
    norm = Normalize(1, max(2, table["over_chance"].max()))
    for axes, results in zip(grid.flat, shown, strict=True):
        cells = {}
        for row in table[table["zoo"] == results.zoo.id].itertuples():
            for pair in ((row.method, row.against), (row.against, row.method)):
                cells[pair] = row.over_chance, f"{row.over_chance:.1f}"
        image = pair_matrix(axes, pruning_methods(results), cells, norm, "cividis")
        axes.set_title(f"{results.zoo.title}, n ≤ {len(results.originals)}", fontsize=6.5)
    bar = figure.colorbar(image, ax=grid.ravel().tolist(), shrink=0.6, pad=0.02)
    bar.set_label(f"Jaccard index over chance, at {sparsity:g} % sparsity", fontsize=6.5)
    return figure

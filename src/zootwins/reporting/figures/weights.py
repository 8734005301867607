"""Figure 3: for every weight of the network, the share of models in which variational dropout prunes it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, message, styled

EPOCHS = (5, 10, 15, 20, 25)


@styled
def weights(zoos: Sequence[ZooResults]) -> Figure:
    """One row of panels a zoo, a panel a layer: weights along x in the order of `[outputs, inputs, …]`, epochs down.

    Reads the tables `vd/prune_shares` (`zootwins.analyses.prune_shares`).
    """
    pruned = [results for results in zoos if len(results.tables.get("vd/prune_shares", ()))]
    shares = [(results.zoo.title, results.tables["vd/prune_shares"]) for results in pruned]
    if not shares:
        return message("None of the zoos has twins by variational dropout.")
    heights = [0.55 + 0.12 * len(_epochs(table)) for _, table in shares]
    figure = plt.figure(figsize=(COLUMN, sum(heights) + 0.45))
    *parts, footer = figure.subfigures(len(shares) + 1, height_ratios=[*heights, 0.45])
    for part, (title, table) in zip(parts, shares, strict=True):
        part.suptitle(f"{title}, n = {table['models'].max()}", x=0.01, ha="left", weight="bold", fontsize=6.5)
        layers = list(table["layer"].unique())
        sizes = table.groupby("layer")["weight"].nunique().loc[layers]
        row = part.subplots(1, len(layers), width_ratios=np.sqrt(sizes), squeeze=False)[0]
        epochs = _epochs(table)
        for axes, layer in zip(row, layers, strict=True):
            chosen = table[(table["layer"] == layer) & table["epoch"].isin(epochs)]
            image = chosen.pivot_table(index="epoch", columns="weight", values="share")
            drawn = axes.imshow(100 * image, aspect="auto", vmin=0, vmax=100, interpolation="nearest")
            axes.grid(visible=False)
            axes.set_yticks(range(len(epochs)), epochs if layer == layers[0] else [""] * len(epochs))
            axes.set_xticks([])
            axes.set_xlabel(f"{layer}\n{image.shape[1]}", labelpad=2)
        row[0].set_ylabel("Epoch")
    bar = footer.colorbar(drawn, cax=footer.add_axes((0.1, 0.75, 0.8, 0.2)), orientation="horizontal")
    bar.set_label("Models in which the weight is pruned, %")
    bar.outline.set_visible(False)
    return figure


def _epochs(table: pd.DataFrame) -> list[int]:
    """The epochs to show: of the paper's, those whose weights are kept, and the last one in any case."""
    kept = sorted(table["epoch"].unique())
    return [epoch for epoch in kept if epoch in EPOCHS or epoch == kept[-1]]

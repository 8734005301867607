"""Figure 3: for every weight of the network, the share of models in which variational dropout prunes it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.layout import HEADING, SMALL, text_width, wrapped

EPOCHS = (5, 10, 15, 20, 25)


@styled
def weights(zoos: Sequence[ZooResults]) -> Figure:
    """One row of panels per zoo, one panel per layer: weights along x in order of `[outputs, inputs, …]`, epochs down.

    Reads the tables `vd/prune_shares` (`zootwins.analyses.prune_shares`).
    """
    pruned = [results for results in zoos if len(results.tables.get("vd/prune_shares", ()))]
    shares = [(results.zoo.title, results.tables["vd/prune_shares"]) for results in pruned]
    if not shares:
        return message("None of the zoos has twins by variational dropout.")
    texts = [f"{title}, n = {table['models'].max()}" for title, table in shares]
    titles = [wrapped(text, COLUMN - 0.2, HEADING, "bold") for text in texts]
    sizes = [_sizes(table) for _, table in shares]
    upright = [_too_narrow(own) for own in sizes]
    heights = [
        0.5 + 0.12 * (len(_epochs(table)) + title.count("\n")) + (0.45 if turned else 0.05)
        for (_, table), title, turned in zip(shares, titles, upright, strict=True)
    ]
    figure = plt.figure(figsize=(COLUMN, sum(heights) + 0.45))
    *parts, footer = figure.subfigures(len(shares) + 1, height_ratios=[*heights, 0.45])
    for part, (_, table), title, own, turned in zip(parts, shares, titles, sizes, upright, strict=True):
        part.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=HEADING)
        layers = list(own.index)
        row = part.subplots(1, len(layers), width_ratios=np.sqrt(own), squeeze=False)[0]
        epochs = _epochs(table)
        for axes, layer in zip(row, layers, strict=True):
            chosen = table[(table["layer"] == layer) & table["epoch"].isin(epochs)]
            image = chosen.pivot_table(index="epoch", columns="weight", values="share")
            drawn = axes.imshow(100 * image, aspect="auto", vmin=0, vmax=100, interpolation="nearest")
            axes.grid(visible=False)
            axes.set_yticks(range(len(epochs)), epochs if layer == layers[0] else [""] * len(epochs))
            axes.set_xticks([])
            axes.set_xlabel(f"{layer}\n{image.shape[1]}", labelpad=2, fontsize=SMALL, rotation=90 if turned else 0)
        row[0].set_ylabel("Epoch")
    bar = footer.colorbar(drawn, cax=footer.add_axes((0.1, 0.75, 0.8, 0.2)), orientation="horizontal")
    bar.set_label("Models in which the weight is pruned, %")
    bar.outline.set_visible(False)
    return figure


def _sizes(table: pd.DataFrame) -> pd.Series:
    """Return the number of weights of each layer, in the network's order."""
    return table.groupby("layer", sort=False)["weight"].nunique()


def _too_narrow(sizes: pd.Series) -> bool:
    """Whether the panels of some layers are too narrow for their names."""
    widths = (COLUMN - 0.5) * np.sqrt(sizes) / np.sqrt(sizes).sum()
    return any(text_width(f"{layer} ", SMALL) > width for layer, width in widths.items())


def _epochs(table: pd.DataFrame) -> list[int]:
    """Return the epochs to show: of the paper's, those whose weights are kept, and the last one in any case."""
    kept = sorted(table["epoch"].unique())
    return [epoch for epoch in kept if epoch in EPOCHS or epoch == kept[-1]]

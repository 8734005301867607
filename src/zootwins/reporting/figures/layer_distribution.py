"""Sparsity of each layer by method, where the whole network has the same sparsity."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.analyses.layer_distribution import layers_at_sparsity
from zootwins.analyses.results import ZooResults
from zootwins.analyses.retrained import pruning_methods
from zootwins.reporting.figures import QUIET, message, styled
from zootwins.reporting.figures.layout import (
    BEHIND,
    annotate,
    blocks_of,
    legend_above,
    method_handles,
    method_panels,
    upright,
)
from zootwins.reporting.figures.looks import look_of

SHOWN = 0.8


@styled
def layer_distribution(zoos: Sequence[ZooResults]) -> Figure:
    """Medians over models, bars from quartile to quartile; the dashed line is the whole network.

    Methods that retrain the masks of another have its layers and are left out.
    """
    blocks = blocks_of(zoos, pruning_methods, "≤")
    if not blocks:
        return message("None of the zoos has a method that prunes.")
    figure, panels = method_panels(blocks, 1.2)
    layers = {
        (results.zoo.id, method): _quartiles(results, method) for results in zoos for method in pruning_methods(results)
    }
    for panel in panels:
        axes, drawn = panel.axes[0], [layers[panel.zoo, method] for method in panel.front]
        axes.axhline(100 * SHOWN, color=QUIET, linewidth=0.6, linestyle="--")
        for method in panel.behind:
            axes.plot(layers[panel.zoo, method][0.5].to_numpy(), color=BEHIND, linewidth=0.6)
        offsets = np.linspace(-0.3, 0.3, len(drawn)) if len(drawn) > 1 else [0.0]
        for method, quartiles, offset in zip(panel.front, drawn, offsets, strict=True):
            _method(axes, method, quartiles, offset)
        if all(quartiles.isna().all(axis=None) for quartiles in drawn):
            annotate(axes, f"no twins at {SHOWN:.0%} sparsity")
        upright(axes, drawn[0].index)
    figure.supylabel(f"Sparsity of the layer at {SHOWN:.0%} of the network, %", fontsize=7)
    if not panels[0].is_own:
        legend_above(figure, method_handles(dict.fromkeys(one for panel in panels for one in panel.front), "none"))
    return figure


def _quartiles(results: ZooResults, method: str) -> pd.DataFrame:
    """Return lower quartile, median and upper quartile of each layer's sparsity in percent: `[layers, 3]`."""
    layers = layers_at_sparsity(results, method, [SHOWN])
    quartiles = {name: 100 * at[SHOWN].quantile([0.25, 0.5, 0.75]) for name, at in layers.items()}
    return pd.DataFrame(quartiles, index=[0.25, 0.5, 0.75]).T


def _method(axes: Axes, method: str, quartiles: pd.DataFrame, offset: float) -> None:
    low, median, high = quartiles.to_numpy(dtype=float).T
    axes.errorbar(
        np.arange(len(median)) + offset, median, yerr=[median - low, high - median], **look_of(method).line,
        linestyle="none", markersize=2.5, elinewidth=0.7,
    )  # fmt: skip

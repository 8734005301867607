"""Which models gain: a soup's gain against the dense model's accuracy, and by the factor that explains most."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.analyses.response import factor_effect
from zootwins.analyses.results import ZooResults
from zootwins.catalogue.soups import SEED
from zootwins.experiments.soups.gains import gains, last_phase, one_number, percent, with_soups
from zootwins.experiments.soups.soup_tables import properties
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.soup_gain import NO_SOUPS
from zootwins.storage.frames import number_text
from zootwins.zoos.sources import FACTORS


@styled
def soup_factors(zoos: Sequence[ZooResults]) -> Figure:
    """A row a zoo, after the last phase at the highest sparsity; bars are means of a factor's levels.

    Where no factor varies, the candidates' disagreement takes its place.
    """
    shown = with_soups(zoos)
    if not shown:
        return message(NO_SOUPS)
    figure, grid = plt.subplots(len(shown), 2, figsize=(COLUMN, 0.3 + 1.5 * len(shown)), sharey="row", squeeze=False)
    for (left, right), results in zip(grid, shown, strict=True):
        table = one_number(last_phase(gains(results, merged=["soup"])))
        table = table[(table["variant"] == SEED) & (table["against"] == "mean_member")]
        table = table[table["goal"] == table["goal"].max()]
        models = table.merge(properties(results), on=["variant", "members", "goal", "index"])
        models["gain"] *= 100
        left.plot(100 * models["dense_accuracy"], models["gain"], ".", markersize=3)
        left.set_xlabel("Dense accuracy, %")
        left.set_title(
            f"{results.zoo.title},\n{percent(models['goal'].max()):g} % pruned, n = {len(models)}", fontsize=6.5
        )
        _right(right, models)
        for axes in (left, right):
            axes.axhline(0, color="#555555", linewidth=0.8)
    figure.supylabel("Gain over the mean, points", fontsize=7)
    return figure


def _right(axes: Axes, models: pd.DataFrame) -> None:
    effects = {factor: factor_effect(models["gain"], models[factor])[0] for factor in FACTORS}
    effects = {factor: effect for factor, effect in effects.items() if not np.isnan(effect)}
    if not effects:
        axes.plot(100 * models["disagreement"], models["gain"], ".", markersize=3)
        axes.set_xlabel("Disagreement, %")
        return
    factor = max(effects, key=effects.get)
    groups = models.groupby(factor)["gain"]
    for place, (_, values) in enumerate(groups):
        axes.plot(np.full(len(values), place), values, ".", markersize=3, color="C0", alpha=0.6)
        axes.plot([place - 0.3, place + 0.3], [values.mean()] * 2, color="C1")
    levels = [number_text(level).replace("_", "\n") for level in groups.groups]
    axes.set_xticks(range(groups.ngroups), levels, fontsize=5.5)
    axes.set_xlabel(f"{factor}, ε² = {effects[factor]:.2f}")

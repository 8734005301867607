"""Hyper-representations: their latent space, reconstruction, linear probes, and zero-shot twins."""

from collections.abc import Callable, Mapping
from textwrap import fill

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from zootwins.experiments.representations.states import TARGETS
from zootwins.experiments.representations.zero_shot import METHODS
from zootwins.population.architectures import LAYER_NAMES
from zootwins.reporting.figures import COLUMN, styled

LABELS = {"accuracy": "Accuracy", "sparsity": "Sparsity", "epoch": "Epoch", "generalization_gap": "Generalisation gap"}
QUANTITIES = {"weights": "weights", "alphas": "log α"}
TWINS = {
    "zero_shot": "zero-shot",
    "zero_shot_mask": "zero-shot\nmask",
    "vd": "VD",
    "mp": "MP",
    "random": "random",
}


@styled
def latent_space(states: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """The two first principal components, coloured by accuracy and by sparsity; a row a zoo, its first seed.

    Large points are the models that were kept from training.
    """
    zoos = states[states["seed"] == states.groupby("zoo")["seed"].transform("min")].groupby("zoo", sort=False)
    figure, grid = plt.subplots(len(zoos), 2, figsize=(COLUMN, 0.2 + 1.6 * len(zoos)), sharey="row", squeeze=False)
    for row, (zoo, table) in zip(grid, zoos, strict=True):
        for axes, target in zip(row, ("accuracy", "sparsity"), strict=True):
            test = table["split"] == "test"
            limits = {"vmin": 100 * table[target].min(), "vmax": 100 * table[target].max()}
            for part, size in ((table[~test], 1), (table[test], 7)):
                drawn = axes.scatter(
                    part["component1"], part["component2"], size, 100 * part[target], linewidths=0, **limits
                )
            axes.figure.colorbar(drawn, ax=axes, location="top", label=f"{LABELS[target]}, %", aspect=30)
            axes.set_xlabel(f"Component 1 ({100 * table['explained1'].iloc[0]:.0f} %)")
        row[0].set_ylabel(f"{fill(titles[zoo], 20)}\nComponent 2 ({100 * table['explained2'].iloc[0]:.0f} %)")
    return figure


@styled
def reconstruction(scores: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """R² of the reconstruction of test models, of each layer: mean over seeds, bars from the least to the greatest."""
    shown = scores[scores["quantity"].isin(QUANTITIES)]
    zoos = shown.groupby("zoo", sort=False)
    figure, grid = plt.subplots(len(zoos), 1, figsize=(COLUMN, 0.5 + 1.2 * len(zoos)), squeeze=False)
    for axes, (zoo, table) in zip(grid[:, 0], zoos, strict=True):
        named = table.assign(quantity=table["quantity"].map(QUANTITIES), r2=100 * table["r2"])
        sns.pointplot(
            named, x="layer", y="r2", hue="quantity", order=[*LAYER_NAMES, "all"], ax=axes, linestyle="none",
            dodge=0.3, errorbar=("pi", 100), markersize=3.5, err_kws={"linewidth": 0.8},
        )  # fmt: skip
        axes.axhline(0, color="#555555", linewidth=0.8)
        axes.set(xlabel="", ylabel="Reconstruction R², %", title=f"{titles[zoo]}, {table['seed'].nunique()} seeds")
        _legend_above(figure, axes)
    return figure


@styled
def property_prediction(states: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Predicted against true properties of the test models' states, of all seeds; the line is equality."""
    test = states[states["split"] == "test"]
    zoos = test.groupby("zoo", sort=False)
    figure, grid = plt.subplots(2 * len(zoos), 2, figsize=(COLUMN, 0.2 + 3.0 * len(zoos)), squeeze=False)
    for rows, (zoo, table) in zip(grid.reshape(-1, 4), zoos, strict=True):
        for axes, target in zip(rows, TARGETS, strict=True):
            scale = 1 if target == "epoch" else 100
            truth, predicted = scale * table[target], scale * table[f"predicted_{target}"]
            axes.plot(truth, predicted, ".", markersize=1.5, rasterized=True)
            axes.axline((truth.mean(), truth.mean()), slope=1, color="#555555", linewidth=0.8)
            unit = "" if target == "epoch" else ", %"
            axes.set(xlabel=f"{LABELS[target]}{unit}", ylabel="Predicted")
        models = table.groupby("seed")["index"].nunique().sum()
        rows[0].set_title(f"{fill(titles[zoo], 30)}\n{models} test models, {table['seed'].nunique()} seeds")
    return figure


@styled
def zero_shot(twins: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Accuracy of twins by how they were made, before and after an epoch of fine-tuning; a row a zoo.

    Dots are models, points their mean with one standard deviation.
    """
    models = twins.groupby(["zoo", "method", "epochs", "index"], sort=False, as_index=False).mean(numeric_only=True)
    zoos = models.groupby("zoo", sort=False)
    figure, grid = plt.subplots(len(zoos), 1, figsize=(COLUMN, 0.5 + 1.7 * len(zoos)), squeeze=False)
    for axes, (zoo, table) in zip(grid[:, 0], zoos, strict=True):
        _twins_panel(axes, table)
        _legend_above(figure, axes)
        axes.set_title(f"{titles[zoo]}, {table['index'].nunique()} unseen models")
    return figure


def _legend_above(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, instead of the panel's own."""
    if not figure.legends:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    axes.get_legend().remove()


def _twins_panel(axes: Axes, table: pd.DataFrame) -> None:
    sparsity = table[table["epochs"] == 0].groupby("method")["sparsity"].mean()
    labels = {method: f"{TWINS[method]}\n{100 * sparsity[method]:.0f} %" for method in METHODS}
    named = table.assign(
        method=table["method"].map(labels), tuned=table["epochs"].map({0: "pruned", 1: "fine-tuned for an epoch"})
    )
    shared = {"x": "method", "y": "accuracy", "hue": "tuned", "order": list(labels.values()), "ax": axes}
    sns.stripplot(named, **shared, dodge=True, size=1.5, alpha=0.4, legend=False)
    sns.pointplot(named, **shared, dodge=0.4, errorbar="sd", linestyle="none", markersize=3.5, err_kws={"linewidth": 1})
    axes.set(xlabel="Twin and its mean sparsity", ylabel="Test accuracy, %")
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))


FIGURES: dict[str, Callable[[pd.DataFrame, Mapping[str, str]], Figure]] = {
    "latent_space": latent_space,
    "reconstruction": reconstruction,
    "property_prediction": property_prediction,
    "zero_shot": zero_shot,
}

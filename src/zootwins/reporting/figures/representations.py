"""Hyper-representations: their latent space, reconstruction, linear probes, and zero-shot twins."""

from collections.abc import Mapping
from itertools import product

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zootwins.experiments.representations import ALL_EPOCHS, OWN, TARGETS
from zootwins.experiments.representations.representation_tables import OURS, PREDICTORS
from zootwins.experiments.representations.representation_tables import QUANTITIES as PREDICTED
from zootwins.experiments.representations.zero_shot_tables import PREDICTORS as SOURCES
from zootwins.reporting.figures import COLUMN, QUIET, styled
from zootwins.reporting.figures.layout import heading_lines, legend_above, set_heading, upright
from zootwins.reporting.figures.looks import look_of

LABELS = {"accuracy": "Accuracy", "sparsity": "Sparsity", "epoch": "Epoch", "generalization_gap": "Generalisation gap"}
QUANTITIES = {"weights": "weights", "alphas": "log α"}
_VD, _MP = look_of("vd").colour, look_of("mp").colour
TWINS = {  # label, colour, marker
    "vd": ("VD, trained", _VD, "o"),
    "vd_mask": ("VD's mask, own weights", _VD, "^"),
    "decoder": ("decoder", "#CC79A7", "o"),
    "decoder_mask": ("decoder's mask", "#CC79A7", "^"),
    "token_network": ("token network's mask", "#009E73", "^"),
    "boosting": ("boosted trees' mask", "#56B4E9", "^"),
    "boosting_uniform": ("boosted trees' mask, equal shares", "#56B4E9", "D"),
    "prior": ("population prior", "#E69F00", "^"),
    "mp": ("MP", _MP, "v"),
    "mp_layers": ("MP at VD's layer sparsities", "#000000", "v"),
    "mp_uniform": ("MP, equal shares", _MP, "D"),
    "random": ("random", "#999999", "v"),
    "nearest": ("nearest training twin", "#999933", "<"),
    "nearest_noisy": ("the same, noisy", "#999933", ">"),
}
SOURCE_COLOURS = {
    SOURCES["decoder"]: "#CC79A7",
    SOURCES["token_network"]: "#009E73",
    SOURCES["boosting"]: "#56B4E9",
    SOURCES["boosting_images"]: "#000000",
    SOURCES["saliency"]: "#999999",
    SOURCES["prior"]: "#E69F00",
    SOURCES["magnitude"]: _MP,
}
SIZED = {"pca": ("PCA", QUIET), "largest": ("largest weights", "#D55E00")}
DASHES = ("-", ":", "--", "-.")
_OURS, _OTHERS = "#CC79A7", QUIET
_LEAST_R2 = -0.2  # what is worse is drawn there


@styled
def latent_space(states: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """The two first principal components, coloured by accuracy and by sparsity; one row per zoo, its first seed.

    Large points are the models that were kept from training.
    """
    zoos = states[states["seed"] == states.groupby("zoo")["seed"].transform("min")].groupby("zoo", sort=False)
    height = 1.9 + 0.12 * heading_lines(titles.values())
    figure, grid = plt.subplots(len(zoos), 2, figsize=(COLUMN, height * len(zoos)), sharey="row", squeeze=False)
    for row, (zoo, table) in zip(grid, zoos, strict=True):
        for axes, target in zip(row, ("accuracy", "sparsity"), strict=True):
            test = table["split"] == "test"
            limits = {"vmin": 100 * table[target].min(), "vmax": 100 * table[target].max()}
            for part, size in ((table[~test], 1), (table[test], 7)):
                drawn = axes.scatter(
                    part["component1"], part["component2"], size, 100 * part[target], linewidths=0, **limits
                )
            axes.figure.colorbar(drawn, ax=axes, location="bottom", label=f"{LABELS[target]}, %", aspect=30)
            axes.set_xlabel(f"Component 1 ({100 * table['explained1'].iloc[0]:.0f} %)")
        row[0].set_ylabel(f"Component 2 ({100 * table['explained2'].iloc[0]:.0f} %)")
        set_heading(row[0], f"{titles[zoo]}, n = {table['index'].nunique()}")
    return figure


def _layers(table: pd.DataFrame) -> list[str]:
    """Return the network's layers, in the table's order."""
    return [layer for layer in table["layer"].unique() if layer != "all"]


@styled
def reconstruction(scores: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """R² of the reconstruction of test models, by layer: median over seeds, bars from the least to the greatest."""
    shown = scores[scores["quantity"].isin(QUANTITIES) & (scores["predictor"] == OURS)]
    zoos = shown.groupby("zoo", sort=False)
    height = 1.1 + 0.12 * heading_lines(titles.values())
    figure, grid = plt.subplots(len(zoos), 1, figsize=(COLUMN, height * len(zoos)), squeeze=False)
    for axes, (zoo, table) in zip(grid[:, 0], zoos, strict=True):
        named = table.assign(quantity=table["quantity"].map(QUANTITIES), r2=100 * table["r2"])
        sns.pointplot(
            named, x="layer", y="r2", hue="quantity", order=[*_layers(table), "all"], ax=axes, linestyle="none",
            dodge=0.3, estimator="median", errorbar=("pi", 100), markersize=3.5, err_kws={"linewidth": 0.8},
        )  # fmt: skip
        axes.axhline(0, color=QUIET, linewidth=0.8)
        axes.set(xlabel="", ylabel="Reconstruction R², %")
        upright(axes, [*_layers(table), "all"])
        set_heading(axes, f"{titles[zoo]}, {_seeds(table)}")
        _legend_above(figure, axes)
    return figure


@styled
def property_prediction(states: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Predicted against true properties of the test models' states, of all seeds; the line is equality."""
    test = states[states["split"] == "test"]
    zoos = test.groupby("zoo", sort=False)
    height = 2.8 + 0.12 * heading_lines(titles.values())
    figure, grid = plt.subplots(2 * len(zoos), 2, figsize=(COLUMN, height * len(zoos)), squeeze=False)
    for rows, (zoo, table) in zip(grid.reshape(-1, 4), zoos, strict=True):
        for axes, target in zip(rows, TARGETS, strict=True):
            scale = 1 if target == "epoch" else 100
            truth, predicted = scale * table[target], scale * table[f"predicted_{target}"]
            axes.plot(truth, predicted, ".", markersize=1.5, rasterized=True)
            axes.axline((truth.mean(), truth.mean()), slope=1, color=QUIET, linewidth=0.8)
            unit = "" if target == "epoch" else ", %"
            axes.set(xlabel=f"{LABELS[target]}{unit}", ylabel="Predicted")
        models = table.groupby("seed")["index"].nunique().sum()
        set_heading(rows[0], f"{titles[zoo]}, {models} test models, {_seeds(table)}")
    legend_above(figure, [Line2D([], [], color=QUIET, linewidth=0.8, label="equality")])
    return figure


@styled
def representation_baselines(scores: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """R² of reconstruction and properties by what they are predicted from, points a seed each; three rows a zoo."""
    whole = scores[scores["layer"] == "all"]
    zoos = whole.groupby("zoo", sort=False)
    figure, grid = plt.subplots(
        3 * len(zoos), 2, figsize=(2 * COLUMN, 4.6 * len(zoos)), squeeze=False, height_ratios=[2, 3, 3] * len(zoos)
    )
    for rows, (zoo, table) in zip(grid.reshape(-1, 6), zoos, strict=True):
        for axes, (quantity, label) in zip(rows, PREDICTED.items(), strict=True):
            part = table[table["quantity"] == quantity]
            order = [name for name in PREDICTORS if name in set(part["predictor"])]
            named = part.assign(r2=100 * part["r2"].clip(_LEAST_R2), predictor=part["predictor"].map(PREDICTORS))
            colours = {PREDICTORS[name]: _OURS if name == OURS else _OTHERS for name in order}
            sns.stripplot(
                named, x="r2", y="predictor", hue="predictor", order=list(colours), palette=colours, ax=axes,
                jitter=False, size=3, legend=False,
            )  # fmt: skip
            axes.set(xlabel=f"R² of {label.lower()}, %", ylabel="", xlim=(100 * _LEAST_R2 - 3, 103))
            axes.tick_params("y", labelsize="x-small")
        set_heading(rows[0], f"{titles[zoo]}, {_seeds(table)}", 2 * COLUMN - 1.5)
    return figure


@styled
def latent_size(sizes: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """R² of weights predicted from so many numbers, untrained: median over seeds; one row per zoo."""
    zoos = sizes.groupby("zoo", sort=False)
    height = 1.7 + 0.12 * heading_lines(titles.values())
    figure, grid = plt.subplots(len(zoos), 1, figsize=(COLUMN, height * len(zoos)), squeeze=False)
    for axes, (zoo, table) in zip(grid[:, 0], zoos, strict=True):
        last = table["epoch"].max()
        shown = {ALL_EPOCHS: ("all epochs", 1.6), 0: ("epoch 0", 0.8), round(last / 2): (f"epoch {last / 2:.0f}", 0.8)}
        shown[last] = (f"epoch {last:.0f}", 0.8)
        for (predictor, (label, colour)), (number, (epoch, (text, width))) in product(
            SIZED.items(), enumerate(shown.items())
        ):
            chosen = table[(table["predictor"] == predictor) & (table["epoch"] == epoch)]
            medians = 100 * chosen.groupby("numbers")["r2"].median()
            axes.plot(
                medians.index, medians, DASHES[number], color=colour, linewidth=width, label=f"{label}, {text}",
                marker=".", markersize=3,
            )  # fmt: skip
        axes.set(xlabel="Numbers in the latent vector", ylabel="R² of w, %", ylim=(-3, 103))
        set_heading(axes, f"{titles[zoo]}, {_seeds(table)}")
    # keys long enough to distinguish the dashes
    legend_above(figure, axes.get_legend_handles_labels()[0], most_columns=2, handlelength=3.5)
    return figure


@styled
def prune_decisions(decisions: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Areas under the ROC curves of prune decisions, of each layer; one panel per zoo and what it was learned on.

    Medians over models, bars from quartile to quartile.
    """
    keys = ["zoo", "learned_on"]
    models = decisions.groupby([*keys, "predictor", "layer", "model"], sort=False, as_index=False)["auc"].mean()
    groups = models.groupby(keys, sort=False)
    height = 1.3 + 0.12 * 2 * heading_lines(titles.values())
    figure, grid = plt.subplots(len(groups), 1, figsize=(COLUMN, height * len(groups)), squeeze=False)
    for axes, ((zoo, learned), table) in zip(grid[:, 0], groups, strict=True):
        named = table.assign(auc=100 * table["auc"], predictor=table["predictor"].map(SOURCES))
        sns.pointplot(
            named, x="layer", y="auc", hue="predictor", hue_order=list(SOURCES.values()),
            order=["all", *_layers(table)], palette=SOURCE_COLOURS, ax=axes, linestyle="none", dodge=0.5,
            estimator="median", errorbar=("pi", 50), markersize=3, err_kws={"linewidth": 0.7},
        )  # fmt: skip
        axes.axhline(50, color=QUIET, linewidth=0.8)
        axes.set(xlabel="", ylabel="AUC, %")
        upright(axes, ["all", *_layers(table)])
        set_heading(axes, _pair_title(zoo, learned, titles, table["model"].nunique()))
        _legend_above(figure, axes)
    return figure


@styled
def zero_shot(twins: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Accuracy against sparsity of twins by how they were made, pruned and after an epoch; one row per zoo, teacher.

    Points are medians over the unseen models, bars reach from quartile to quartile; a cross is the trained twin at its
    own sparsity.
    """
    keys = ["zoo", "learned_on"]
    columns = [*keys, "method", "at", "epochs", "index"]
    models = twins.groupby(columns, sort=False, as_index=False)[["accuracy", "sparsity"]].mean()
    groups = models.groupby(keys, sort=False)
    height = 1.9 + 0.12 * heading_lines(titles.values())
    figure, grid = plt.subplots(len(groups), 2, figsize=(2 * COLUMN, height * len(groups)), sharey="row", squeeze=False)
    for row, ((zoo, learned), table) in zip(grid, groups, strict=True):
        for axes, (epochs, label) in zip(row, ((0, "pruned"), (1, "fine-tuned for an epoch")), strict=True):
            _twins_panel(axes, table[table["epochs"] == epochs])
            axes.set(xlabel=f"Sparsity, % ({label})", ylabel="Test accuracy, %" if epochs == 0 else "")
        set_heading(row[0], _pair_title(zoo, learned, titles, table["index"].nunique()), 2 * COLUMN - 0.7)
    legend_above(figure, grid[0, 0].get_legend_handles_labels()[0], most_columns=4)
    return figure


def _seeds(table: pd.DataFrame) -> str:
    seeds = table["seed"].nunique()
    return f"{seeds} seed{'s' * (seeds > 1)}"


def _pair_title(zoo: str, learned: str, titles: Mapping[str, str], models: int) -> str:
    taught = "" if learned == zoo else f", learned on {titles[learned]}"
    return f"{titles[zoo]}{taught}: {models} unseen models"


def _legend_above(figure: Figure, axes: Axes) -> None:
    """Draw one legend for all panels, instead of the panel's own."""
    handles = axes.get_legend_handles_labels()[0]
    axes.get_legend().remove()
    if not figure.legends:
        legend_above(figure, handles, most_columns=2)


def _twins_panel(axes: Axes, table: pd.DataFrame) -> None:
    for method, (label, colour, marker) in TWINS.items():
        of_method = table[table["method"] == method]
        low, median, high = (
            100 * of_method.groupby("at")[["accuracy", "sparsity"]].quantile(q) for q in (0.25, 0.5, 0.75)
        )
        line = median[median.index != OWN].sort_values("sparsity")
        bars = [part.loc[line.index, "accuracy"] for part in (line - low, high - line)]
        axes.errorbar(
            line["sparsity"], line["accuracy"], bars, color=colour, marker=marker, markersize=3, linewidth=0.8,
            elinewidth=0.4, label=label,
        )  # fmt: skip
        if method == "vd":
            own = median.loc[OWN]
            axes.plot(own["sparsity"], own["accuracy"], "x", color=colour, markersize=6)

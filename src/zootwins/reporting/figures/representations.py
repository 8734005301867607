"""Hyper-representations: their latent space, reconstruction, linear probes, and zero-shot twins."""

from collections.abc import Mapping
from itertools import product
from textwrap import fill

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.experiments.representations import ALL_EPOCHS, OWN, TARGETS
from zootwins.experiments.representations.representation_tables import OURS, PREDICTORS
from zootwins.experiments.representations.representation_tables import QUANTITIES as PREDICTED
from zootwins.experiments.representations.zero_shot_tables import PREDICTORS as TOLD_FROM
from zootwins.reporting.figures import COLOURS, COLUMN, styled

LABELS = {"accuracy": "Accuracy", "sparsity": "Sparsity", "epoch": "Epoch", "generalization_gap": "Generalisation gap"}
QUANTITIES = {"weights": "weights", "alphas": "log α"}
TWINS = {  # label, colour, marker
    "vd": ("VD, trained", COLOURS["vd"], "o"),
    "vd_mask": ("VD's mask, own weights", COLOURS["vd"], "^"),
    "decoder": ("decoder", "#CC79A7", "o"),
    "decoder_mask": ("decoder's mask", "#CC79A7", "^"),
    "token_network": ("token network's mask", "#009E73", "^"),
    "boosting": ("boosted trees' mask", "#56B4E9", "^"),
    "boosting_uniform": ("boosted trees' mask, equal shares", "#56B4E9", "D"),
    "prior": ("population prior", "#E69F00", "^"),
    "mp": ("MP", COLOURS["mp"], "v"),
    "mp_layers": ("MP at VD's layer sparsities", "#000000", "v"),
    "mp_uniform": ("MP, equal shares", COLOURS["mp"], "D"),
    "random": ("random", "#999999", "v"),
    "nearest": ("nearest training twin", "#999933", "<"),
    "nearest_noisy": ("the same, noisy", "#999933", ">"),
}
TOLD_COLOURS = {
    TOLD_FROM["decoder"]: "#CC79A7",
    TOLD_FROM["token_network"]: "#009E73",
    TOLD_FROM["boosting"]: "#56B4E9",
    TOLD_FROM["boosting_images"]: "#000000",
    TOLD_FROM["saliency"]: "#999999",
    TOLD_FROM["prior"]: "#E69F00",
    TOLD_FROM["magnitude"]: COLOURS["mp"],
}
SIZED = {"pca": ("PCA", "#555555"), "largest": ("largest weights", "#D55E00")}
DASHES = ("-", ":", "--", "-.")
_OURS, _OTHERS = "#CC79A7", "#555555"
_LEAST_R2 = -0.2  # what is worse is drawn there


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


def _layers(table: pd.DataFrame) -> list[str]:
    """The network's layers, in the table's order."""
    return [layer for layer in table["layer"].unique() if layer != "all"]


@styled
def reconstruction(scores: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """R² of the reconstruction of test models, of each layer: mean over seeds, bars from the least to the greatest."""
    shown = scores[scores["quantity"].isin(QUANTITIES) & (scores["predictor"] == OURS)]
    zoos = shown.groupby("zoo", sort=False)
    figure, grid = plt.subplots(len(zoos), 1, figsize=(COLUMN, 0.5 + 1.2 * len(zoos)), squeeze=False)
    for axes, (zoo, table) in zip(grid[:, 0], zoos, strict=True):
        named = table.assign(quantity=table["quantity"].map(QUANTITIES), r2=100 * table["r2"])
        sns.pointplot(
            named, x="layer", y="r2", hue="quantity", order=[*_layers(table), "all"], ax=axes, linestyle="none",
            dodge=0.3, errorbar=("pi", 100), markersize=3.5, err_kws={"linewidth": 0.8},
        )  # fmt: skip
        axes.axhline(0, color="#555555", linewidth=0.8)
        axes.set(xlabel="", ylabel="Reconstruction R², %", title=f"{titles[zoo]}, {_seeds(table)}")
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
        rows[0].set_title(f"{fill(titles[zoo], 30)}\n{models} test models, {_seeds(table)}")
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
        rows[0].set_title(f"{titles[zoo]}, {_seeds(table)}")
    return figure


@styled
def latent_size(sizes: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """R² of the weights by how many numbers tell of them, untrained: mean over seeds; a row a zoo."""
    zoos = sizes.groupby("zoo", sort=False)
    figure, grid = plt.subplots(len(zoos), 1, figsize=(COLUMN, 0.6 + 1.9 * len(zoos)), squeeze=False)
    for axes, (zoo, table) in zip(grid[:, 0], zoos, strict=True):
        last = table["epoch"].max()
        shown = {ALL_EPOCHS: ("all epochs", 1.6), 0: ("epoch 0", 0.8), round(last / 2): (f"epoch {last / 2:.0f}", 0.8)}
        shown[last] = (f"epoch {last:.0f}", 0.8)
        for (predictor, (label, colour)), (number, (epoch, (text, width))) in product(
            SIZED.items(), enumerate(shown.items())
        ):
            chosen = table[(table["predictor"] == predictor) & (table["epoch"] == epoch)]
            means = 100 * chosen.groupby("numbers")["r2"].mean()
            axes.plot(
                means.index, means, DASHES[number], color=colour, linewidth=width, label=f"{label}, {text}", marker=".",
                markersize=3,
            )  # fmt: skip
        axes.set(xlabel="Numbers in the latent vector", ylabel="R² of w, %", ylim=(-3, 103))
        axes.set_title(f"{titles[zoo]}, {_seeds(table)}")
    # keys long enough to tell the dashes apart
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2, handlelength=3.5)
    return figure


@styled
def prune_decisions(decisions: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Areas under the ROC curves of prune decisions: mean over models, of each layer; a panel a zoo and its teacher."""
    keys = ["zoo", "learned_on"]
    models = decisions.groupby([*keys, "predictor", "layer", "model"], sort=False, as_index=False)["auc"].mean()
    groups = models.groupby(keys, sort=False)
    figure, grid = plt.subplots(len(groups), 1, figsize=(COLUMN, 0.7 + 1.5 * len(groups)), squeeze=False)
    for axes, ((zoo, learned), table) in zip(grid[:, 0], groups, strict=True):
        named = table.assign(auc=100 * table["auc"], predictor=table["predictor"].map(TOLD_FROM))
        sns.pointplot(
            named, x="layer", y="auc", hue="predictor", hue_order=list(TOLD_FROM.values()),
            order=["all", *_layers(table)], palette=TOLD_COLOURS, ax=axes, linestyle="none", dodge=0.5, errorbar="sd",
            markersize=3, err_kws={"linewidth": 0.7},
        )  # fmt: skip
        axes.axhline(50, color="#555555", linewidth=0.8)
        axes.set(xlabel="", ylabel="AUC, %", title=_pair_title(zoo, learned, titles, table["model"].nunique(), 50))
        _legend_above(figure, axes)
    return figure


@styled
def zero_shot(twins: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Accuracy against sparsity of twins by how they were made, pruned and after an epoch; a row a zoo and its teacher.

    Points are means over the unseen models, bars one standard deviation; a cross is the trained twin at its own
    sparsity.
    """
    keys = ["zoo", "learned_on"]
    columns = [*keys, "method", "at", "epochs", "index"]
    models = twins.groupby(columns, sort=False, as_index=False)[["accuracy", "sparsity"]].mean()
    groups = models.groupby(keys, sort=False)
    figure, grid = plt.subplots(
        len(groups), 2, figsize=(2 * COLUMN, 0.7 + 2.1 * len(groups)), sharey="row", squeeze=False
    )
    for row, ((zoo, learned), table) in zip(grid, groups, strict=True):
        for axes, (epochs, label) in zip(row, ((0, "pruned"), (1, "fine-tuned for an epoch")), strict=True):
            _twins_panel(axes, table[table["epochs"] == epochs])
            axes.set(xlabel=f"Sparsity, % ({label})", ylabel="Test accuracy, %" if epochs == 0 else "")
        row[0].set_title(_pair_title(zoo, learned, titles, table["index"].nunique(), 90))
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _seeds(table: pd.DataFrame) -> str:
    seeds = table["seed"].nunique()
    return f"{seeds} seed{'s' * (seeds > 1)}"


def _pair_title(zoo: str, learned: str, titles: Mapping[str, str], models: int, width: int) -> str:
    taught = "" if learned == zoo else f", learned on {titles[learned]}"
    return fill(f"{titles[zoo]}{taught}: {models} unseen models", width)


def _legend_above(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, instead of the panel's own."""
    if not figure.legends:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    axes.get_legend().remove()


def _twins_panel(axes: Axes, table: pd.DataFrame) -> None:
    for method, (label, colour, marker) in TWINS.items():
        of_method = table[table["method"] == method]
        summary = of_method.groupby("at")[["accuracy", "sparsity"]].agg(["mean", "std"]).fillna(0) * 100
        line = summary[summary.index != OWN].sort_values(("sparsity", "mean"))
        axes.errorbar(
            line["sparsity", "mean"], line["accuracy", "mean"], line["accuracy", "std"], color=colour, marker=marker,
            markersize=3, linewidth=0.8, elinewidth=0.4, label=label,
        )  # fmt: skip
        if method == "vd":
            own = summary.loc[OWN]
            axes.plot(own["sparsity", "mean"], own["accuracy", "mean"], "x", color=colour, markersize=6)

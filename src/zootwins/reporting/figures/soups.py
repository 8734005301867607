"""Sparse model soups: what they gain, between which networks, on which images, and which models gain."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from zootwins.analyses.results import ZooResults
from zootwins.analyses.statistics import factor_effect
from zootwins.catalogue.soups import SEED, UNRELATED
from zootwins.experiments.soups.gains import (
    OF_ONE_MODEL,
    POINTS,
    VARIANTS,
    distances,
    gains,
    last_phase,
    one_number,
    percent,
    with_soups,
)
from zootwins.experiments.soups.soup_tables import all_shifted, properties
from zootwins.images import CORRUPTIONS, SEVERITIES
from zootwins.reporting.figures import COLUMN, QUIET, message, styled
from zootwins.reporting.figures.layout import annotate, heading_lines, legend_above, set_heading
from zootwins.storage.frames import number_text
from zootwins.zoos.sources import FACTORS

NO_SOUPS = "None of the zoos has soups."
COMPARED = {
    "mean_member": "mean member",
    "best_member": "best member",
    "imp": "IMP",
    "imp_long": "IMP, m× as long",
    "swa": "the same, SWA",
    "reprune": "IMP re-pruned",
    "ensemble": "ensemble",
}
KINDS = {OF_ONE_MODEL: "#0072B2", "unrelated models, own masks": "#D55E00", "unrelated models, one mask": "#E69F00"}
GAIN = "Gain over the mean member, points"


def _rows(zoos: Sequence[ZooResults], columns: int, height: float, **shared) -> tuple[Figure, np.ndarray]:
    """Make a row of panels per zoo, with room for the longest title above each."""
    lines = heading_lines([results.zoo.title for results in zoos])
    size = (COLUMN, 0.4 + (height + 0.12 * lines) * len(zoos))
    return plt.subplots(len(zoos), columns, figsize=size, squeeze=False, **shared)


@styled
def soup_gain(zoos: Sequence[ZooResults]) -> Figure:
    """One row per zoo; dots are models, boxes quartiles and median, last phase. Right of 0 the soup is better.

    The scale is linear from −1 to 1 and logarithmic beyond.
    """
    import seaborn as sns  # slow to import, and the other figures of soups do without

    shown = with_soups(zoos)
    if not shown:
        return message(NO_SOUPS)
    figure, grid = _rows(shown, 1, 1.5, sharex=True)
    handles: dict[str, object] = {}
    for axes, results in zip(grid[:, 0], shown, strict=True):
        table = one_number(last_phase(gains(results, merged=["soup"])))
        table = table[(table["variant"] == SEED) & table["against"].isin(COMPARED)]
        goals = table["goal"].map(lambda goal: f"{percent(goal):g} %")
        named = table.assign(gain=100 * table["gain"], against=table["against"].map(COMPARED), goal=goals)
        order = [name for name in COMPARED.values() if name in set(named["against"])]
        settings = {
            "data": named,
            "x": "gain",
            "y": "against",
            "hue": "goal",
            "order": order,
            "ax": axes,
            "dodge": True,
        }
        sns.boxplot(**settings, showfliers=False, linewidth=0.6, fill=False, gap=0.2, legend=False)
        sns.stripplot(**settings, size=1.6, alpha=0.5, jitter=False)
        axes.set_xscale("symlog", linthresh=1)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.axvline(0, color=QUIET, linewidth=0.8, zorder=0)
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handle.set_label(f"{label} pruned")
            handles.setdefault(label, handle)
        axes.get_legend().remove()
        axes.set(xlabel="", ylabel="")
        set_heading(axes, f"{results.zoo.title}, n = {table['index'].nunique()}")
        members = table["members"].max()
    figure.supxlabel(f"Test accuracy of the soup of {members} less that of …, points", fontsize=7)
    if len(handles) > 1:
        legend_above(figure, handles.values())
    return figure


@styled
def soup_barrier(zoos: Sequence[ZooResults]) -> Figure:
    """One row per zoo, after phase 1 of the highest goal: median and quartiles over the models."""
    shown = with_soups(zoos)
    if not shown:
        return message(NO_SOUPS)
    figure, grid = _rows(shown, 1, 1.3, sharex=True)
    along = np.linspace(0, 1, POINTS)
    handles: dict[str, object] = {}
    for axes, results in zip(grid[:, 0], shown, strict=True):
        table = _lines(results)
        for kind, colour in KINDS.items():
            values = 100 * table.loc[table["kind"] == kind, [f"line_{point}" for point in range(POINTS)]].to_numpy()
            if len(values):
                low, median, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
                axes.fill_between(along, low, high, color=colour, alpha=0.25, linewidth=0)
                handles[kind] = axes.plot(along, median, color=colour, label=kind)[0]
        if table.empty:
            annotate(axes, "no pairs of networks after phase 1")
        models, pruned = table["index"].nunique(), 100 * table["sparsity"].mean()
        set_heading(axes, f"{results.zoo.title}, {pruned:.0f} % pruned, n = {models}")
    figure.supxlabel("Place on the line between the two networks", fontsize=7)
    figure.supylabel("Test accuracy, %", fontsize=7)
    legend_above(figure, handles.values())
    return figure


def _lines(results: ZooResults) -> pd.DataFrame:
    """Average over a model's pairs after phase 1 of the highest goal, one row per model and kind, with sparsity."""
    pairs = results.tables["soup_pairs"]
    first = one_number(pairs[(pairs["phase"] == 1) & pairs["variant"].isin((SEED, UNRELATED))])
    first = first[first["goal"] == first["goal"].max()]
    soups = results.tables["soups"]
    pruned = soups[(soups["arm"] == "soup") & (soups["variant"] == SEED)]
    keys = ["members", "goal", "phase", "index"]
    known = first.merge(pruned[[*keys, "sparsity"]], on=keys)
    return known.groupby(["kind", "index"]).mean(numeric_only=True).reset_index()


@styled
def soup_distance(zoos: Sequence[ZooResults]) -> Figure:
    """One panel per zoo; a dot is a model's soup after the last phase of its variant, with the variant's colour.

    Of the highest goal, but for unpruned models.
    """
    shown = with_soups(zoos)
    if not shown:
        return message(NO_SOUPS)
    figure, grid = _rows(shown, 1, 1.35)
    handles: dict[str, object] = {}
    for axes, results in zip(grid[:, 0], shown, strict=True):
        gained = one_number(last_phase(gains(results, merged=["soup"])))
        gained = gained[gained["against"] == "mean_member"]
        gained = gained[gained["goal"] == gained.groupby("variant")["goal"].transform("max")]
        joined = gained.merge(distances(results), on=["variant", "members", "goal", "index"])
        for number, (variant, label) in enumerate(VARIANTS.items()):
            if len(part := joined[joined["variant"] == variant]):
                style = {"color": f"C{number}", "markersize": 3, "alpha": 0.7, "label": label}
                handles[label] = axes.plot(part["distance"], 100 * part["gain"], ".", **style)[0]
        if joined.empty:
            annotate(axes, "no soups of known distance")
        axes.axhline(0, color=QUIET, linewidth=0.8)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))  # within a decade alone
        goal, models = percent(joined["goal"].max()), joined["index"].nunique()
        set_heading(axes, f"{results.zoo.title}, towards {goal:g} %, n = {models}")
    figure.supxlabel("Mean L2 distance of the soup's members", fontsize=7)
    figure.supylabel(GAIN, fontsize=7)
    legend_above(figure, handles.values())
    return figure


@styled
def soup_factors(zoos: Sequence[ZooResults]) -> Figure:
    """Gain against the dense model's accuracy, and by the factor that explains most; bars are medians of its levels.

    After the last phase at the highest sparsity. Where no factor varies, the members' disagreement takes its place.
    """
    shown = with_soups(zoos)
    if not shown:
        return message(NO_SOUPS)
    figure, grid = _rows(shown, 2, 1.45, sharey="row")
    for (left, right), results in zip(grid, shown, strict=True):
        table = one_number(last_phase(gains(results, merged=["soup"])))
        table = table[(table["variant"] == SEED) & (table["against"] == "mean_member")]
        table = table[table["goal"] == table["goal"].max()]
        models = table.merge(properties(results), on=["variant", "members", "goal", "index"])
        models["gain"] *= 100
        left.plot(100 * models["dense_accuracy"], models["gain"], ".", markersize=3)
        left.set_xlabel("Dense accuracy, %")
        set_heading(left, f"{results.zoo.title}, {percent(models['goal'].max()):g} % pruned, n = {len(models)}")
        _factor(right, models)
        for axes in (left, right):
            axes.axhline(0, color=QUIET, linewidth=0.8)
    figure.supylabel(GAIN, fontsize=7)
    return figure


def _factor(axes: Axes, models: pd.DataFrame) -> None:
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
        axes.plot([place - 0.3, place + 0.3], [values.median()] * 2, color="C1")
    levels = [number_text(level).replace("_", "\n") for level in groups.groups]
    axes.set_xticks(range(groups.ngroups), levels, fontsize=5.5)
    axes.set_xlabel(f"{factor}, ε² = {effects[factor]:.2f}")


@styled
def soup_shifted(zoos: Sequence[ZooResults]) -> Figure:
    """One row per zoo, at the highest sparsity. Left: one dot per model, line: equality; right: means by corruption."""
    shown = [(results, _shifted(results)) for results in with_soups(zoos)]
    shown = [(results, table) for results, table in shown if "corruptions" in set(table["set"])]
    if not shown:
        return message(NO_SOUPS)
    figure, grid = _rows([results for results, _ in shown], 2, 1.55)
    for (left, right), (results, table) in zip(grid, shown, strict=True):
        _models(left, table)
        _corruptions(right, table)
        goal, models = percent(table["goal"].max()), table["index"].nunique()
        set_heading(left, f"{results.zoo.title}, {goal:g} % pruned, n = {models}")
    figure.supylabel(GAIN, fontsize=7)
    legend_above(figure, grid[0, 1].get_legend_handles_labels()[0])
    return figure


def _shifted(results: ZooResults) -> pd.DataFrame:
    table = one_number(all_shifted(results))
    table = table[(table["variant"] == SEED) & (table["against"] == "mean_member")]
    return table[table["goal"] == table["goal"].max()].assign(gain=100 * table["gain"])


def _models(axes: Axes, table: pd.DataFrame) -> None:
    wide = table[table["severity"] == 0].pivot_table(index="index", columns="set", values="gain")
    axes.plot(wide["test"], wide["corruptions"], ".", markersize=3)
    axes.axline((0, 0), slope=1, color=QUIET, linewidth=0.8)
    axes.set(xlabel="Gain on test images, points", ylabel="on corrupted images")


def _corruptions(axes: Axes, table: pd.DataFrame) -> None:
    for number, name in enumerate(CORRUPTIONS):
        means = table[table["set"] == name].groupby("severity")["gain"].mean()
        style = {"markersize": 2, "linewidth": 0.9, "color": f"C{number}", "marker": "osD^v<>"[number % 7]}
        axes.plot(means.index, means, label=name.replace("_", " "), **style)
    axes.axhline(0, color=QUIET, linewidth=0.8)
    axes.set_xticks(SEVERITIES)
    axes.set_xlabel("Severity")

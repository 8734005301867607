"""Pruned models against the same masks trained from scratch, model by model.

Budgets are states of one run (`zootwins.sparsifiers.retraining`): E, as many epochs as the original had; matched, as
many as original and pruning together; B, twice as many as the original.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from zootwins.analyses.cells import lines, shorts, texts, value_interval
from zootwins.analyses.paper_tables import summary
from zootwins.analyses.results import ZooResults
from zootwins.analyses.retrained import (
    BUDGETS,
    INITS,
    Arm,
    accuracy_of,
    arm_accuracy,
    arms,
    label,
    pruned_accuracy,
    retraining_methods,
)
from zootwins.analyses.state_of_sparsity import DENSE, published_score
from zootwins.analyses.statistics import factor_effect, kendall, wilcoxon
from zootwins.sparsifiers import retraining
from zootwins.zoos.sources import FACTORS

NO_RETRAINING = "the run has no method that retrains masks"
CELLS = ["mean", "std", "models", "low", "high", "better", "p"]


def scratch_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return mean paired differences in points, pruned less retrained: a row per zoo, retraining, budget, sparsity.

    Sparsity 0: the control that was trained on without pruning less a dense network that was trained again. The
    networks' columns are the same difference of The State of Sparsity, in points or BLEU.
    """
    rows = []
    for results in zoos:
        settings = retraining_methods(results)
        for arm in arms(results):
            masks = settings[arm.method].masks
            for ratio in settings[arm.method].ratios:
                difference = pruned_accuracy(results, masks, ratio) - arm_accuracy(results, arm, ratio)
                row = {"zoo": results.zoo.id, "pruned": masks, **vars(arm), "sparsity": 100 * ratio}
                rows.append(row | difference_cells(difference) | _published(masks, arm, ratio) | {"reason": ""})
        if not settings:
            rows.append({"zoo": results.zoo.id, "models": 0, "reason": NO_RETRAINING})
    columns = ["zoo", "pruned", "method", "budget", "init", "sparsity", *CELLS, *DENSE, "reason"]
    return pd.DataFrame(rows, columns=columns)


def difference_cells(difference: pd.Series) -> dict[str, float]:
    """Return mean, interval and n of models' differences, in points, the share that is positive, and Wilcoxon's p."""
    there = difference.dropna()
    return {**summary(there), "better": 100 * (there.round(9) > 0).mean(), "p": wilcoxon(there)}


def _published(masks: str, arm: Arm, ratio: float) -> dict[str, float]:
    if arm.init != INITS[0]:
        return {}
    return {
        network: published_score(network, masks, ratio) - published_score(network, arm.method, ratio, arm.budget)
        for network in DENSE
    }


def contrasts(results: ZooResults) -> Iterator[tuple[str, Arm, Arm | str]]:
    """Return pairs of arms that differ in one thing, or an arm and a method."""
    there = arms(results)
    for arm in there:
        if arm.method == "scratch" and arm.init == INITS[0]:
            yield "the places of the mask within layers", arm, replace(arm, method="shuffled")
        if arm.method == "shuffled" and arm.budget == "matched":
            yield "retraining, against pruning at random", arm, "rp"
        if arm.method == "lottery":
            yield "the original's initial weights", arm, Arm("scratch", arm.budget)
        if arm.budget == "B":
            yield "twice the epochs", arm, replace(arm, budget="E")
        if arm.init != INITS[0]:
            yield "wider initial weights", arm, replace(arm, init=INITS[0])


def other_masks(settings: Mapping[str, retraining.Settings], first: Arm, second: Arm | str) -> str:
    """Return why two arms differ in more than what they are contrasted by; empty if they do not."""
    own, other = settings[first.method], settings.get(second.method) if isinstance(second, Arm) else None
    if other is not None and own.masks != other.masks:
        return f"{first.method} has masks of {own.masks}, {second.method} of {other.masks}"
    if other is not None and first.budget == second.budget:
        place = BUDGETS.index(first.budget)
        if own.budgets[place] != other.budgets[place]:
            return f"{first.method} trains for {own.budgets[place]} epochs, {second.method} for {other.budgets[place]}"
    return ""


def topology_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return mean paired differences between arms, first less second, in points.

    One row a zoo, contrast and sparsity; without numbers but with a reason where the second was not run.
    """
    rows = []
    for results in zoos:
        settings = retraining_methods(results)
        for contrast, first, second in contrasts(results):
            for ratio in settings[first.method].ratios:
                difference = accuracy_of(results, first, ratio) - accuracy_of(results, second, ratio)
                cells = difference_cells(difference)
                row = {"zoo": results.zoo.id, "contrast": contrast, "first": label(first), "second": label(second)}
                if reason := other_masks(settings, first, second):
                    cells = difference_cells(difference.iloc[:0])
                elif not cells["models"]:
                    reason = f"no twins by {second.method if isinstance(second, Arm) else second} at that sparsity"
                rows.append(row | {"sparsity": 100 * ratio} | cells | {"reason": reason})
        if not settings:
            rows.append({"zoo": results.zoo.id, "models": 0, "reason": NO_RETRAINING})
    return pd.DataFrame(rows, columns=["zoo", "contrast", "first", "second", "sparsity", *CELLS, "reason"])


def scratch_gap_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return which models lose most when retrained: the gap (pruned less retrained) by original and factors.

    One row a zoo, retraining, budget and predictor; a model's gap is its mean over the sparsities. `original accuracy`:
    Kendall's tau-b with its interval; a factor that varies: Kruskal and Wallis' ε² (`zootwins.analyses.response`).
    """
    rows = []
    for results in zoos:
        originals = results.originals
        for arm in arms(results):
            masks = retraining_methods(results)[arm.method].masks
            gap = retrained_differences(results, masks, arm)
            row = {"zoo": results.zoo.id, "pruned": masks, **vars(arm), "models": len(gap)}
            accuracy = originals["test_accuracy"].reindex(gap.index)
            tau = kendall(accuracy.round(9).to_numpy(), gap.round(9).to_numpy())
            cells = {"value": tau.value, "low": tau.low, "high": tau.high, "p": tau.p}
            rows.append(row | {"predictor": "original accuracy", "statistic": "Kendall's tau-b"} | cells)
            for factor in FACTORS:
                levels = originals[factor].reindex(gap.index)
                if len(levels.dropna().unique()) > 1:
                    cells = dict(zip(("value", "p"), factor_effect(gap.round(9), levels), strict=True))
                    rows.append(row | {"predictor": factor, "statistic": "ε²"} | cells)
    columns = ["zoo", "pruned", "method", "budget", "init", "predictor", "statistic", "value", "low", "high", "p"]
    return pd.DataFrame(rows, columns=[*columns, "models"])


def retrained_differences(results: ZooResults, first: Arm | str, second: Arm) -> pd.Series:
    """Return each model's difference in points, mean over a retraining's sparsities without the dense control."""
    ratios = [ratio for ratio in retraining_methods(results)[second.method].ratios if ratio]
    own, other = (
        pd.concat([accuracy_of(results, side, ratio) for ratio in ratios], axis=1, keys=ratios)
        for side in (first, second)
    )
    return (100 * (own - other)).mean(axis=1).dropna()


def arrange_scratch(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, retraining, budget and sparsity."""
    keys = {"Zoo": table["zoo"], "Pruned": shorts(table["pruned"]), "Retrained": shorts(table["method"])}
    keys |= {"Budget": table["budget"], "Init": table["init"], "Sparsity": texts(table["sparsity"], "{:g} %")}
    published = {
        "ResNet-50": texts(table["resnet50"], "{:+.1f}"),
        "Transformer": texts(table["transformer"], "{:+.1f}"),
    }
    return lines(keys, _difference_texts(table) | published | {"Note": table["reason"].replace("", "–")})


def arrange_topology(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, contrast and sparsity."""
    keys = {"Zoo": table["zoo"], "Of": table["contrast"], "First": table["first"], "Second": table["second"]}
    keys |= {"Sparsity": texts(table["sparsity"], "{:g} %")}
    return lines(keys, _difference_texts(table) | {"Note": table["reason"].replace("", "–")})


def arrange_scratch_gap(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, retraining, budget and predictor."""
    keys = {"Zoo": table["zoo"], "Pruned": shorts(table["pruned"]), "Retrained": shorts(table["method"])}
    keys |= {"Budget": table["budget"], "Init": table["init"], "Predictor": table["predictor"]}
    return lines(
        keys,
        {
            "n": texts(table["models"]),
            "Statistic": texts(table["statistic"]),
            "Value": value_interval(table["value"], table["low"], table["high"], "{:.2f}"),
            "p": texts(table["p"], "{:.2g}"),
        },
    )


def _difference_texts(table: pd.DataFrame) -> dict[str, pd.Series]:
    return {
        "n": texts(table["models"], "{:.0f}"),
        "Difference": value_interval(table["mean"], table["low"], table["high"], "{:+.1f}"),
        "std": texts(table["std"], "{:.1f}"),
        "First better": texts(table["better"], "{:.0f}"),
        "p": texts(table["p"], "{:.2g}"),
    }

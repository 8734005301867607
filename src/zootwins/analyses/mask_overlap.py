"""Overlap of two methods' masks of a model: their Jaccard index, beside that of chance.

Masks are compared at operating points, since they cannot be interpolated: for each model and method the one whose
sparsity is nearest to the wanted one, if it is within `NEAR`. Chance draws both masks anew, as many weights of each
layer: (Σ n·a·b) / (Σ n·(a + b − a·b)), a and b being the shares of a layer's n weights that the methods keep. What two
methods agree on because both spare the same layers is therefore no overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zootwins.analyses.cells import by_sparsity, texts, value_interval
from zootwins.analyses.intervals import mean_interval
from zootwins.analyses.pairing import method_pairs
from zootwins.analyses.results import ZooResults
from zootwins.analyses.state_of_sparsity import SPARSITIES
from zootwins.sparsifiers.base import Settings
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.shards import TwinShard

if TYPE_CHECKING:
    from torch import Tensor

    from zootwins.population.weights import Weights

NEAR = 0.05  # of sparsity
ALL = "all"  # layers
NONE_NEAR = f"no model has both methods' twins within {100 * NEAR:g} points of that sparsity"

Masks = Mapping[str, np.ndarray]  # whether a weight is kept, by layer, bool `[weights]`


def mask_overlaps(
    shards: Mapping[str, Sequence[TwinShard]],
    settings: Mapping[str, Settings],
    weight_shares: np.ndarray,
    sparsities: Sequence[float] = SPARSITIES,
) -> pd.DataFrame:
    """Return the overlap of every two methods' masks of the same model, one model at a time.

    Args:
        shards: of each method.
        settings: of each method.
        weight_shares: of the layers in the network's weights, `[layers]`.
        sparsities: wanted, of the whole network.

    Returns:
        index, method, against, target (the wanted sparsity), layer (or `all`), sparsity and sparsity_against (those of
        the layer), jaccard, chance. NaN where neither keeps a weight.
    """
    places = {
        method: {index: (shard, place) for shard in parts for place, index in enumerate(shard.index)}
        for method, parts in shards.items()
    }
    common = sorted(set.intersection(*(set(place) for place in places.values()))) if places else []
    rows = []
    for index in common:
        masks = {
            method: masks_at(*places[method][index], settings[method], weight_shares, sparsities) for method in shards
        }
        for method, against in combinations(shards, 2):
            for target in sparsities:
                if target in masks[method] and target in masks[against]:
                    key = {"index": index, "method": method, "against": against, "target": target}
                    rows += [key | row for row in overlap(masks[method][target], masks[against][target])]
    columns = ["index", "method", "against", "target", "layer", "sparsity", "sparsity_against", "jaccard", "chance"]
    return pd.DataFrame(rows, columns=columns)


def masks_at(
    shard: TwinShard, model: int, settings: Settings, weight_shares: np.ndarray, sparsities: Sequence[float]
) -> dict[float, Masks]:
    """Return a model's masks at the operating points nearest to the wanted sparsities, where near and kept.

    Args:
        model: its position in the shard.
    """
    sparsifier = get_sparsifier(shard.method)
    overall = shard.twins("sparsity", model).double().numpy() @ weight_shares  # [twins, states]
    finite = shard.twins("test_loss", model).isfinite()
    stored = []
    for point in sparsifier.curve(settings):
        twin = shard.twin(point.at)
        if point.epoch in shard.weight_states and finite[twin, shard.states.index(point.epoch)]:
            stored.append((overall[twin, shard.states.index(point.epoch)], twin, point.epoch))
    nearest = {target: min(stored, key=lambda one: abs(one[0] - target), default=None) for target in sparsities}
    near = {target: one[1:] for target, one in nearest.items() if one and abs(one[0] - target) <= NEAR}
    parameters = {name: shard.twins(name, model) for name in shard.parameters}
    weights = sparsifier.weights(settings)
    return {
        target: _kept(weights, parameters, twin, shard.weight_states.index(e)) for target, (twin, e) in near.items()
    }


def _kept(weights: Weights, parameters: Mapping[str, Tensor], twin: int, state: int) -> Masks:
    """Return which weights of a twin `[twins, states, …]` are not zero in evaluation."""
    evaluated = weights.deterministic({name: tensor[None, twin, state] for name, tensor in parameters.items()})
    return {
        name.removesuffix(".weight"): (tensor != 0).flatten().numpy()
        for name, tensor in evaluated.items()
        if name.endswith(".weight")
    }


def overlap(first: Masks, second: Masks) -> list[dict[str, object]]:
    """Return sparsities, Jaccard index and that of chance, of each layer and of all together."""
    rows = []
    for name, layers in (*((layer, [layer]) for layer in first), (ALL, list(first))):
        shared, either, shared_by_chance, either_by_chance, kept, others, weights = np.sum(
            [_counts(first[layer], second[layer]) for layer in layers], axis=0
        )
        rows.append(
            {
                "layer": name,
                "sparsity": 1 - kept / weights,
                "sparsity_against": 1 - others / weights,
                "jaccard": shared / either if either else np.nan,
                "chance": shared_by_chance / either_by_chance if shared_by_chance else np.nan,  # one is empty
            }
        )
    return rows


def _counts(first: np.ndarray, second: np.ndarray) -> tuple[float, ...]:
    """Count the weights of a layer that both keep, either keeps, the same by chance, those of each, and all."""
    kept, others, weights = first.sum(), second.sum(), first.size
    by_chance = kept * others / weights
    return (first & second).sum(), (first | second).sum(), by_chance, kept + others - by_chance, kept, others, weights


def mask_overlap_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return one row per zoo, pair of methods, sparsity and layer, over models with both masks non-empty there.

    `jaccard` and `chance` are means in percent; `over_chance` is the mean of the models' ratios of the two: 1 where
    masks agree as chance has it.
    """
    rows = []
    for results in zoos:
        if (overlaps := results.tables.get("mask_overlap")) is None:  # of one method
            continue
        layers = [*dict.fromkeys(layer for layer in overlaps["layer"] if layer != ALL), ALL]
        groups = dict(iter(overlaps.groupby(["method", "against", "target", "layer"])))
        for method, against in method_pairs(results):
            for target in SPARSITIES:
                for layer in layers:
                    part = groups.get((method, against, target, layer), overlaps.iloc[:0])
                    row = {"zoo": results.zoo.id, "method": method, "against": against, "sparsity": 100 * target}
                    rows.append(row | {"layer": layer} | _summary(part.dropna()))
    columns = ["zoo", "method", "against", "sparsity", "layer", "models", "jaccard", "chance"]
    return pd.DataFrame(rows, columns=[*columns, "over_chance", "low", "high", "reason"])


def _summary(part: pd.DataFrame) -> dict[str, object]:
    ratios = (part["jaccard"] / part["chance"]).to_numpy(dtype=np.float64)
    low, high = mean_interval(ratios)
    return {
        "models": len(part),
        "jaccard": 100 * part["jaccard"].mean(),
        "chance": 100 * part["chance"].mean(),
        "over_chance": ratios.mean() if len(ratios) else np.nan,
        "low": low,
        "high": high,
        "reason": "" if len(part) else NONE_NEAR,
    }


def arrange_mask_overlap(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo and pair of methods, sparsities from left to right; all layers together."""
    whole = table[table["layer"] == ALL]
    ratio = value_interval(whole["over_chance"], whole["low"], whole["high"], "{:.2f}")
    cell = ratio.where(whole["models"] == 0, ratio + texts(whole["models"], " n {}"))
    return by_sparsity(whole, cell, ", ")

"""Standard deviations of a layer's sparsity: over models, and over weights of the share of models that prune them.

Which of these the paper's Tables 7 and 8 print is one of the open questions
(`zootwins.analyses.hypotheses`). Each comes with the bounds of its 95 % interval over
the models, the square roots of those of the variance by the jackknife.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zootwins.sparsifiers.base import Point, Settings
from zootwins.storage.shards import TwinShard

Pruned = Mapping[str, np.ndarray]  # by layer, bool [models, outputs, the weights of each]


def pruned_weights(shards: Sequence[TwinShard], point: Point, layers: Sequence[str], settings: Settings) -> Pruned:
    """Return which weights every model prunes at an operating point, by masks or by variational dropout's log α.

    Args:
        settings: of the method; variational dropout's have the threshold.

    Raises:
        InputError: if the shards have no weights of that epoch.
    """
    return {layer: np.concatenate([_of_shard(shard, point, layer, settings) for shard in shards]) for layer in layers}


def _of_shard(shard: TwinShard, point: Point, layer: str, settings: Settings) -> np.ndarray:
    from zootwins.population.variational import reaches

    name, twin = f"{layer}.weight", shard.twin(point.at)
    if f"mask.{name}" in shard.shapes:
        pruned = ~shard.twins(f"mask.{name}")[:, twin]
    else:
        state = shard.weight_state(point.epoch)
        weights, variances = (shard.twins(one)[:, twin, state] for one in (name, f"{layer}.log_sigma2"))
        pruned = reaches(settings.threshold, weights, variances)
    return pruned.flatten(2).numpy()


Spread = tuple[float, float, float]  # a standard deviation and its bounds


def over_models(pruned: np.ndarray, models: int) -> Spread:
    """Return standard deviation over the models."""
    return _jackknife(lambda part: part.mean(axis=(1, 2)).var(ddof=1), pruned)


def over_weights(pruned: np.ndarray, models: int) -> Spread:
    """Return standard deviation over the layer's weights of the share of models that prune each.

    Shares of few models scatter by chance; what is expected of so many `models` is returned. The variance of a mean is
    that of one model divided by their number, and the covariance of two, which is what shares have in common, however
    much of a layer each model prunes. Where shares scatter no more than by chance it may be 0, with a bound above.
    """
    flat = pruned.reshape(len(pruned), -1).astype(np.float64)
    total, own = flat.sum(axis=0), flat.var(axis=1, ddof=1)

    def variance(total: np.ndarray, own: np.ndarray) -> float:
        drawn, alone = len(own), own.mean()
        shared = ((total / drawn).var(ddof=1) - alone / drawn) * drawn / (drawn - 1)
        return shared + (alone - shared) / models

    parts = [variance(total - one, np.delete(own, place)) for place, one in enumerate(flat)]
    return _bounded(variance(total, own), parts)


def over_filters(pruned: np.ndarray, models: int) -> Spread:
    """Return standard deviation over all models and outputs (filters, neurons) pooled."""
    return _jackknife(lambda part: part.mean(axis=2).var(ddof=1), pruned)


SPREADS: dict[str, Callable[[np.ndarray, int], Spread]] = {
    "over models": over_models,
    "over weights, of the share of models that prune them": over_weights,
    "over models and outputs": over_filters,
}


def _jackknife(variance: Callable[[np.ndarray], float], pruned: np.ndarray) -> Spread:
    shares = pruned.mean(axis=2, keepdims=True)  # what the statistics look at; quick to leave models out of
    parts = [variance(np.delete(shares, model, axis=0)) for model in range(len(shares))]
    return _bounded(variance(shares), parts)


def _bounded(variance: float, parts: Sequence[float]) -> Spread:
    """Return the standard deviation and its bounds, given the variance without each of the models as well."""
    models = len(parts)
    reach = 1.96 * np.sqrt((models - 1) / models * np.square(np.array(parts) - np.mean(parts)).sum())
    deviation, low, high = np.sqrt(np.maximum(0.0, [variance, variance - reach, variance + reach])).tolist()
    return deviation, low, high

"""Standard deviations of a layer's sparsity: over models, and over weights of the share of models that prune them.

Which of these the paper's Tables 7 and 8 print is one of its riddles (`zootwins.analyses.riddles`).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zootwins.population.variational import log_alpha
from zootwins.sparsifiers.base import Point, Settings
from zootwins.storage.shards import TwinShard

Pruned = Mapping[str, np.ndarray]  # by layer, bool [models, outputs, the weights of each]


def pruned_weights(shards: Sequence[TwinShard], point: Point, layers: Sequence[str], settings: Settings) -> Pruned:
    """Which weights of every model are pruned at an operating point, by masks or by variational dropout's log α.

    Args:
        settings: of the method; variational dropout's have the threshold.

    Raises:
        InputError: if the shards have no weights of that epoch.
    """
    return {layer: np.concatenate([_of_shard(shard, point, layer, settings) for shard in shards]) for layer in layers}


def _of_shard(shard: TwinShard, point: Point, layer: str, settings: Settings) -> np.ndarray:
    name, twin = f"{layer}.weight", shard.twin(point.at)
    if f"mask.{name}" in shard.shapes:
        pruned = ~shard.twins(f"mask.{name}")[:, twin]
    else:
        state = shard.weight_state(point.epoch)
        weights, variances = (shard.twins(one)[:, twin, state] for one in (name, f"{layer}.log_sigma2"))
        pruned = log_alpha(name, weights, variances) >= settings.threshold
    return pruned.flatten(2).numpy()


def over_models(pruned: np.ndarray, models: int) -> tuple[float, float]:
    """Standard deviation over the models, and its standard error."""
    return _jackknife(lambda part: part.mean(axis=(1, 2)).std(ddof=1), pruned)


def over_weights(pruned: np.ndarray, models: int) -> tuple[float, float]:
    """Standard deviation over the layer's weights of the share of models that prune each, and its standard error.

    Shares of few models scatter by chance; what is expected of so many `models` is returned.
    """
    flat = pruned.reshape(len(pruned), -1).astype(np.float64)
    total, own = flat.sum(axis=0), len(flat)

    def deviation(share: np.ndarray, drawn: int) -> float:
        chance = np.mean(share * (1 - share)) / (drawn - 1)
        return np.sqrt(max(0.0, share.var(ddof=1) - chance + chance * drawn / models))

    parts = [deviation((total - one) / (own - 1), own - 1) for one in flat]
    return deviation(total / own, own), _jackknife_error(parts)


def over_filters(pruned: np.ndarray, models: int) -> tuple[float, float]:
    """Standard deviation over all models and outputs (filters, neurons) pooled, and its standard error."""
    return _jackknife(lambda part: part.mean(axis=2).std(ddof=1), pruned)


SPREADS: dict[str, Callable[[np.ndarray, int], tuple[float, float]]] = {
    "over models": over_models,
    "over weights, of the share of models that prune them": over_weights,
    "over models and outputs": over_filters,
}


def _jackknife(statistic: Callable[[np.ndarray], float], pruned: np.ndarray) -> tuple[float, float]:
    shares = pruned.mean(axis=2, keepdims=True)  # what the statistics look at; quick to leave models out of
    parts = [statistic(np.delete(shares, model, axis=0)) for model in range(len(shares))]
    return statistic(shares), _jackknife_error(parts)


def _jackknife_error(parts: Sequence[float]) -> float:
    models = len(parts)
    return float(np.sqrt((models - 1) / models * np.square(np.array(parts) - np.mean(parts)).sum()))

"""For every single weight of a network: the share of a zoo's VD twins in which it is pruned (the paper's Figure 3)."""

from collections.abc import Sequence

import pandas as pd
import torch

from zootwins.population.variational import reaches
from zootwins.run.errors import InputError
from zootwins.storage.shards import TwinShard


def prune_shares(shards: Sequence[TwinShard], threshold: float, layers: Sequence[str]) -> pd.DataFrame:
    """Return the share of models in which log α reaches the threshold, one row per epoch, layer and weight.

    Only the epochs whose weights are kept are there, and models that have not diverged by then. One model is read at a
    time.

    Args:
        shards: of variational dropout.
        threshold: of log α.
        layers: names of the network's layers, in its order.

    Returns:
        epoch, layer, weight (position in the flattened `[outputs, inputs, …]`), share, models.

    Raises:
        InputError: if there is no model in the shards.
    """
    models = sum(len(shard.models) for shard in shards)
    if not models:
        raise InputError(
            f"{shards[0].path.parent}: every model that the run takes is excluded, for the reasons in the zoo's "
            "models.csv; raise max_models in the configuration, or leave the zoo out"
        )
    at = [shards[0].states.index(epoch) for epoch in shards[0].weight_states]
    finite = [~shard.diverged[:, 0, at] for shard in shards]  # [models, states]
    counted = torch.cat(finite).sum(0)
    tables = []
    for layer in layers:
        pruned = sum(
            _pruned(shard, layer, model, threshold) * finite[place][model][:, None]
            for place, shard in enumerate(shards)
            for model in range(len(shard.models))
        )  # [states, weights]
        states, weights = pruned.shape
        tables.append(
            pd.DataFrame(
                {
                    "epoch": torch.tensor(shards[0].weight_states).repeat_interleave(weights).numpy(),
                    "layer": layer,
                    "weight": torch.arange(weights).repeat(states).numpy(),
                    "share": (pruned.double() / counted[:, None]).flatten().numpy(),
                    "models": counted.repeat_interleave(weights).numpy(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _pruned(shard: TwinShard, layer: str, model: int, threshold: float) -> torch.Tensor:
    weights, variances = (shard.tensor(f"{layer}.{kind}", model) for kind in ("weight", "log_sigma2"))
    return reaches(threshold, weights, variances).flatten(1).int()

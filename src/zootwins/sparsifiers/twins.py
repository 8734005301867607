"""Twins for other programs: the networks that were evaluated, from their file alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zootwins.run.errors import InputError
from zootwins.sparsifiers.registry import get_sparsifier, is_known, of_section

if TYPE_CHECKING:
    from torch import Tensor

    from zootwins.storage.shards import TwinShard


def evaluated_parameters(shard: TwinShard, model: int | None = None) -> dict[str, Tensor]:
    """Return weights and biases as they were evaluated; pruned ones are 0.

    A shard holds what was trained. Of variational dropout and L0 regularisation that are dense weights, beside the
    noise and the gates, which say which weights count.

    Args:
        shard: of any sparsifier; of other methods (originals trained here, soups) weights are as they are.
        model: only the model at this position.

    Returns:
        By name, `[models, *axes, states, …]`, or `[*axes, states, …]` of one model; the states are `weight_states`.

    Raises:
        InputError: if the file does not say how its twins were made.
    """
    trained = {name: shard.tensor(name, model) for name in shard.parameters}
    configuration = json.loads(shard.metadata.get("configuration", "{}"))
    # a named twin is known by its rule, which has the name of its sparsifier's section
    sparsifier = get_sparsifier(shard.method) if is_known(shard.method) else of_section(configuration.get("rule", ""))
    if sparsifier is None:
        return trained
    try:
        settings = sparsifier.Settings(**configuration["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{shard.path}: its metadata do not have the settings of its twins, which decide what is pruned; "
            "take a file that this version made"
        ) from error
    # kinds of weights take `[models, …]`: every state of every twin is a model of its own
    grid = [len(shard.models), *(len(axis.values) for axis in shard.axes), len(shard.weight_states)]
    grid = grid if model is None else grid[1:]
    flat = {name: tensor.flatten(0, len(grid) - 1) for name, tensor in trained.items()}
    evaluated = sparsifier.weights(settings).deterministic(flat)
    return {name: tensor.unflatten(0, grid) for name, tensor in evaluated.items()}

"""From dense models to their twins, by any sparsifier: one population, one trajectory."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from zootwins.population import Engine, ImageData
from zootwins.population.trajectory import ignore, record_trajectory
from zootwins.sparsifiers.base import Settings, Sparsifier, SparsifierInputs
from zootwins.storage.resume import Resume
from zootwins.storage.shards import Trajectory


def sparsify(
    engine: Engine,
    sparsifier: Sparsifier,
    settings: Settings,
    inputs: SparsifierInputs,
    data: ImageData,
    weight_states: Sequence[int] | None = None,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> Trajectory:
    """Make the twins of a shard of models.

    Returns:
        A trajectory whose tensors start with `[models, *axes, states, …]`; of a method with masks also the last ones,
        as `mask.{layer}.weight`, bool `[models, *axes, …]`.
    """
    inputs = replace(inputs, data=data, engine=engine)
    population = sparsifier.population(inputs, settings)
    trajectory = record_trajectory(
        engine,
        population,
        data,
        sparsifier.plan(inputs, settings),
        weight_states=weight_states,
        resume=resume,
        on_epoch=on_epoch,
    )
    tensors = trajectory.tensors | {f"mask.{name}": mask for name, mask in population.masks.items()}
    grid = (len(inputs.originals), *(len(axis.values) for axis in sparsifier.axes(settings)))
    trajectory.tensors = {name: tensor.unflatten(0, grid) for name, tensor in tensors.items()}
    return trajectory

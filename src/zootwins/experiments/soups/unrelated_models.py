"""Averages of different models of a zoo, the negative control of soups.

A model's unrelated models are the next models of the zoo, in the order of their indices, the first following the last,
that have its activation: without it weights mean something else. Two mixtures of a model with its unrelated models,
after phase 1: `own_masks`, each model being its own member 1, averaged and pruned back to the sparsity; and `one_mask`,
the unrelated models retrained on the model's mask instead of their own. Where one mask does not help, it is not the
sparse connectivity but the basin that members of a soup have in common.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from zootwins.experiments.soups.member_training import Lengths, Retraining
from zootwins.experiments.soups.merging import Networks, merge
from zootwins.experiments.soups.phases import (
    Dense,
    as_population,
    as_trajectory,
    highest_rates,
    norm_taken,
    pruned,
    with_own_statistics,
)
from zootwins.experiments.soups.recipes import Recipe
from zootwins.population import Engine, ImageData
from zootwins.population.trajectory import ignore
from zootwins.storage.resume import Resume
from zootwins.storage.shards import Trajectory, TwinShard


def partners(activations: Sequence[str], members: int) -> list[list[int] | None]:
    """Return each model's partners in an average, itself first, as rows of the zoo; None where there are none.

    Args:
        activations: of the zoo's models.
        members: how many are mixed; fewer where an activation has fewer models, so that all mixtures are equally large.
    """
    groups = {name: [row for row, own in enumerate(activations) if own == name] for name in set(activations)}
    sizes = [len(group) for group in groups.values() if len(group) > 1]
    size = min([members, *sizes])
    found: list[list[int] | None] = []
    for row, name in enumerate(activations):
        group = groups[name]
        first = group.index(row)
        found.append([group[(first + step) % len(group)] for step in range(size)] if len(group) > 1 else None)
    return found


def first_members(shards: Sequence[TwinShard], models: Sequence[str]) -> dict[str, Tensor]:
    """Return member 1 of every model after phase 1, `[models, goals, 1, …]`, in the order of `models`."""
    rows = {model: row for row, model in enumerate(model for shard in shards for model in shard.models)}
    order = [rows[model] for model in models]
    return {
        name: torch.cat([shard.tensor(name) for shard in shards])[order][:, :, :1, 0] for name in shards[0].parameters
    }


def mix_unrelated_models(
    engine: Engine,
    zoo: Dense,
    members: Networks,
    rows: Sequence[int],
    data: ImageData,
    recipe: Recipe,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> tuple[dict[str, Trajectory], list[int]]:
    """Average models of a zoo in both ways, and return the averages and their parts.

    Args:
        zoo: all models that the run takes.
        members: their members 1, as `first_members` returns them.
        rows: the models that are mixed with others, as rows of the zoo.

    Returns:
        `own_masks`, `own_masks_part`, `one_mask` and `one_mask_part`, as `phases.make_soups` returns arms; the rows of
        the models, those left out that have no unrelated model.
    """
    mixed = partners([own.activation for own in zoo.originals.factors], recipe.members)
    kept = [row for row in rows if mixed[row] is not None]
    size = next((len(group) for group in mixed if group), recipe.members)
    groups = torch.tensor([mixed[row] for row in kept], dtype=torch.int64).reshape(len(kept), size)
    own = {name: tensor[groups, :, 0].movedim(1, 2) for name, tensor in members.items()}
    retraining = Retraining(engine, data.train, recipe.epochs(1), resume, on_epoch)
    shared = _on_one_mask(zoo, own, groups, recipe, retraining)
    ratios = [recipe.sparsity(goal, 1) for goal in recipe.goals]
    originals = zoo.originals.at(kept)
    mixed_own = pruned(merge(own), zoo.originals.architecture.weight_names, ratios)[0]
    arms = {
        "own_masks": with_own_statistics(originals, mixed_own, data.train),
        "own_masks_part": own,
        "one_mask": with_own_statistics(originals, merge(shared), data.train),
        "one_mask_part": shared,
    }
    return {arm: as_trajectory(engine, originals, data, [networks]) for arm, networks in arms.items()}, kept


def _on_one_mask(
    zoo: Dense, own: Mapping[str, Tensor], groups: Tensor, recipe: Recipe, retraining: Retraining
) -> dict[str, Tensor]:
    """Average models on the mask of each group's first, its member 1; the others are retrained from dense ones."""
    originals, goals = zoo.originals, len(recipe.goals)
    others = groups[:, 1:]
    grid = (len(groups), goals, others.shape[1])
    dense = {
        name: tensor[others][:, None].expand(*grid, *tensor.shape[1:]) for name, tensor in originals.parameters.items()
    }
    masks = {name: (own[name][:, :, :1] != 0).expand_as(dense[name]) for name in originals.architecture.weight_names}
    start = dense | {name: dense[name].masked_fill(~mask, 0) for name, mask in masks.items()}
    lanes = [(model, goal) for group in others.tolist() for goal in recipe.goals for model in group]
    epochs = [recipe.epochs(1)] * len(lanes)
    population = as_population(
        originals.architecture,
        start,
        [recipe.factors(originals.factors[model], 1) for model, _ in lanes],
        [recipe.key(zoo.zoo, originals.models[model], 1, 1) for model, _ in lanes],
        masks,
    )
    highest = highest_rates(
        recipe,
        [goal for _, goal in lanes],
        norm_taken(dense, start).flatten().tolist(),
        epochs,
        [zoo.epochs[model] for model, _ in lanes],
    )
    lengths = Lengths(recipe.schedule, epochs, highest)
    trained = retraining.train("on one mask", population, lengths)
    return {
        name: torch.cat((tensor[:, :, :1], trained[name].unflatten(0, grid)), dim=2) for name, tensor in own.items()
    }

"""The phases of soups and of what they are compared with: prune, retrain, merge, for a shard of models at once.

Networks are parameters by name, `[models, goals, runs, …]`; a *chain* is a line of phases, each starting from the
result of the last: the uniform soup, the greedy soup, m runs of iterative magnitude pruning (IMP), and one run m times
as long.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture
from zootwins.catalogue.soups import ARMS
from zootwins.experiments.soups.member_training import Lengths, Retraining
from zootwins.experiments.soups.merging import Networks, greedy, merge
from zootwins.experiments.soups.recipes import Recipe, allr_start
from zootwins.population import Engine, Factors, ImageData, ImageSet, Population
from zootwins.population.any_network import recomputed_buffers
from zootwins.population.masks import pruning_masks
from zootwins.population.trajectory import evaluate_state, ignore
from zootwins.storage.resume import Resume
from zootwins.storage.shards import SCORES, Axis, Trajectory
from zootwins.zoos.originals import Originals

LONG = "imp_long"


@dataclass(frozen=True)
class Dense:
    """The dense models that soups start from.

    Attributes:
        zoo: the zoo's id, a part of every random stream's key.
        originals: the dense models of a shard.
        epochs: of their training, one number per model.
    """

    zoo: str
    originals: Originals
    epochs: Sequence[int]

    def networks(self, goals: int) -> dict[str, Tensor]:
        """Return the models, for every goal, `[models, goals, 1, …]`."""
        parameters = self.originals.parameters.items()
        return {key: tensor[:, None, None].expand(-1, goals, 1, *tensor.shape[1:]) for key, tensor in parameters}


def make_soups(
    engine: Engine,
    dense: Dense,
    data: ImageData,
    recipe: Recipe,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> dict[str, Trajectory]:
    """Train every arm of a recipe for a shard of models.

    Returns:
        By arm, tensors `[models, goals, states, …]`, of members and IMP runs `[models, goals, members, states, …]`;
        the states are the phases, from 1. Training images are not evaluated: the scores on them are NaN.
    """
    arms, members = ARMS[recipe.variant], recipe.members
    longest = max(recipe.epochs(member) for member in range(1, members + 1))
    total = recipe.phases * (longest + (LONG in arms) * members * recipe.epochs(1))
    phases = _Phases(engine, dense, data, recipe, Retraining(engine, data.train, total, resume, on_epoch))
    states = [phases.next(phase) for phase in range(1, recipe.phases + 1)]
    return {arm: as_trajectory(engine, dense.originals, data, [state[arm] for state in states]) for arm in arms}


def pruned(networks: Networks, weights: Sequence[str], ratios: Sequence[float]) -> tuple[dict[str, Tensor], Tensor]:
    """Set the smallest of all weights of networks to 0, and return the norm that they lost.

    Args:
        weights: names of those that are pruned.
        ratios: for each goal, the share of all weights that is 0 in the end.

    Returns:
        The networks, and the norm of what was taken as a share of the norm of all parameters before, float64
        `[models, goals, runs]`.
    """
    result = dict(networks)
    for name, mask in masks_of(networks, weights, ratios).items():
        result[name] = networks[name].masked_fill(~mask, 0)
    return result, norm_taken(networks, result)


def norm_taken(before: Networks, after: Networks) -> Tensor:
    """Return the pruned norm as a share of the norm of all parameters before; `[models, goals, runs]`."""
    norms = [
        sum(tensor.double().flatten(3).square().sum(3) for tensor in trained_tensors(one).values())
        for one in (before, after)
    ]
    return ((norms[0] - norms[1]).clamp(min=0) / norms[0]).sqrt()


def masks_of(networks: Networks, weights: Sequence[str], ratios: Sequence[float]) -> dict[str, Tensor]:
    """Return which weights stay, bool of the weights' shapes; each goal has its own ratio."""
    columns = []
    for goal, ratio in enumerate(ratios):
        of_goal = {name: networks[name][:, goal].flatten(0, 1) for name in weights}
        columns.append(pruning_masks(of_goal, ratio, "global"))
    return {
        name: torch.stack([column[name].view(networks[name][:, 0].shape) for column in columns], dim=1)
        for name in weights
    }


def as_population(
    architecture: Architecture,
    networks: Networks,
    factors: Sequence[Factors],
    keys: Sequence[int] | None = None,
    masks: Mapping[str, Tensor] | None = None,
) -> Population:
    """Return networks `[models, goals, runs, …]` as a population, runs fastest; `factors` has one per lane."""
    return Population(
        architecture,
        factors,
        torch.tensor(keys if keys is not None else [0] * len(factors), dtype=torch.int64),
        {name: tensor.flatten(0, 2).clone(memory_format=torch.contiguous_format) for name, tensor in networks.items()},
        {name: mask.flatten(0, 2) for name, mask in (masks or {}).items()},
    )


def grid_of(networks: Networks) -> torch.Size:
    """Return the numbers of models, goals and runs."""
    return next(iter(networks.values())).shape[:3]


def trained_tensors(networks: Networks) -> Networks:
    """Return the weights and biases, without the running statistics of batch normalisation."""
    return {name: tensor for name, tensor in networks.items() if name.endswith((".weight", ".bias"))}


def with_own_statistics(originals: Originals, networks: Networks, images: ImageSet) -> Networks:
    """Return averaged networks with the statistics of batch normalisation that training images give them.

    Args:
        originals: the models, in the networks' order.
        networks: whose statistics are those of the networks that were averaged.
        images: that are trained on.
    """
    buffers = recomputed_buffers(evaluated_lanes(originals, networks), images.images)
    return {**networks, **{name: tensor.unflatten(0, grid_of(networks)) for name, tensor in buffers.items()}}


def evaluated_lanes(originals: Originals, networks: Networks) -> Population:
    """Return networks of a shard's models as a population to be evaluated."""
    _, goals, runs = grid_of(networks)
    repeats = goals * runs
    factors = [own for own in originals.factors for _ in range(repeats)]
    return as_population(originals.architecture, networks, factors)


def as_trajectory(engine: Engine, originals: Originals, data: ImageData, states: Sequence[Networks]) -> Trajectory:
    """Stack networks of several phases and their scores on validation and test images; one run has no axis."""
    phases = [
        {**state, **_scores(engine, originals, data, state)}
        for state in ({name: tensor.contiguous() for name, tensor in one.items()} for one in states)
    ]
    tensors = {name: torch.stack([phase[name] for phase in phases], dim=3) for name in phases[0]}
    if tensors["test_accuracy"].shape[2] == 1:
        tensors = {name: tensor[:, :, 0] for name, tensor in tensors.items()}
    numbers = list(range(1, len(phases) + 1))
    return Trajectory(numbers, numbers, numbers, tensors)


def _scores(engine: Engine, originals: Originals, data: ImageData, networks: Networks) -> dict[str, Tensor]:
    """Return each `[models, goals, runs, …]`."""
    grid = grid_of(networks)
    found = evaluate_state(engine, evaluated_lanes(originals, networks), data)
    unknown = torch.full((grid.numel(),), torch.nan)
    return {name: tensor.unflatten(0, grid) for name, tensor in (dict.fromkeys(SCORES, unknown) | found).items()}


def axes_of(recipe: Recipe, trajectory: Trajectory) -> tuple[Axis, ...]:
    """Return the axes of a model's networks of an arm: the goal, and the member where there are several."""
    goals = Axis("goal", recipe.goals)
    shape = trajectory.tensors["test_accuracy"].shape
    return (goals,) if len(shape) == 3 else (goals, Axis("member", tuple(map(float, range(1, shape[2] + 1)))))


def highest_rates(
    recipe: Recipe,
    goals: Sequence[float],
    taken: Sequence[float],
    epochs: Sequence[int],
    dense_epochs: Sequence[int],
) -> Tensor:
    """Return each lane's factor of all learning rates: ALLR's start, else 1; float64 `[lanes]`.

    Args:
        goals: of each lane.
        taken: as `pruned` returns it.
        epochs: of the retraining.
        dense_epochs: of the training before any pruning.
    """
    if recipe.schedule != "allr":
        return torch.ones(len(goals), dtype=torch.float64)
    lanes = zip(goals, taken, epochs, dense_epochs, strict=True)
    starts = [allr_start(lost, recipe.share(goal), own, dense) for goal, lost, own, dense in lanes]
    return torch.tensor(starts, dtype=torch.float64)


class _Phases:
    """The chains of a recipe, phase by phase."""

    def __init__(self, engine: Engine, dense: Dense, data: ImageData, recipe: Recipe, retraining: Retraining):
        self.engine, self.dense, self.data, self.recipe = engine, dense, data, recipe
        self.retraining, self.arms = retraining, ARMS[recipe.variant]
        self.chains = [chain for chain in ("soup", "greedy", "imp") if chain in self.arms]
        self.weights = dense.originals.architecture.weight_names
        start = dense.networks(len(recipe.goals))
        self.tops: dict[str, Networks] = dict.fromkeys((*self.chains, LONG), start)

    def next(self, phase: int) -> dict[str, Networks]:
        """Train a phase and return the networks of every arm; phases come in their order."""
        members = self._members(phase)
        state: dict[str, Networks] = {"member": members["soup"], "soup": self._merged(members["soup"])}
        if "greedy" in self.arms:
            accuracy = self._validation(members["greedy"])
            chosen = greedy(members["greedy"], accuracy, lambda merged: self._validation(self._refreshed(merged)))
            state["greedy"] = self._merged(members["greedy"], chosen)
        if "imp" in self.arms:
            state["imp"], state["average"] = members["imp"], self._merged(members["imp"])
            state["reprune"] = self._refreshed(pruned(state["average"], self.weights, self._ratios(phase))[0])
        if LONG in self.arms:
            state[LONG], mean = self._long(phase)
            state["swa"] = self._refreshed(mean)
        self.tops = {chain: state[chain] for chain in self.tops if chain in state}
        return state

    def _merged(self, networks: Networks, chosen: Tensor | None = None) -> Networks:
        return self._refreshed(merge(networks, chosen))

    def _refreshed(self, networks: Networks) -> Networks:
        return with_own_statistics(self.dense.originals, networks, self.data.train)

    def _ratios(self, phase: int) -> list[float]:
        return [self.recipe.sparsity(goal, phase) for goal in self.recipe.goals]

    def _validation(self, networks: Networks) -> Tensor:
        """Return accuracy on validation images, float64 `[models, goals, runs]`."""
        grid = grid_of(networks)
        lanes = evaluated_lanes(self.dense.originals, networks)
        return self.engine.evaluate(lanes, self.data.validation).accuracy.unflatten(0, grid)

    def _members(self, phase: int) -> dict[str, Networks]:
        """Return every chain's m retrained networks; in phase 1, which starts from the dense models, they are equal."""
        chains = self.chains if phase > 1 else self.chains[:1]
        members = self.recipe.members
        tops = [self.tops[chain] for chain in chains]
        expanded = [
            {name: tensor.expand(-1, -1, members, *tensor.shape[3:]) for name, tensor in top.items()} for top in tops
        ]
        joined = {name: torch.cat([one[name] for one in expanded], dim=2) for name in expanded[0]}
        trained, _ = self._retrain(f"phase {phase}", joined, phase, [*range(1, members + 1)] * len(chains))
        parts = {name: tensor.split(members, dim=2) for name, tensor in trained.items()}
        of_chain = [{name: part[row] for name, part in parts.items()} for row in range(len(chains))]
        return dict(zip(self.chains, of_chain * (len(self.chains) // len(chains)), strict=True))

    def _long(self, phase: int) -> tuple[Networks, Networks]:
        """Train the run that is m times as long, and return it and the mean of its states over its last half."""
        return self._retrain(f"long phase {phase}", self.tops[LONG], phase, [1], self.recipe.members)

    def _retrain(
        self, name: str, networks: Networks, phase: int, members: Sequence[int], times: int = 1
    ) -> tuple[Networks, Networks]:
        """Prune networks `[models, goals, runs, …]` to the phase's sparsity and retrain them.

        Args:
            members: the number of each run's member.
            times: how much longer than the recipe says; if so, the mean over the last half is worked out.
        """
        recipe, originals = self.recipe, self.dense.originals
        start, taken = pruned(networks, self.weights, self._ratios(phase))
        masks = masks_of(networks, self.weights, self._ratios(phase))
        runs = [(row, goal, member) for row in range(len(originals)) for goal in recipe.goals for member in members]
        population = as_population(
            originals.architecture,
            start,
            [recipe.factors(originals.factors[row], member) for row, _, member in runs],
            [recipe.key(self.dense.zoo, originals.models[row], phase, member) for row, _, member in runs],
            masks,
        )
        lengths = Lengths(
            recipe.schedule,
            [times * recipe.epochs(member) for _, _, member in runs],
            highest_rates(
                recipe,
                [goal for _, goal, _ in runs],
                taken.flatten().tolist(),
                [times * recipe.epochs(member) for _, _, member in runs],
                [self.dense.epochs[row] for row, _, _ in runs],
            ),
        )
        averaged_from = lengths.longest // 2 + 1 if times > 1 else None
        trained = self.retraining.train(name, population, lengths, averaged_from)
        grid = taken.shape
        last = {key: trained[key].unflatten(0, grid) for key in networks}
        if averaged_from is None:
            return last, last
        return last, {key: trained[f"mean.{key}"].unflatten(0, grid) for key in networks}

"""Soups while pruning trains: copies of a twin part after a change of its masks and are averaged before the next.

*Sparse Model Soups* (Zimmer, Spiegel and Pokutta 2024) states that soups extend to pruning during training; how, could
not be read, and the released code has none of it. The rule here is ours and the same for every method that is a
composition. Before masks change, the copies of a twin are averaged; the method changes the average as it would change a
twin; then the copies part again, on the same masks, with fresh optimisers and batches of their own. While nothing of a
twin is masked, its copies see the same batches and so stay one network. What is averaged is what is trained: of dynamic
pruning with feedback the dense weights, which are ranked anew afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zootwins.catalogue.pruning_soups import ARMS
from zootwins.experiments.soups.member_training import Retraining
from zootwins.experiments.soups.merging import merge
from zootwins.experiments.soups.phases import Networks, as_trajectory, with_own_statistics
from zootwins.population import Population
from zootwins.population.trajectory import Moment, Plan
from zootwins.run.keys import stream_key
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.pruning import Pruning, RatioSettings
from zootwins.storage.shards import Axis, Trajectory


@dataclass(frozen=True)
class Copies:
    """Copies of twins, averaged whenever masks change.

    Attributes:
        keys: random streams of the copies of each twin, int64 `[twins, copies]`; those of the first are the twins' own.
        changes_masks: whether masks change at a moment.
        change: changes twins in place.
    """

    keys: Tensor
    changes_masks: Callable[[Moment], bool]
    change: Callable[[Moment, Population], None]

    @property
    def number(self) -> int:
        """How many there are of each twin."""
        return self.keys.shape[1]

    def of(self, twins: Population) -> Population:
        """Return the copies, `[twins · copies]`, before training."""
        copies = replace(twins, factors=[own for own in twins.factors for _ in range(self.number)])
        self._take(copies, twins)
        return copies

    def average(self, copies: Population) -> Population:
        """Return the mean of each twin's copies, which share their masks, with a fresh optimiser."""
        mean = {kind: self._mean(getattr(copies, kind)) for kind in ("parameters", "buffers", "shadows")}
        masks = {name: mask[:: self.number] for name, mask in copies.masks.items()}
        factors = copies.factors[:: self.number]
        return replace(copies, factors=factors, keys=self.keys[:, 0], masks=masks, optimizer_state={}, **mean)

    def plan(self, plan: Plan) -> Plan:
        """Return the plan of the copies, from that of the twins."""
        return replace(plan, change=self._change)

    def _change(self, moment: Moment, copies: Population) -> None:
        if self.changes_masks(moment):
            twins = self.average(copies)
            self.change(moment, twins)
            self._take(copies, twins)
        copies.keys = torch.where(copies.masked, self.keys.flatten(), self.keys[:, :1].expand_as(self.keys).flatten())

    def _take(self, copies: Population, twins: Population) -> None:
        """Make all copies what their twin is."""
        for kind in ("parameters", "buffers", "masks", "shadows"):
            tensors = getattr(twins, kind).items()
            setattr(copies, kind, {name: tensor.repeat_interleave(self.number, dim=0) for name, tensor in tensors})
        copies.optimizer_state, copies.keys = {}, twins.keys.repeat_interleave(self.number)

    def _mean(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        grid = (len(self.keys), 1, self.number)
        parted = {name: tensor.unflatten(0, grid) for name, tensor in tensors.items()}
        return {name: tensor.flatten(0, 2) for name, tensor in merge(parted).items()}


def stretched(plan: Plan, times: int) -> Plan:
    """Return a plan of `times` as many epochs, masks changing at the same shares of the way.

    Gradients that decide which weights grow are those of batches of the plan's own epochs.

    Raises:
        ValueError: if the plan has learning rates or penalties of its own, which are not stretched.
    """
    if plan.lr_factors is not None or plan.penalty is not None:
        raise ValueError("plans with learning rates or penalties of their own cannot be stretched")

    def change(moment: Moment, population: Population) -> None:
        taken, between = divmod(moment.taken, times)
        epoch, step = divmod(taken, moment.steps)
        if not between and (step == 0 or (plan.every and taken % plan.every == 0)):
            plan.change(Moment(epoch + 1, step, moment.steps, plan.epochs), population)

    return replace(plan, epochs=times * plan.epochs, change=change, every=plan.every and times * plan.every)


def soups_while_pruning(
    method: Pruning,
    settings: RatioSettings,
    inputs: SparsifierInputs,
    members: int,
    retraining: Callable[[int], Retraining],
) -> dict[str, Trajectory]:
    """Train every arm of a method for a shard of models.

    Args:
        method: a composition, whose twins come from no other twins.
        settings: its own; twins are those of its operating points, without the unpruned control.
        inputs: with images and engine.
        members: copies of each twin.
        retraining: what trains, given the epochs of all trainings together.

    Returns:
        By arm, tensors `[models, goals, (members,) states, …]` of networks as they are evaluated, with one state, the
        last: `single`, the method's twin; `restarted`, a soup of one, so that only its optimiser restarts; `long`, one
        twin trained `members` times as long; `member`, the copies before the last average; `soup`, that average.
    """
    places = pruned_places(method, settings)
    grid = (len(inputs.originals), len(places))
    twins, plan = method.population_at(inputs, settings, places), method.plan_at(inputs, settings, places)
    training = retraining((3 + members) * plan.epochs)

    def trained(name: str, population: Population, plan: Plan) -> Population:
        tensors = training.by_plan(name, population, plan)
        return replace(population, parameters=tensors, buffers={}, masks={}, regrows=False, shadows={})

    def copies(number: int) -> Copies:
        return Copies(
            copy_keys(method, inputs, places, twins, number),
            lambda moment: method.changes_masks(settings, places, moment),
            plan.change,
        )

    found = {"single": trained("single", copied(twins), plan)}
    for name, number in (("restarted", 1), ("member", members)):
        own = copies(number)
        found[name] = trained(name, own.of(twins), own.plan(plan))
    found["long"] = trained("long", copied(twins), stretched(plan, members))
    found["soup"] = own.average(found["member"])
    networks = {arm: evaluated(one, (*grid, members if arm == "member" else 1)) for arm, one in found.items()}
    networks["soup"] = with_own_statistics(inputs.originals, networks["soup"], inputs.data.train)
    return {arm: as_trajectory(inputs.engine, inputs.originals, inputs.data, [networks[arm]]) for arm in ARMS}


def pruned_places(method: Pruning, settings: RatioSettings) -> list[Mapping[str, float]]:
    """Return the places on a method's axes that are operating points, but for the unpruned control's."""
    return [point.at for point in method.curve(settings) if point.at["ratio"] > 0]


def goal_axes(method: Pruning, settings: RatioSettings, members: int) -> tuple[Axis, ...]:
    """Return what a model's networks of an arm differ by: the goal, and the member where there are several."""
    goals = Axis("goal", tuple(at["ratio"] for at in pruned_places(method, settings)))
    return (goals,) if members == 1 else (goals, Axis("member", tuple(map(float, range(1, members + 1)))))


def copied(twins: Population) -> Population:
    """Return the same twins in a population that can be trained without changing the first."""
    tensors = {kind: getattr(twins, kind).items() for kind in ("parameters", "buffers")}
    return replace(twins, **{kind: {name: tensor.clone() for name, tensor in own} for kind, own in tensors.items()})


def copy_keys(
    method: Pruning, inputs: SparsifierInputs, places: Sequence[Mapping[str, float]], twins: Population, number: int
) -> Tensor:
    """Return the random streams of copies, int64 `[twins, number]`: the twins' own, and one for each further copy."""
    further = [
        [
            stream_key(inputs.zoo, model, method.stream, f"{at['ratio']:g}", "copy", copy)
            for copy in range(2, number + 1)
        ]
        for model in inputs.originals.models
        for at in places
    ]
    columns = torch.tensor(further, dtype=torch.int64).reshape(len(twins), number - 1)
    return torch.cat((twins.keys[:, None], columns), dim=1)


def evaluated(population: Population, grid: Sequence[int]) -> Networks:
    """Return a population's networks as they are evaluated, `[models, goals, runs, …]`."""
    networks = population.deterministic().tensors
    return {name: tensor.unflatten(0, grid) for name, tensor in networks.items()}

"""Apply compositions to twins at a moment of their training: prune, exchange, rewind."""

import logging
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from zootwins.population import Population
from zootwins.population.masks import interleaved
from zootwins.population.threads import one_thread
from zootwins.sparsifiers.composition import Composition
from zootwins.sparsifiers.growth import replaced_counts, replaced_masks
from zootwins.sparsifiers.state import State

log = logging.getLogger(__name__)


@one_thread()
def change(compositions: Sequence[Composition], state: State) -> None:
    """Change twins in place to what their compositions ask for at the state's moment; leave others to the bit.

    Args:
        compositions: one for each place, in the order of `state.places`.
        state: the twins, and what scores look at.
    """
    population, schedules = state.population, [composition.schedule for composition in compositions]
    due = [s.progress(state.moment, at["ratio"]) for s, at in zip(schedules, state.places, strict=True)]
    if any(progress is not None for progress in due):
        for number in range(1, 1 + max(schedule.rounds for schedule in schedules)):
            _prune(compositions, state, due, number)
        report_empty_layers(population)
    pruned = [at["ratio"] > 0 for at in state.places]
    fractions = [s.exchange(state.moment) if prunes else 0.0 for s, prunes in zip(schedules, pruned, strict=True)]
    if any(fractions):
        _exchange(compositions, state, fractions)
    targets = [schedule.rewind_epoch if schedule.rewinds(state.moment) else None for schedule in schedules]
    for epoch in {target for target in targets if target is not None}:
        weights = state.inputs.earlier[epoch]
        earlier = {name: tensor.repeat_interleave(len(due), dim=0) for name, tensor in weights.items()}
        population.replace_tensors(_twins(population, [target == epoch for target in targets]), earlier)
    if any(resetting := [schedule.resets_moments(state.moment) for schedule in schedules]):
        population.reset_optimizer(_twins(population, resetting))


def report_empty_layers(population: Population) -> None:
    """Log how many models have layers without any weight left, and which layers."""
    empty = {name: int((~mask.flatten(1).any(1)).sum()) for name, mask in population.masks.items()}
    found = ", ".join(f"{name.removesuffix('.weight')} in {count}" for name, count in empty.items() if count)
    if found:
        log.warning("of %d twins, layers have no weights left: %s; min_left keeps some", len(population), found)


def _twins(population: Population, chosen: Sequence[bool]) -> Tensor:
    """Return which twins lie at the chosen places, bool `[twins]`."""
    return torch.tensor(chosen).repeat(len(population) // len(chosen))


def _prune(compositions: Sequence[Composition], state: State, due: Sequence[float | None], number: int) -> None:
    """Set the masks of a round of pruning, the first being 1, and update the weights that stay."""
    population, places = state.population, len(state.places)
    everything = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in state.weights.items()}
    old = everything | population.masks
    pruned = [p is not None and number <= c.schedule.rounds for p, c in zip(due, compositions, strict=True)]
    asked = dict.fromkeys(c.score for c, prunes in zip(compositions, pruned, strict=True) if prunes)
    scores = {score: score(state) for score in asked}
    masks = []
    for place, composition in enumerate(compositions):
        own = {name: mask[place::places] for name, mask in old.items()}
        if pruned[place]:
            rated = {name: score[place::places] for name, score in scores[composition.score].items()}
            ratio = state.places[place]["ratio"]
            progress = _of_round(due[place], ratio, number, composition.schedule.rounds)
            own = masks_of(composition, rated, own, population, ratio, progress)
        masks.append(own)
    new = interleaved(masks)
    for update in {c.update for c, prunes in zip(compositions, pruned, strict=True) if prunes and c.update}:
        sparse = [prunes and at["ratio"] > 0 for prunes, at in zip(pruned, state.places, strict=True)]
        twins = _twins(population, [p and c.update == update for p, c in zip(sparse, compositions, strict=True)])
        population.replace_tensors(twins, update(state, old, new))
    population.set_masks(new)


def _of_round(progress: float, ratio: float, number: int, rounds: int) -> float:
    """Return the progress after some of the rounds: each leaves the same share of what the one before left."""
    if number == rounds or ratio == 0:
        return progress
    return (1 - (1 - progress * ratio) ** (number / rounds)) / ratio


def masks_of(
    composition: Composition,
    scores: Mapping[str, Tensor],
    old: Mapping[str, Tensor],
    population: Population,
    ratio: float,
    progress: float,
) -> dict[str, Tensor]:
    """Return the masks of twins that share a composition and a requested sparsity, by the weights' names.

    Args:
        scores: `[twins, …]`; the lowest go.
        old: the masks so far; what is masked goes first, unless the schedule remembers it.
        population: whose architecture is taken.
        ratio: the share of all weights to prune in the end.
        progress: the share of it that is due.
    """
    architecture, structure = population.architecture, composition.structure
    ranking = composition.allocation.ranking(structure.group(architecture, dict(scores)))
    if not composition.schedule.remembers:
        alive = structure.group(architecture, {name: mask.to(torch.float32) for name, mask in old.items()})
        ranking = {name: rank.masked_fill(~(alive[name] > 0), _lowest(rank.dtype)) for name, rank in ranking.items()}
    shares = composition.allocation.ratios(architecture, ratio)
    due = progress * ratio if shares is None else {name: progress * share for name, share in shares.items()}
    return structure.expand(architecture, structure.choose(ranking, due, composition.min_left))


def _lowest(dtype: torch.dtype) -> float | int:
    return -torch.inf if dtype.is_floating_point else torch.iinfo(dtype).min


def _exchange(compositions: Sequence[Composition], state: State, fractions: Sequence[float]) -> None:
    """Replace a share of each layer's weights, the smallest by those of the highest growth."""
    population, places, weights = state.population, len(state.places), state.weights
    asked = dict.fromkeys(c.growth for c, fraction in zip(compositions, fractions, strict=True) if fraction)
    growth = {score: score(state) for score in asked}
    masks = []
    for place, (composition, fraction) in enumerate(zip(compositions, fractions, strict=True)):
        own = {name: mask[place::places] for name, mask in population.masks.items()}
        if fraction:
            of_place = {name: weight[place::places] for name, weight in weights.items()}
            grown = {name: score[place::places] for name, score in growth[composition.growth].items()}
            own = replaced_masks(of_place, own, grown, replaced_counts(own, fraction))
        masks.append(own)
    population.set_masks(interleaved(masks))

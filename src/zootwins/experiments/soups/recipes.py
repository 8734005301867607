"""What is trained for a model: how its members differ, to which sparsities the phases prune, and learning rates.

Learning rates are LLR and ALLR as in SMS and BIMP (Zimmer et al.), one factor per step, in float64. T steps:
W = ⌊T / 10⌋ of warm-up, R = T − W of decline. Step t has (1 − cos(πt / W)) / 2 for t ≤ W, later 1 − (t − W) / R, so
that the first step has 0 (engines let a model stand still at 0) and the last 1 / R.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from zootwins.catalogue.soups import Soups
from zootwins.population import Factors
from zootwins.run.keys import stream_key


@dataclass(frozen=True)
class Recipe:
    """A variant of soups with some number of members.

    Attributes:
        variant: a key of `zootwins.catalogue.soups.ARMS`: what the members differ by, or which control this is.
        members: their number, m. Members 1 … m are those of every larger soup.
        goals: sparsities in the end, as fractions.
        phases: how many are trained; controls stop after the first.
        steps_to_goal: in how many phases the goal would be reached.
    """

    variant: str
    members: int
    goals: tuple[float, ...]
    phases: int
    steps_to_goal: int
    settings: Soups

    @classmethod
    def of(cls, settings: Soups, variant: str, members: int) -> "Recipe":
        """Return the recipe of a variant as configured."""
        goals = (0.0,) if variant == "dense" else tuple(round(goal / 100, 8) for goal in settings.goals)
        phases = 1 if variant in ("dense", "constant", "unrelated_models") else settings.phases
        return cls(variant, members, goals, phases, settings.phases, settings)

    @property
    def schedule(self) -> str:
        return "constant" if self.variant == "constant" else self.settings.schedule

    def sparsity(self, goal: float, phase: int) -> float:
        """Return the share of all weights that is pruned in a phase: 1 − (1 − s)^(p/P)."""
        return 1 - (1 - goal) ** (phase / self.steps_to_goal)

    def share(self, goal: float) -> float:
        """Return the share of the remaining weights that each phase prunes: 1 − (1 − s)^(1/P)."""
        return self.sparsity(goal, 1)

    def key(self, zoo: str, model: str, phase: int, member: int) -> int:
        """Return the random stream of a retraining; one for all members where these differ by something else.

        Chains share it: soups, IMP runs and unrelated models see the same batches in a phase, so that they differ by
        nothing but the models that they start from; and a soup of one is an IMP run.
        """
        differs = self.variant not in ("weight_decay", "lr", "length")
        return stream_key(zoo, model, "soup", phase, member if differs else 1)

    def factors(self, own: Factors, member: float | None) -> Factors:
        """Return a member's generating factors, members counting from 1; of an average (None) the base's."""
        settings = self.settings
        lr = own.lr if settings.lr is None else settings.lr
        if member is None:
            return replace(own, lr=lr)
        position = int(member) - 1
        if self.variant == "lr":
            lr *= settings.member_lrs[position]
        decay = settings.member_weight_decays[position] if self.variant == "weight_decay" else own.weight_decay
        return replace(own, lr=lr, weight_decay=decay)

    def epochs(self, member: int) -> int:
        """Return the length of a member's retraining, at least 1 epoch."""
        length = self.settings.member_lengths[member - 1] if self.variant == "length" else 1
        return max(1, round(length * self.settings.epochs))


def llr(steps: int) -> np.ndarray:
    """Return factors that fall linearly from 1 to 0 after a warm-up, float64 `[steps]`."""
    t = np.arange(steps, dtype=np.float64)
    warm = steps // 10
    rising = (1 - np.cos(np.pi * t / max(warm, 1))) / 2
    return np.where(t <= warm, rising if warm else 1.0, 1 - (t - warm) / (steps - warm))


def constant(steps: int) -> np.ndarray:
    """Return 1 throughout, float64 `[steps]`."""
    return np.ones(steps)


def shape(schedule: str, steps: int) -> np.ndarray:
    """Return the factors of a schedule's steps, without ALLR's factor."""
    return constant(steps) if schedule == "constant" else llr(steps)


def allr_start(taken: float, share: float, epochs: int, dense_epochs: int) -> float:
    """Return ALLR's highest learning rate as a share of LLR's: clip(d / √q, min(E / E_dense, 1), 1).

    Args:
        taken: d, the norm of what pruning took, as a share of the norm of all parameters before.
        share: q, the share of the remaining weights that the phase prunes; where it is 0, nothing is taken: 1.
        epochs: E, of this retraining.
        dense_epochs: E_dense, of the training before any pruning.
    """
    if share == 0:
        return 1.0
    return min(max(taken / math.sqrt(share), min(epochs / max(dense_epochs, 1), 1.0)), 1.0)

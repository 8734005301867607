"""What is trained for a model: how its members differ, and to which sparsities the phases prune."""

from dataclasses import dataclass, replace

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

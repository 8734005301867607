"""Settings of sparse model soups, and the names of their files, as Snakemake reads them."""

import logging
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from zootwins.run.settings import NotNegative, Once, Percent, Positive, Section

Members = Annotated[int, Field(ge=2, le=100)]

SEED, UNRELATED = "seed", "unrelated_models"
FORMER_UNRELATED = "strangers"  # codespell:ignore strangers
FACTORS = ("weight_decay", "lr", "length")  # what members may differ by, beside the seed
# The results of every variant's trainings: a folder of shards each (`zootwins.experiments.soups`).
ARMS = {
    SEED: ("member", "soup", "greedy", "imp", "reprune", "average", "imp_long", "swa"),
    "weight_decay": ("member", "soup", "greedy"),
    "lr": ("member", "soup", "greedy"),
    "length": ("member", "soup", "greedy"),
    "constant": ("member", "soup"),
    "dense": ("member", "soup", "imp_long", "swa"),
    UNRELATED: ("own_masks", "own_masks_part", "one_mask", "one_mask_part"),
}
log = logging.getLogger(__name__)


class Soups(Section):
    """Sparse model soups: a pruned model is retrained in several ways, the results are averaged, and pruned further."""

    goals: Annotated[tuple[Percent, ...], Once] = Field(
        min_length=1, description="Percent of the weights that are pruned in the end."
    )
    phases: int = Field(
        ge=1, le=20, description="Rounds of pruning and retraining; each prunes the same share of what is left."
    )
    epochs: int = Field(ge=1, le=1000, description="Epochs of retraining in each phase.")
    members: Annotated[tuple[Members, ...], Once] = Field(
        min_length=1, description="Models averaged into a soup; each number is a soup of its own."
    )
    lr: float | None = Field(
        None, gt=0, description="Highest learning rate of retraining; that of magnitude pruning if absent."
    )
    schedule: Literal["llr", "allr", "constant"] = Field(
        description="Learning rate within a phase: llr rises for a tenth of the steps and falls linearly to 0; allr "
        "starts lower where pruning took little; constant."
    )
    vary: Annotated[tuple[Literal[*FACTORS], ...], Once] = Field(
        description="What members differ by, beside soups whose members differ by the order of their batches (seed); "
        "a soup each."
    )
    member_weight_decays: tuple[NotNegative, ...] = Field(description="Weight decay of member 1, 2, …")
    member_lrs: tuple[Positive, ...] = Field(description="Highest learning rate of member 1, 2, …, times `lr`.")
    member_lengths: tuple[Positive, ...] = Field(description="Epochs of member 1, 2, …, times `epochs`.")
    controls: Annotated[tuple[Literal["dense", "constant", "unrelated_models"], ...], Once] = Field(
        description="dense: soups of unpruned models; constant: at a constant learning rate; unrelated_models: "
        "averages of different models of the zoo. Phase 1 alone."
    )
    shifted_sets: Annotated[tuple[str, ...], Once] = Field(
        (),
        description="Other data sets, by their names in the catalogue, whose test images the models are tried on as "
        "well: of the same shape and classes.",
    )

    @field_validator("controls", mode="before")
    @classmethod
    def _former_names(cls, controls: Any) -> Any:
        """Accept the name that the previous version had for unrelated models."""
        if not isinstance(controls, list | tuple) or FORMER_UNRELATED not in controls:
            return controls
        log.warning("soups.controls: %s is now %s; rename it", FORMER_UNRELATED, UNRELATED)
        return [UNRELATED if name == FORMER_UNRELATED else name for name in controls]

    @model_validator(mode="after")
    def _values_for_all(self) -> "Soups":
        for name in self.vary:
            values = getattr(self, f"member_{name}s")
            if len(values) < max(self.members):
                raise ValueError(
                    f"member_{name}s has {len(values)} values, and members asks for {max(self.members)}; "
                    f"list more of them, or take {name} out of vary"
                )
        return self

    @property
    def variants(self) -> tuple[str, ...]:
        """Kinds of soups that are trained, in the order of `ARMS`; unrelated models are mixed from them."""
        return tuple(name for name in ARMS if name == SEED or name in self.vary or name in self.controls)

    def of_variant(self, variant: str, members: int) -> dict[str, Any]:
        """Return the settings that decide the networks of a variant with so many members, the others unset.

        A further variant is no reason to train the others again.
        """
        values = {f"member_{name}s": getattr(self, f"member_{name}s")[:members] * (name == variant) for name in FACTORS}
        return self.model_dump() | values | {"members": (members,), "vary": (), "controls": (), "shifted_sets": ()}

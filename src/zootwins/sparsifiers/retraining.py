"""Retraining from a mask: the weights that a pruned model kept are trained again, from other initial weights.

The question of Liu et al. (2019) and of The State of Sparsity (Gale, Elsen, Hooker 2019): can what pruning finds be
had without the dense model? One run of twice the originals' epochs answers for every budget, since learning rates are
constant and a shorter run is the beginning of a longer one: the state in the middle is the papers' Scratch-E (as many
epochs as the dense model), the last one Scratch-B (twice as many, for about the multiply-adds that a sparse model
saves), and between them is the state after as many epochs as training and pruning took together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, field_validator

from zootwins.run.settings import Ascending, Percent
from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.composition import Composition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from zootwins.population.trajectory import Plan


class Settings(pruning.Settings):
    """Settings of retraining from masks; sparsities in percent."""

    sparsities: Annotated[tuple[Percent, ...], Ascending] = Field(
        min_length=1,
        description="The sparsities whose masks are taken, each one that the mask's method is run with; the dense "
        "network is always trained beside them.",
    )
    epochs: int | None = Field(
        None,
        ge=2,
        le=2000,
        description="Epochs of retraining, the states at half of them and at all of them being Scratch-E and "
        "Scratch-B. null: twice those of the originals, which the catalogue gives (epoch, or source.train.epochs).",
    )
    masks: str = Field(
        "gmp", description="The method whose final masks are taken, by its id or the name of its twins: one with masks."
    )
    pruning_epochs: int | None = Field(
        None,
        ge=0,
        description="Epochs that the mask's method trained for: half of `epochs` and these are the budget of a pruned "
        "model, a state whose predictions are kept. null: as that method's settings say; 0 where it pruned while the "
        "network was trained, and no longer.",
    )

    @field_validator("epochs")
    @classmethod
    def _even(cls, epochs: int | None) -> int | None:
        if epochs is not None and epochs % 2:
            raise ValueError("is twice the epochs of the originals, and so an even number")
        return epochs

    @property
    def budgets(self) -> tuple[int, int, int]:
        """The states to compare: Scratch-E, the budget of training and pruning together, and Scratch-B."""
        return self.epochs // 2, self.epochs // 2 + self.pruning_epochs, self.epochs


class Retraining(pruning.Pruning):
    """Twins that are trained under the masks of other twins; a method says from which weights."""

    shuffled: ClassVar[bool] = False  # whether each layer's mask is in a random order
    stream = "retraining"  # of all methods: their twins of a model and ratio see the same images in the same order

    def has_masks(self, settings: Settings) -> bool:
        return False  # those of another

    def needs(self, settings: Settings) -> tuple[str, ...]:
        return (settings.masks,)

    def resolve_settings(
        self, settings: Settings, others: Mapping[str, pruning.Settings], epochs: int | None
    ) -> Settings:
        of_masks = pruning.check_masks("masks", settings.masks, settings, others)
        if settings.epochs is None and epochs is None:
            raise ValueError(
                "epochs: the catalogue does not say how many epochs the originals were trained for; set the zoo's "
                "epoch, set twice that number here"
            )
        total = settings.epochs or 2 * epochs
        before = total // 2 if of_masks.start_epoch == 0 else 0  # pruned while it was trained
        pruning_epochs = settings.pruning_epochs
        if pruning_epochs is None:
            pruning_epochs = max(0, of_masks.epochs - before)
        if pruning_epochs > total // 2:
            raise ValueError(
                f"epochs: {total} end before the budget of {total // 2} epochs and {pruning_epochs} of "
                f"{settings.masks}; raise epochs, set pruning_epochs"
            )
        return settings.model_copy(update={"epochs": total, "pruning_epochs": pruning_epochs})

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.scores import KeptBy
        from zootwins.sparsifiers.structures import AsScored

        return Composition(KeptBy(settings.masks, self.shuffled), structure=AsScored())

    def plan(self, inputs: SparsifierInputs, settings: Settings) -> Plan:
        return replace(super().plan(inputs, settings), prediction_states=sorted({0, *settings.budgets}))


def new_parameters(inputs: SparsifierInputs) -> dict[str, Tensor]:
    """Draw the initial parameters of each model under another seed, by name, `[models, …]`.

    The seed depends on zoo and model alone: what is trained from these differs by its mask, and by nothing else.
    """
    import torch

    from zootwins.population.initialisation import initial_parameters
    from zootwins.run.keys import stream_key

    originals = inputs.originals
    initial = [
        initial_parameters(originals.architecture, replace(factors, seed=stream_key(inputs.zoo, model, "anew") % 2**31))
        for model, factors in zip(originals.models, originals.factors, strict=True)
    ]
    return {
        name: torch.stack([parameters[name] for parameters in initial]) if initial else tensor.clone()
        for name, tensor in originals.parameters.items()
    }

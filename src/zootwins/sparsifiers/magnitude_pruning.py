"""Magnitude pruning: the smallest weights of a trained model are set to zero, the rest is fine-tuned.

Global unstructured L1 pruning as `torch.nn.utils.prune` defines it, biases not pruned; an unpruned control is
fine-tuned the same way (paper, section 3 and Table 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.composition import Composition
from zootwins.sparsifiers.parts import ALLOCATIONS, part


class Settings(pruning.Settings):
    """Settings of magnitude pruning; sparsities in percent."""

    allocation: Literal["global", "uniform", "erk", "lamp"] = Field(
        "global",
        description="`global`: weights are ranked over the whole network; `uniform`: in each layer, the same share of "
        "all; `erk`: in each layer, by the shares of Erdős-Rényi-Kernel; `lamp`: over the whole network by "
        "layer-adaptive scores, which empty no layer. Its former name `scope`, with `layer` for `uniform`, is read.",
    )
    min_left: int = Field(0, ge=0, description="So many weights of each layer stay, whatever the sparsity.")

    @classmethod
    def renamed(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        if "scope" not in given or "allocation" in given:
            return dict(given)
        scope = given["scope"]
        rest = {key: value for key, value in given.items() if key != "scope"}
        return rest | {"allocation": "uniform" if scope == "layer" else scope}


class MagnitudePruning(pruning.Pruning):
    """One-shot pruning at several ratios, each fine-tuned with its mask fixed."""

    id = "mp"
    title = "Magnitude pruning"
    short = "MP"
    section = "magnitude_pruning"
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.scores import Magnitude

        return Composition(Magnitude(), part(ALLOCATIONS, settings.allocation), min_left=settings.min_left)

"""Random pruning: by the schedule of gradual pruning ever more weights are set to zero, whatever their size.

The baseline of The State of Sparsity (Gale, Elsen, Hooker 2019), the same sparsity in every layer. Each twin draws one
permutation of a layer's weights, whose first ones go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zootwins.sparsifiers import gradual_pruning

if TYPE_CHECKING:
    from torch import Tensor

    from zootwins.population import Population


class Settings(gradual_pruning.Schedule):
    """Settings of random pruning; sparsities in percent."""


class RandomPruning(gradual_pruning.Gradual):
    """Every twin's order is its own, and the same at every epoch."""

    id = "rp"
    title = "Random pruning"
    short = "RP"
    colour = "#E69F00"
    section = "random_pruning"
    Settings = Settings

    def scores(self, population: Population) -> dict[str, Tensor]:
        from zootwins.population.randomness import layer_words

        return layer_words(population.architecture, population.keys)

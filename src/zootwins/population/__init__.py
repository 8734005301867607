"""Populations: many models of one architecture, trained side by side as one program.

`Population` is the state at an epoch's boundary, in the field's natural layout (`[models, …]` tensors);
an `Engine` advances it by an epoch or evaluates it. Engines differ in speed, not in result: given the same keys they
use the same data order, dropout masks and noise (`zootwins.population.randomness`), and agree to float rounding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from zootwins.population.architectures import Architecture
from zootwins.population.variational import Variational, prune


@dataclass(frozen=True)
class Factors:
    """One model's generating factors, with the names used in models.csv."""

    seed: int
    activation: str
    init: str
    optimizer: str  # "adam", or "sgd" (with momentum)
    lr: float
    weight_decay: float
    momentum: float
    dropout: float
    batch_size: int


@dataclass(frozen=True)
class ImageSet:
    """Normalised images, float `[samples, channels, height, width]`, and labels, int64 `[samples]`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device, dtype: torch.dtype) -> "ImageSet":
        return ImageSet(self.images.to(device, dtype), self.labels.to(device))


@dataclass(frozen=True)
class ImageData:
    """The splits of a data set; `validation` is kept with the zoo and never trained on."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet


@dataclass
class Population:
    """N models of one architecture at an epoch's boundary.

    Attributes:
        factors: one entry a model; batch sizes are equal, everything else may differ.
        keys: int64 `[models]`, each model's random stream (`randomness.stream_key`).
        parameters: `{layer}.weight` and `{layer}.bias`, each `[models, *shape]`; with `variational` also
            `{layer}.log_sigma2` (as the weight) and, for convolutions, `{layer}.bias_log_sigma2` (as the bias).
        masks: `{layer}.weight` → bool `[models, *shape]`, True where kept; empty if nothing is pruned.
        optimizer_state: `exp_avg.{parameter}` and `exp_avg_sq.{parameter}`; in models trained by SGD the first
            is the momentum buffer and the second stays 0. Empty before the first step.
        steps: optimiser steps taken.
        variational: the settings of variational dropout, or None for ordinary training.
    """

    architecture: Architecture
    factors: Sequence[Factors]
    keys: Tensor
    parameters: dict[str, Tensor]
    masks: dict[str, Tensor] = field(default_factory=dict)
    optimizer_state: dict[str, Tensor] = field(default_factory=dict)
    steps: int = 0
    variational: Variational | None = None

    def __len__(self) -> int:
        return len(self.factors)

    @property
    def batch_size(self) -> int:
        """The models' common batch size; 1 where there are no models (a shard all of whose models are excluded)."""
        return self.factors[0].batch_size if self.factors else 1

    def start_optimizer(self) -> None:
        """Give the models a fresh optimiser state, unless they have one."""
        if not self.optimizer_state:
            self.optimizer_state = {
                f"{moment}.{name}": torch.zeros_like(parameter)
                for moment in ("exp_avg", "exp_avg_sq")
                for name, parameter in self.parameters.items()
            }

    def deterministic(self) -> "Population":
        """The models as they are evaluated: variational weights pruned where log α reaches the threshold."""
        if self.variational is None:
            return self
        return replace(self, parameters=prune(self.parameters, self.variational), variational=None)


@dataclass(frozen=True)
class Scores:
    """Mean cross-entropy and share of correct predictions of each model, float64 `[models]`."""

    loss: Tensor
    accuracy: Tensor


@dataclass(frozen=True)
class Evaluation(Scores):
    """Scores on an image set, with every predicted class, uint8 `[models, samples]`."""

    predictions: Tensor


class Engine(Protocol):
    """Something that trains and evaluates populations."""

    name: str

    def train_epoch(self, population: Population, data: ImageSet, epoch: int, kl_weight: float = 0.0) -> Scores:
        """Train every model for one epoch, in place.

        Each model takes its own `data_order(key, epoch)` in batches of its batch size (the last may be smaller),
        minimising mean cross-entropy plus, in variational populations, `kl_weight` times the summed KL term.

        Returns:
            Scores over the epoch as training saw them: with dropout and noise, while the weights move. The loss
            is the cross-entropy alone.
        """
        ...

    def evaluate(self, population: Population, data: ImageSet) -> Evaluation:
        """Evaluate `population.deterministic()` without dropout. Ties between classes go to the lower one."""
        ...


def layer_sparsity(parameters: Mapping[str, Tensor], architecture: Architecture) -> Tensor:
    """Share of exact zeros among each layer's weights, float64 `[models, layers]`."""
    return torch.stack(
        [(parameters[name] == 0).flatten(1).double().mean(1) for name in architecture.weight_names], dim=1
    )

"""Populations: many models of one architecture, trained side by side as one program.

`Population` is the state at an epoch's boundary, in the field's natural layout (`[models, …]` tensors);
an `Engine` advances it by an epoch or evaluates it. Engines differ in speed, not in result: given the same keys they
use the same data order, dropout masks and noise (`zootwins.population.randomness`), and agree to float rounding.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from zootwins.architectures.architecture import CLASSES, Architecture
from zootwins.population.hard_concrete import HardConcrete
from zootwins.population.soft_threshold import SoftThreshold
from zootwins.population.variational import GaussianNoise
from zootwins.population.weights import Plain

MOMENTS = ("exp_avg", "exp_avg_sq")  # of an optimiser, by the names of torch.optim.Adam
STATE = ("parameters", "buffers", "optimizer_state", "masks", "shadows")  # of a population, that training changes


@dataclass(frozen=True)
class Factors:
    """One model's generating factors, with the names used in models.csv; None: not recorded."""

    seed: int | None
    activation: str
    init: str | None
    optimizer: str  # one of `optimizers.OPTIMIZERS`
    lr: float
    weight_decay: float
    momentum: float
    dropout: float
    batch_size: int
    l2: float = 0.0  # times the sum of squares of the layers' weights, added to the loss; biases have none
    schedule: str = "constant"  # of the learning rate; says how a model was trained, and twins do without


@dataclass(frozen=True)
class ImageSet:
    """Normalised images, float `[samples, channels, height, width]`, and labels, int64 `[samples]`.

    Attributes:
        classes: how many classes the data set has, also where not all of them are among the labels.
    """

    images: Tensor
    labels: Tensor
    classes: int = CLASSES

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int) -> list["ImageSet"]:
        """Return the images in their order, so many at a time; the last ones may be fewer."""
        parts = zip(self.images.split(size), self.labels.split(size), strict=True)
        return [replace(self, images=images, labels=labels) for images, labels in parts]

    def to(self, device: torch.device, dtype: torch.dtype) -> "ImageSet":
        return replace(self, images=self.images.to(device, dtype), labels=self.labels.to(device))


def class_dtype(classes: int) -> torch.dtype:
    """Return the smallest integer type that predicted classes are stored in."""
    return torch.uint8 if classes <= 256 else torch.int16


@dataclass(frozen=True)
class ImageData:
    """The splits of a data set; `validation` is kept with the zoo and never trained on."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet


@dataclass
class Population:
    """N models of one architecture at an epoch's boundary.

    What is masked is 0, and so are both its moments: a population is made so, and `set_masks` keeps it so.

    Attributes:
        factors: one entry per model; batch sizes are equal, everything else may differ.
        keys: int64 `[models]`, each model's random stream (`zootwins.run.keys.stream_key`).
        parameters: `{layer}.weight` and `{layer}.bias`, each `[models, *shape]`; with noise also
            `{layer}.log_sigma2` (as the weight) and, for convolutions, `{layer}.bias_log_sigma2` (as the bias), with
            gates `{layer}.log_alpha` (as the weight).
        masks: `{layer}.weight` → bool `[models, *shape]`, True where kept; empty if nothing is pruned.
        optimizer_state: `exp_avg.{parameter}` and `exp_avg_sq.{parameter}`; in models trained by SGD the first
            is the momentum buffer and the second stays 0. Beside them `steps`, int64 `[models]`: the optimiser steps
            that each model has taken. Empty before the first step.
        buffers: such as the running means of batch normalisation, each `[models, *shape]`: training updates them, no
            method prunes them, no optimiser sees them. They can be given among the parameters; those that are not
            given are a new network's.
        weights: what the parameters stand for.
        regrows: whether masked weights keep their last value and may be restored.
        shadows: the remembered, `{layer}.weight` → as the parameter, 0 where nothing is masked.
    """

    architecture: Architecture
    factors: Sequence[Factors]
    keys: Tensor
    parameters: dict[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    optimizer_state: dict[str, Tensor] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)
    weights: Plain | GaussianNoise | HardConcrete | SoftThreshold = field(default_factory=Plain)
    regrows: bool = False
    shadows: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = self.architecture.buffer_shapes
        if shapes:
            given = self.buffers | {name: tensor for name, tensor in self.parameters.items() if name in shapes}
            new = self.architecture.new_buffers(len(self.factors))
            self.buffers = {name: given.get(name, new[name]) for name in shapes}
            self.parameters = {name: tensor for name, tensor in self.parameters.items() if name not in shapes}
        self.set_masks(self.masks)

    def __len__(self) -> int:
        return len(self.factors)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers: all that a network's state dict holds."""
        return self.parameters | self.buffers

    @property
    def batch_size(self) -> int:
        """The models' common batch size; 1 where there are no models (a shard all of whose models are excluded)."""
        return self.factors[0].batch_size if self.factors else 1

    @property
    def masked(self) -> Tensor:
        """Which models have weights that are masked, bool `[models]`."""
        kept = [mask.flatten(1).all(1) for mask in (self.masks or self.weights.masks(self.parameters)).values()]
        return ~torch.stack(kept).all(0) if kept else torch.zeros(len(self), dtype=torch.bool)

    def part(self, models: slice) -> "Population":
        """Return some of the models, with their masks and without an optimiser state."""
        cut = {
            kind: {name: tensor[models] for name, tensor in getattr(self, kind).items()}
            for kind in ("parameters", "masks", "buffers", "shadows")
        }
        return replace(self, factors=self.factors[models], keys=self.keys[models], optimizer_state={}, **cut)

    def set_masks(self, masks: Mapping[str, Tensor]) -> None:
        """Mask other weights from now on: those that go become 0, those that come back start from 0.

        Where the population `regrows`, they come back as they went. The tensors given to the population are left as
        they are; it holds new ones where anything is masked. Weights that have masks of their own (`Weights.masked`)
        take these, and nothing becomes 0.
        """
        if masks and (own := self.weights.masked(self.parameters, masks)) is not None:
            self.parameters = own
            return
        if self.regrows:
            self.parameters = {name: self.remembered(name) for name in self.parameters}
            self.shadows = {name: self.parameters[name].masked_fill(mask, 0) for name, mask in masks.items()}
        self.masks = dict(masks)
        self.parameters = _masked(self.parameters, self.masks)
        for moment in MOMENTS:
            self.optimizer_state = _masked(self.optimizer_state, {f"{moment}.{n}": m for n, m in self.masks.items()})

    def remembered(self, name: str) -> Tensor:
        """Return a parameter with what is masked of it as it was, where that is remembered."""
        parameter, shadow = self.parameters[name], self.shadows.get(name)
        return parameter if shadow is None else parameter + shadow

    def start_optimizer(self) -> None:
        """Give the models a fresh optimiser state, unless they have one."""
        if not self.optimizer_state:
            self.optimizer_state = {
                f"{moment}.{name}": torch.zeros_like(parameter)
                for moment in MOMENTS
                for name, parameter in self.parameters.items()
            }
            self.optimizer_state["steps"] = torch.zeros(len(self), dtype=torch.int64)

    def replace_tensors(self, models: Tensor, tensors: Mapping[str, Tensor]) -> None:
        """Give the models where `models` `[models]` is True other parameters and buffers; what is masked stays 0.

        Args:
            tensors: by name, `[models, …]`.
        """
        for name, tensor in tensors.items():
            held = self.buffers if name in self.buffers else self.parameters
            held[name] = torch.where(models.view(-1, *[1] * (tensor.ndim - 1)), tensor, held[name])
        self.parameters = _masked(self.parameters, self.masks)

    def reset_optimizer(self, models: Tensor) -> None:
        """Give the models where `models` `[models]` is True a fresh optimiser: all moments and counts of steps at 0."""
        for name, tensor in self.optimizer_state.items():
            fresh = models.view(-1, *[1] * (tensor.ndim - 1))
            self.optimizer_state[name] = tensor.masked_fill(fresh, 0)

    def batches(self, data: ImageSet) -> range:
        """Return the numbers of an epoch's batches."""
        return range(-(-len(data) // self.batch_size))

    def count_steps(self, batches: range, lr_factors: Tensor | None) -> None:
        """Count the optimiser steps on some batches of an epoch: those at which a model did not stand still."""
        part = slice(batches.start, batches.stop)
        self.optimizer_state["steps"] += len(batches) if lr_factors is None else (lr_factors[:, part] > 0).sum(1)

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """Return all that training changes."""
        return {kind: dict(getattr(self, kind)) for kind in STATE}

    def load_state_dict(self, state: Mapping[str, dict[str, Tensor]]) -> None:
        """Return to a state that `state_dict` gave."""
        for kind in STATE:
            setattr(self, kind, dict(state[kind]))

    def deterministic(self) -> "Population":
        """Return the models as they are evaluated: ordinary weights, those pruned by noise or gates being 0."""
        if isinstance(self.weights, Plain):
            return self
        return replace(self, parameters=self.weights.deterministic(self.parameters), weights=Plain())


def _masked(tensors: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors, with 0 where the mask of their name is False."""
    # not a product: of a model that diverged, 0 times infinity would be NaN
    return {name: tensor.masked_fill(~masks[name], 0) if name in masks else tensor for name, tensor in tensors.items()}


@dataclass(frozen=True)
class Scores:
    """Mean cross-entropy and share of correct predictions of each model, float64 `[models]`."""

    loss: Tensor
    accuracy: Tensor


@dataclass(frozen=True)
class Evaluation(Scores):
    """Scores on an image set, with every predicted class, `[models, samples]` of `class_dtype`, and what was asked for.

    Attributes:
        probabilities: of the classes, float32 `[models, samples, classes]`.
        features: the activations before the last layer, float32 `[models, samples, its inputs]`.
    """

    predictions: Tensor
    probabilities: Tensor | None = None
    features: Tensor | None = None


def new_evaluation(population: Population, data: ImageSet, outputs: Collection[str]) -> Evaluation:
    """Return an empty evaluation; without images, scores are NaN."""
    models, samples, last = len(population), len(data), population.architecture.head
    scores = torch.full((2, models), torch.nan, dtype=torch.float64)
    return Evaluation(
        *scores,
        torch.zeros(models, samples, dtype=class_dtype(population.architecture.classes)),
        torch.zeros(models, samples, last.outputs) if "probabilities" in outputs else None,
        torch.zeros(models, samples, last.inputs) if "features" in outputs else None,
    )


class Engine(Protocol):
    """Trains and evaluates populations."""

    name: str

    def train_epoch(
        self,
        population: Population,
        data: ImageSet,
        epoch: int,
        *,
        penalty: Tensor | None = None,
        lr_factors: Tensor | None = None,
        batches: range | None = None,
    ) -> Scores:
        """Train every model for one epoch or a part of it, in place.

        Each model takes its own `data_order(key, epoch)` in batches of its batch size (the last may be smaller),
        minimising mean cross-entropy plus its weight in `penalty` times `population.weights.penalty`.

        Args:
            penalty: float64 `[models]`; none is added where it is None.
            lr_factors: float32 `[models, steps of this epoch]`, ≥ 0, multiply the learning rates; 1 everywhere if
                None. At 0 a model stands still: its parameters, moments and count of steps are as before.
            batches: which of the epoch's batches, `range(first, stop)`; all if None. Parts that follow each other come
                to the same as the whole epoch.

        Returns:
            Scores over these batches as training saw them: with dropout and noise, while the weights move. The loss
            is the cross-entropy alone.
        """
        ...

    def evaluate(self, population: Population, data: ImageSet, outputs: Collection[str] = ()) -> Evaluation:
        """Evaluate `population.deterministic()` without dropout. Ties between classes go to the lower one.

        Args:
            outputs: which of `probabilities` and `features` the evaluation shall hold as well.
        """
        ...

    # of the networks as they are evaluated: see `zootwins.population.derivatives`

    def gradients(self, population: Population, images: ImageSet, chosen: Tensor | None = None) -> dict[str, Tensor]:
        """Return the gradients of each model's mean cross-entropy at its parameters, `[models, …]`."""
        ...

    def batch_gradients(self, population: Population, data: ImageSet, epoch: int, batch: int) -> dict[str, Tensor]:
        """Return the same on the batch with this number, from 0, that each model trains on in an epoch."""
        ...

    def hessian_products(
        self, population: Population, images: ImageSet, vectors: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the Hessian of each model's mean cross-entropy times vectors, `[models, …]`."""
        ...

    def image_gradients(self, population: Population, images: ImageSet) -> dict[str, Tensor]:
        """Return the gradients of the cross-entropy of single images, `[models, images, …]`."""
        ...

    def input_products(self, population: Population, images: ImageSet) -> dict[str, Tensor]:
        """Return XXᵀ of the inputs X `[fan-in, images · positions]` of each weight, `[models, fan-in, fan-in]`."""
        ...


def layer_sparsity(parameters: Mapping[str, Tensor], architecture: Architecture) -> Tensor:
    """Return share of exact zeros among each layer's weights, float64 `[models, layers]`."""
    return torch.stack(
        [(parameters[name] == 0).flatten(1).double().mean(1) for name in architecture.weight_names], dim=1
    )

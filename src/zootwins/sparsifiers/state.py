"""The state of twins that the parts of a composition read: weights, images and derivatives. No part opens a file."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zootwins.population import ImageSet, Population
from zootwins.population.randomness import data_order
from zootwins.population.trajectory import Moment
from zootwins.run.errors import InputError
from zootwins.run.keys import stream_key
from zootwins.sparsifiers.base import SparsifierInputs

_AT_ONCE = 1 << 28  # bytes of temporary tensors
_GROUP = 16  # twins whose derivatives are computed together, which parts do not cut


@dataclass(frozen=True)
class State:
    """Twins at a moment of their training.

    Attributes:
        population: the twins, `[models · places]`, the places of one original next to each other.
        moment: when they are looked at.
        inputs: what they were made from, with images and engine.
        places: where each original's twins lie on the method's axes, by the axes' names.
    """

    population: Population
    moment: Moment
    inputs: SparsifierInputs
    places: Sequence[Mapping[str, float]]

    @property
    def weights(self) -> dict[str, Tensor]:
        """The prunable weights by name, `[twins, …]`; masked ones as they were, where that is remembered, else 0."""
        return {name: self.population.remembered(name) for name in self.population.architecture.weight_names}

    def parts(self, size: int, what: str) -> Iterator[tuple[slice, "State"]]:
        """Yield the twins in parts whose temporary tensors together take a quarter of a gigabyte, or one twin's.

        Args:
            size: bytes that one twin takes.
            what: takes them, for messages.

        Raises:
            InputError: if one twin takes more than the machine's memory; it says what to do.
        """
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if size > memory:
            raise InputError(
                f"{what} of one twin of {self.population.architecture.name} takes {size / 1e9:.1f} GB, and this "
                f"machine has {memory / 1e9:.1f} GB of memory; leave the method out for this zoo, or take a machine "
                "with more"
            )
        count = max(1, _AT_ONCE // size)
        count -= count % _GROUP if count > _GROUP else 0
        for first in range(0, max(1, len(self.population)), count):
            models = slice(first, first + count)
            yield models, replace(self, population=self.population.part(models))

    def images(self, count: int, name: str, per_class: bool = False) -> ImageSet:
        """Draw `count` training images (of each class, if `per_class`) for the purpose `name`; the same each time.

        All models of a zoo get the same images, so that a twin does not depend on its neighbours. Of fewer than that
        it gets all.
        """
        train = self.inputs.data.train
        order = data_order(torch.tensor([stream_key(self.inputs.zoo, name)]), 0, len(train))[0]
        if per_class:
            of_class = [order[train.labels[order] == label][:count] for label in train.labels.unique()]
            order, count = torch.cat(of_class), len(order)
        return replace(train, images=train.images[order[:count]], labels=train.labels[order[:count]])

    def gradients(self, images: ImageSet | None = None) -> dict[str, Tensor]:
        """Return the gradients of the mean cross-entropy at all weights, masked ones too, `[twins, …]`.

        Without dropout and noise.

        Args:
            images: None takes the batch that each model trains on next.
        """
        engine, moment = self.inputs.engine, self.moment
        if images is None:
            found = engine.batch_gradients(self.population, self.inputs.data.train, moment.epoch, moment.step)
        else:
            found = engine.gradients(self.population, images)
        return {name: found[name] for name in self.population.architecture.weight_names}

    def image_gradients(self, images: ImageSet) -> dict[str, Tensor]:
        """Return the gradients of the cross-entropy of single images at all weights, `[twins, images, …]`."""
        found = self.inputs.engine.image_gradients(self.population, images)
        return {name: found[name] for name in self.population.architecture.weight_names}

    def hessian_products(self, images: ImageSet, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the Hessian of the mean cross-entropy, as of the weights alone, times vectors of their shapes."""
        return self.inputs.engine.hessian_products(self.population, images, vectors)

    def input_products(self, images: ImageSet) -> dict[str, Tensor]:
        """Return XXᵀ of what each weight is multiplied with, X `[fan-in, images · positions]`, by the weights' names.

        Float64 `[twins, fan-in, fan-in]`. The inputs of a convolution are its patches, numbered as the weight's own
        dimensions are (channel, row, column).
        """
        return self.inputs.engine.input_products(self.population, images)

"""Scores that weights are ranked by: `[models, …]` by the weight's name, and the highest stay.

Each score is a function of tensors, and below the functions are the parts that methods are composed of, which ask the
state of the twins for those tensors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from zootwins.architectures.architecture import Architecture
from zootwins.population.batched_network import ActivationRun, forward
from zootwins.population.randomness import layer_uniforms, layer_words
from zootwins.run.errors import InputError
from zootwins.run.settings import Positive
from zootwins.sparsifiers.state import State
from zootwins.sparsifiers.updates import (
    FisherBlock,
    FisherDamping,
    FisherImages,
    InputDamping,
    InputImages,
    fisher_parts,
    input_parts,
    joined,
    removal_costs,
    state_fisher,
    state_hessians,
)
from zootwins.storage.files import remedy


def magnitude(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return |w|."""
    return {name: weight.abs() for name, weight in weights.items()}


def saliency(weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return |w·∂L/∂w|: SNIP (Lee et al. 2019) before training, first-order Taylor (Molchanov et al. 2017) after it."""
    return {name: (weight * gradients[name]).abs() for name, weight in weights.items()}


def gradient_flow(weights: Mapping[str, Tensor], products: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return w·Hg, which GraSP (Wang et al. 2020) keeps the highest of; `products` are H·g, Hessian times gradient."""
    return {name: weight * products[name] for name, weight in weights.items()}


def normalised(scores: Mapping[str, Tensor], least: float = 0.0) -> dict[str, Tensor]:
    """Divide by the sum over a model's weights, as SNIP does, or by its absolute value plus `least`, as GraSP."""
    total = sum(score.flatten(1).sum(1) for score in scores.values()).abs() + least
    return {name: score / total.view(-1, *[1] * (score.ndim - 1)) for name, score in scores.items()}


def activation_weighted(weights: Mapping[str, Tensor], norms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return |w|·‖x‖, Wanda's score (Sun et al. 2024).

    Args:
        norms: of each input of a row over images and positions, by the weight's name, `[models, inputs · kernel²]`.
    """
    return {name: weight.abs() * norms[name].view_as(weight[:, :1]) for name, weight in weights.items()}


def identity(hidden: Tensor) -> Tensor:
    """Return the argument: the activation that SynFlow is scored with."""
    return hidden


def synaptic_flow(
    architecture: Architecture,
    tensors: Mapping[str, Tensor],
    activation: Callable[[Tensor], Tensor] = identity,
) -> dict[str, Tensor]:
    """Return |θ·∂R/∂θ| in float64, R being the sum of the outputs for an image of ones and parameters |θ|.

    Tanaka et al. (2020), biases included as in their code. No data. Activations are left out: ReLU is the identity
    here, while tanh saturates at |θ| and hides the first layers.
    """
    own = architecture.parameter_shapes
    magnitudes = {name: tensor.double().abs().requires_grad_() for name, tensor in tensors.items() if name in own}
    buffers = {name: tensor.double() for name, tensor in tensors.items() if name not in own}
    size = architecture.image_size
    ones = torch.ones(1, 1, architecture.channels, size, size, dtype=torch.float64)
    run = ActivationRun(slice(0, len(next(iter(tensors.values())))), activation.__name__, activation)
    with torch.enable_grad():
        outputs, _ = forward(architecture, [run], magnitudes | buffers, ones)
        weights = [magnitudes[name] for name in architecture.weight_names]
        gradients = torch.autograd.grad(outputs.sum(), weights)
    return {
        name: (weight * gradient).detach().abs()
        for name, weight, gradient in zip(architecture.weight_names, weights, gradients, strict=True)
    }


@dataclass(frozen=True)
class Magnitude:
    """|w|."""

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return the scores."""
        return magnitude(state.weights)


@dataclass(frozen=True)
class Random:
    """One permutation of each layer's weights, drawn from the twin's own stream; the same whenever it is asked."""

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return the scores."""
        return layer_words(state.population.architecture, state.population.keys)


@dataclass(frozen=True)
class FreshRandom:
    """Random numbers of the twin's own stream, others at every moment: what SET grows by."""

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return the scores."""
        population, moment = state.population, state.moment
        first = moment.step * population.batch_size
        return layer_uniforms(population.architecture, population.keys, moment.epoch, first)


@dataclass(frozen=True)
class KeptBy:
    """1 where the final mask of another method's twin, of the same original and sparsity, keeps a weight, else 0."""

    method: Annotated[str, Field(description="Whose twins; of several at a sparsity, the one at the operating points.")]
    shuffled: Annotated[
        bool, Field(description="Each layer's entries are in an order drawn from the twin's own stream.")
    ] = False

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return the scores.

        Raises:
            InputError: if the shard that the masks come from is of other models.
        """
        shard, population = state.inputs.twins[self.method], state.population
        if list(shard.models) != list(state.inputs.originals.models):
            raise InputError(f"{shard.path}: holds other models than their originals; {remedy(shard.path)}")
        defaults = {axis.name: axis.values[0] for axis in shard.axes}
        twins = [shard.twin(defaults | {"ratio": at["ratio"]}) for at in state.places]
        masks = {
            name: shard.twins(f"mask.{name}")[:, twins].flatten(0, 1).float()
            for name in population.architecture.weight_names
        }
        if not self.shuffled:
            return masks
        words = layer_words(population.architecture, population.keys)
        return {name: permuted(mask, words[name]) for name, mask in masks.items()}


def permuted(masks: Tensor, words: Tensor) -> Tensor:
    """Return masks `[twins, …]`, each with its entries in the order of the random numbers of the same shape."""
    order = words.flatten(1).argsort(dim=1, stable=True)
    return masks.flatten(1).gather(1, order).view_as(masks)


@dataclass(frozen=True)
class Saliency:
    """|w·∂L/∂w| on some training images: SNIP (100 images) before training, Taylor after it."""

    images: Annotated[int, Field(ge=1, description="Training images that weights are scored on.")] = 100

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return the scores."""
        return saliency(state.weights, state.gradients(state.images(self.images, "saliency")))


@dataclass(frozen=True)
class Gradient:
    """|∂L/∂w| on the batch that comes next: what RigL grows by."""

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return the scores."""
        return magnitude(state.gradients())


@dataclass(frozen=True)
class GradientFlow:
    """w·Hg on some training images of each class, at logits divided by a temperature: GraSP."""

    images_per_class: Annotated[
        int, Field(ge=1, description="Training images of each class that weights are scored on.")
    ] = 10
    temperature: Annotated[Positive, Field(description="What the logits are divided by.")] = 200.0

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return the scores."""
        images = state.images(self.images_per_class, "gradient flow", per_class=True)
        # dividing the head by the temperature divides the logits; derivatives follow by the chain rule
        head = state.population.architecture.weight_names[-1]
        scaled = {head, head.removesuffix("weight") + "bias"}
        parameters = state.population.parameters.items()
        cooled = {name: p / self.temperature if name in scaled else p for name, p in parameters}
        near_uniform = replace(state, population=replace(state.population, parameters=cooled))
        gradients = near_uniform.gradients(images)
        gradients[head] = gradients[head] / self.temperature**2
        products = near_uniform.hessian_products(images, gradients)
        products[head] = products[head] / self.temperature
        return gradient_flow(state.weights, products)


@dataclass(frozen=True)
class SynapticFlow:
    """|θ·∂R/∂θ| without data: SynFlow."""

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return the scores."""
        return synaptic_flow(state.population.architecture, state.population.tensors)


@dataclass(frozen=True)
class ActivationWeighted:
    """|w|·‖x‖ on some training images: Wanda. The inputs are those of the network as it is."""

    images: InputImages = 128

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return the scores."""
        return joined(self._rated(part) for _, part in input_parts(state))

    def _rated(self, state: State) -> dict[str, Tensor]:
        products = state.input_products(state.images(self.images, "layer inputs"))
        norms = {name: of_layer.diagonal(dim1=1, dim2=2).sqrt() for name, of_layer in products.items()}
        return activation_weighted(state.weights, norms)


@dataclass(frozen=True)
class FisherSaliency:
    """w²/[F⁻¹]qq with the Fisher information of blocks of weights: WoodFisher."""

    images: FisherImages = 400
    block: FisherBlock = 50
    damping: FisherDamping = 1e-5

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return the scores."""
        return joined(
            state_fisher(part, self.images, self.block, self.damping).saliency(part.weights)
            for _, part in fisher_parts(state, self.images, self.block)
        )


@dataclass(frozen=True)
class RemovalCosts:
    """What removals in turn cost a layer's outputs: optimal brain compression."""

    images: InputImages = 1024
    damping: InputDamping = 0.01

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return the scores."""
        return joined(self._costs(part) for _, part in input_parts(state))

    def _costs(self, state: State) -> dict[str, Tensor]:
        hessians = state_hessians(state, self.images)
        return {name: removal_costs(w, hessians[name], self.damping) for name, w in state.weights.items()}

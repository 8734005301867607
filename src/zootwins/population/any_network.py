"""The forward pass of any network: the plain PyTorch modules, one model after the other or all at once by `vmap`.

Dropout modules and, under noise, convolutions and linear layers are replaced by ones that take their random numbers as
tensors, beside the parameters and buffers.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional as F

from zootwins.architectures.activations import activation_module
from zootwins.architectures.architecture import Architecture
from zootwins.architectures.steps import OwnActivation
from zootwins.population.variational import EPSILON, log_alpha

if TYPE_CHECKING:
    from zootwins.population import Population
    from zootwins.population.batched_network import Draws

_STATISTICS_BATCH = 128  # images
_made = threading.local()  # networks by what they are made from; a thread's tensors are put into them


@dataclass(frozen=True)
class ActivationRun:
    """Neighbouring models that share an activation; equal names stand for equal functions."""

    models: slice
    name: str
    function: Callable[[Tensor], Tensor]


def forward_any(
    architecture: Architecture,
    activations: Sequence[ActivationRun],
    tensors: Mapping[str, Tensor],
    images: Tensor,
    draws: Draws,
    taken_by: Collection[str],
    *,
    training: bool,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute as `batched_network.forward`."""
    given = dict(tensors)
    given |= {f"{name}.factors": numbers for name, numbers in draws.dropout.items()}
    given |= {f"{name}.noise": numbers for name, numbers in draws.noise.items()}
    clamp = draws.linear_clamp if draws.noise else None
    networks = [_network(architecture, run, training=training, clamp=clamp) for run in activations]
    if len(activations) == 1:
        logits, inputs = _alike(networks[0], given, images, taken_by)
        return logits.mT, inputs
    parts = [
        _alike(
            network,
            {name: tensor[run.models] for name, tensor in given.items()},
            images if len(images) == 1 else images[run.models],
            taken_by,
        )
        for network, run in zip(networks, activations, strict=True)
    ]
    logits = torch.cat([part for part, _ in parts])
    return logits.mT, {name: torch.cat([inputs[name] for _, inputs in parts]) for name in taken_by}


def _alike(
    network: _Network, tensors: dict[str, Tensor], images: Tensor, taken_by: Collection[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute logits `[models, batch, classes]` and inputs of models that share an activation."""
    own_images = len(images) > 1

    def of_one(own: dict[str, Tensor], batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        taken: dict[str, Tensor] = {}
        of = network.module.get_submodule
        hooks = [of(name).register_forward_pre_hook(partial(_take, taken, name)) for name in taken_by]
        try:
            return network(own, batch), taken
        finally:
            for hook in hooks:
                hook.remove()

    models = len(next(iter(tensors.values())))
    if models == 1:
        # views whose gradients are views too: those of `tensor[0]` are copies
        logits, taken = of_one({name: tensor.squeeze(0) for name, tensor in tensors.items()}, images[0])
        return logits[None], {name: tensor[None] for name, tensor in taken.items()}
    return vmap(of_one, in_dims=(0, 0 if own_images else None))(tensors, images if own_images else images[0])


@torch.no_grad()
def recomputed_buffers(population: Population, images: Tensor) -> dict[str, Tensor]:
    """Return the buffers of batch normalisation that belong to the population's weights: means over training images.

    Averages of networks need this: their activations are distributed unlike those of the networks that were averaged.
    As `torch.optim.swa_utils.update_bn` does, with batches of `_STATISTICS_BATCH` images, and without dropout.

    Args:
        population: as it is; plain weights.
        images: of the training split, `[samples, channels, height, width]`.
    """
    architecture = population.architecture
    dtype = next(iter(population.parameters.values())).dtype
    new = architecture.new_buffers(len(population)).items()
    fresh = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in new}
    for model in range(len(population) if fresh else 0):
        name = population.factors[model].activation
        run = ActivationRun(slice(0, 1), name, activation_module(name))
        network = _network(architecture, run, training=True, clamp=None)
        norms = [module for module in network.module.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        momenta = [module.momentum for module in norms]
        for module in norms:
            module.momentum = None  # a plain mean over the batches
        own = {key: tensor[model] for key, tensor in (population.parameters | fresh).items()}
        for batch in images.to(dtype).split(_STATISTICS_BATCH):
            network(own, batch)
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum
    return fresh


def _take(taken: dict[str, Tensor], name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    taken[name] = inputs[0]


class _Network:
    """A module on the meta device and where its tensors go: `torch.func.functional_call` in less time."""

    def __init__(self, module: nn.Module):
        self.module = module
        names: dict[int, str] = {}  # what several modules share has one name, the first
        self._places = [
            (held, key, names.setdefault(id(tensor), f"{prefix}.{key}" if prefix else key), tensor)
            for prefix, part in module.named_modules()
            for held in (part._parameters, part._buffers)
            for key, tensor in held.items()
            if tensor is not None
        ]

    def __call__(self, tensors: Mapping[str, Tensor], batch: Tensor) -> Tensor:
        """Return the module's outputs with tensors by name; buffers are updated in place."""
        for held, key, name, own in self._places:
            held[key] = tensors.get(name, own)
        try:
            return self.module(batch)
        finally:
            for held, key, _, own in self._places:
                held[key] = own


def _network(architecture: Architecture, run: ActivationRun, *, training: bool, clamp: float | None) -> _Network:
    """Build the network on the meta device, its activations and random modules replaced.

    Args:
        architecture: whose network it is.
        run: the models' activation.
        training: as `nn.Module.train` has it.
        clamp: of log α in noisy linear layers; None without noise.
    """
    cache = _made.__dict__.setdefault("networks", {})
    key = (architecture, run.name, training, clamp)
    if key not in cache:
        network = copy.deepcopy(architecture.template).train(training)
        for name, module in list(network.named_modules(remove_duplicate=False)):
            if (other := _other(module, run, clamp)) is not None:
                parent, _, child = name.rpartition(".")
                setattr(network.get_submodule(parent), child, other.train(training))
        cache[key] = _Network(network)
    return cache[key]


def _other(module: nn.Module, run: ActivationRun, clamp: float | None) -> nn.Module | None:
    if isinstance(module, OwnActivation):
        return _Function(run.function)
    if isinstance(module, nn.Dropout):
        return _GivenDropout()
    if clamp is not None and isinstance(module, nn.Conv2d | nn.Linear):
        return _NoisyLayer(module, clamp)
    return None


class _Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, hidden: Tensor) -> Tensor:
        return self.function(hidden)


class _GivenDropout(nn.Module):
    """Multiplies with given factors; without any it changes nothing."""

    def __init__(self):
        super().__init__()
        self.register_buffer("factors", torch.empty(0, device="meta"))

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden if self.factors.is_meta else hidden * self.factors


class _NoisyLayer(nn.Module):
    """A convolution or linear layer with local reparameterisation: see `variational`."""

    def __init__(self, layer: nn.Conv2d | nn.Linear, clamp: float):
        super().__init__()
        self.is_conv, self.clamp = isinstance(layer, nn.Conv2d), clamp
        self.weight, self.bias = layer.weight, layer.bias
        for name in ("log_sigma2", "log_alpha", "bias_log_sigma2", "bias_log_alpha"):
            self.register_buffer(name, torch.empty(0, device="meta"))
        self.register_buffer("noise", torch.empty(0, device="meta"))
        self.apply_to = (
            partial(F.conv2d, stride=layer.stride, padding=layer.padding, dilation=layer.dilation, groups=layer.groups)
            if self.is_conv
            else F.linear
        )

    def forward(self, hidden: Tensor) -> Tensor:
        mean = self.apply_to(hidden, self.weight, self.bias)
        alpha = self._alpha(self.weight, self.log_sigma2, self.log_alpha, is_conv=self.is_conv)
        of_bias = None
        if self.bias is not None and not self.bias_log_sigma2.is_meta:
            alpha_of_bias = self._alpha(self.bias, self.bias_log_sigma2, self.bias_log_alpha, is_conv=True)
            of_bias = alpha_of_bias * self.bias.square()
        variance = self.apply_to(hidden.square(), alpha * self.weight.square(), of_bias)
        return torch.addcmul(mean, (variance + EPSILON).sqrt(), self.noise)

    def _alpha(self, parameter: Tensor, log_sigma2: Tensor, given: Tensor, *, is_conv: bool) -> Tensor:
        """Return the variance of a weight's or bias's noise over its square; from its logarithm where that is given."""
        if given.is_meta:
            given = log_alpha(parameter, log_sigma2, is_conv=is_conv, linear_clamp=self.clamp)
        return given.exp()

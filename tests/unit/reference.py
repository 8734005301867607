"""One model at a time in plain PyTorch, as the authors' code trains: what every engine is held against.

Nothing here is shared with the engines but the random numbers and the names of the layers: layers are `torch.nn`
modules, masks `torch.nn.utils.prune`, optimisers `torch.optim`.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune

from plain_networks import ACTIVATIONS, Network, PlainLayer, dropout_offsets, module_indices, plain_layers
from zootwins.architectures.architecture import Architecture, to_state_dict
from zootwins.population import Factors, ImageSet, Population
from zootwins.population.randomness import data_order, gate_uniforms, normals, uniforms


def optimizer_for(parameters, factors: Factors) -> torch.optim.Optimizer:
    if factors.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=factors.lr, weight_decay=factors.weight_decay)
    return torch.optim.SGD(parameters, lr=factors.lr, momentum=factors.momentum, weight_decay=factors.weight_decay)


def network_of(population: Population, model: int) -> Network:
    """The plain PyTorch network of one model, pruned by `torch.nn.utils.prune` where it has masks."""
    factors = population.factors[model]
    network = Network(population.architecture, factors.activation, factors.dropout)
    parameters = {name: tensor[model] for name, tensor in population.parameters.items()}
    network.to(next(iter(parameters.values())).dtype)
    network.load_state_dict(to_state_dict(parameters, population.architecture, factors.dropout))
    indices = module_indices(population.architecture, factors.dropout > 0)
    for name, mask in population.masks.items():
        prune.custom_from_mask(network.module_list[indices[name.split(".")[0]]], "weight", mask[model])
    return network


class SitedDropout(nn.Module):
    """Dropout that draws its mask from the numbers it is given, `[batch, height·width·outputs]`."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p
        self.numbers: Tensor | None = None

    def forward(self, hidden: Tensor) -> Tensor:
        if not self.training:
            return hidden
        shape = (hidden.shape[0], *hidden.shape[2:], hidden.shape[1])
        kept = (self.numbers.view(shape) >= self.p).movedim(-1, 1)
        return hidden * kept / (1 - self.p)


def set_masks(network: Network, optimizer: torch.optim.Optimizer, masks: dict[int, Tensor]) -> None:
    """Mask other weights of modules, by their number: those that go are forgotten, their moments too."""
    for position, mask in masks.items():
        module = network.module_list[position]
        if prune.is_pruned(module):
            module.weight_mask.copy_(mask)
        else:
            prune.custom_from_mask(module, "weight", mask)
        module.weight_orig.data *= mask
        for moment in ("exp_avg", "exp_avg_sq", "momentum_buffer"):
            if moment in optimizer.state[module.weight_orig]:
                optimizer.state[module.weight_orig][moment] *= mask


def take_step(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """A step at a learning rate; none at 0, where not even the moments change."""
    if lr > 0:
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()


def train_one(
    population: Population,
    model: int,
    data: ImageSet,
    test: ImageSet,
    epochs: int,
    lr_factors=lambda epoch, batch: 1.0,
    masks=lambda epoch: {},
) -> tuple[list[float], Network]:
    """Test accuracy of one model after each epoch, trained by autograd and torch.optim on the same batches.

    Args:
        lr_factors: what the learning rate is multiplied with in a batch of an epoch.
        masks: new masks before an epoch, `{layer}.weight` → bool as the weight.

    Returns:
        The accuracies, and the trained network.
    """
    factors, architecture = population.factors[model], population.architecture
    key = population.keys[model : model + 1]
    network = network_of(population, model)
    sited = {}
    for position, module in enumerate(network.module_list):
        if isinstance(module, nn.Dropout):
            network.module_list[position] = sited[position] = SitedDropout(factors.dropout)
    optimizer = optimizer_for(network.parameters(), factors)
    indices = module_indices(architecture, factors.dropout > 0)
    offsets = dropout_offsets(architecture)
    dropped = [
        (offset, layer.outputs * layer.pooled_size**2)
        for layer, offset in zip(plain_layers(architecture), offsets[:-1], strict=True)
        if layer.dropout
    ]
    accuracies = []
    for epoch in range(1, epochs + 1):
        network.train()
        set_masks(network, optimizer, {indices[name.split(".")[0]]: mask for name, mask in masks(epoch).items()})
        order = data_order(key, epoch, len(data))[0]
        for batch, first in enumerate(range(0, len(data), factors.batch_size)):
            chosen = order[first : first + factors.batch_size]
            numbers = uniforms(key, epoch, first, len(chosen), offsets[-1])[0]
            for module, (offset, size) in zip(sited.values(), dropped, strict=bool(sited)):
                module.numbers = numbers[:, offset : offset + size]
            optimizer.zero_grad()
            F.cross_entropy(network(data.images[chosen]), data.labels[chosen]).backward()
            take_step(optimizer, factors.lr * lr_factors(epoch, batch))
        network.eval()
        with torch.no_grad():
            accuracies.append((network(test.images).argmax(1) == test.labels).double().mean().item())
    return accuracies, network


class VariationalLayer(nn.Module):
    """A convolution or linear layer with variational dropout, written from the formulas of domain and paper.

    `gale`: as The State of Sparsity's code does otherwise, deterministic biases and ±8 in linear layers too.
    """

    def __init__(self, layer: PlainLayer, weight: Tensor, bias: Tensor, log_sigma2: float, gale: bool):
        super().__init__()
        self.layer, self.gale = layer, gale
        self.weight, self.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        self.log_sigma2 = nn.Parameter(torch.full_like(weight, log_sigma2))
        noisy_bias = layer.is_conv and not gale
        self.bias_log_sigma2 = nn.Parameter(torch.full_like(bias, log_sigma2)) if noisy_bias else None

    def _log_alpha(self, weight: Tensor, log_sigma2: Tensor) -> Tensor:
        bound = 8.0 if self.layer.is_conv or self.gale else 10.0
        return torch.clamp(log_sigma2 - 2.0 * torch.log(torch.abs(weight) + 1e-15), -bound, bound)

    def log_alphas(self) -> list[Tensor]:
        alphas = [self._log_alpha(self.weight, self.log_sigma2)]
        if self.bias_log_sigma2 is not None:
            alphas.append(self._log_alpha(self.bias, self.bias_log_sigma2))
        return alphas

    def kl(self) -> Tensor:
        k1, k2, k3 = 0.63576, 1.8732, 1.48695
        return sum(
            -(k1 * torch.sigmoid(k2 + k3 * a) - 0.5 * torch.log(1 + 1 / a.exp()) - k1).sum() for a in self.log_alphas()
        )

    def forward(self, hidden: Tensor, noise: Tensor | None) -> Tensor:
        apply = F.conv2d if self.layer.is_conv else F.linear
        alphas = self.log_alphas()
        if noise is None:
            weight = self.weight * (alphas[0] < 3)
            bias = self.bias * (alphas[1] < 3) if len(alphas) > 1 else self.bias
            return apply(hidden, weight, bias)
        mean = apply(hidden, self.weight, self.bias)
        bias_variance = alphas[1].exp() * self.bias**2 if len(alphas) > 1 else None
        variance = apply(hidden**2, alphas[0].exp() * self.weight**2, bias_variance)
        shape = (mean.shape[0], *mean.shape[2:], mean.shape[1])
        return mean + torch.sqrt(variance + 1e-15) * noise.view(shape).movedim(-1, 1)


class VariationalNetwork(nn.Module):
    """A network of variational layers, fed with its noise and its dropout's numbers."""

    def __init__(
        self, architecture: Architecture, activation: str, parameters: dict[str, Tensor], log_sigma2: float, gale: bool
    ):
        super().__init__()
        self.architecture, self.activation = architecture, ACTIVATIONS[activation]()
        self.layers = nn.ModuleList(
            VariationalLayer(
                layer, parameters[f"{layer.name}.weight"], parameters[f"{layer.name}.bias"], log_sigma2, gale
            )
            for layer in plain_layers(architecture)
        )

    def forward(
        self, hidden: Tensor, noise: Tensor | None = None, numbers: Tensor | None = None, p: float = 0.0
    ) -> Tensor:
        offsets, dropped = self.architecture.noise_offsets, dropout_offsets(self.architecture)
        for module, offset, drop in zip(self.layers, offsets, dropped, strict=False):
            layer = module.layer
            if layer.name == "fc1":
                hidden = hidden.flatten(1)
            sites = slice(offset, offset + layer.outputs * layer.size**2)
            hidden = module(hidden, None if noise is None else noise[:, sites])
            if layer.pool:
                hidden = F.max_pool2d(hidden, 2)
            if layer.activation:
                hidden = self.activation(hidden)
            if layer.dropout and numbers is not None:
                shape = (hidden.shape[0], *hidden.shape[2:], hidden.shape[1])
                kept = numbers[:, drop : drop + layer.outputs * layer.pooled_size**2] >= p
                hidden = hidden * kept.view(shape).movedim(-1, 1) / (1 - p)
        return hidden


def train_one_variational(
    population: Population,
    model: int,
    data: ImageSet,
    test: ImageSet,
    epochs: int,
    kl_weight,
    log_sigma2: float,
    lr_factors=lambda epoch, batch: 1.0,
    gale: bool = False,
) -> tuple[list[float], VariationalNetwork]:
    """Test accuracy of one model after each epoch of variational dropout, and the trained network.

    With `gale`, log σ² do not decay.
    """
    factors = population.factors[model]
    key = population.keys[model : model + 1]
    parameters = {name: tensor[model] for name, tensor in population.parameters.items()}
    network = VariationalNetwork(population.architecture, factors.activation, parameters, log_sigma2, gale)
    optimizer = optimizer_for(network.parameters(), factors)
    if gale:
        noise = [parameter for name, parameter in network.named_parameters() if "log_sigma2" in name]
        means = [parameter for name, parameter in network.named_parameters() if "log_sigma2" not in name]
        optimizer = optimizer_for(means, factors)
        optimizer.add_param_group({"params": noise, "weight_decay": 0.0})
    sites = population.architecture.noise_offsets[-1]
    accuracies = []
    for epoch in range(1, epochs + 1):
        order = data_order(key, epoch, len(data))[0]
        for batch, first in enumerate(range(0, len(data), factors.batch_size)):
            chosen = order[first : first + factors.batch_size]
            noise = normals(key, epoch, first, len(chosen), sites)[0].to(data.images.dtype)
            optimizer.zero_grad()
            numbers = uniforms(key, epoch, first, len(chosen), population.architecture.dropout_offsets[-1])[0]
            logits = network(data.images[chosen], noise, numbers, factors.dropout)
            loss = F.cross_entropy(logits, data.labels[chosen])
            (loss + kl_weight(epoch) * sum(layer.kl() for layer in network.layers)).backward()
            take_step(optimizer, factors.lr * lr_factors(epoch, batch))
        with torch.no_grad():
            accuracies.append((network(test.images).argmax(1) == test.labels).double().mean().item())
    return accuracies, network


class GatedLayer(nn.Module):
    """A convolution or linear layer whose weights have hard concrete gates, written from the formulas of the papers."""

    def __init__(self, layer: PlainLayer, weight: Tensor, bias: Tensor, log_alpha: Tensor):
        super().__init__()
        self.layer = layer
        self.weight, self.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        self.log_alpha = nn.Parameter(log_alpha.clone())

    def expected_gates(self) -> Tensor:
        """The number of gates that are expected to be open."""
        return (1 / (1 + torch.exp(-(self.log_alpha - 2 / 3 * math.log(0.1 / 1.1))))).sum()

    def forward(self, hidden: Tensor, uniforms: Tensor) -> Tensor:
        u = uniforms.view_as(self.weight)
        s = 1 / (1 + torch.exp(-(torch.log(u + 1e-8) - torch.log(1 - u) + self.log_alpha) / (2 / 3)))
        weight = self.weight * torch.clamp(s * (1.1 + 0.1) - 0.1, min=0, max=1)
        return (F.conv2d if self.layer.is_conv else F.linear)(hidden, weight, self.bias)


def train_one_gated(
    population: Population,
    model: int,
    data: ImageSet,
    epochs: int,
    penalty: float,
    gate_lr: float | None,
    lr_factors=lambda epoch, batch: 1.0,
) -> list[GatedLayer]:
    """The layers of one model after some epochs of L0 regularisation; without dropout.

    `gate_lr` is that of an Adam of the gates' own; else they share the weights' optimiser, but not their decay.
    """
    factors, architecture = population.factors[model], population.architecture
    key = population.keys[model : model + 1]
    layers = [
        GatedLayer(
            layer, *(population.parameters[f"{layer.name}.{kind}"][model] for kind in ("weight", "bias", "log_alpha"))
        )
        for layer in plain_layers(architecture)
    ]
    optimizers = [(optimizer_for([p for layer in layers for p in (layer.weight, layer.bias)], factors), factors.lr)]
    gates = [layer.log_alpha for layer in layers]
    if gate_lr is None:
        optimizers.append((optimizer_for(gates, replace(factors, weight_decay=0.0)), factors.lr))
    else:
        optimizers.append((torch.optim.Adam(gates), gate_lr))
    offsets = architecture.gate_offsets
    for epoch in range(1, epochs + 1):
        order = data_order(key, epoch, len(data))[0]
        for batch, first in enumerate(range(0, len(data), factors.batch_size)):
            chosen = order[first : first + factors.batch_size]
            numbers = gate_uniforms(key, epoch, first, offsets[-1])[0].to(data.images.dtype)
            hidden = data.images[chosen]
            for module, offset in zip(layers, offsets, strict=False):
                layer = module.layer
                hidden = module(
                    hidden.flatten(1) if layer.name == "fc1" else hidden, numbers[offset : offset + layer.weights]
                )
                hidden = F.max_pool2d(hidden, 2) if layer.pool else hidden
                hidden = ACTIVATIONS[factors.activation]()(hidden) if layer.activation else hidden
            loss = F.cross_entropy(hidden, data.labels[chosen])
            for optimizer, _ in optimizers:
                optimizer.zero_grad()
            (loss + penalty * sum(layer.expected_gates() for layer in layers)).backward()
            for optimizer, lr in optimizers:
                take_step(optimizer, lr * lr_factors(epoch, batch))
    return layers

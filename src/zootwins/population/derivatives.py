"""Gradients, Hessian products and inputs of layers of a population's networks, as sparsifiers ask for them.

All are of the networks as they are evaluated: without dropout and noise. Masked weights have gradients too. They are
asked for a few times in a run, so that PyTorch's operations serve every engine.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zootwins.architectures.architecture import Architecture
from zootwins.population import ImageSet, Population
from zootwins.population.batched_network import activation_runs, forward
from zootwins.population.randomness import data_order
from zootwins.run.errors import InputError

_MODELS_AT_ONCE = 16
_AT_ONCE = {"cpu": 1 << 24, "cuda": 1 << 28}  # numbers in the largest temporary


class Derivatives:
    """What engines compute beside training and evaluation, in the parameters' own dtype.

    Attributes:
        device: where it is computed; results are on the CPU.
    """

    device: torch.device = torch.device("cpu")

    def gradients(self, population: Population, images: ImageSet, chosen: Tensor | None = None) -> dict[str, Tensor]:
        """Return the gradients of each model's mean cross-entropy at its parameters, `[models, …]` by name.

        Args:
            images: what the loss is taken on.
            chosen: which of them, int64 `[models, samples]`, each model its own; all if None.
        """

        def slopes(part: _Part) -> dict[str, Tensor]:
            return _gradients(part.losses().sum(), part.parameters)

        samples = len(images) if chosen is None else chosen.shape[1]
        zeros = {name: torch.zeros_like(tensor) for name, tensor in population.deterministic().parameters.items()}
        totals = self._summed(population, images, chosen, slopes, zeros)
        return {name: total / samples for name, total in totals.items()}

    def batch_gradients(self, population: Population, data: ImageSet, epoch: int, batch: int) -> dict[str, Tensor]:
        """Return `gradients` on the batch with this number, from 0, that each model trains on in an epoch."""
        size = population.batch_size
        order = data_order(population.keys, epoch, len(data))
        return self.gradients(population, data, order[:, batch * size : (batch + 1) * size])

    def hessian_products(
        self, population: Population, images: ImageSet, vectors: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return H·v by the vectors' names, `[models, …]`, H being the Hessian of each model's mean cross-entropy.

        Args:
            images: what the loss is taken on.
            vectors: by the names of parameters, of their shapes; H is the block of these parameters.
        """

        def products(part: _Part) -> dict[str, Tensor]:
            block = {name: part.parameters[name] for name in vectors}
            slopes = _gradients(part.losses().sum(), block, create_graph=True)
            along = [(slope * vectors[name][part.models].to(slope)).sum() for name, slope in slopes.items()]
            return _gradients(torch.stack(along).sum(), block)

        zeros = {name: torch.zeros_like(population.parameters[name]) for name in vectors}
        totals = self._summed(population, images, None, products, zeros)
        return {name: total / len(images) for name, total in totals.items()}

    def image_gradients(self, population: Population, images: ImageSet) -> dict[str, Tensor]:
        """Return the gradients of the cross-entropy of single images, `[models, images, …]` by name of parameter."""
        rows = torch.arange(len(images))
        # a copy of the model for each image, which it alone is shown to
        copies = torch.arange(len(population)).repeat_interleave(len(rows))
        parts = [
            _gradients(part.losses().sum(), part.parameters)
            for part in self._parts(population, images, copies, rows.repeat(len(population))[:, None])
        ]
        joined = {
            name: torch.cat([part[name].cpu() for part in parts]) if parts else parameter
            for name, parameter in population.deterministic().parameters.items()
        }
        return {name: slopes.unflatten(0, (len(population), len(images))) for name, slopes in joined.items()}

    def input_products(self, population: Population, images: ImageSet) -> dict[str, Tensor]:
        """Return XXᵀ of each layer's inputs X `[fan-in, images · positions]` by its weight's name, float64.

        The inputs of a convolution are patches, numbered as the weight's own dimensions are: channel, row, column.

        Returns:
            `[models, fan-in, fan-in]`.

        Raises:
            InputError: if a convolution has groups, or is not padded with a number of zeros.
        """
        _check_patches(population.architecture)

        def products(part: _Part) -> dict[str, Tensor]:
            with torch.no_grad():
                return {name: rows @ rows.mT for name, rows in part.layer_inputs().items()}

        shapes = population.architecture.parameter_shapes
        fan_in = {name: prod(shapes[name][1:]) for name in population.architecture.weight_names}
        zeros = {name: torch.zeros(len(population), n, n, dtype=torch.float64) for name, n in fan_in.items()}
        return self._summed(population, images, None, products, zeros)

    def _summed(
        self,
        population: Population,
        images: ImageSet,
        chosen: Tensor | None,
        compute: Callable[["_Part"], dict[str, Tensor]],
        totals: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """Return `totals`, `[models, …]` by name, increased by what is computed of each part of the samples."""
        models = torch.arange(len(population))
        samples = torch.arange(len(images)).expand(len(models), -1) if chosen is None else chosen
        for part in self._parts(population, images, models, samples):
            for name, sums in compute(part).items():
                totals[name][part.places] += sums.cpu()
        return totals

    def _parts(self, population: Population, images: ImageSet, models: Tensor, samples: Tensor) -> Iterator["_Part"]:
        """Yield the models at some indices with their samples, `[models]` and `[models, samples]`, in parts."""
        population = population.deterministic()
        layers = population.architecture.layers
        patches = max(layer.weights // layer.outputs * (layer.sites // layer.outputs) for layer in layers)
        pairs = max(1, _AT_ONCE[self.device.type] // patches)
        for places in torch.arange(len(models)).split(_MODELS_AT_ONCE) if len(models) else ():
            for columns in samples[places].split(max(1, pairs // len(places)), dim=1):
                yield _Part(population, places, models[places], images, columns, self.device)


class _Part:
    """Some models of a population and the samples that each is shown."""

    def __init__(
        self,
        population: Population,
        places: Tensor,
        models: Tensor,
        images: ImageSet,
        samples: Tensor,
        device: torch.device,
    ):
        self.places, self.models, self._population = places, models, population
        self.parameters = {
            name: tensor[models].to(device).requires_grad_() for name, tensor in population.parameters.items()
        }
        self._buffers = {name: tensor[models].to(device) for name, tensor in population.buffers.items()}
        dtype = next(iter(self.parameters.values())).dtype
        self._images = images.images[samples].to(device, dtype)  # [models, samples, channels, height, width]
        self._labels = images.labels[samples].to(device)

    def losses(self) -> Tensor:
        """Return the cross-entropy of each sample, `[models, samples]`."""
        logits, _ = self._forward(())
        return F.cross_entropy(logits, self._labels, reduction="none")

    def layer_inputs(self) -> dict[str, Tensor]:
        """Return what each weight is multiplied with, float64 `[models, fan-in, samples · positions]`, by its name."""
        architecture = self._population.architecture
        _, inputs = self._forward([layer.name for layer in architecture.layers])
        return {
            f"{name}.weight": _columns(
                architecture.template.get_submodule(name), taken.expand(len(self.models), *taken.shape[1:])
            )
            for name, taken in inputs.items()
        }

    def _forward(self, taken_by: Collection[str]) -> tuple[Tensor, dict[str, Tensor]]:
        runs = activation_runs(self._population, self.models)
        tensors = self.parameters | self._buffers
        return forward(self._population.architecture, runs, tensors, self._images, taken_by=taken_by, training=False)


def _check_patches(architecture: Architecture) -> None:
    for layer in architecture.layers:
        module = architecture.template.get_submodule(layer.name)
        if layer.is_conv and (module.groups > 1 or module.padding_mode != "zeros" or isinstance(module.padding, str)):
            raise InputError(
                f"{architecture.name}: {layer.name} is {module}; products of inputs are made for convolutions without "
                "groups that are padded with a number of zeros: leave the twins that need them (wanda, obc) out"
            )


def _columns(layer: nn.Module, taken: Tensor) -> Tensor:
    """Return a layer's inputs `[models, samples, …]` as columns, float64 `[models, fan-in, samples · positions]`."""
    if isinstance(layer, nn.Linear):
        return taken.flatten(1, -2).mT.double()
    patches = F.unfold(taken.double().flatten(0, 1), layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    return patches.unflatten(0, taken.shape[:2]).movedim(1, 2).flatten(2)


def _gradients(total: Tensor, parameters: Mapping[str, Tensor], create_graph: bool = False) -> dict[str, Tensor]:
    slopes = torch.autograd.grad(total, list(parameters.values()), create_graph=create_graph)
    return dict(zip(parameters, slopes, strict=True))

"""Activations of any layer, to be classified by probes (`zootwins.population.probe`)."""

import torch
from torch import Tensor

from zootwins.population import Engine, ImageSet, Population
from zootwins.population.batched_network import activation_runs, forward

_AT_ONCE = 1 << 20  # numbers in the largest temporary


def layer_features(engine: Engine, population: Population, data: ImageSet, layer: str) -> Tensor:
    """A layer's activations as the next layer takes them, pooled and flat: float32 `[models, samples, numbers]`.

    In evaluation: without dropout, of `population.deterministic()`. Those that the last layer takes come from the
    engine, at the price of its evaluation; those further below from the torch engine's operations, on the CPU.
    """
    names = [each.name for each in population.architecture.layers]
    taker = names[names.index(layer) + 1]
    if taker == names[-1]:
        return engine.evaluate(population, data, ("features",)).features
    return _inputs_of(population.deterministic(), data.images, taker)


@torch.inference_mode()
def _inputs_of(population: Population, images: Tensor, layer: str) -> Tensor:
    conv1 = population.architecture.layers[0]
    at_once = max(1, _AT_ONCE // (conv1.outputs * conv1.size**2))
    parts = []
    for model in range(len(population)):
        chosen = torch.tensor([model])
        parameters = {name: tensor[chosen].float() for name, tensor in population.parameters.items()}
        runs = activation_runs(population, chosen)
        inputs = [
            forward(population.architecture, runs, parameters, part[None])[1][layer] for part in images.split(at_once)
        ]
        parts.append(torch.cat(inputs, dim=2).movedim(2, 1).flatten(2))
    return torch.cat(parts)

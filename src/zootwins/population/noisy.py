"""What models of variational dropout say in training mode: under one draw of their noise, and with nothing pruned."""

import torch
from torch import Tensor

from zootwins.population import ImageSet, Population
from zootwins.population.batched_network import activation_runs, forward, output_noise

_MODELS_AT_ONCE, _SAMPLES_AT_ONCE = 16, 50  # the noise of the small CNN: 16 MB as floats, twice that as words
_EPOCH = 0  # whose noise training never draws


@torch.inference_mode()
def noisy_predictions(population: Population, data: ImageSet) -> Tensor:
    """Predicted classes, uint8 `[models, samples]`, without dropout; ties between classes go to the lower one.

    Args:
        population: of `GaussianNoise`; its keys choose the noise, a draw of its own for each image.
        data: the images, in the order in which they are counted.
    """
    predictions = torch.zeros(len(population), len(data), dtype=torch.uint8)
    if not len(population):
        return predictions
    clamp = population.weights.linear_clamp
    for models in torch.arange(len(population)).split(_MODELS_AT_ONCE):
        parameters = {name: tensor[models] for name, tensor in population.parameters.items()}
        runs, keys = activation_runs(population, models), population.keys[models]
        for first in range(0, len(data), _SAMPLES_AT_ONCE):
            images = data.images[None, first : first + _SAMPLES_AT_ONCE]
            noise = output_noise(population.architecture, keys, _EPOCH, first, images.shape[1], images.dtype)
            logits, _ = forward(population.architecture, runs, parameters, images, noise=noise, linear_clamp=clamp)
            predictions[models, first : first + _SAMPLES_AT_ONCE] = logits.argmax(1).to(torch.uint8)
    return predictions

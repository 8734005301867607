"""Fisher information of weights, from gradients of the dense model on training images.

Variational dropout lets the noise of a weight grow until the loss it causes costs more than the KL term gains: until
then the loss grows by half of its variance times the loss's curvature, which is what the Fisher information stands for
(and so do the saliencies of LeCun, Denker and Solla's optimal brain damage, w² times the curvature).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from zootwins.experiments.representations.tokens import Tokens
from zootwins.population import ImageSet, Population
from zootwins.population.batched_network import activation_runs, forward
from zootwins.zoos.originals import Originals

IMAGES = 1024  # the first ones, of a training split that was drawn
_AT_ONCE = 256  # images


def fisher_information(originals: Originals, images: ImageSet) -> Tensor:
    """Return the mean square of the loss's gradients by image of every parameter, `[models, parameters]`.

    The empirical Fisher information's diagonal: labels are the images' own. Models are evaluated, without dropout.
    """
    tokens = Tokens(originals.architecture)
    return torch.stack([tokens.join(_of_model(originals, row, images)) for row in range(len(originals))])


def _of_model(originals: Originals, row: int, images: ImageSet) -> dict[str, Tensor]:
    """Return mean squared gradients; every image has a copy of the model, so that gradients do not add up."""
    architecture, count = originals.architecture, min(IMAGES, len(images))
    parameters = {name: originals.parameters[name] for name in architecture.parameter_shapes}
    sums = {name: torch.zeros_like(tensor[row]) for name, tensor in parameters.items()}
    for chunk in torch.arange(count).split(_AT_ONCE):
        copies = {
            name: tensor[row].expand(len(chunk), *tensor.shape[1:]).clone().requires_grad_()
            for name, tensor in parameters.items()
        }
        factors = [originals.factors[row]] * len(chunk)
        population = Population(architecture, factors, torch.zeros(len(chunk), dtype=torch.int64), copies)
        runs = activation_runs(population, torch.arange(len(chunk)))
        tensors = population.tensors
        logits, _ = forward(architecture, runs, tensors, images.images[chunk][:, None])
        loss = F.cross_entropy(logits[..., 0], images.labels[chunk], reduction="sum")
        for name, gradient in zip(copies, torch.autograd.grad(loss, list(copies.values())), strict=True):
            sums[name] += gradient.square().sum(0)
    return {name: total / count for name, total in sums.items()}

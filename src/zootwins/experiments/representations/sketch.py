"""A sketch of a network: random projections of its weights, from which they are recovered as a sparse vector.

The weights of independently trained networks have hardly any directions in common, so that as many principal components
as a tenth of the weights hold a tenth of their variance. But twins are sparse: few random numbers for each weight that
is left determine them (compressed sensing). Recovery is approximate message passing (Donoho, Maleki, Montanari, PNAS
2009) with a prior that is learned from the sketch alone, by expectation maximisation (Vila and Schniter, IEEE
Transactions on Signal Processing 61, 2013): in each layer a share of the weights is normally distributed, the
rest is 0.
"""

import torch
from torch import Tensor, nn

from zootwins.experiments.representations.tokens import Tokens
from zootwins.population.randomness import normals, stream_key

ITERATIONS, DAMPING = 20, 0.7
_SHARES = 0.02, 0.98  # bounds of the share of a layer that is left
_LEAST = 1e-8  # of variances


class Sketch(nn.Module):
    """Projections of weights in units of their layers; the same for all networks, and nothing to be learned.

    Attributes:
        matrix: `[numbers, parameters]`, normally distributed, columns of length 1 in the mean.
        layers: which layer each parameter is in, `[parameters, layers]`, 0 or 1.
    """

    matrix: Tensor
    layers: Tensor

    def __init__(self, tokens: Tokens, numbers: int):
        super().__init__()
        parameters = sum(tokens.sizes)
        key = torch.tensor([stream_key("sketch", tokens.architecture.name, tokens.architecture.channels)])
        matrix = normals(key, 0, 0, numbers, -(-parameters // 4) * 4)[0, :, :parameters] / numbers**0.5
        self.register_buffer("matrix", matrix, persistent=False)
        self.register_buffer("layers", nn.functional.one_hot(tokens.layer_of).float(), persistent=False)

    def forward(self, scaled: Tensor) -> Tensor:
        """The sketch `[rows, numbers]` of weights `[rows, parameters]`."""
        return scaled @ self.matrix.T

    @torch.no_grad()
    def recover(self, sketch: Tensor) -> tuple[Tensor, Tensor]:
        """The weights that a sketch is most likely of, and the probability that each is not 0; `[rows, parameters]`."""
        numbers, parameters = self.matrix.shape
        sizes = self.layers.sum(0)
        values, residual = sketch.new_zeros(len(sketch), parameters), sketch
        share = sketch.new_full((len(sketch), len(sizes)), 0.5)
        variance = (2 / parameters * sketch.square().sum(1, keepdim=True)).clamp_min(_LEAST).expand_as(share)
        for _ in range(ITERATIONS):
            # each parameter seen on its own: its value and normal noise
            noise = residual.square().mean(1, keepdim=True).clamp_min(_LEAST)
            seen = values + residual @ self.matrix
            prior, left = variance @ self.layers.T, share @ self.layers.T
            total = prior + noise
            odds = left.logit() + (noise / total).log() / 2 + seen.square() * (1 / noise - 1 / total) / 2
            active, mean, spread = odds.sigmoid(), seen * prior / total, prior * noise / total
            second = active * (mean.square() + spread)
            found = active * mean
            onsager = ((second - found.square()) / noise).sum(1, keepdim=True) / numbers
            counts = active @ self.layers
            share = (counts / sizes).clamp(*_SHARES)
            variance = (second @ self.layers / counts.clamp_min(_LEAST)).clamp_min(_LEAST)
            values = torch.lerp(values, found, DAMPING)
            residual = torch.lerp(residual, sketch - values @ self.matrix.T + residual * onsager, DAMPING)
        return found, active

"""A small network that predicts each weight's log α: a transformer over neurons and a network over weights.

Neurons are tokens, as for the auto-encoder, but nothing has to pass through one vector: a weight is predicted from its
own `FEATURES` and from the contexts of its neuron and of the neuron that it comes from.
"""

from math import ceil

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from zootwins.experiments.representations import Settings
from zootwins.experiments.representations.model import learned, magnitudes, transformer
from zootwins.experiments.representations.predictors import Pairs, Predictor
from zootwins.experiments.representations.representation_training import layer_scale
from zootwins.experiments.representations.tokens import Tokens
from zootwins.experiments.representations.weight_features import FEATURES, weight_features
from zootwins.run.keys import stream_key

CONTEXT, HIDDEN = 16, 64  # numbers that a neuron passes to its weights; width of the network that every weight passes
STEPS, BATCH, LR = 600, 8, 2e-3


class TokenNetwork(nn.Module):
    """Log α `[models, weights]` of dense networks; features and log α are standardised by the training models."""

    def __init__(self, tokens: Tokens, settings: Settings):
        super().__init__()
        self.tokens = tokens
        self.embed = nn.ModuleList(nn.Linear(2 * width, settings.dimension) for _, width in tokens.shapes)
        self.position = learned(tokens.count, settings.dimension)
        self.transformer = transformer(settings)
        self.contexts = nn.Linear(settings.dimension, 2 * CONTEXT)
        self.weigh = nn.ModuleList(
            nn.Sequential(
                nn.Linear(len(FEATURES) + 2 * CONTEXT, HIDDEN),
                nn.GELU(),
                nn.Linear(HIDDEN, HIDDEN),
                nn.GELU(),
                nn.Linear(HIDDEN, 1),
            )
            for _ in tokens.shapes
        )

    def forward(self, scaled: Tensor, features: Tensor) -> Tensor:
        """Predict from networks `[models, parameters]` in units of their layers, and features of their weights."""
        layers = [self.tokens.split(part) for part in (scaled, magnitudes(scaled))]
        embedded = [
            embed(torch.cat(layer, dim=-1)) for embed, layer in zip(self.embed, zip(*layers, strict=True), strict=True)
        ]
        sequence = self.contexts(self.transformer(torch.cat(embedded, dim=1) + self.position))
        counts = [count for count, _ in self.tokens.shapes]
        outputs = sequence.split(counts, dim=1)
        pixels = sequence.new_zeros(len(scaled), self.tokens.architecture.channels, 2 * CONTEXT)
        sizes = [layer.weights for layer in self.tokens.architecture.layers]
        parts = zip(self.weigh, features.split(sizes, dim=1), (pixels, *outputs[:-1]), outputs, strict=True)
        return torch.cat([self._layer(*part) for part in parts], dim=1)

    def _layer(self, weigh: nn.Module, features: Tensor, inputs: Tensor, outputs: Tensor) -> Tensor:
        shape = (len(features), outputs.shape[1], inputs.shape[1], -1)
        own = features.view(*shape, len(FEATURES))
        of_output = outputs[:, :, None, None, :CONTEXT].expand(*own.shape[:4], -1)
        of_input = inputs[:, None, :, None, CONTEXT:].expand(*own.shape[:4], -1)
        return weigh(torch.cat((own, of_output, of_input), dim=-1)).flatten(1)


def token_network(train: Pairs, settings: Settings, key: tuple[str, int]) -> Predictor:
    """Train a `TokenNetwork` of the auto-encoder's size; every time that a model is seen its neurons are permuted.

    Args:
        key: zoo and seed: the same give the same network, on the same number of threads.
    """
    tokens, prunable = train.tokens, train.tokens.prunable
    scale = layer_scale(train.dense, tokens)
    features, alphas = weight_features(train.dense, tokens), train.alphas[:, prunable]
    mean, std = features.mean((0, 1)), features.std((0, 1)).clamp_min(1e-6)
    alpha_mean, alpha_std = alphas.mean(), alphas.std().clamp_min(1e-6)
    rows = torch.stack((train.dense, train.alphas), dim=1)
    with torch.random.fork_rng():
        torch.manual_seed(stream_key("token_network", *key))
        network = TokenNetwork(tokens, settings)
        optimizer = torch.optim.AdamW(network.parameters(), lr=LR)
        batches = ceil(len(rows) / BATCH)
        epochs = ceil(STEPS / batches)
        schedule = OneCycleLR(optimizer, LR, epochs * batches, cycle_momentum=False)
        generator = torch.Generator().manual_seed(stream_key("token_network", *key, "order"))
        for _ in range(epochs):
            for batch in torch.randperm(len(rows), generator=generator).split(BATCH):
                views = tokens.permute(rows[batch], tokens.draw_permutations(len(batch), generator))
                dense, wanted = views[:, 0], (views[:, 1, prunable] - alpha_mean) / alpha_std
                found = network(dense / scale, (weight_features(dense, tokens) - mean) / std)
                optimizer.zero_grad()
                (found - wanted).square().mean().backward()
                optimizer.step()
                schedule.step()
    network.eval()

    @torch.no_grad()
    def predict(dense: Tensor, fisher: Tensor | None = None) -> Tensor:
        found = torch.zeros_like(dense)
        standardised = (weight_features(dense, tokens) - mean) / std
        parts = zip((dense / scale).split(BATCH), standardised.split(BATCH), strict=True)
        found[:, prunable] = torch.cat([network(*part) for part in parts]) * alpha_std + alpha_mean
        return found

    return predict

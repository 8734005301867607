"""The auto-encoder: tokens of a network to a latent vector, and back to its weights and log α; and its losses.

Beside what a transformer learns to say of a network, its context, the latent vector can hold its largest weights
(`zootwins.experiments.representations.largest`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zootwins.experiments.representations import Settings
from zootwins.experiments.representations.largest import LargestWeights
from zootwins.experiments.representations.tokens import Tokens

_POSITION_STD = 0.02
_CORRECTION = 16  # hidden width of what corrects log α
_LEAST_MAGNITUDE = 0.01  # in standard deviations of the layer: what variational dropout has pruned lies below


class AutoEncoder(nn.Module):
    """Encoder, decoder and projection head; weights go in and come out as `vector / scale`.

    Attributes:
        scale: `[parameters]`, the standard deviation of each parameter's layer over the training models.
    """

    scale: Tensor

    def __init__(self, tokens: Tokens, settings: Settings):
        super().__init__()
        self.tokens = tokens
        self.magnitudes = settings.magnitudes
        dimension, inputs = settings.dimension, 1 + settings.magnitudes
        self.embed = nn.ModuleList(nn.Linear(inputs * width, dimension) for _, width in tokens.shapes)
        self.compression = learned(1, 1, dimension)
        self.encoder_position = learned(tokens.count, dimension)
        self.encoder = transformer(settings)
        self.to_latent = nn.Linear(dimension, settings.latent)
        self.from_latent = nn.Linear(settings.latent, dimension)
        self.decoder_position = learned(tokens.count, dimension)
        self.decoder_type = learned(2, 1, dimension)
        self.decoder = transformer(settings)
        self.to_weights = nn.ModuleList(nn.Linear(dimension, width) for _, width in tokens.shapes)
        self.to_alphas = nn.ModuleList(nn.Linear(dimension, width) for _, width in tokens.shapes)
        hidden = settings.projection_hidden
        self.project = nn.Sequential(
            nn.Linear(settings.latent, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, settings.projection)
        )
        self.register_buffer("scale", torch.ones(sum(tokens.sizes)))
        self.largest = LargestWeights(tokens, settings.largest) if settings.largest else None
        if self.largest:
            self.correct = nn.ModuleList(_correction() for _ in tokens.shapes)

    def encode(self, weights: Tensor) -> Tensor:
        """Encode dense weights `[models, parameters]` as latent vectors `[models, latent + largest]`, context first."""
        context = self.encode_context(weights)
        return torch.cat((context, self.largest(weights / self.scale)), dim=1) if self.largest else context

    def encode_context(self, weights: Tensor) -> Tensor:
        """Return the learned part of the latent vector, `[models, latent]`.

        With `magnitudes`, a token has log |w| beside w: what variational dropout prunes has a magnitude of its own
        order, which a linear embedding of w alone cannot express.
        """
        vectors = [weights / self.scale]
        if self.magnitudes:
            vectors.append(magnitudes(vectors[0]))
        layers = zip(*map(self.tokens.split, vectors), strict=True)
        embedded = [embed(torch.cat(layer, dim=-1)) for embed, layer in zip(self.embed, layers, strict=True)]
        sequence = torch.cat(embedded, dim=1) + self.encoder_position
        compression = self.compression.expand(len(weights), -1, -1)
        return self.to_latent(self.encoder(torch.cat((compression, sequence), dim=1))[:, 0])

    def decode(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Decode latent vectors `[models, latent + largest]` to weights and log α, each `[models, parameters]`.

        Where a parameter has no log α (`Tokens.noisy`), what stands there means nothing.
        """
        width = self.to_latent.out_features
        return self.decode_context(latent[:, :width], self.recover(latent[:, width:]))

    def recover(self, code: Tensor) -> Tensor | None:
        """Recover weights from the largest ones, `[models, 2, parameters]`: in units of their layer, and bounds."""
        return torch.stack(self.largest.recover(code), dim=1) if self.largest else None

    def decode_context(self, context: Tensor, recovered: Tensor | None) -> tuple[Tensor, Tensor]:
        """Decode as `decode`, from the learned part and from what the largest weights encode.

        The sequences of weights and log α are attended to together. What was recovered stands for the weights, and
        corrects log α: bounds of magnitudes, and whether they are magnitudes.
        """
        positions = (self.decoder_position + self.decoder_type).flatten(0, 1)  # [2 · tokens, dimension]
        sequence = self.decoder(self.from_latent(context)[:, None] + positions)
        weights, alphas = sequence.chunk(2, dim=1)
        found = self._vectors(self.to_alphas, alphas)
        if recovered is None:
            return self._vectors(self.to_weights, weights) * self.scale, found
        features = torch.stack((found, magnitudes(recovered[:, 1]), (recovered[:, 0] != 0).to(found.dtype)), dim=-1)
        parts = zip(self.correct, features.split(self.tokens.sizes, dim=1), strict=True)
        corrected = found + torch.cat([correct(part)[..., 0] for correct, part in parts], dim=1)
        return recovered[:, 0] * self.scale, corrected

    def _vectors(self, heads: nn.ModuleList, sequence: Tensor) -> Tensor:
        counts = [count for count, _ in self.tokens.shapes]
        layers = [head(part) for head, part in zip(heads, sequence.split(counts, dim=1), strict=True)]
        return torch.cat([layer.flatten(1) for layer in layers], dim=1)


def magnitudes(scaled: Tensor) -> Tensor:
    """Log |w| of weights in units of their layer's standard deviation."""
    return (scaled.abs() + _LEAST_MAGNITUDE).log()


def _correction() -> nn.Sequential:
    """Build what corrects a weight's log α by its log magnitude or bound, and by which of them it is."""
    return nn.Sequential(nn.Linear(3, _CORRECTION), nn.GELU(), nn.Linear(_CORRECTION, 1))


def learned(*shape: int) -> nn.Parameter:
    """Return a parameter of small random numbers."""
    return nn.Parameter(_POSITION_STD * torch.randn(shape))


def transformer(settings: Settings) -> nn.TransformerEncoder:
    """Build blocks of attention and feed-forward layers, pre-norm."""
    block = nn.TransformerEncoderLayer(
        settings.dimension,
        settings.heads,
        settings.feed_forward,
        settings.dropout,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )
    norm = nn.LayerNorm(settings.dimension)
    return nn.TransformerEncoder(block, settings.blocks, norm, enable_nested_tensor=False)


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Compute NT-Xent (Chen et al. 2020) of two views `[models, features]`.

    Each of the 2·models vectors has to find its other view among all others, by cosine similarity.
    """
    views = F.normalize(torch.cat((first, second)), dim=1)
    similarity = (views @ views.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(views), device=views.device).roll(len(first))
    return F.cross_entropy(similarity, partner)


def weight_errors(predicted: Tensor, weights: Tensor, scale: Tensor) -> Tensor:
    """Return squared errors, in units of the standard deviation of a parameter's layer; `[models, parameters]`."""
    return ((predicted - weights) / scale).square()


def normalise_alpha(alphas: Tensor, threshold: float, scale: float) -> Tensor:
    """Compute tanh((log α − threshold) / scale), which resolves values near the threshold (equation 2)."""
    return torch.tanh((alphas - threshold) / scale)


def alpha_errors(predicted: Tensor, alphas: Tensor, threshold: float, scale: float) -> Tensor:
    """Return squared errors of normalised log α, `[models, parameters]`."""
    return (normalise_alpha(predicted, threshold, scale) - normalise_alpha(alphas, threshold, scale)).square()

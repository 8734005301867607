"""Counter-based random numbers: every draw is a function of its key and counter, never of global state.

Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), written in tensor
operations for CPU and CUDA; the extension `_native` holds the same generator in C++, so that a twin does not depend on
its neighbours, the shard size, the thread count or the engine. Where it was built it draws uniform numbers on CPUs,
bit for bit the same.

The key names a model's random stream; the counter is (block of four sites, position in the epoch's order, epoch,
stream). A *site* is where a number is used: see `Architecture.noise_offsets`, `dropout_offsets` and
`gate_offsets`.
"""

from math import pi

import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture

try:
    from zootwins.population import _native
except ImportError:
    _native = None

STREAMS = "Philox4x32-10, keyed by zoo, model, method and ratio, counted by epoch, position and site"
ORDER, NOISE, DROPOUT, GATES, WEIGHTS, START = 0, 1, 2, 3, 4, 5

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF
_ORDER_CHUNK = 1 << 21  # numbers drawn at once: bounds the temporaries to some 100 MB


def philox(counter: tuple[Tensor | int, Tensor | int, Tensor | int, int], keys: Tensor) -> tuple[Tensor, ...]:
    """Draw four words of 32 random bits, each an int64 tensor of the counters' and keys' broadcast shape."""
    c0, c1, c2, c3 = counter
    k0, k1 = keys & _MASK, (keys >> 32) & _MASK
    for _ in range(10):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]  # 64-bit products; overflow wraps as in C
        c0, c1, c2, c3 = ((p1 >> 32) & _MASK) ^ c1 ^ k0, p1 & _MASK, ((p0 >> 32) & _MASK) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def to_uniform(words: Tensor) -> Tensor:
    """Convert words of 32 random bits to float32 in (0, 1): the top 23 bits plus a half, exact in float32."""
    return ((words >> 9).to(torch.float32) + 0.5) * 2.0**-23


def data_order(keys: Tensor, epoch: int, samples: int) -> Tensor:
    """Draw each model's order of the training samples, `[models, samples]`: a stable sort of random words."""
    position = torch.arange(samples, device=keys.device)
    orders = []
    for chunk in keys.split(max(1, _ORDER_CHUNK // max(1, samples))):
        words = philox((torch.zeros_like(position), position, torch.full_like(position, epoch), ORDER), chunk[:, None])
        orders.append(torch.argsort((words[0] << 32) | words[1], dim=1, stable=True))
    return torch.cat(orders)


def _words(keys: Tensor, epoch: int, first: int, batch: int, sites: int, stream: int) -> tuple[Tensor, ...]:
    block = torch.arange(sites // 4, device=keys.device)
    position = torch.arange(first, first + batch, device=keys.device)[:, None]
    return philox((block, position, torch.full_like(block, epoch), stream), keys[:, None, None])


def uniforms(keys: Tensor, epoch: int, first: int, batch: int, sites: int) -> Tensor:
    """Draw dropout's numbers for positions `first … first + batch`, float32 `[models, batch, sites]`."""
    return _uniforms(keys, epoch, first, batch, sites, DROPOUT)


def gate_uniforms(keys: Tensor, epoch: int, first: int, sites: int) -> Tensor:
    """Draw the gates' numbers for the batch that begins at position `first`, float32 `[models, sites]`."""
    return _uniforms(keys, epoch, first, 1, sites, GATES)[:, 0]


def weight_words(keys: Tensor, sites: int) -> Tensor:
    """Draw one word of 32 random bits per weight, the same at all times, int64 `[models, sites]`."""
    return torch.stack(_words(keys, 0, 0, 1, sites, WEIGHTS), dim=-1).flatten(1)


def layer_words(architecture: Architecture, keys: Tensor) -> dict[str, Tensor]:
    """Return `weight_words` by the weights' names, int64 `[models, …]` of their shapes."""
    return _by_weight(architecture, weight_words(keys, architecture.gate_offsets[-1]))


def layer_uniforms(architecture: Architecture, keys: Tensor, epoch: int, first: int) -> dict[str, Tensor]:
    """Return `gate_uniforms` by the weights' names, float32 `[models, …]` of their shapes."""
    return _by_weight(architecture, gate_uniforms(keys, epoch, first, architecture.gate_offsets[-1]))


def layer_normals(architecture: Architecture, keys: Tensor) -> dict[str, Tensor]:
    """Draw a standard normal number for each initial weight, by name, float32 `[models, …]`."""
    return _by_weight(architecture, _normals(keys, 0, 0, 1, architecture.gate_offsets[-1], START)[:, 0])


def _by_weight(architecture: Architecture, numbers: Tensor) -> dict[str, Tensor]:
    """Return numbers of the sites that `gate_offsets` counts, `[models, sites]`, as the weights they are for."""
    return {
        f"{layer.name}.weight": numbers[:, offset : offset + layer.weights].unflatten(1, layer.weight_shape)
        for layer, offset in zip(architecture.layers, architecture.gate_offsets[:-1], strict=True)
    }


def _uniforms(keys: Tensor, epoch: int, first: int, batch: int, sites: int, stream: int) -> Tensor:
    return torch.stack(_uniform_words(keys, epoch, first, batch, sites, stream), dim=-1).flatten(2)


def _uniform_words(
    keys: Tensor, epoch: int, first: int, batch: int, sites: int, stream: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw the uniform number of each word, float32 `[models, batch, sites / 4]` each."""
    if _native is None or keys.device.type != "cpu":
        return tuple(to_uniform(words) for words in _words(keys, epoch, first, batch, sites, stream))
    filled = torch.empty(4, len(keys), batch, sites // 4)
    _native.uniforms(keys.contiguous().numpy(), epoch, first, stream, filled.numpy())
    return tuple(filled)


def normals(keys: Tensor, epoch: int, first: int, batch: int, sites: int) -> Tensor:
    """Draw standard normal noise for positions `first … first + batch`, float32 `[models, batch, sites]`."""
    return _normals(keys, epoch, first, batch, sites, NOISE)


def _normals(keys: Tensor, epoch: int, first: int, batch: int, sites: int, stream: int) -> Tensor:
    """Convert words to normal numbers by Box and Muller."""
    u0, u1, u2, u3 = _uniform_words(keys, epoch, first, batch, sites, stream)
    r0, r1 = (-2 * u0.log()).sqrt(), (-2 * u2.log()).sqrt()
    a0, a1 = 2 * pi * u1, 2 * pi * u3
    return torch.stack((r0 * a0.cos(), r0 * a0.sin(), r1 * a1.cos(), r1 * a1.sin()), dim=-1).flatten(2)

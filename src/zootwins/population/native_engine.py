"""The CPU engine: C++ kernels that train sixteen models (or as many as a vector has lanes) in lockstep.

The extension `_native` (sources in `native/`) is built where the installation finds a C++ compiler. It holds one
copy of its kernels for each SIMD level and runs the fastest one this machine has; the environment variable
ZOOTWINS_SIMD (avx512, avx2, baseline) asks for another.
"""

import logging
import os
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture
from zootwins.population import MOMENTS, Engine, Evaluation, ImageSet, Population, Scores, new_evaluation
from zootwins.population.derivatives import Derivatives
from zootwins.population.hard_concrete import HardConcrete
from zootwins.population.masked_dense import MaskedDense
from zootwins.population.optimizers import OPTIMIZERS
from zootwins.population.soft_threshold import SoftThreshold
from zootwins.population.variational import GaussianNoise
from zootwins.population.weights import Plain
from zootwins.run.errors import InputError
from zootwins.run.provenance import NATIVE

try:
    from zootwins.population import _native
except ImportError:
    _native = None

log = logging.getLogger(__name__)

_NO_STEP = 1e-30  # a learning rate
LEVEL_VARIABLE = "ZOOTWINS_SIMD"
ACTIVATION_CODES = {"tanh": 0, "relu": 1, "sigmoid": 2, "gelu": 3}  # enum Activation in native/job.h
KINDS = ("weight", "bias", "log_sigma2", "bias_log_sigma2", "log_alpha", "kept", "threshold")
KIND_CODES = {kind: code for code, kind in enumerate(KINDS)}  # enum Kind
MODE_CODES = {Plain: 0, GaussianNoise: 1, HardConcrete: 2, MaskedDense: 3, SoftThreshold: 4}  # enum Mode


def is_available() -> bool:
    """Whether the extension was built and can be loaded."""
    return _native is not None


@cache
def sources_digest(folder: Path) -> str:
    """Return the digest of the kernels' sources in a folder, as CMakeLists.txt computes it."""
    files = sorted(path for path in folder.iterdir() if path.suffix in {".h", ".cpp"})
    lines = [f"{path.name} {sha256(path.read_bytes()).hexdigest()}\n" for path in files]
    return sha256("".join(lines).encode()).hexdigest()


def check_build() -> None:
    """Refuse an extension that was built from other sources than those beside the package.

    An editable installation does not notice when they change, while results record them as what computed them.

    Raises:
        InputError: if the extension is stale; it says what to run.
    """
    if NATIVE.is_dir() and sources_digest(NATIVE) != _native.sources:
        raise InputError(
            f"{NATIVE}: the native engine was built before these files changed; run `pip install -e .` in "
            f"{NATIVE.parent}, or set engine: torch"
        )


def simd_level(models: int, threads: int) -> str:
    """Return the SIMD level for a population: what ZOOTWINS_SIMD asks for, or the fastest this machine has.

    AVX2 takes over from AVX-512 where its vectors, half as long, hold the population or give work to more threads;
    its numbers are the same to the last bit.

    Raises:
        InputError: if the machine does not have the level asked for.
    """
    levels = dict(_native.levels())
    asked = os.environ.get(LEVEL_VARIABLE)
    if asked:
        if asked not in levels:
            raise InputError(f"{LEVEL_VARIABLE}: {asked!r} is not available here; choose from {', '.join(levels)}")
        return asked
    fastest, lanes = next(iter(levels.items()))
    return "avx2" if fastest == "avx512" and models <= max(lanes // 2, lanes * (threads - 1)) else fastest


@cache
def compiled_chains() -> dict[tuple, int]:
    """Return the numbers of the compiled networks by their layers, as `native_chain` describes them."""
    return {
        tuple((*numbers, tuple(after)) for *numbers, after in layers): number
        for number, layers in enumerate(_native.architectures())
    }


def native_chain(architecture: Architecture) -> tuple[tuple, ...]:
    """Describe the network to the kernels: inputs, outputs, kernel, stride, padding, edge, next step per layer.

    The edge is that of the square input, in pixels, 0 for a linear layer; the outputs of the head are 0, since kernels
    take any number of classes. Networks that are no chains have no layers here.
    """
    shapes = {layer.name: layer for layer in architecture.layers}
    layers: list[tuple] = []
    for name, step in architecture.steps:
        if name in shapes:
            layer = shapes[name]
            outputs = 0 if name == architecture.head.name else layer.outputs
            conv = step["conv"] if layer.is_conv else {"kernel": 1, "stride": 1, "padding": 0}
            edge = layer.input_shape[1] if layer.is_conv else 0
            layers.append((layer.inputs, outputs, conv["kernel"], conv["stride"], conv["padding"], edge, ()))
        elif step != "flatten":
            if not layers:
                return ()
            *numbers, after = layers[-1]
            word = " ".join(map(str, *step.items())) if isinstance(step, dict) else step  # max_pool 2
            layers[-1] = (*numbers, (*after, word))
    return tuple(layers)


def why_not(population: Population) -> str:
    """Return why the kernels cannot train, or evaluate, a population, in a few words; empty if they can."""
    if native_chain(population.architecture) not in compiled_chains():
        return f"there are no kernels for the layers of {population.architecture.name}"
    if type(population.weights) not in MODE_CODES:
        return f"there are no kernels for {type(population.weights).__name__} weights"
    if population.architecture.classes > 256:
        return "the kernels count classes in bytes"
    others = {f.activation for f in population.factors} - ACTIVATION_CODES.keys()
    others |= {f.optimizer for f in population.factors} - set(OPTIMIZERS)
    return f"there are no kernels for {', '.join(sorted(others))}" if others else ""


class NativeEngine(Derivatives):
    """Trains and evaluates float32 populations on the CPU, on at most `threads` threads.

    Args:
        otherwise: computes the populations that there are no kernels for; without it they are refused.

    Raises:
        InputError: if the extension is not there, or stale.
    """

    def __init__(self, threads: int = 1, otherwise: Engine | None = None):
        if not is_available():
            raise InputError("engine: native was not built here; install with a C++ compiler or choose engine: torch")
        check_build()
        self.name, self.threads, self.otherwise = "native", threads, otherwise

    def _other(self, population: Population) -> Engine | None:
        """Return the engine that computes a population instead of the kernels; None where they do.

        Raises:
            InputError: if there is none.
        """
        if not (reason := why_not(population)):
            self.name = "native"
            return None
        if self.otherwise is None:
            raise InputError(f"engine: native cannot compute this network: {reason}; set engine: auto or torch")
        if self.name != self.otherwise.name:
            log.info("engine %s instead of native: %s", self.otherwise.name, reason)
            self.name = self.otherwise.name
        return self.otherwise

    def train_epoch(
        self,
        population: Population,
        data: ImageSet,
        epoch: int,
        *,
        penalty: Tensor | None = None,
        lr_factors: Tensor | None = None,
        batches: range | None = None,
    ) -> Scores:
        """Train every model for one epoch or a part of it, in place: see `Engine.train_epoch`."""
        if other := self._other(population):
            return other.train_epoch(population, data, epoch, penalty=penalty, lr_factors=lr_factors, batches=batches)
        population.start_optimizer()
        batches = population.batches(data) if batches is None else batches
        models = len(population)
        scores = Scores(torch.zeros(models, dtype=torch.float64), torch.zeros(models, dtype=torch.float64))
        if not models:
            return scores
        working = _Arrays(population, training=True)
        _native.train_epoch(
            **_images(data),
            level=simd_level(models, self.threads),
            threads=self.threads,
            network=compiled_chains()[native_chain(population.architecture)],
            classes=population.architecture.classes,
            mode=MODE_CODES[type(population.weights)],
            models=_factors(population, penalty),
            parameters=working.parameters,
            epoch=epoch,
            batch_size=population.batch_size,
            first_batch=batches.start,
            stop_batch=batches.stop,
            lr_factors=None if lr_factors is None else lr_factors.float().contiguous(),
            linear_clamp=getattr(population.weights, "linear_clamp", 0.0),
            loss=scores.loss,
            accuracy=scores.accuracy,
        )
        working.write_back()
        population.count_steps(batches, lr_factors)
        return scores

    def batch_gradients(self, population: Population, data: ImageSet, epoch: int, batch: int) -> dict[str, Tensor]:
        """Return the gradients on the batch that each model trains on: see `Engine.batch_gradients`.

        They are what one step of SGD puts into momentum buffers of 0, at a learning rate that moves nothing.
        """
        plain = population.deterministic()
        if plain.parameters[plain.architecture.weight_names[0]].dtype != torch.float32 or why_not(plain):
            return super().batch_gradients(population, data, epoch, batch)
        still = {"optimizer": "sgd", "momentum": 0.9, "lr": _NO_STEP, "weight_decay": 0.0, "l2": 0.0, "dropout": 0.0}
        tensors = {name: tensor.clone() for name, tensor in plain.tensors.items()}
        copies = replace(
            plain,
            factors=[replace(own, **still) for own in plain.factors],
            parameters=tensors,
            masks={},
            optimizer_state={},
            regrows=False,
            shadows={},
        )
        self.train_epoch(copies, data, epoch, batches=range(batch, batch + 1))
        return {name: copies.optimizer_state[f"exp_avg.{name}"] for name in plain.parameters}

    def evaluate(self, population: Population, data: ImageSet, outputs: Collection[str] = ()) -> Evaluation:
        """Evaluate the deterministic models without dropout: see `Engine.evaluate`."""
        if other := self._other(population):
            return other.evaluate(population, data, outputs)
        population = population.deterministic()
        evaluation = new_evaluation(population, data, outputs)
        if not len(population) or not len(data):
            return evaluation
        _native.evaluate(
            **_images(data),
            level=simd_level(len(population), self.threads),
            threads=self.threads,
            network=compiled_chains()[native_chain(population.architecture)],
            classes=population.architecture.classes,
            models=_factors(population),
            parameters=_Arrays(population, training=False).parameters,
            **vars(evaluation),
        )
        return evaluation


def _images(data: ImageSet) -> dict[str, Tensor]:
    return {"images": data.images.float().contiguous(), "labels": data.labels.long().contiguous()}


def _factors(population: Population, penalty: Tensor | None = None) -> list[tuple]:
    penalties = [0.0] * len(population) if penalty is None else penalty.tolist()
    steps = population.optimizer_state["steps"].tolist() if population.optimizer_state else [0] * len(population)
    return [
        (
            key,
            ACTIVATION_CODES[f.activation],
            OPTIMIZERS.index(f.optimizer),
            *(f.lr, f.weight_decay, f.l2, f.momentum, f.dropout),
            weight,
            taken,
        )
        for key, f, weight, taken in zip(population.keys.tolist(), population.factors, penalties, steps, strict=True)
    ]


class _Arrays:
    """A population's tensors as the extension takes them: contiguous float32, with codes for layer and kind.

    Other tensors are copied; `write_back` carries their new values home.
    """

    def __init__(self, population: Population, *, training: bool):
        layer_codes = {layer.name: code for code, layer in enumerate(population.architecture.layers)}
        self._copies: list[tuple[Tensor, Tensor]] = []
        self.parameters = []
        for name, parameter in population.parameters.items():
            layer, _, kind = name.rpartition(".")
            moments = (None, None)
            if training:
                moments = [self._contiguous(population.optimizer_state[f"{moment}.{name}"]) for moment in MOMENTS]
            mask = population.masks[name].contiguous() if name in population.masks else None
            codes = layer_codes[layer], KIND_CODES[kind]
            rule = population.weights.decays(name), population.weights.own_lr(name)
            self.parameters.append((*codes, self._contiguous(parameter), *moments, mask, *rule))

    def _contiguous(self, tensor: Tensor) -> Tensor:
        contiguous = tensor.detach().float().contiguous()
        if contiguous.data_ptr() != tensor.data_ptr():
            self._copies.append((tensor, contiguous))
        return contiguous

    def write_back(self) -> None:
        for tensor, contiguous in self._copies:
            tensor.copy_(contiguous)

"""What is transferred of every model: the original, its twins, and networks to compare them with.

All are plain weights in which what is pruned is exactly 0, and their masks are read from these zeros: so they can be of
any method, and an unrecorded mask stays fixed all the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture
from zootwins.catalogue.candidates import FROM_INITIAL, MASKS_OF, ORIGINAL, RANDOM, SCRATCH, Candidate
from zootwins.population import Factors, Population
from zootwins.sparsifiers.base import Point, Settings
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.shards import TwinShard, read_shard, shard_slice
from zootwins.zoos.initial import load_initial
from zootwins.zoos.originals import Originals, load_originals, read_models


@dataclass(frozen=True)
class Backbones:
    """The candidates of some models.

    Attributes:
        models: their names.
        index: their indices in models.csv.
        factors: how they were generated.
        parameters: `[models, candidates, …]` by name, the old heads among them.
        upstream: test accuracy on the zoo's own data set, float64 `[models, candidates]`; NaN if not requested.
    """

    architecture: Architecture
    models: Sequence[str]
    index: Sequence[int]
    factors: Sequence[Factors]
    candidates: Sequence[Candidate]
    parameters: Mapping[str, Tensor]
    upstream: np.ndarray

    def __len__(self) -> int:
        return len(self.models)

    @property
    def head(self) -> str:
        """The layer that a new one is put in place of."""
        return self.architecture.layers[-1].name

    def masks(self) -> dict[str, Tensor]:
        """Return where the weights are not 0, bool `[models, candidates, …]`, the head's left out."""
        names = self.architecture.weight_names[:-1]
        return {name: self.parameters[name] != 0 for name in names}

    def sparsity(self) -> np.ndarray:
        """Return share of pruned weights below the head, float64 `[models, candidates]`."""
        kept = torch.cat([mask.flatten(2) for mask in self.masks().values()], dim=2)
        return 1 - kept.double().mean(2).numpy()

    def population(self, models: slice = slice(None), candidates: slice = slice(None)) -> Population:
        """Return some of the models with some of their candidates, `[models · candidates, …]`, for evaluation."""
        times = len(self.candidates[candidates])
        factors = [own for own in self.factors[models] for _ in range(times)]
        parameters = {name: tensor[models, candidates].flatten(0, 1) for name, tensor in self.parameters.items()}
        return Population(self.architecture, factors, torch.zeros(len(factors), dtype=torch.int64), parameters)


def gather(
    originals: Originals,
    accuracy: np.ndarray,
    chosen: Sequence[Candidate],
    shards: Mapping[str, TwinShard],
    settings: Mapping[str, Settings],
    initial: Mapping[str, Tensor] | None = None,
) -> Backbones:
    """Gather the candidates of a shard of models.

    Args:
        originals: the models.
        accuracy: their test accuracies, `[models]`.
        chosen: what is wanted of each.
        shards: the same models' twins of every method that is wanted, those of `RANDOM` by this name.
        settings: of these methods.
        initial: the models' parameters before training, if one of `FROM_INITIAL` is wanted.

    Raises:
        InputError: if a shard has no weights of a state that is wanted.
    """
    networks, upstream = [], []
    for candidate in chosen:
        parameters, scores = _network(candidate, originals, accuracy, shards, settings, initial)
        networks.append(parameters)
        upstream.append(scores)
    names = originals.architecture.tensor_shapes
    return Backbones(
        originals.architecture,
        originals.models,
        originals.index,
        originals.factors,
        chosen,
        {name: torch.stack([network[name] for network in networks], dim=1) for name in names},
        np.stack(upstream, axis=1),
    )


def _network(
    candidate: Candidate,
    originals: Originals,
    accuracy: np.ndarray,
    shards: Mapping[str, TwinShard],
    settings: Mapping[str, Settings],
    initial: Mapping[str, Tensor] | None,
) -> tuple[Mapping[str, Tensor], np.ndarray]:
    """Return parameters `[models, …]` of a candidate, and its accuracy upstream `[models]`."""
    if candidate.method == ORIGINAL:
        return originals.parameters, accuracy
    if candidate.method in FROM_INITIAL:
        masked = {}
        if candidate.method == SCRATCH:
            twins = twin_parameters(shards[MASKS_OF], candidate.point, settings[MASKS_OF], MASKS_OF)
            masked = {name: initial[name] * (twins[name] != 0) for name in originals.architecture.weight_names}
        return {**initial, **masked}, np.full(len(originals), np.nan)
    shard = shards[candidate.method]
    method = MASKS_OF if candidate.method == RANDOM else candidate.method  # plain weights, both
    parameters = twin_parameters(shard, candidate.point, settings[method], method)
    scores = shard.twins("test_accuracy")[:, shard.twin(candidate.point.at), shard.states.index(candidate.point.epoch)]
    return parameters, scores.double().numpy()


def twin_parameters(shard: TwinShard, point: Point, settings: Settings, method: str) -> dict[str, Tensor]:
    """Return weights and biases of the twins at an operating point as they are evaluated, `[models, …]`.

    Raises:
        InputError: if the shard has no weights of that state.
    """
    state, twin = shard.weight_state(point.epoch), shard.twin(point.at)
    trained = {name: shard.twins(name)[:, twin, state] for name in shard.parameters}
    return get_sparsifier(method).weights(settings).deterministic(trained)


def load_backbones(files: Any, shard: str, params: Any) -> Backbones:
    """Load the candidates of a shard, by the files and parameters of a job.

    Args:
        files: originals, models, by its name the shard of every method that is wanted, and `initial` where one of
            `FROM_INITIAL` is.
        shard: the shard's name.
        params: architecture, candidates (`Candidate.plain`), and the settings of the methods.
    """
    originals = load_originals(files.originals, files.models, params.architecture, *shard_slice(shard))
    table = read_models(files.models).set_index("index")
    chosen = [Candidate.of(values) for values in params.candidates]
    settings = {method: get_sparsifier(method).Settings(**own) for method, own in params.methods.items()}
    shards = {method: read_shard(files[method]) for method in (*settings, RANDOM) if files.get(method)}
    initial = load_initial(files.initial, originals) if files.get("initial") else None
    return gather(originals, table["test_accuracy"][originals.index].to_numpy(), chosen, shards, settings, initial)

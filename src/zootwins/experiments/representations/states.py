"""Training data of a hyper-representation: weights and log α of a zoo's VD twins at every epoch, and their scores."""

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture, Spec, stored_architecture
from zootwins.experiments.representations.tokens import KINDS, Tokens
from zootwins.population.variational import log_alpha, noisy_parameters
from zootwins.run.errors import InputError
from zootwins.run.keys import stream_key
from zootwins.storage.shards import TwinShard

log = logging.getLogger(__name__)

TRAIN, VALIDATION = 0.7, 0.15  # the rest is for the test
LEAST_MODELS = 9  # fewer leave no model to test, beside two to choose by


@dataclass(frozen=True)
class VdStates:
    """States of VD twins; rows are models and their epochs, epochs fastest.

    Attributes:
        tokens: the arrangement of the vectors.
        weights: dense weights and biases (μ), float32 `[rows, parameters]`.
        alphas: clamped log α, float32 `[rows, parameters]`, 0 where a parameter has none.
        table: model, index, and the targets of probes (fractions; test accuracy), one line per row.
        left_out: names of the models that diverged, of which there are no rows.
    """

    tokens: Tokens
    weights: Tensor
    alphas: Tensor
    table: pd.DataFrame
    left_out: Sequence[str] = ()

    @property
    def models(self) -> list[str]:
        """Names of the models, in the rows' order."""
        return self.table["model"].unique().tolist()

    def of(self, models: Sequence[str]) -> "VdStates":
        """Return the rows of some models."""
        return self._chosen(self.table["model"].isin(models))

    def first_states(self) -> "VdStates":
        """Return each model's first state, the models in the rows' order."""
        return self._chosen(~self.table["model"].duplicated())

    def ends(self) -> tuple["VdStates", "VdStates"]:
        """Return the models before variational dropout, and after its last epoch."""
        epoch = self.table["epoch"]
        return self._chosen(epoch == epoch.min()), self._chosen(epoch == epoch.max())

    def _chosen(self, rows: pd.Series) -> "VdStates":
        positions = rows.to_numpy().nonzero()[0]
        table = self.table.iloc[positions].reset_index(drop=True)
        return VdStates(self.tokens, self.weights[positions], self.alphas[positions], table)

    def __len__(self) -> int:
        return len(self.table)


def load_states(shards: Sequence[TwinShard], architecture: Spec) -> VdStates:
    """Return all states of a zoo's VD twins; models that diverged are left out, and the log names them.

    Raises:
        InputError: if the shards hold the weights of the last state alone, or no models.
    """
    parts = [_shard_states(shard, architecture) for shard in shards if shard.models]
    if not parts:
        raise InputError(f"{shards[0].path}: holds no models; leave its zoo out of representations")
    weights, alphas, tables = zip(*parts, strict=True)
    tokens = Tokens(_architecture(shards[0], architecture))
    states = VdStates(tokens, torch.cat(weights), torch.cat(alphas), pd.concat(tables, ignore_index=True))
    losses = torch.cat([shard.diverged.flatten() for shard in shards])
    finite = states.weights.isfinite().all(1) & states.alphas.isfinite().all(1) & ~losses
    diverged = states.table["model"][~finite.numpy()].unique().tolist()
    if diverged:
        log.warning("diverged: %s", ", ".join(diverged))
        states = replace(states.of(sorted(set(states.models) - set(diverged))), left_out=diverged)
    return states


def announcement(states: VdStates) -> str:
    """Return a line on the models that diverged; empty if there are none."""
    lost, models = len(states.left_out), len(states.models) + len(states.left_out)
    return (
        f"{lost} of {models} models have VD twins that diverged (weights or loss not finite), left out" if lost else ""
    )


def _architecture(shard: TwinShard, spec: Spec) -> Architecture:
    return stored_architecture(shard.path, spec, shard.metadata.get("network"), shard.shapes)


def _shard_states(shard: TwinShard, architecture: Spec) -> tuple[Tensor, Tensor, pd.DataFrame]:
    if shard.weight_states != shard.states:
        raise InputError(
            f"{shard.path}: holds the weights of {len(shard.weight_states)} of {len(shard.states)} states; "
            "set keep_states: all in the configuration, and the twins are trained again"
        )
    tokens = Tokens(_architecture(shard, architecture))
    names = [name for name in shard.shapes if name.endswith(("weight", "bias", "log_sigma2"))]
    parameters = {name: shard.tensor(name).flatten(0, 1) for name in names}
    partners = noisy_parameters(parameters)
    convolutions = {f"{layer.name}.{kind}" for layer in tokens.architecture.layers if layer.is_conv for kind in KINDS}
    alphas = {
        name: log_alpha(parameters[name], parameters[partners[name]], is_conv=name in convolutions)
        if name in partners
        else torch.zeros_like(parameters[name])
        for name in tokens.architecture.parameter_shapes
    }
    share = torch.tensor([layer.weights / tokens.architecture.weights for layer in tokens.architecture.layers])
    accuracy = shard.tensor("test_accuracy")
    columns = {
        "accuracy": accuracy,
        "sparsity": shard.tensor("sparsity") @ share,
        "epoch": torch.tensor(shard.states).expand_as(accuracy),
        "generalization_gap": shard.tensor("train_accuracy") - accuracy,
    }
    table = pd.DataFrame({name: values.flatten().numpy() for name, values in columns.items()})
    table.insert(0, "model", [name for name in shard.models for _ in shard.states])
    table.insert(1, "index", [index for index in shard.index for _ in shard.states])
    return tokens.join(parameters), tokens.join(alphas), table


def split_models(models: Mapping[str, Hashable], zoo: str, seed: int) -> dict[str, list[str]]:
    """Split models into training, validation (two at least) and test: 70, 15 and 15 %, by seed.

    Whole models are drawn, so that no state of a model that is tested was seen in training; and those that began with
    the same weights together, since their weights stay alike.

    Args:
        models: by their names, what identifies the weights that each began with.

    Raises:
        InputError: if there are too few, or all began alike.
    """
    if len(models) < LEAST_MODELS:
        raise InputError(
            f"representations.zoos: {zoo} has {len(models)} models with VD twins; a hyper-representation needs "
            f"{LEAST_MODELS} at least; useful ones need some dozens"
        )
    families: dict[Hashable, list[str]] = {}
    for model in sorted(models):
        families.setdefault(models[model], []).append(model)
    train = round(TRAIN * len(models))
    stop = max(round((TRAIN + VALIDATION) * len(models)), train + 2)
    split: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    placed = 0
    for family in sorted(families.values(), key=lambda family: stream_key("split", zoo, seed, family[0])):
        split["train" if placed < train else "validation" if placed < stop else "test"] += family
        placed += len(family)
    if not all(split.values()):
        raise InputError(
            f"representations.zoos: the {len(models)} models of {zoo} began with {len(families)} different weights, "
            "too few to test on models whose siblings were not learned from"
        )
    return split

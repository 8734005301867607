"""Zero-shot twins of the models that a hyper-representation has not seen, of its own zoo and of others.

Predictors of log α take the Fisher information of weights. Variational dropout lets the noise of a weight grow until
the loss it causes costs more than the KL term gains: until then the loss grows by half of its variance times the loss's
curvature, which is what the Fisher information stands for (and so do the saliencies of LeCun, Denker and Solla's
optimal brain damage, w² times the curvature).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from zootwins.experiments.representations.decisions import decisions_table
from zootwins.experiments.representations.predictors import Pairs
from zootwins.experiments.representations.states import VdStates, load_states
from zootwins.experiments.representations.storage import Representation
from zootwins.experiments.representations.tokens import Tokens
from zootwins.experiments.representations.zero_shot import (
    compare_twins,
    predict_alphas,
    unseen_models,
    without_siblings,
    zero_shot_twins,
)
from zootwins.images.datasets import load_dataset
from zootwins.population import Engine, Factors, ImageData, ImageSet, Population
from zootwins.population.batched_network import activation_runs, forward
from zootwins.storage.shards import read_shard
from zootwins.zoos.originals import Originals, load_originals, read_predictions

IMAGES = 1024  # the first ones, of a training split that was drawn
_AT_ONCE = 256  # images


@dataclass(frozen=True)
class Target:
    """A zoo whose unseen models are sparsified.

    Attributes:
        originals: its dense models.
        states: of its VD twins.
        data: its images.
        predictions: the originals' predicted classes on the test images, `[originals, samples]`.
        index: the originals' indices in models.csv, `[originals]`.
        lr: of magnitude pruning's fine-tuning; None for each model's own.
    """

    originals: Originals
    states: VdStates
    data: ImageData
    predictions: np.ndarray
    index: np.ndarray
    lr: float | None

    @property
    def factors(self) -> dict[str, Factors]:
        """The generating factors of its models, by name."""
        return dict(zip(self.originals.models, self.originals.factors, strict=True))


def load_targets(files: Any, architecture: str, targets: Mapping[str, Mapping[str, Any]]) -> dict[str, Target]:
    """Load the zoos whose models are sparsified, by the files of a job.

    Args:
        files: `shards`, of the first zoo's VD twins, `others`, of those of all others one after another; `originals`,
            `models`, `dataset` and `predictions`, one file per zoo.
        architecture: of all zoos.
        targets: by zoo, how many `models` the run takes, in how many `shards`, and `lr`.
    """
    found, others = {}, iter(files.others)
    for number, (zoo, settings) in enumerate(targets.items()):
        shards = islice(others, settings["shards"]) if number else files.shards
        index, predictions = (tensor.numpy() for tensor in read_predictions(files.predictions[number]))
        found[zoo] = Target(
            load_originals(files.originals[number], files.models[number], architecture, 0, settings["models"]),
            load_states([read_shard(path) for path in shards], architecture),
            load_dataset(files.dataset[number]),
            predictions,
            index,
            settings["lr"],
        )
    return found


def unseen_states(representation: Representation, targets: Mapping[str, Target]) -> dict[str, VdStates]:
    """Return the states of each target's models that nothing was learned from.

    Of the first, those that were kept for testing; of others, those that share no initial weights with a model that was
    learned from or chosen by.
    """
    (zoo, own), *others = targets.items()
    learned = [own.factors[model] for split in ("train", "validation") for model in representation.split[split]]
    return {zoo: own.states.of(representation.split["test"])} | {
        other: without_siblings(target.states, target.factors, learned, other) for other, target in others
    }


def sparsify_unseen(
    engine: Engine, representation: Representation, targets: Mapping[str, Target], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prune decisions and zero-shot twins of every target's unseen models; the first target was learned on.

    Returns:
        The rows of `decisions_table` and of `compare_twins`, with zoo, learned_on and seed.
    """
    zoo, *_ = targets
    unseen = unseen_states(representation, targets)

    def fisher(target: str, models: Sequence[str]) -> Tensor:
        return fisher_information(unseen_models(targets[target].originals, models, None), targets[target].data.train)

    predicted = predict_alphas(representation, targets[zoo].states, unseen, (zoo, seed), fisher)
    training = Pairs.of(targets[zoo].states.of(representation.split["train"]))
    decisions, twins = [], []
    for name, target in targets.items():
        pairs, identity = Pairs.of(unseen[name]), {"zoo": name, "learned_on": zoo, "seed": seed}
        decisions.append(decisions_table(pairs, predicted[name], representation.threshold).assign(**identity))
        models = unseen_models(target.originals, pairs.models, target.lr)
        classes = target.predictions[pd.Index(target.index).get_indexer(models.index)]
        made = zero_shot_twins(pairs, predicted[name], representation.threshold, name, training)
        # a sparsity at a time takes less memory
        compared = [compare_twins(engine, models, twin, target.data, classes, name) for twin in made.values()]
        twins.append(pd.concat(compared).assign(**identity))
    return pd.concat(decisions, ignore_index=True), pd.concat(twins, ignore_index=True)


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

"""Zero-shot sparsification: the twin of a model that no one trained (the paper's outlook, after its conclusion).

The dense weights of an unseen model are encoded, its latent vector is moved to where variational dropout would have
ended, and what the decoder makes of it says which weights to prune.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from torch import Tensor

from zootwins.analyses.agreement import agreement
from zootwins.experiments.representations.evaluation import PENALTIES, decode, encode
from zootwins.experiments.representations.model import AutoEncoder
from zootwins.experiments.representations.states import VdStates
from zootwins.experiments.representations.storage import Representation
from zootwins.population import Engine, ImageData, Population, layer_sparsity
from zootwins.population.architectures import Architecture
from zootwins.population.masks import pruning_masks
from zootwins.population.randomness import stream_key
from zootwins.zoos.originals import Originals

METHODS = ("zero_shot", "zero_shot_mask", "vd", "mp", "random")
"""What is compared, each pruned once and then fine-tuned for an epoch:

- zero_shot: decoded weights, pruned where decoded log α reaches the threshold;
- zero_shot_mask: the model's own weights, pruned at the same places;
- vd: the model's trained VD twin, at its last epoch;
- mp: the model's own weights, the smallest pruned, as many as in zero_shot;
- random: the same, any weights.
"""


def sparsifying_shift(model: AutoEncoder, train: VdStates, validation: VdStates) -> Callable[[Tensor], Tensor]:
    """Where variational dropout moves a latent vector from its first to its last epoch, learned from trained twins.

    Ridge regression of the movement on where it starts; its penalty is the one that predicts the validation models
    best, and the larger it is, the more all models move alike.

    Returns:
        A function of latent vectors of dense models, `[models, latent]`, that gives those of their twins.
    """
    (start, end), (test_start, test_end) = (
        [encode(model, states.weights).numpy() for states in part.ends()] for part in (train, validation)
    )
    fits = [Ridge(penalty).fit(start, end - start) for penalty in PENALTIES]
    best = max(fits, key=lambda fit: r2_score(test_end, test_start + fit.predict(test_start)))
    return lambda latent: latent + torch.from_numpy(best.predict(latent.numpy())).to(latent.dtype)


def zero_shot_twins(representation: Representation, states: VdStates, zoo: str) -> dict[str, dict[str, Tensor]]:
    """Parameters `[models, …]` of the test models' twins, by method; pruned weights are zero."""
    model, threshold, tokens = representation.model, representation.threshold, states.tokens
    train, validation, test = (states.of(representation.split[split]) for split in ("train", "validation", "test"))
    dense, trained = test.ends()
    own = dense.weights
    shift = sparsifying_shift(model, train, validation)
    weights, alphas = decode(model, shift(encode(model, own)))
    pruned = (alphas >= threshold) & tokens.noisy
    trained_pruned = (trained.alphas >= threshold) & tokens.noisy
    vectors = {
        "zero_shot": weights.masked_fill(pruned, 0),
        "zero_shot_mask": own.masked_fill(pruned, 0),
        "vd": trained.weights.masked_fill(trained_pruned, 0),
    }
    twins = {method: tokens.separate(vector) for method, vector in vectors.items()}
    originals = tokens.separate(own)
    ratios = _sparsity(twins["zero_shot"], tokens.architecture)
    own_weights = {name: originals[name] for name in tokens.architecture.weight_names}
    random = _random_scores(own_weights, [stream_key("zero_shot", zoo, name) for name in test.models])
    twins["mp"] = _pruned_at(originals, own_weights, ratios)
    twins["random"] = _pruned_at(originals, random, ratios)
    return twins


def _sparsity(parameters: Mapping[str, Tensor], architecture: Architecture) -> Tensor:
    """Share of pruned weights of each model, `[models]`."""
    sizes = torch.tensor([layer.weights for layer in architecture.layers], dtype=torch.float64)
    return layer_sparsity(parameters, architecture) @ (sizes / sizes.sum())


def _random_scores(weights: Mapping[str, Tensor], keys: list[int]) -> dict[str, Tensor]:
    generators = [torch.Generator().manual_seed(key) for key in keys]
    return {
        name: torch.stack([torch.rand(weight.shape[1:], generator=generator) for generator in generators])
        for name, weight in weights.items()
    }


def _pruned_at(originals: Mapping[str, Tensor], scores: Mapping[str, Tensor], ratios: Tensor) -> dict[str, Tensor]:
    """Models without the weights of least absolute score, each at its own ratio."""
    masks = [
        pruning_masks({name: score[model : model + 1] for name, score in scores.items()}, ratio.item(), "global")
        for model, ratio in enumerate(ratios)
    ]
    return {
        name: tensor * torch.cat([mask[name] for mask in masks]) if name in scores else tensor.clone()
        for name, tensor in originals.items()
    }


def unseen_models(originals: Originals, models: Sequence[str], lr: float | None) -> Originals:
    """Some of the models, to be fine-tuned at a learning rate, or each at its own if None."""
    rows = [originals.models.index(model) for model in models]
    factors = [originals.factors[row] for row in rows]
    return Originals(
        originals.architecture,
        list(models),
        [originals.index[row] for row in rows],
        factors if lr is None else [replace(each, lr=lr) for each in factors],
        {name: tensor[rows] for name, tensor in originals.parameters.items()},
    )


def compare_twins(
    engine: Engine,
    originals: Originals,
    twins: Mapping[str, Mapping[str, Tensor]],
    data: ImageData,
    predictions: np.ndarray,
    zoo: str,
) -> pd.DataFrame:
    """Accuracy, sparsity and agreement of twins as they are and after an epoch of fine-tuning with their masks.

    Args:
        originals: the models, in the twins' order, with the factors that they are fine-tuned by.
        twins: as `zero_shot_twins` returns them.
        predictions: the originals' predicted classes on the test images, `[models, samples]`.

    Returns:
        One row a method, number of epochs and model: method, epochs, model, index, accuracy, sparsity, agreement.
    """
    models = len(originals)
    joined = {name: torch.cat([twins[method][name] for method in twins]) for name in originals.parameters}
    population = Population(
        originals.architecture,
        list(originals.factors) * len(twins),
        torch.tensor([stream_key(zoo, model, "zero_shot", method) for method in twins for model in originals.models]),
        joined,
        masks={name: joined[name] != 0 for name in originals.architecture.weight_names},
    )
    tables = []
    for epochs in (0, 1):
        if epochs:
            engine.train_epoch(population, data.train, epochs)
        evaluation = engine.evaluate(population, data.test)
        table = pd.DataFrame(
            {
                "method": np.repeat(list(twins), models),
                "epochs": epochs,
                "model": list(originals.models) * len(twins),
                "index": list(originals.index) * len(twins),
                "accuracy": evaluation.accuracy.cpu().numpy(),
                "sparsity": _sparsity(population.parameters, originals.architecture).cpu().numpy(),
                "agreement": agreement(evaluation.predictions.cpu().numpy(), np.tile(predictions, (len(twins), 1))),
            }
        )
        tables.append(table)
    return pd.concat(tables, ignore_index=True)

"""Zero-shot sparsification: twins predicted from dense weights without training (the paper's outlook).

What variational dropout would do to an unseen model is predicted from its dense weights: by the decoder of a
hyper-representation, whose latent vector is moved to where variational dropout would have ended, or by predictors of
each weight's log α. Twins are compared at equal sparsity, as they are and after an epoch of fine-tuning.

A generator that repeats its training data would not beat the nearest training twin, and one that only perturbs it would
not beat a noisy copy of that, which is as far from it as the generated one: both are controls.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from torch import Tensor

from zootwins.analyses.metrics import agreement
from zootwins.experiments.representations import METHODS, OWN, RATIOS
from zootwins.experiments.representations.alignment import arrange
from zootwins.experiments.representations.decisions import DECODED
from zootwins.experiments.representations.evaluation import contexts
from zootwins.experiments.representations.model import normalise_alpha
from zootwins.experiments.representations.predictors import Pairs, along, boosting, layer_curves, layers_of
from zootwins.experiments.representations.probes import PENALTIES
from zootwins.experiments.representations.states import VdStates
from zootwins.experiments.representations.storage import Representation
from zootwins.experiments.representations.token_network import token_network
from zootwins.experiments.representations.tokens import Tokens
from zootwins.experiments.representations.weight_features import saliency
from zootwins.population import Engine, Factors, ImageData, Population, layer_sparsity
from zootwins.run.errors import InputError
from zootwins.run.keys import stream_key
from zootwins.zoos.originals import Originals

log = logging.getLogger(__name__)

PREDICTED = ("token_network", "boosting", "boosting_images", "saliency", "prior")
OF_IMAGES = ("boosting_images", "saliency")  # predicted from gradients on training images; no twins are made of them
_NEAR = 3.0  # of log α: what learners see of it saturates so far from the threshold
ACROSS_MODELS = 32  # of another zoo, the first ones: each is fine-tuned sixty times


def sparsifying_shift(
    representation: Representation, train: VdStates, validation: VdStates
) -> Callable[[np.ndarray], np.ndarray]:
    """Learn where variational dropout moves a latent vector from its first to its last epoch.

    Ridge regression of the movement on where it starts; its penalty is the one that predicts the validation models
    best, and the larger it is, the more all models move alike.

    Returns:
        A function of latent vectors of dense models, `[models, latent]`, that gives those of their twins. The
        largest weights stay as they are, those that variational dropout starts from.
    """
    (start, end), (test_start, test_end) = (
        [contexts(representation, states) for states in part.ends()] for part in (train, validation)
    )
    fits = [Ridge(penalty).fit(start, end - start) for penalty in PENALTIES]
    best = max(fits, key=lambda fit: r2_score(test_end, test_start + fit.predict(test_start)))
    return lambda vectors: vectors + best.predict(vectors)


def predict_alphas(
    representation: Representation,
    states: VdStates,
    targets: Mapping[str, VdStates],
    key: tuple[str, int],
    fisher: Callable[[str, Sequence[str]], Tensor],
) -> dict[str, dict[str, Tensor]]:
    """Log α of dense models, predicted by all that is learned from the training models of a zoo.

    Args:
        states: of the zoo, all splits.
        targets: states of the models to predict, by zoo; the first ones of each model are read.
        key: zoo and seed.
        fisher: the Fisher information `[models, parameters]` of dense models, given their zoo and names.

    Returns:
        For each target, `[models, parameters]` by predictor (the decoder and those of `PREDICTED`), and the decoded
        weights as `decoder_weights`.

    Raises:
        InputError: if a target's networks have other shapes.
    """
    for target, of_target in targets.items():
        if of_target.tokens.sizes != states.tokens.sizes:
            raise InputError(
                f"representations.across: the networks of {target} have other image channels than those of {key[0]}; "
                "leave it out"
            )
    train, validation = (states.of(representation.split[split]) for split in ("train", "validation"))
    shift = sparsifying_shift(representation, train, validation)
    tokens, pairs = states.tokens, replace(Pairs.of(train), fisher=fisher(key[0], train.models))
    curves = layer_curves(pairs)
    # the order of weights near the threshold matters, not how far beyond it they are
    near = replace(pairs, alphas=normalise_alpha(pairs.alphas, representation.threshold, _NEAR))
    predictors = {
        "token_network": token_network(near, representation.settings, key),
        "boosting": boosting(replace(near, fisher=None)),
        "boosting_images": boosting(near),
        "saliency": lambda dense, information: -saliency(dense, information),
        "prior": lambda dense, information: -dense.abs(),
    }
    found = {}
    for target, of_target in targets.items():
        start = of_target.first_states()
        decoded, alphas = _moved(representation, start, shift)
        found[target] = {"decoder": alphas * tokens.noisy, DECODED: decoded}
        information = fisher(target, start.models)
        for name, predict in predictors.items():
            known = information if name in OF_IMAGES else None
            found[target][name] = along(curves, predict(start.weights, known), tokens)
    return found


@torch.no_grad()
def _moved(
    representation: Representation, start: VdStates, shift: Callable[[np.ndarray], np.ndarray]
) -> tuple[Tensor, Tensor]:
    """Decode weights and log α `[models, parameters]` of dense models after moving their context.

    Where the latent vector holds weights, all dense weights are known, and are the decoded ones.
    """
    model, arranged = representation.model, arrange(start, representation.reference)
    scaled = arranged.states.weights.to(model.scale.device) / model.scale
    known = torch.stack((scaled, scaled.abs()), dim=1) if model.largest else None
    moved = torch.from_numpy(shift(contexts(representation, start))).to(scaled)
    return tuple(arranged.restore(part.cpu()) for part in model.decode_context(moved, known))


def zero_shot_twins(
    pairs: Pairs, predicted: Mapping[str, Tensor], threshold: float, zoo: str, training: Pairs
) -> dict[str, dict[tuple[str, str], dict[str, Tensor]]]:
    """Make the twins of models by every method, at every sparsity.

    Args:
        pairs: the models and their trained twins.
        predicted: what `predict_alphas` found for them.
        threshold: of log α.
        training: the models that were learned from, and their trained twins.

    Returns:
        By sparsity in percent, or `OWN`: parameters `[models, …]`, those of pruned weights 0, by method and sparsity.
    """
    tokens, own = pairs.tokens, pairs.dense
    keys = [stream_key("zero_shot", zoo, model) for model in pairs.models]
    random = torch.stack([torch.rand(own.shape[1], generator=torch.Generator().manual_seed(key)) for key in keys])
    scores = {name: predicted[name] for name in ("decoder", "token_network", "boosting", "prior")}
    scores |= {"vd": pairs.alphas, "mp": -own.abs(), "random": random}
    starts = {"decoder": predicted[DECODED], "vd": _trained(pairs, threshold)}
    pruned_by_vd = (pairs.alphas >= threshold) & tokens.prunable
    counts = {
        f"{100 * ratio:g}": torch.full((len(own),), round(ratio * tokens.architecture.weights)) for ratio in RATIOS
    }
    counts[OWN] = pruned_by_vd.sum(1)
    twins = {}
    for at, count in counts.items():
        pruned = {
            name: _highest(score, starts.get(name, own), count, tokens.prunable) for name, score in scores.items()
        }
        pruned |= {f"{name}_mask": pruned[name] for name in ("decoder", "vd")}
        as_vd = torch.stack([pruned["vd"][:, layer].sum(1) for layer in layers_of(tokens)], dim=1)
        equal = _equal_shares(count, tokens)
        pruned["mp_layers"] = _highest_in_layers(scores["mp"], own, as_vd, tokens)
        pruned["mp_uniform"] = _highest_in_layers(scores["mp"], own, equal, tokens)
        pruned["boosting_uniform"] = _highest_in_layers(scores["boosting"], own, equal, tokens)
        made = {method: starts.get(method, own).masked_fill(mask, 0) for method, mask in pruned.items()}
        made["nearest"] = nearest_twins(made["decoder"], [_at_sparsity(training, threshold, int(one)) for one in count])
        made["nearest_noisy"] = noisy_copies(made["nearest"], made["decoder"], keys)
        twins[at] = {(method, at): tokens.separate(made[method]) for method in METHODS}
    return twins


def _trained(pairs: Pairs, threshold: float) -> Tensor:
    """Return the weights after the last epoch, pruned noisy biases being 0, `[models, parameters]`."""
    tokens = pairs.tokens
    return pairs.trained.masked_fill((pairs.alphas >= threshold) & tokens.noisy & ~tokens.prunable, 0)


def _at_sparsity(pairs: Pairs, threshold: float, count: int) -> Tensor:
    """Prune so many weights of highest log α of the trained twins, `[models, parameters]`."""
    trained = _trained(pairs, threshold)
    counts = torch.full((len(trained),), count)
    return trained.masked_fill(_highest(pairs.alphas, trained, counts, pairs.tokens.prunable), 0)


def _highest(scores: Tensor, weights: Tensor, counts: Tensor, candidates: Tensor) -> Tensor:
    """Select the `counts` candidates with the highest scores of each row; ties by least magnitude."""
    by_magnitude = weights.abs().argsort(dim=1, stable=True)
    scores = scores.masked_fill(~candidates, -torch.inf).gather(1, by_magnitude)
    order = by_magnitude.gather(1, scores.argsort(dim=1, descending=True, stable=True))
    first = torch.arange(scores.shape[1]) < counts[:, None]
    return torch.zeros_like(scores, dtype=torch.bool).scatter(1, order, first)


def _highest_in_layers(scores: Tensor, weights: Tensor, counts: Tensor, tokens: Tokens) -> Tensor:
    """Select the weights with the highest scores of each layer, `counts` `[models, layers]` of them."""
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    for layer, count in zip(layers_of(tokens), counts.T, strict=True):
        every = torch.ones(int(layer.sum()), dtype=torch.bool)
        chosen[:, layer] = _highest(scores[:, layer], weights[:, layer], count, every)
    return chosen


def _equal_shares(counts: Tensor, tokens: Tokens) -> Tensor:
    """Divide a number of weights, `[models]`, into equal shares of layers, `[models, layers]`; largest remainders."""
    sizes = torch.tensor([int(layer.sum()) for layer in layers_of(tokens)])
    exact = counts[:, None].double() * sizes / sizes.sum()
    whole = exact.floor().long()
    order = (exact - whole).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return whole + (order < (counts - whole.sum(1))[:, None])


def without_siblings(
    states: VdStates, factors: Mapping[str, Factors], learned: Iterable[Factors], zoo: str
) -> VdStates:
    """Drop the states of another zoo's models that share initial weights with a training model.

    Trained on other images, such models stay alike: their weights correlate, and so do their masks.

    Args:
        factors: of the zoo's models, by name.
        learned: of the models that predictors were trained on or chosen by.

    Raises:
        InputError: if no model is left.
    """
    begun = {(own.seed, own.init) for own in learned}
    chosen = [model for model in states.models if (factors[model].seed, factors[model].init) not in begun]
    if not chosen:
        raise InputError(
            f"representations.across: all models of {zoo} began with the weights of models that are learned from; "
            "leave it out"
        )
    log.info("%s: %d of %d models share no initial weights with training models", zoo, len(chosen), len(states.models))
    return states.of(chosen[:ACROSS_MODELS])


def unseen_models(originals: Originals, models: Sequence[str], lr: float | None) -> Originals:
    """Return models to be fine-tuned at a learning rate, or each at its own if None."""
    chosen = originals.at([originals.models.index(model) for model in models])
    return chosen if lr is None else replace(chosen, factors=[replace(each, lr=lr) for each in chosen.factors])


def compare_twins(
    engine: Engine,
    originals: Originals,
    twins: Mapping[tuple[str, str], Mapping[str, Tensor]],
    data: ImageData,
    predictions: np.ndarray,
    zoo: str,
) -> pd.DataFrame:
    """Evaluate twins before and after an epoch of fine-tuning with their masks: accuracy, sparsity, agreement.

    All twins of a model see the images in the same order.

    Args:
        originals: the models, in the twins' order, with the factors that they are fine-tuned by.
        twins: parameters `[models, …]`, by method and sparsity.
        predictions: the originals' predicted classes on the test images, `[models, samples]`.

    Returns:
        One row a method, sparsity, number of epochs and model: method, at, epochs, model, index, accuracy, sparsity,
        agreement, and the Euclidean distance to the twin `nearest` before fine-tuning.
    """
    models, architecture = len(originals), originals.architecture
    keys = torch.tensor([stream_key(zoo, model, "zero_shot") for model in originals.models])
    joined = {name: torch.cat([twin[name] for twin in twins.values()]) for name in originals.parameters}
    population = Population(
        architecture,
        list(originals.factors) * len(twins),
        keys.repeat(len(twins)),
        joined,
        masks={name: joined[name] != 0 for name in architecture.weight_names},
    )
    distance = [_distance(twin, twins["nearest", at]) for (_, at), twin in twins.items()]
    tables = []
    for epochs in (0, 1):
        if epochs:
            engine.train_epoch(population, data.train, epochs)
        evaluation = engine.evaluate(population, data.test)
        table = pd.DataFrame(
            {
                "method": np.repeat([method for method, _ in twins], models),
                "at": np.repeat([at for _, at in twins], models),
                "epochs": epochs,
                "model": list(originals.models) * len(twins),
                "index": list(originals.index) * len(twins),
                "accuracy": evaluation.accuracy.cpu().numpy(),
                "sparsity": (layer_sparsity(population.parameters, architecture) @ architecture.weight_shares).numpy(),
                "agreement": agreement(evaluation.predictions.cpu().numpy(), np.tile(predictions, (len(twins), 1))),
                "distance": torch.cat(distance).numpy(),
            }
        )
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _distance(twin: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Tensor:
    """Return Euclidean distance of two networks, `[models]`."""
    return torch.cat([(tensor - other[name]).flatten(1) for name, tensor in twin.items()], dim=1).norm(dim=1)


def nearest_twins(generated: Tensor, candidates: Sequence[Tensor]) -> Tensor:
    """Return the training twin that is nearest to each generated one by Euclidean distance, `[models, parameters]`.

    Args:
        generated: `[models, parameters]`.
        candidates: for each model, the training twins at its sparsity, `[twins, parameters]`.
    """
    return torch.stack(
        [twins[(twins - own).square().sum(1).argmin()] for own, twins in zip(generated, candidates, strict=True)]
    )


def noisy_copies(nearest: Tensor, generated: Tensor, keys: Sequence[int]) -> Tensor:
    """Return the nearest twins with Gaussian noise on the parameters that are not 0, as far away as the generated ones.

    Args:
        nearest: `[models, parameters]`.
        generated: likewise.
        keys: a random stream's key for each model.
    """
    noise = torch.stack(
        [
            torch.randn(row.shape, generator=torch.Generator().manual_seed(key))
            for row, key in zip(nearest, keys, strict=True)
        ]
    )
    noise = noise.to(nearest) * (nearest != 0)
    distance = (generated - nearest).norm(dim=1, keepdim=True)
    return nearest + noise * distance / noise.norm(dim=1, keepdim=True).clamp(min=torch.finfo(noise.dtype).tiny)

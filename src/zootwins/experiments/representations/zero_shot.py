"""Zero-shot sparsification: the twin of a model that no one trained (the paper's outlook, after its conclusion).

What variational dropout would do to an unseen model is told from its dense weights: by the decoder of a
hyper-representation, whose latent vector is moved to where variational dropout would have ended, or by predictors of
each weight's log α. Twins are compared at equal sparsity, as they are and after an epoch of fine-tuning.
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
from zootwins.experiments.representations.alignment import arrange
from zootwins.experiments.representations.decisions import DECODED
from zootwins.experiments.representations.evaluation import contexts, decode, encode
from zootwins.experiments.representations.predictors import Pairs, boosting, population_prior
from zootwins.experiments.representations.probes import PENALTIES
from zootwins.experiments.representations.states import VdStates
from zootwins.experiments.representations.storage import Representation
from zootwins.experiments.representations.token_network import token_network
from zootwins.population import Engine, ImageData, Population, layer_sparsity
from zootwins.population.randomness import stream_key
from zootwins.run.errors import InputError
from zootwins.zoos.originals import Originals

LEARNED = ("decoder", "decoder_mask", "token_network", "boosting", "prior")
GIVEN = ("vd", "vd_mask", "mp", "mp_layers", "random")
METHODS = (*LEARNED, *GIVEN)
"""What is compared, each pruned once to the same number of weights and then fine-tuned for an epoch:

- decoder: decoded weights, those of highest decoded log α pruned;
- decoder_mask: the model's own weights, pruned at the same places;
- token_network, boosting, prior: own weights, those of highest predicted log α pruned;
- vd: the weights of the trained twin, those of its highest log α pruned;
- vd_mask: own weights, pruned at the same places;
- mp: own weights, the smallest pruned;
- mp_layers: the same in each layer, as many there as in vd;
- random: own weights, any pruned.
"""
RATIOS = (0.5, 0.7, 0.8, 0.9)
ACROSS_MODELS = 32  # of another zoo, the first ones: each is fine-tuned fifty times
OWN = "vd"  # beside the ratios: each model at its trained twin's own sparsity


def sparsifying_shift(
    representation: Representation, train: VdStates, validation: VdStates
) -> Callable[[np.ndarray], np.ndarray]:
    """Where variational dropout moves a latent vector from its first to its last epoch, learned from trained twins.

    Ridge regression of the movement on where it starts; its penalty is the one that predicts the validation models
    best, and the larger it is, the more all models move alike.

    Returns:
        A function of latent vectors of dense models, `[models, latent]`, that gives those of their twins. A sketch
        stays as it is: it says what the weights are that variational dropout starts from.
    """
    (start, end), (test_start, test_end) = (
        [contexts(representation, states) for states in part.ends()] for part in (train, validation)
    )
    fits = [Ridge(penalty).fit(start, end - start) for penalty in PENALTIES]
    best = max(fits, key=lambda fit: r2_score(test_end, test_start + fit.predict(test_start)))
    return lambda vectors: vectors + best.predict(vectors)


def predict_alphas(
    representation: Representation, states: VdStates, targets: Mapping[str, VdStates], key: tuple[str, int]
) -> dict[str, dict[str, Tensor]]:
    """Log α of dense models, predicted by all that is learned from the training models of a zoo.

    Args:
        states: of the zoo, all splits.
        targets: states of the models to predict, by zoo; the first ones of each model are read.
        key: zoo and seed.

    Returns:
        For each target, `[models, parameters]` by predictor (`decoder`, `token_network`, `boosting`, `prior`), and the
        decoded weights as `decoder_weights`.

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
    pairs = Pairs.of(train)
    predictors = {
        "token_network": token_network(pairs, representation.settings, key),
        "boosting": boosting(pairs),
        "prior": population_prior(pairs),
    }
    found = {}
    for target, of_target in targets.items():
        start = of_target.first_states()
        arranged = arrange(start, representation.reference)
        vectors = encode(representation.model, arranged.states.weights)
        context, sketch = vectors.tensor_split([representation.settings.latent], dim=1)
        moved = torch.cat((torch.from_numpy(shift(context.numpy())).float(), sketch), dim=1)
        weights, alphas = map(arranged.restore, decode(representation.model, moved))
        found[target] = {"decoder": alphas * start.tokens.noisy, DECODED: weights}
        found[target] |= {name: predict(start.weights) for name, predict in predictors.items()}
    return found


def zero_shot_twins(
    pairs: Pairs, predicted: Mapping[str, Tensor], threshold: float, zoo: str
) -> dict[str, dict[tuple[str, str], dict[str, Tensor]]]:
    """The twins of models by every method, at every sparsity.

    Args:
        pairs: the models and their trained twins.
        predicted: what `predict_alphas` found for them.
        threshold: of log α.

    Returns:
        By sparsity in percent, or `OWN`: parameters `[models, …]`, those of pruned weights 0, by method and sparsity.
    """
    tokens, own = pairs.tokens, pairs.dense
    keys = [stream_key("zero_shot", zoo, model) for model in pairs.models]
    random = torch.stack([torch.rand(own.shape[1], generator=torch.Generator().manual_seed(key)) for key in keys])
    trained = pairs.trained.masked_fill((pairs.alphas >= threshold) & tokens.noisy & ~tokens.prunable, 0)
    scores = {name: predicted[name] for name in ("decoder", "token_network", "boosting", "prior")}
    scores |= {"vd": pairs.alphas, "mp": -own.abs(), "random": random}
    starts = {"decoder": predicted[DECODED], "vd": trained}
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
        pruned["mp_layers"] = _smallest_in_layers(pairs, pruned["vd"])
        twins[at] = {
            (method, at): tokens.separate(starts.get(method, own).masked_fill(pruned[method], 0)) for method in METHODS
        }
    return twins


def _highest(scores: Tensor, weights: Tensor, counts: Tensor, candidates: Tensor) -> Tensor:
    """The `counts` candidates with the highest scores of each row; of equal ones, those of least magnitude first."""
    by_magnitude = weights.abs().argsort(dim=1, stable=True)
    scores = scores.masked_fill(~candidates, -torch.inf).gather(1, by_magnitude)
    order = by_magnitude.gather(1, scores.argsort(dim=1, descending=True, stable=True))
    first = torch.arange(scores.shape[1]) < counts[:, None]
    return torch.zeros_like(scores, dtype=torch.bool).scatter(1, order, first)


def _smallest_in_layers(pairs: Pairs, pruned: Tensor) -> Tensor:
    """As many weights of each layer as in `pruned`, those of least magnitude."""
    chosen = torch.zeros_like(pruned)
    for number in range(len(pairs.tokens.sizes)):
        layer = pairs.tokens.layer_of == number
        magnitude = -pairs.dense[:, layer].abs()
        candidates = pairs.tokens.prunable[layer]
        chosen[:, layer] = _highest(magnitude, magnitude, pruned[:, layer].sum(1), candidates)
    return chosen


def unseen_models(originals: Originals, models: Sequence[str], lr: float | None) -> Originals:
    """Some of the models, to be fine-tuned at a learning rate, or each at its own if None."""
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
    """Accuracy, sparsity and agreement of twins as they are and after an epoch of fine-tuning with their masks.

    All twins of a model see the images in the same order.

    Args:
        originals: the models, in the twins' order, with the factors that they are fine-tuned by.
        twins: parameters `[models, …]`, by method and sparsity.
        predictions: the originals' predicted classes on the test images, `[models, samples]`.

    Returns:
        One row a method, sparsity, number of epochs and model: method, at, epochs, model, index, accuracy, sparsity,
        agreement.
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
            }
        )
        tables.append(table)
    return pd.concat(tables, ignore_index=True)

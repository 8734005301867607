"""What a hyper-representation is worth: reconstruction of unseen models, and linear probes of their properties."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from zootwins.analyses.predictability import weight_statistics
from zootwins.experiments.representations.losses import alpha_errors, normalise_alpha, weight_errors
from zootwins.experiments.representations.model import AutoEncoder
from zootwins.experiments.representations.states import TARGETS, VdStates
from zootwins.experiments.representations.storage import Representation

PENALTIES = np.logspace(-4, 6, 21)
_AT_ONCE = 256  # models that pass through the network together


@torch.no_grad()
def encode(model: AutoEncoder, weights: Tensor) -> Tensor:
    """Latent vectors `[rows, latent]` of weights `[rows, parameters]`, on the CPU."""
    device = model.scale.device
    return torch.cat([model.encode(part.to(device)).cpu() for part in weights.split(_AT_ONCE)])


@torch.no_grad()
def decode(model: AutoEncoder, latent: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and log α `[rows, parameters]` of latent vectors `[rows, latent]`, on the CPU."""
    device = model.scale.device
    parts = [model.decode(part.to(device)) for part in latent.split(_AT_ONCE)]
    weights, alphas = zip(*parts, strict=True)
    return torch.cat(weights).cpu(), torch.cat(alphas).cpu()


def reconstruction_r2(representation: Representation, train: VdStates, test: VdStates) -> pd.DataFrame:
    """1 − loss / loss of the training mean, of every layer and of all of them (`all`).

    The loss is the training's: squared errors of weights in units of the layer's standard deviation, and of
    tanh-normalised log α. The mean is each parameter's own, taken over the training rows in the space of the loss,
    where it is the constant that does best.

    Returns:
        One row a quantity (`weights`, `alphas`) and layer: predictor, quantity, layer, r2.
    """
    model, threshold = representation.model, representation.threshold
    scale, alpha_scale = model.scale.cpu(), representation.settings.alpha_scale
    weights, alphas = decode(model, encode(model, test.weights))
    normalised = [normalise_alpha(states.alphas, threshold, alpha_scale) for states in (train, test)]
    mean_errors = {
        "weights": weight_errors(train.weights.mean(0), test.weights, scale),
        "alphas": (normalised[0].mean(0) - normalised[1]).square(),
    }
    errors = {
        "weights": weight_errors(weights, test.weights, scale),
        "alphas": alpha_errors(alphas, test.alphas, threshold, alpha_scale),
    }
    noisy = {"weights": torch.ones_like(test.tokens.noisy), "alphas": test.tokens.noisy}
    names = [layer.name for layer in test.tokens.architecture.layers]
    layer_of = np.repeat(names, test.tokens.sizes)
    rows = []
    for quantity, counted in noisy.items():
        for layer in ("all", *names):
            chosen = counted & torch.from_numpy((layer_of == layer) | (layer == "all"))
            loss, of_mean = (values[quantity][:, chosen].double().sum().item() for values in (errors, mean_errors))
            r2 = 1 - loss / of_mean
            rows.append({"predictor": "representation", "quantity": quantity, "layer": layer, "r2": r2})
    return pd.DataFrame(rows)


def predictors(model: AutoEncoder, states: VdStates) -> dict[str, np.ndarray]:
    """What the properties of models are told from, `[rows, features]`: the latent space, and two baselines."""
    statistics = weight_statistics(
        {name: part.numpy() for name, part in states.tokens.separate(states.weights).items()}
    )
    return {
        "representation": encode(model, states.weights).numpy(),
        "raw_weights": states.weights.numpy(),
        "weight_statistics": statistics.to_numpy(),
    }


def probe(features: Mapping[str, np.ndarray], targets: Mapping[str, pd.DataFrame]) -> np.ndarray:
    """Ridge regression of the `TARGETS`, each with the penalty that does best on the validation split.

    Args:
        features: `[rows, features]` of the splits train, validation and test; standardised by the training split.
        targets: their tables.

    Returns:
        Predictions for the test split, `[rows, targets]`.
    """
    scaler = StandardScaler().fit(features["train"].astype(np.float64))
    train, validation, test = (
        scaler.transform(features[split].astype(np.float64)) for split in ("train", "validation", "test")
    )
    best = np.full(len(TARGETS), -np.inf)
    predicted = np.empty((len(test), len(TARGETS)))
    for penalty in PENALTIES:
        ridge = Ridge(penalty).fit(train, targets["train"][list(TARGETS)])
        scores = r2_score(targets["validation"][list(TARGETS)], ridge.predict(validation), multioutput="raw_values")
        better = scores > best
        predicted[:, better] = ridge.predict(test)[:, better]
        best = np.where(better, scores, best)
    return predicted


def probe_all(model: AutoEncoder, splits: Mapping[str, VdStates]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Probes of the latent space and of the baselines on the same split.

    Returns:
        R² on the test models, one row a predictor and target (predictor, quantity, layer, r2); and the representation's
        predictions, beside the test states' own table, as `predicted_{target}`.
    """
    features = {split: predictors(model, states) for split, states in splits.items()}
    targets = {split: states.table for split, states in splits.items()}
    truth = targets["test"][list(TARGETS)]
    scores, table = [], targets["test"].copy()
    for name in features["test"]:
        predicted = probe({split: features[split][name] for split in splits}, targets)
        values = r2_score(truth, predicted, multioutput="raw_values")
        scores += [
            {"predictor": name, "quantity": target, "layer": "all", "r2": r2}
            for target, r2 in zip(TARGETS, values, strict=True)
        ]
        if name == "representation":
            table[[f"predicted_{target}" for target in TARGETS]] = predicted
    return pd.DataFrame(scores), table


def latent_plane(model: AutoEncoder, splits: Mapping[str, VdStates]) -> pd.DataFrame:
    """The two first principal components of the latent space, of the states of all splits.

    Returns:
        The states' tables below one another, with split, component1 and component2, and the shares of variance that
        the two explain, explained1 and explained2; the components are the training states'.
    """
    latents = {split: encode(model, states.weights).numpy() for split, states in splits.items()}
    components = PCA(2).fit(latents["train"])
    tables = []
    for split, states in splits.items():
        plane = components.transform(latents[split])
        tables.append(states.table.assign(split=split, component1=plane[:, 0], component2=plane[:, 1]))
    explained1, explained2 = components.explained_variance_ratio_
    return pd.concat(tables, ignore_index=True).assign(explained1=explained1, explained2=explained2)

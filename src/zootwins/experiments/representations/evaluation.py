"""Evaluation of a hyper-representation and simpler baselines: reconstruction, and properties, of unseen models."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from torch import Tensor

from zootwins.analyses.predictability import weight_statistics
from zootwins.experiments.representations import TARGETS, probes
from zootwins.experiments.representations.alignment import arrange, mean_reference
from zootwins.experiments.representations.baselines import (
    Reconstruction,
    epoch_alone,
    largest_weights,
    normalised,
    principal_components,
)
from zootwins.experiments.representations.largest import LargestWeights
from zootwins.experiments.representations.model import AutoEncoder, normalise_alpha, weight_errors
from zootwins.experiments.representations.states import VdStates
from zootwins.experiments.representations.storage import Representation

BOOSTED = ("representation", "weight_statistics")
_AT_ONCE = 256  # models that pass through the network together


@torch.no_grad()
def encode(model: AutoEncoder, weights: Tensor) -> Tensor:
    """Encode weights `[rows, parameters]` as latent vectors `[rows, latent]`, on the CPU."""
    device = model.scale.device
    return torch.cat([model.encode(part.to(device)).cpu() for part in weights.split(_AT_ONCE)])


@torch.no_grad()
def decode(model: AutoEncoder, latent: Tensor) -> tuple[Tensor, Tensor]:
    """Decode latent vectors `[rows, latent]` to weights and log α `[rows, parameters]`, on the CPU."""
    device = model.scale.device
    parts = [model.decode(part.to(device)) for part in latent.split(_AT_ONCE)]
    weights, alphas = zip(*parts, strict=True)
    return torch.cat(weights).cpu(), torch.cat(alphas).cpu()


def reconstruct(representation: Representation, test: VdStates) -> Reconstruction:
    """Reconstruct states with the auto-encoder."""
    arranged = arrange(test, representation.reference)
    decoded = torch.stack(decode(representation.model, encode(representation.model, arranged.states.weights)), dim=1)
    weights, alphas = arranged.restore(decoded).unbind(1)
    return Reconstruction(
        weights, normalise_alpha(alphas, representation.threshold, representation.settings.alpha_scale)
    )


def reconstruction_r2(
    found: Reconstruction, splits: Mapping[str, VdStates], representation: Representation
) -> pd.DataFrame:
    """Return 1 − loss / loss of the training mean, of every layer and of all of them (`all`).

    The loss is the training's: squared errors of weights in units of the layer's standard deviation, and of
    tanh-normalised log α. The mean is each parameter's own, taken over the training rows in the space of the loss,
    where it is the constant that does best; neurons are in the zoo's order, whatever a predictor made of it.

    Returns:
        One row a quantity (`weights`, `alphas`) and layer: quantity, layer, r2.
    """
    scale, tokens = representation.model.scale.cpu(), splits["test"].tokens
    (train_weights, train_alphas), (weights, alphas) = (
        (splits[split].weights, normalised(splits[split], representation)) for split in ("train", "test")
    )
    errors = {
        "weights": (weight_errors(found.weights, weights, scale), weight_errors(train_weights.mean(0), weights, scale)),
        "alphas": ((found.alphas - alphas).square(), (train_alphas.mean(0) - alphas).square()),
    }
    names = [layer.name for layer in tokens.architecture.layers]
    rows = []
    for quantity, pair in errors.items():
        losses = torch.stack([error.double().sum(0) for error in pair])
        if quantity == "alphas":
            losses *= tokens.noisy
        by_layer = [part.sum(1) for part in losses.split(tokens.sizes, dim=1)]
        for layer, (loss, of_mean) in zip(("all", *names), (losses.sum(1), *by_layer), strict=True):
            rows.append({"quantity": quantity, "layer": layer, "r2": 1 - (loss / of_mean).item()})
    return pd.DataFrame(rows)


def evaluate(representation: Representation, splits: Mapping[str, VdStates]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluate reconstruction and probes of the auto-encoder and of the baselines on the same split.

    Args:
        splits: the states of train, validation and test.

    Returns:
        R² on the test models, one row a predictor, quantity and layer (predictor, quantity, layer, r2); and the
        representation's predictions of the `TARGETS`, beside the test states' own table, as `predicted_{target}`.
    """
    reference = mean_reference(splits["train"].first_states().weights, splits["train"].tokens)
    arranged = {split: arrange(states, reference) for split, states in splits.items()}
    in_order = {split: one.states for split, one in arranged.items()}
    components, from_components = principal_components(splits, representation)
    aligned_components, from_aligned = principal_components(in_order, representation)
    found = {
        "representation": reconstruct(representation, splits["test"]),
        "pca": from_components,
        "aligned_pca": from_aligned.restored(arranged["test"]),
        "epoch": epoch_alone(splits, representation),
    }
    if representation.settings.numbers > LargestWeights.of_places(splits["train"].tokens):
        found["largest"] = largest_weights(splits, representation)
    scores = [reconstruction_r2(one, splits, representation).assign(predictor=name) for name, one in found.items()]
    features = {"pca": components, "aligned_pca": aligned_components} | {
        name: {split: make(part) for split, part in parts.items()}
        for name, make, parts in (
            ("representation", partial(contexts, representation), splits),
            ("weight_statistics", layer_statistics, splits),
            ("raw_weights", _weights, splits),
            ("aligned_weights", _weights, in_order),
        )
    }
    probed, table = probe_all(features, {split: states.table for split, states in splits.items()})
    return pd.concat((*scores, probed), ignore_index=True).dropna(subset="r2"), table


def contexts(representation: Representation, states: VdStates) -> np.ndarray:
    """Return the learned part of states' latent vectors, `[rows, latent]`."""
    arranged = arrange(states, representation.reference).states
    return encode(representation.model, arranged.weights)[:, : representation.settings.latent].numpy()


def layer_statistics(states: VdStates) -> np.ndarray:
    """Return statistics of each layer's weights and biases, `[rows, statistics]`."""
    parameters = states.tokens.separate(states.weights)
    return weight_statistics({name: part.numpy() for name, part in parameters.items()}).to_numpy()


def _weights(states: VdStates) -> np.ndarray:
    return states.weights.numpy()


def probe_all(
    features: Mapping[str, Mapping[str, np.ndarray]], tables: Mapping[str, pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Probe the properties of models from every predictor, for those of `BOOSTED` with boosted trees too.

    Args:
        features: by name, of each split, `[rows, features]`.
        tables: each split's states, with the `TARGETS`.

    Returns:
        As `evaluate`.
    """
    targets = {split: table[list(TARGETS)].to_numpy(np.float64) for split, table in tables.items()}
    predicted = {name: probes.ridge(parts, targets) for name, parts in features.items()}
    predicted |= {f"{name}_boosted": probes.boosted(features[name], targets) for name in BOOSTED}
    predicted["epoch"] = probes.epoch_means(tables)
    scores = [
        {"predictor": name, "quantity": target, "layer": "all", "r2": r2_score(targets["test"][:, i], values[:, i])}
        for name, values in predicted.items()
        for i, target in enumerate(TARGETS)
        if not np.isnan(values[:, i]).any()
    ]
    table = tables["test"].copy()
    table[[f"predicted_{target}" for target in TARGETS]] = predicted["representation"]
    return pd.DataFrame(scores), table


def latent_plane(representation: Representation, splits: Mapping[str, VdStates]) -> pd.DataFrame:
    """Return the first two principal components of the latent space, of the states of all splits.

    Returns:
        The states' tables below one another, with split, component1 and component2, and the shares of variance that
        the two explain, explained1 and explained2; the components are the training states'.
    """
    latents = {split: contexts(representation, states) for split, states in splits.items()}
    components = PCA(2).fit(latents["train"])
    tables = []
    for split, states in splits.items():
        plane = components.transform(latents[split])
        tables.append(states.table.assign(split=split, component1=plane[:, 0], component2=plane[:, 1]))
    explained1, explained2 = components.explained_variance_ratio_
    return pd.concat(tables, ignore_index=True).assign(explained1=explained1, explained2=explained2)

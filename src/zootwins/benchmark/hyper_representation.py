"""The hyper-representation as a baseline: the latent vectors of an auto-encoder over the training networks' weights."""

from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zootwins.architectures.architecture import get_architecture
from zootwins.experiments.representations import Settings
from zootwins.experiments.representations.model import AutoEncoder
from zootwins.experiments.representations.representation_training import train
from zootwins.experiments.representations.states import VdStates
from zootwins.experiments.representations.tokens import Tokens
from zootwins.publishing.loading import PublishedZoo

SETTINGS = Settings(  # those of config.yaml, for the reconstruction of weights alone: releases hold no log α
    name="benchmark",
    dimension=64,
    heads=4,
    feed_forward=128,
    blocks=2,
    latent=64,
    largest=0,
    dropout=0.0,
    projection_hidden=64,
    projection=32,
    contrastive_weight=0.0,
    temperature=0.1,
    weights_factor=1.0,
    alpha_scale=10.0,
    magnitudes=True,
    align=False,
    permutations=True,
    erasing=0.0,
    lr=2e-3,
    weight_decay=1e-9,
    batch_size=32,
    epochs=10,
)
_THRESHOLD = 3.0
_AT_ONCE = 512  # networks that are encoded together


def latent_vectors(zoo: PublishedZoo, training: np.ndarray, networks: np.ndarray) -> np.ndarray:
    """Return the latent vectors of networks, `[networks, latent]`, of an auto-encoder trained on the training networks.

    Raises:
        InputError: if the networks are no chains of layers with biases, which tokens cannot hold.
    """
    model = _trained(zoo, tuple(np.unique(training)))
    with torch.no_grad():
        parts = [model.encode(part) for part in _vectors(zoo, model.tokens, networks).split(_AT_ONCE)]
    return torch.cat(parts).numpy()


@lru_cache(maxsize=2)
def _trained(zoo: PublishedZoo, training: tuple[int, ...]) -> AutoEncoder:
    images = {key: zoo.about[key] for key in ("channels", "classes", "image_size")}
    tokens = Tokens(get_architecture(zoo.about["architecture"], **images))
    weights = _vectors(zoo, tokens, np.array(training))
    states = VdStates(tokens, weights, torch.zeros_like(weights), pd.DataFrame(index=range(len(weights))))
    model, _ = train(states, SETTINGS, _THRESHOLD, (zoo.about["zoo"], len(training)), "cpu")
    return model


def _vectors(zoo: PublishedZoo, tokens: Tokens, networks: np.ndarray) -> Tensor:
    """Return networks in the order of tokens, float32 `[networks, parameters]`."""
    shapes = zoo.about["parameters"]
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    parts = zoo.vectors(networks).split(sizes, dim=1)
    named = {name: part.unflatten(1, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
    return tokens.join(named)

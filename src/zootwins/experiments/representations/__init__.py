"""Hyper-representations: an auto-encoder over the weights of a zoo's VD twins (the paper's Table 3).

It reads the dense weights of a state of variational dropout and returns weights and log α; what its latent space
knows of a model is told by linear probes. After Schürholt et al. (NeurIPS 2021 and 2022); where the paper is silent,
the authors' public code for these is followed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Settings of a hyper-representation; every key is explained in `schemas/config.schema.yaml`."""

    name: str
    dimension: int
    heads: int
    feed_forward: int
    blocks: int
    latent: int
    dropout: float
    projection_hidden: int
    projection: int
    contrastive_weight: float
    temperature: float
    weights_factor: float
    alpha_scale: float
    magnitudes: bool
    permutations: bool
    erasing: float
    lr: float
    weight_decay: float
    batch_size: int
    epochs: int

"""Hyper-representations: an auto-encoder over the weights of a zoo's VD twins (the paper's Table 3).

It reads the dense weights of a state of variational dropout and returns weights and log α; what its latent space
knows of a model is told by linear probes. After Schürholt et al. (NeurIPS 2021 and 2022); where the paper is silent,
the authors' public code for these is followed.
"""

from zootwins.catalogue.experiments import RepresentationSettings as Settings

__all__ = ["Settings"]

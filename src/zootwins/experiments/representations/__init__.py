"""Hyper-representations: an auto-encoder over the weights of a zoo's VD twins (the paper's Table 3).

It reads the dense weights of a state of variational dropout and returns weights and log α; its latent space is
evaluated by linear probes. After Schürholt et al. (NeurIPS 2021 and 2022); where the paper is
silent, the authors' public code for these is followed.
"""

from zootwins.catalogue.representations import RepresentationSettings as Settings

__all__ = ["Settings"]

# What the tables and figures name, which do not import torch.
TARGETS = ("accuracy", "sparsity", "epoch", "generalization_gap")  # that probes predict
ALL_EPOCHS = -1
LEARNED = ("decoder", "decoder_mask", "token_network", "boosting", "boosting_uniform", "prior")
GIVEN = ("vd", "vd_mask", "mp", "mp_layers", "mp_uniform", "random")
NOVELTY = ("nearest", "nearest_noisy")
METHODS = (*LEARNED, *GIVEN, *NOVELTY)
"""What is compared, each pruned once to the same number of weights and then fine-tuned for an epoch:

- decoder: decoded weights, those of highest decoded log α pruned;
- decoder_mask: the model's own weights, pruned at the same places;
- token_network, boosting, prior: own weights, those of highest predicted log α pruned;
- boosting_uniform: the same share of every layer, those of highest predicted log α there;
- vd: the weights of the trained twin, those of its highest log α pruned;
- vd_mask: own weights, pruned at the same places;
- mp: own weights, the smallest pruned;
- mp_layers, mp_uniform: the smallest in each layer, as many there as in vd, or the same share of all layers;
- random: own weights, any pruned;
- nearest: the training twin nearest to the decoder's, those of its highest log α pruned;
- nearest_noisy: the same with noise, as far from it as the decoder's twin is.
"""
RATIOS = (0.5, 0.7, 0.8, 0.9)
OWN = "vd"  # beside the ratios: each model at its trained twin's own sparsity

"""Sparse evolutionary training (SET, Mocanu et al. 2018): the smallest weights are dropped, as many grown at random.

As in the codes of RigL, whose schedule it shares, weights go by their magnitude.
"""

from __future__ import annotations

from zootwins.sparsifiers import rigl


class Settings(rigl.Settings):
    """Settings of sparse evolutionary training; sparsities in percent."""


class SparseEvolution(rigl.RigL):
    """Weights grow at random."""

    id = "set"
    title = "Sparse evolutionary training"
    short = "SET"
    section = "sparse_evolution"
    Settings = Settings
    growth = "fresh_random"

"""Learning rates of retraining, one factor per step: LLR and ALLR as in SMS and BIMP (Zimmer et al.), in float64.

T steps: W = ⌊T / 10⌋ of warm-up, R = T − W of decline. Step t has (1 − cos(πt / W)) / 2 for t ≤ W, later
1 − (t − W) / R, so that the first step has 0 (engines let a model stand still at 0) and the last 1 / R.
"""

import math

import numpy as np


def llr(steps: int) -> np.ndarray:
    """Return factors that fall linearly from 1 to 0 after a warm-up, float64 `[steps]`."""
    t = np.arange(steps, dtype=np.float64)
    warm = steps // 10
    rising = (1 - np.cos(np.pi * t / max(warm, 1))) / 2
    return np.where(t <= warm, rising if warm else 1.0, 1 - (t - warm) / (steps - warm))


def constant(steps: int) -> np.ndarray:
    """Return 1 throughout, float64 `[steps]`."""
    return np.ones(steps)


def shape(schedule: str, steps: int) -> np.ndarray:
    """Return the factors of a schedule's steps, without ALLR's factor."""
    return constant(steps) if schedule == "constant" else llr(steps)


def allr_start(taken: float, share: float, epochs: int, dense_epochs: int) -> float:
    """Return ALLR's highest learning rate as a share of LLR's: clip(d / √q, min(E / E_dense, 1), 1).

    Args:
        taken: d, the norm of what pruning took, as a share of the norm of all parameters before.
        share: q, the share of the remaining weights that the phase prunes; where it is 0, nothing is taken: 1.
        epochs: E, of this retraining.
        dense_epochs: E_dense, of the training before any pruning.
    """
    if share == 0:
        return 1.0
    return min(max(taken / math.sqrt(share), min(epochs / max(dense_epochs, 1), 1.0)), 1.0)

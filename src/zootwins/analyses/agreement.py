"""Agreement of two models: the share of test samples for which both predict the same class (the paper's eq. 1)."""

import numpy as np


def agreement(predictions: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Share of equal classes over the last axis; the axes before it broadcast.

    Args:
        predictions: classes, such as the twins' `[models, ratios, states, samples]`.
        reference: classes, such as the originals' `[models, 1, 1, samples]`.

    Returns:
        Shares as float64, `[models, ratios, states]`.
    """
    if predictions.shape[-1] != reference.shape[-1]:
        raise ValueError(f"predictions on {predictions.shape[-1]} samples, reference on {reference.shape[-1]}")
    return (predictions == reference).mean(axis=-1)

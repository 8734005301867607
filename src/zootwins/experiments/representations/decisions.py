"""Which weights variational dropout prunes, and how well scores made without it predict that: areas under ROCs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from torch import Tensor

from zootwins.experiments.representations.predictors import Pairs

MAGNITUDE = "magnitude"
DECODED = "decoder_weights"  # what `predict_alphas` has beside log α


def auc(scores: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Return the area under each row's ROC curve: how often a positive scores above another, ties a half.

    Args:
        scores: `[models, weights]`.
        positives: bool `[models, weights]`.

    Returns:
        `[models]`, NaN where all weights or none are positive.
    """
    count = positives.sum(1)
    others = positives.shape[1] - count
    excess = np.where(positives, rankdata(scores, axis=1), 0).sum(1) - count * (count + 1) / 2
    return np.divide(excess, count * others, out=np.full(len(scores), np.nan), where=(count > 0) & (others > 0))


def decisions_table(pairs: Pairs, predicted: Mapping[str, Tensor], threshold: float) -> pd.DataFrame:
    """Score how well predictions of log α, and magnitude, predict what variational dropout prunes.

    Args:
        pairs: models and their trained twins.
        predicted: log α `[models, parameters]`, by predictor; decoded weights among them are passed over.
        threshold: of log α.

    Returns:
        One row a predictor, model and layer (`all`: of the whole network): predictor, model, layer, auc, and the shares
        of weights pruned in truth and as predicted, sparsity and predicted_sparsity.
    """
    tokens = pairs.tokens
    layers = {"all": tokens.prunable} | {
        layer.name: (tokens.layer_of == number) & tokens.prunable
        for number, layer in enumerate(tokens.architecture.layers)
    }
    parts = []
    scored = {name: alphas for name, alphas in predicted.items() if name != DECODED}
    for predictor, scores in (scored | {MAGNITUDE: -pairs.dense.abs()}).items():
        for layer, chosen in layers.items():
            values, pruned = scores[:, chosen].numpy(), (pairs.alphas[:, chosen] >= threshold).numpy()
            columns = {"predictor": predictor, "model": pairs.models, "layer": layer, "auc": auc(values, pruned)}
            share = (values >= threshold).mean(1) if predictor != MAGNITUDE else np.nan
            parts.append(pd.DataFrame(columns | {"sparsity": pruned.mean(1), "predicted_sparsity": share}))
    return pd.concat(parts, ignore_index=True)

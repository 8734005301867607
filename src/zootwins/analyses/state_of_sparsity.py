"""What The State of Sparsity (Gale, Elsen, Hooker 2019) measured on two networks: another scale, never a target.

Computed from the authors' result files (google-research/google-research, state_of_sparsity/results): pruning methods
are the best of their grid by the one score that the files have, so they were chosen on the test set; retraining is the
mean over 3 to 25 runs. ResNet-50 on ImageNet: top-1 accuracy in percent. Transformer on WMT 2014 English-German: BLEU.
Variational dropout and L0 regularisation: the best run that is at least as sparse.
"""

from collections.abc import Mapping

import numpy as np

SPARSITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
DENSE = {"resnet50": 76.69, "transformer": 27.29}
TITLES = {"resnet50": "ResNet-50, ImageNet", "transformer": "Transformer, WMT 2014"}
SCORES = {"resnet50": "Top-1 accuracy, points", "transformer": "BLEU"}

# By our ids; retraining for the originals' epochs (E), and for twice as many (B) with the learning rate's schedule
# stretched, which is what a constant rate comes closest to. Of lottery tickets the files do not give the number of
# epochs; ResNet-50's scores are those of E.
_RESNET50 = {
    "gmp": {50: 76.53, 70: 76.38, 80: 75.58, 90: 73.91, 95: 70.59, 98: 57.90},
    "vd": {50: 76.55, 70: 76.21, 80: 75.46, 90: 73.91, 95: 71.82, 98: 65.30},
    "rp": {50: 74.59, 70: 72.22, 80: 70.21, 90: 65.00, 95: 58.08, 98: 44.00},
    "scratch E": {50: 74.68, 70: 72.71, 80: 71.02, 90: 67.31, 95: 62.63},
    "scratch B": {50: 75.67, 70: 74.17, 80: 72.59, 90: 69.00, 95: 64.55},
    "lottery E": {50: 74.64, 70: 72.94, 80: 71.21, 90: 67.38, 95: 62.86, 98: 51.28},
}
_TRANSFORMER = {
    "gmp": {50: 26.33, 60: 25.94, 70: 25.21, 80: 24.65, 90: 23.26, 95: 20.75, 98: 16.37},
    "l0": {50: 26.74, 60: 26.51, 70: 25.94, 80: 24.52, 90: 22.27, 95: 19.74},
    "vd": {50: 26.57, 60: 26.14, 70: 25.63, 80: 24.33, 90: 21.40, 95: 19.13, 98: 13.55},
    "rp": {50: 24.56, 60: 24.45, 70: 24.01, 80: 23.15, 90: 20.67, 95: 17.42, 98: 10.94},
    "scratch E": {50: 24.58, 60: 23.96, 70: 23.16, 80: 22.70, 90: 20.67, 95: 17.93, 98: 13.27},
    "scratch B": {50: 26.03, 60: 25.38, 70: 24.56, 80: 22.66, 90: 21.07, 95: 18.47, 98: 13.93},
    "lottery E": {50: 24.00, 60: 22.54, 70: 23.26, 80: 23.47, 90: 21.77, 95: 18.89, 98: 13.38},
}
_NETWORKS = {"resnet50": _RESNET50, "transformer": _TRANSFORMER}
VARIANTS = {"vdg": "vd", "vds": "vd"}  # variants of ours that the authors' one run stands beside


def published_scores(method: str, budget: str = "") -> Mapping[str, Mapping[float, float]]:
    """Return the scores of a method by network and sparsity (a fraction); none where the authors did not run it.

    Args:
        method: our id.
        budget: of a retrained network, `E` or `B`; the longest that there is if empty.
    """
    method = VARIANTS.get(method, method)
    names = [f"{method} {budget}"] if budget else [method, f"{method} B", f"{method} E"]
    found = {}
    for network, methods in _NETWORKS.items():
        scores = next((methods[name] for name in names if name in methods), {})
        found[network] = {percent / 100: score for percent, score in scores.items()}
    return found


def published_score(network: str, method: str, sparsity: float, budget: str = "") -> float:
    """Return one score, NaN where there is none."""
    return published_scores(method, budget)[network].get(sparsity, np.nan)

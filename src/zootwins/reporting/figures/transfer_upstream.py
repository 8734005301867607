"""Are good models good on other tasks? Accuracy on the task against accuracy on the zoo's own data set."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from zootwins.analyses.results import ZooResults
from zootwins.catalogue.candidates import ORIGINAL
from zootwins.reporting.figures import message, styled
from zootwins.reporting.figures.transfer import MARKERS, colour_of, has_transfer, legend, panels
from zootwins.reporting.figures.transfer_models import default_twins


@styled
def transfer_upstream(zoos: Sequence[ZooResults]) -> Figure:
    """Originals and their twins nearest to 85 % sparsity below the head, one point per model, with Kendall's τ."""
    if not has_transfer(zoos):
        return message("None of the zoos was transferred.")
    figure, each = panels(zoos, 1.75)
    shown: dict[str, None] = {}
    for axes, _, part in each:
        drawn = pd.concat([part[part["method"] == ORIGINAL], default_twins(part)])
        taus = []
        for method, own in drawn.groupby("method", sort=False):
            shown[method] = None
            upstream, downstream = 100 * own["upstream_accuracy"], 100 * own["accuracy"]
            axes.plot(
                upstream, downstream, MARKERS.get(method, "o"), color=colour_of(method), markersize=2.5, alpha=0.7,
                markeredgewidth=0,
            )  # fmt: skip
            taus.append((method, stats.kendalltau(upstream, downstream).statistic if len(own) > 1 else np.nan))
        for line, (method, tau) in enumerate(taus):
            text = f"τ = {tau:.2f}" if np.isfinite(tau) else "τ: too few models, or all equal"
            place = {"transform": axes.transAxes, "va": "top", "fontsize": 5.5}
            axes.text(0.03, 0.97 - 0.1 * line, text, color=colour_of(method), **place)
    figure.supxlabel("Accuracy on the zoo's own test images, %", fontsize=7)
    figure.supylabel("Accuracy on the task, %", fontsize=7)
    legend(figure, list(shown), "none")
    return figure

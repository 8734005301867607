"""Transfer, model by model: a twin against its own control, and both against what they were upstream."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from zootwins.analyses.results import ZooResults
from zootwins.catalogue.candidates import KINDS
from zootwins.experiments.transfer.transfer_findings import nearest_point
from zootwins.reporting.figures import message, styled
from zootwins.reporting.figures.transfer import colour_of, has_transfer, legend, panels


def default_twins(part: pd.DataFrame) -> pd.DataFrame:
    """Of each method, the twins that are nearest to 85 % sparsity below the head."""
    twins = part[~part["method"].isin(KINDS) & ~part["is_control"]]
    chosen = [own[own["point"] == nearest_point(own)] for _, own in twins.groupby("method", sort=False)]
    return pd.concat(chosen) if chosen else twins


@styled
def transfer_models(zoos: Sequence[ZooResults]) -> Figure:
    """Accuracy on the task of the usual twins against that of their controls; the line is equality."""
    if not has_transfer(zoos):
        return message("None of the zoos was transferred.")
    figure, each = panels(zoos, 1.6)
    shown: dict[str, None] = {}
    for axes, _, part in each:
        twins = default_twins(part)
        for method, own in twins.groupby("method", sort=False):
            shown[method] = None
            axes.plot(
                100 * own["control"], 100 * own["accuracy"], "o", color=colour_of(method), markersize=2.5, alpha=0.7,
                markeredgewidth=0,
            )  # fmt: skip
        if len(twins):
            middle = 100 * twins["control"].mean()
            axes.axline((middle, middle), slope=1, color="#555555", linewidth=0.8)
    figure.supxlabel("Accuracy of the control on the task, %", fontsize=7)
    figure.supylabel("Accuracy of the twin on the task, %", fontsize=7)
    legend(figure, list(shown), "none")
    return figure

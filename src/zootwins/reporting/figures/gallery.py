"""Every figure that is drawn from results, by the name of its file."""

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures.compression import compression
from zootwins.reporting.figures.layer_size import layer_size
from zootwins.reporting.figures.paired_difference import paired_difference
from zootwins.reporting.figures.predictability import predictability
from zootwins.reporting.figures.rank_change import rank_change
from zootwins.reporting.figures.tradeoff import tradeoff
from zootwins.reporting.figures.trajectories import trajectories
from zootwins.reporting.figures.weights import weights

FIGURES: dict[str, Callable[[Sequence[ZooResults]], Figure]] = {
    "figure2": trajectories,
    "figure3": weights,
    "figure4": layer_size,
    "figure5": tradeoff,
    "rank_change": rank_change,
    "predictability": predictability,
    "paired_difference": paired_difference,
    "compression": compression,
}

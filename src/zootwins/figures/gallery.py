"""Every figure that is drawn from results, by the name of its file."""

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from zootwins.figures.compression import compression
from zootwins.figures.layer_size import layer_size
from zootwins.figures.paired_difference import paired_difference
from zootwins.figures.predictability import predictability
from zootwins.figures.rank_change import rank_change
from zootwins.figures.tradeoff import tradeoff
from zootwins.figures.trajectories import trajectories
from zootwins.figures.weights import weights
from zootwins.results import ZooResults

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

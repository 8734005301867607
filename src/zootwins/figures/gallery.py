"""Every figure that is drawn from results, by the name of its file."""

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from zootwins.figures.layer_size import layer_size
from zootwins.figures.tradeoff import tradeoff
from zootwins.figures.trajectories import trajectories
from zootwins.figures.weights import weights
from zootwins.results import ZooResults

FIGURES: dict[str, Callable[[Sequence[ZooResults]], Figure]] = {
    "figure2": trajectories,
    "figure3": weights,
    "figure4": layer_size,
    "figure5": tradeoff,
}

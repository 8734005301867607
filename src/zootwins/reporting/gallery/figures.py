"""Every figure that is drawn from results: what draws it, from which tables, and what the report's menu says of it.

What draws a figure is named and not imported, so that Snakemake can read this list quickly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zootwins.analyses.results import ZooResults


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes:
        drawn_by: its module, whose function has the name of the module's last part.
        sources: tables of `ZooResults`; `*/` stands for every method.
        label: in the report's menu.
        rule: the rule that makes it.
    """

    drawn_by: str
    sources: tuple[str, ...]
    label: str
    rule: str = "make_figure"

    @property
    def module(self) -> str:
        """The module by its full name."""
        return f"zootwins.reporting.figures.{self.drawn_by}"

    def draw(self, zoos: "Sequence[ZooResults]") -> "Figure":
        """The figure of some zoos."""
        function: Callable[..., Figure] = resolve_name(f"{self.module}:{self.drawn_by}")
        return function(zoos)


FIGURES = {
    "figure2": Drawing("trajectories", ("vd/scores", "history"), "training and sparsification"),
    "figure3": Drawing("weights", ("vd/prune_shares",), "pruned weights"),
    "figure4": Drawing("layer_size", ("vd/layers",), "layer size and sparsity"),
    "figure5": Drawing("tradeoff", ("*/scores",), "accuracy against sparsity"),
    "rank_change": Drawing("rank_change", ("*/response",), "friendly and hard models"),
    "rank_stability": Drawing("rank_stability", ("*/scores",), "order along sparsification"),
    "predictability": Drawing("predictability", ("*/scores", "weight_statistics"), "predicting a twin's accuracy"),
    "method_difference": Drawing("method_difference", ("*/scores",), "method against method, paired"),
    "sparsity_tradeoff": Drawing("sparsity_tradeoff", ("*/scores",), "the state of sparsity: accuracy, every method"),
    "equal_sparsity_comparison": Drawing(
        "equal_sparsity_comparison", ("*/scores",), "the state of sparsity: method against method"
    ),
    "layer_distribution": Drawing("layer_distribution", ("*/scores", "*/layers"), "the state of sparsity: layers"),
    "mask_overlap": Drawing("mask_overlap", ("mask_overlap",), "the state of sparsity: overlap of masks"),
    "scratch_comparison": Drawing("scratch_comparison", ("*/scores",), "the state of sparsity: training from scratch"),
    "method_ranks": Drawing("method_ranks", ("*/scores",), "the state of sparsity: ranks of models"),
    "compression": Drawing("compression", ("*/scores", "*/layers"), "compression and speed-up"),
    "soup_gain": Drawing("soup_gain", ("soups",), "soups: gains", "make_soup_figure"),
    "soup_barrier": Drawing("soup_barrier", ("soups", "soup_pairs"), "soups: barriers", "make_soup_figure"),
    "soup_distance": Drawing("soup_distance", ("soups", "soup_pairs"), "soups: gain and distance", "make_soup_figure"),
    "soup_factors": Drawing("soup_factors", ("soups", "soup_pairs"), "soups: who gains", "make_soup_figure"),
    "soup_shifted": Drawing("soup_shifted", ("soups", "soup_shifted"), "soups: shifted images", "make_soup_figure"),
    "transfer": Drawing("transfer", ("transfer",), "transfer to other tasks", "make_transfer_figure"),
    "transfer_models": Drawing("transfer_models", ("transfer",), "transfer, model by model", "make_transfer_figure"),
    "transfer_upstream": Drawing(
        "transfer_upstream", ("transfer",), "upstream and downstream accuracy", "make_transfer_figure"
    ),
    "transfer_difficulty": Drawing(
        "transfer_difficulty", ("transfer",), "gain and difficulty of a task", "make_transfer_figure"
    ),
}

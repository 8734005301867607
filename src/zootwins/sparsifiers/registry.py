"""The sparsifiers there are: a new one is a module, and a line here."""

from functools import cache
from pkgutil import resolve_name

from zootwins.sparsifiers.base import Sparsifier

# Named, not imported: a job depends on the code of its own method alone.
REGISTRY = {
    "mp": "zootwins.sparsifiers.magnitude_pruning:MagnitudePruning",
    "vd": "zootwins.sparsifiers.variational_dropout:VariationalDropout",
    "gmp": "zootwins.sparsifiers.gradual_pruning:GradualPruning",
    "rp": "zootwins.sparsifiers.random_pruning:RandomPruning",
    "l0": "zootwins.sparsifiers.l0_regularization:L0Regularization",
    "vds": "zootwins.sparsifiers.variational_sweep:VariationalSweep",
    "vdg": "zootwins.sparsifiers.gale_variational_dropout:GaleVariationalDropout",
    "vdt": "zootwins.sparsifiers.variational_thresholds:VariationalThresholds",
    "scratch": "zootwins.sparsifiers.scratch:Scratch",
    "lottery": "zootwins.sparsifiers.lottery_ticket:LotteryTicket",
    "shuffled": "zootwins.sparsifiers.shuffled_mask:ShuffledMask",
    "nm": "zootwins.sparsifiers.n_of_m:NOfM",
    "acdc": "zootwins.sparsifiers.acdc:ACDC",
    "imp": "zootwins.sparsifiers.iterative_pruning:IterativePruning",
    "rigl": "zootwins.sparsifiers.rigl:RigL",
    "set": "zootwins.sparsifiers.sparse_evolution:SparseEvolution",
    "snip": "zootwins.sparsifiers.snip:Snip",
    "grasp": "zootwins.sparsifiers.grasp:Grasp",
    "synflow": "zootwins.sparsifiers.synflow:SynFlow",
    "taylor": "zootwins.sparsifiers.taylor_pruning:TaylorPruning",
    "wanda": "zootwins.sparsifiers.wanda:Wanda",
    "obc": "zootwins.sparsifiers.obc:OBC",
    "woodfisher": "zootwins.sparsifiers.woodfisher:WoodFisher",
    "dpf": "zootwins.sparsifiers.feedback_pruning:FeedbackPruning",
    "str": "zootwins.sparsifiers.soft_threshold:SoftThresholds",
    "channels": "zootwins.sparsifiers.channel_pruning:ChannelPruning",
    "composed": "zootwins.sparsifiers.composed_pruning:ComposedPruning",
}


@cache
def get_sparsifier(method: str) -> Sparsifier:
    """The sparsifier of an id; KeyError if there is none."""
    return resolve_name(REGISTRY[method])()


def sparsifiers() -> list[Sparsifier]:
    """All of them, in the registry's order."""
    return [get_sparsifier(method) for method in REGISTRY]


def module_of(method: str) -> str:
    """The module that a method's code is in, by full name."""
    return REGISTRY[method].partition(":")[0]

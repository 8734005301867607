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

"""Registry of sparsifiers: a new one is a module, and a line here."""

from collections.abc import Mapping
from functools import cache
from pkgutil import resolve_name
from typing import Any, Literal

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


# The run's named twins, by name: a process plans or computes for one run.
_named: dict[str, Sparsifier] = {}


@cache
def _of_id(method: str) -> Sparsifier:
    return resolve_name(REGISTRY[method])()


def get_sparsifier(method: str) -> Sparsifier:
    """Return the sparsifier of an id, or of a named twin of the run (`name_twins`); KeyError if there is none."""
    return _named[method] if method in _named else _of_id(method)


def is_known(method: str) -> bool:
    """Whether there is a sparsifier of this id, or a named twin."""
    return method in _named or method in REGISTRY


def sparsifiers() -> list[Sparsifier]:
    """Return all sparsifiers, in the registry's order."""
    return [_of_id(method) for method in REGISTRY]


def of_section(section: str) -> Sparsifier | None:
    """Return the sparsifier of a section of the configuration; None if there is none."""
    return next((one for one in sparsifiers() if one.section == section), None)


def place_of(method: str) -> int:
    """Return the place of a method among the registry's and then the run's named twins; figures colour by it."""
    return [*REGISTRY, *(name for name in _named if name not in REGISTRY)].index(method)


def module_of(method: str) -> str:
    """Return the module that a method's code is in, by full name."""
    return type(get_sparsifier(method)).__module__


def name_twins(twins: Mapping[str, Mapping[str, Any] | Literal[False, "false"]] | None) -> None:
    """Make the run's named twins known by their names, and forget those of another run.

    A named twin is its sparsifier under another id: files, random streams, tables and figures go by the name.

    Args:
        twins: the configuration's section: of every name its `sparsifier`, and, if they are not to follow from it,
            `title`, `short` and `colour`; other keys are settings. A twin that is false is left out.
    """
    _named.clear()
    for name, entry in (twins or {}).items():
        if not isinstance(entry, Mapping):
            continue
        known = of_section(entry["sparsifier"])
        twin = type(known)()
        if name != known.id:
            suffix = name.removeprefix(f"{known.id}_").replace("_", " ")
            twin.id, twin.title, twin.short = name, f"{known.title} ({suffix})", f"{known.short} {suffix}"
        for key in ("title", "short", "colour"):
            if entry.get(key):
                setattr(twin, key, entry[key])
        _named[name] = twin

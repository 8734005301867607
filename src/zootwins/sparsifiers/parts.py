"""The parts of compositions, by the names that configurations use: a new one is a class, and a line here.

Snakemake reads the names whenever it starts; the modules are imported when a part is made. A method whose parts are
always the same imports these alone, so that its twins do not depend on the code of others.
"""

from collections.abc import Mapping
from dataclasses import MISSING
from functools import cache
from typing import Any, get_type_hints

from pydantic import Field, create_model

from zootwins.run.settings import Section

SCORES = {
    "magnitude": "scores:Magnitude",
    "random": "scores:Random",
    "fresh_random": "scores:FreshRandom",
    "kept_by": "scores:KeptBy",
    "saliency": "scores:Saliency",
    "gradient": "scores:Gradient",
    "gradient_flow": "scores:GradientFlow",
    "synaptic_flow": "scores:SynapticFlow",
    "activation_weighted": "scores:ActivationWeighted",
    "fisher": "scores:FisherSaliency",
    "removal_costs": "scores:RemovalCosts",
}
ALLOCATIONS = {
    "global": "composition:Allocation",
    "uniform": "allocations:Uniform",
    "extended": "allocations:Extended",
    "erk": "allocations:Erk",
    "lamp": "allocations:Lamp",
    "rows": "allocations:Rows",
}
STRUCTURES = {
    "unstructured": "composition:Structure",
    "as_scored": "structures:AsScored",
    "n_of_m": "structures:NM",
    "channels": "channels:Channels",
}
SCHEDULES = {
    "one_shot": "composition:Schedule",
    "scored": "schedules:Scored",
    "cubic": "schedules:Cubic",
    "alternating": "schedules:Alternating",
    "rounds": "schedules:Rounds",
    "exchange": "schedules:Exchange",
}
UPDATES = {
    "fisher": "updates:FisherUpdate",
    "least_squares": "updates:LeastSquares",
}
# By the keys of `composed_pruning`, in the order of `Composition`.
PARTS = {
    "score": SCORES,
    "allocation": ALLOCATIONS,
    "schedule": SCHEDULES,
    "structure": STRUCTURES,
    "update": UPDATES,
    "growth": SCORES,
}


def part(table: Mapping[str, str], name: str, /, **given: Any) -> Any:
    """Return the part of a name with its own settings, such as `part(ALLOCATIONS, "extended", last_layer=0.9)`.

    Raises:
        KeyError: if the table has none of that name.
        ValidationError: if the part does not have such settings, or lacks one.
        ValueError: if its settings do not go together.
    """
    settings = part_settings(table, name).model_validate(given)
    return _kind(table, name)(**{key: getattr(settings, key) for key in settings.model_fields_set})


def part_settings(table: Mapping[str, str], name: str) -> type[Section]:
    """Return the section of a part's own settings: the fields of its dataclass, which types and ranges annotate."""
    return _section(_kind(table, name))


@cache  # parts are made at every change of masks
def _section(kind: type) -> type[Section]:
    hints = get_type_hints(kind, include_extras=True)
    fields = {
        one.name: (hints[one.name], Field(default_factory=one.default_factory))
        if one.default_factory is not MISSING
        else (hints[one.name], ... if one.default is MISSING else one.default)
        for one in getattr(kind, "__dataclass_fields__", {}).values()
    }
    return create_model(kind.__name__, __base__=Section, **fields)


def _kind(table: Mapping[str, str], name: str) -> type:
    # imported by statements, so that digests of code see them
    from zootwins.sparsifiers import allocations, channels, composition, schedules, scores, structures, updates

    modules = {
        module.__name__.rpartition(".")[2]: module
        for module in (allocations, channels, composition, schedules, scores, structures, updates)
    }
    module, _, kind = table[name].partition(":")
    return getattr(modules[module], kind)

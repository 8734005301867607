"""The parts of compositions, by the names that configurations use: a new one is a class, and a line here.

Snakemake reads the names whenever it starts; the modules are imported when a part is made. A method whose parts are
always the same imports these alone, so that its twins do not depend on the code of others.
"""

from collections.abc import Mapping
from typing import Any

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


def part(table: Mapping[str, str], name: str, **settings: Any) -> Any:
    """Return the part of a name, such as `part(ALLOCATIONS, "erk")`; KeyError if the table has none."""
    # imported by statements, so that digests of code see them
    from zootwins.sparsifiers import allocations, channels, composition, schedules, scores, structures, updates

    modules = {
        module.__name__.rpartition(".")[2]: module
        for module in (allocations, channels, composition, schedules, scores, structures, updates)
    }
    module, _, kind = table[name].partition(":")
    return getattr(modules[module], kind)(**settings)

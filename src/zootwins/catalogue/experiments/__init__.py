"""Registry of experiments: a new one is a module, and a line here."""

from functools import cache
from pkgutil import resolve_name

from zootwins.catalogue.experiments.base import Drawing, Experiment, Result, Table

# Named, not imported: a job depends on the code of its own experiment alone.
REGISTRY = {
    "twins": "zootwins.catalogue.experiments.twins:Twins",
    "state_of_sparsity": "zootwins.catalogue.experiments.state_of_sparsity:StateOfSparsity",
    "paper_comparison": "zootwins.catalogue.experiments.paper:PaperComparison",
    "replication": "zootwins.catalogue.experiments.paper:Replication",
    "representations": "zootwins.catalogue.experiments.representations:RepresentationExperiment",
    "soups": "zootwins.catalogue.experiments.soups:SoupExperiment",
    "pruning_soups": "zootwins.catalogue.experiments.pruning_soups:PruningSoupExperiment",
    "transfer": "zootwins.catalogue.experiments.transfer:TransferExperiment",
    "benchmark": "zootwins.catalogue.experiments.benchmark:BenchmarkExperiment",
}


@cache
def get_experiment(name: str) -> Experiment:
    """Return the experiment of an id; KeyError if there is none."""
    return resolve_name(REGISTRY[name])()


def experiments() -> list[Experiment]:
    """Return all experiments, in the registry's order."""
    return [get_experiment(name) for name in REGISTRY]


def module_of(name: str) -> str:
    """Return the module that an experiment is declared in, by full name."""
    return REGISTRY[name].partition(":")[0]


@cache
def tables() -> dict[str, Table]:
    """Return every table, by the name of its files."""
    return {table.name: table for experiment in experiments() for table in experiment.tables}


@cache
def figures() -> dict[str, Drawing]:
    """Return every figure, by the name of its files."""
    return {figure.name: figure for experiment in experiments() for figure in experiment.figures}


def experiment_of(result: Result) -> Experiment:
    """Return the experiment that a table or figure is of."""
    return next(one for one in experiments() if result in (*one.tables, *one.figures))

# The run, its wildcards, and how rules ask for files and parameters. What they ask is in the package.
from functools import partial
from inspect import signature
from os.path import relpath
from pathlib import Path
from shutil import which
from sys import stderr

from snakemake.common.configfile import load_configfile
from snakemake.io import contains_wildcard
from snakemake.utils import update_config

from zootwins.architectures.registry import modules_of
from zootwins.catalogue.entries import load_run
from zootwins.catalogue.experiments import experiment_of, experiments, figures, get_experiment, module_of, tables
from zootwins.catalogue.files import Files
from zootwins.catalogue.yaml_files import read_yaml
from zootwins.run.errors import InputError
from zootwins.run.paths import check_date
from zootwins.run.provenance import code_digest, tables_of_others
from zootwins.sparsifiers import registry


def refuse(reason):
    """End with one line, which Snakemake would wrap into a traceback or not show where it is quiet."""
    stderr.write(f"{reason}\n")
    raise SystemExit(1)


if not workflow.current_basedir.is_local:
    refuse("Zoo Twins reads files beside its Snakefile: clone it, and use that Snakefile as the module")
# The project's folder: `workflow.basedir` is the user's where this is a module of another workflow.
ROOT = Path(workflow.current_basedir).parent
# A module's configuration stands alone: the defaults below it.
defaults = load_configfile(ROOT / "config.yaml")
update_config(defaults, config)
config.update(defaults)
try:
    for file in dict.fromkeys(map(Path, workflow.configfiles)):
        read_yaml(file)  # Snakemake has read it, and keeps the last of two equal keys
    RUN = load_run(config, ROOT)
except InputError as error:
    refuse(error)
config["about"] = RUN.about()  # for the first page of the report, which sees no more than the configuration


def given(find, name, *read):
    """Return a path of the catalogue, as seen from here; refused if it is nowhere or from the future.

    Args:
        find: looks it up by the name of its zoo or data set.
        read: what is made of it; where one of these is there, it can be gone.
    """
    try:
        path = find(name)
        check_date(path)
    except InputError as error:
        refuse(error)
    made = any(rule.is_producer(str(path)) for rule in workflow.rules)
    if not (path.exists() or made or any(Path(file).exists() for file in read)):
        refuse(RUN.missing(path))
    if contains_wildcard(relpath(path)):
        refuse(f"{path}: Snakemake takes a name in braces for a wildcard; rename the file or its folder")
    return relpath(path)


FILES = Files(RUN, ROOT, given)
try:
    COUNTERPARTS = FILES.counterparts
except InputError as error:
    refuse(error)


def one_of(names):
    """Return a wildcard's constraint to some names, which may be none."""
    return "|".join(names) or "(?!)"


# Ids of sparsifiers, and names of twins.
METHODS = list(dict.fromkeys((*registry.REGISTRY, *RUN.config.twins)))
# The zoos whose twins are imported, and those whose twins are made here.
PUBLISHED_TWINS = one_of(id for id, zoo in RUN.catalogue.items() if zoo.twins_of)
OWN_TWINS = one_of(id for id, zoo in RUN.catalogue.items() if not zoo.twins_of)


wildcard_constraints:
    zoo="|".join(RUN.catalogue),
    method="|".join(METHODS),
    shard=r"\d\d\d\d+-\d\d\d\d+",
    model=r"[^/]+",
    seed=r"\d+",


def ask(function):
    """Make a function of the package an input or a parameter: it is given what it asks for by name.

    That is a wildcard, the run, its files, or the `result`: the table or figure of a rule that makes one.
    """
    names = signature(function).parameters

    def answer(wildcards):
        known = {"run": RUN, "files": FILES, **dict(wildcards.items())}
        known["result"] = tables().get(known.get("table")) or figures().get(known.get("figure"))
        try:
            return function(**{name: known[name] for name in names if name in known})
        except InputError as error:
            refuse(error)

    return answer


def known_by_content(function):
    """Return a raw zoo as an input; a user's folder is known by its content (`FILES.folder_state`), not by its date."""
    raw_zoo = ask(function)

    def answer(wildcards):
        path = raw_zoo(wildcards)
        return ancient(path) if path and RUN.originals_of(wildcards.zoo).directory else path

    return answer


def architecture_code(wildcards):
    """Return the digest of the module that defines a zoo's network."""
    modules = modules_of(RUN.catalogue[wildcards.zoo].architecture)
    return code_digest(ROOT / "src/zootwins/architectures/registry.py", *modules)


def zoo_value(path):
    """Return a field of the zoo's entry in the catalogue, or a part of one, such as `methods.vd.epochs`."""
    return lambda wildcards: RUN.catalogue[wildcards.zoo].value(path)


def result_value(name):
    """Return an attribute of the table or figure that a rule makes."""
    return ask(lambda result: getattr(result, name))


def code_of(script, *modules):
    """Return the digest of a rule's code: it runs again when a module changes that it imports or loads by name."""
    return code_digest(ROOT / f"workflow/scripts/{script}.py", *modules)


def code_with(script, modules):
    """Return the same of modules that a function of the package names by wildcards."""
    return lambda wildcards: code_of(script, *ask(modules)(wildcards))


def module_of_method(method):
    return [registry.module_of(method)]


def growing(mb):
    """Return memory that doubles with every attempt at a job, in MB."""
    return lambda wildcards, attempt: mb * 2 ** (attempt - 1)


def warn_of_other_zoos():
    """Report on the terminal that the folder has tables of other zoos, which those of this run replace."""
    others = tables_of_others(sorted(Path("results/tables").glob("*.csv")), RUN.zoos)
    if others:
        path, zoos = next(iter(others.items()))
        stderr.write(
            f"results/tables: {len(others)} tables are of other zoos ({path}: {', '.join(zoos)}); those that this run "
            f"makes are of {', '.join(RUN.zoos)} and replace them; run in another folder (--directory) to keep both\n"
        )


def warn_of_deprecated_keys():
    """Print what the configuration should have instead of `methods`."""
    if RUN.config.methods and not RUN.config.twins:
        twins = ", ".join(
            f"{name}: {{sparsifier: {registry.get_sparsifier(name).section}}}" for name in RUN.config.methods
        )
        stderr.write(f"configuration: methods is deprecated: write twins: {{{twins}}}\n")


# Results are read by way of the methods' curves.
METHOD_MODULES = [
    registry.module_of(method)
    for method in dict.fromkeys(method for zoo in RUN.zoos for method in RUN.catalogue[zoo].methods)
]
# Training jobs take turns on a GPU where there may be one: whether torch can use it is not worth importing torch here.
GPUS = int(RUN.config.device == "cuda" or (RUN.config.device == "auto" and which("nvidia-smi") is not None))
ENGINE = {"name": RUN.config.engine, "device": RUN.config.device}

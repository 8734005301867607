# Configuration, wildcards and the lookups of the rules. Nothing is computed here.
import csv
from functools import cache
from os.path import relpath
from pathlib import Path
from shutil import which
from sys import stderr

from snakemake.common.configfile import load_configfile
from snakemake.io import contains_wildcard
from snakemake.utils import update_config

from zootwins.architectures.registry import modules_of
from zootwins.catalogue.entries import load_run
from zootwins.catalogue.yaml_files import read_yaml
from zootwins.storage.shards import shard_slice
from zootwins.run.errors import InputError
from zootwins.run.paths import check_date
from zootwins.run.provenance import code_digest, digest
from zootwins.zoos.identity import folder_digest
from zootwins.sparsifiers.registry import REGISTRY, get_sparsifier, module_of, sparsifiers


def refuse(reason):
    """End with one line, which Snakemake would wrap into a traceback or, told to be quiet, not show."""
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


def one_of(zoos):
    """A wildcard's constraint to some zoos, which may be none."""
    return "|".join(zoos) or "(?!)"


# The zoos whose twins are imported, and those whose twins are made here.
PUBLISHED_TWINS = one_of(id for id, zoo in RUN.catalogue.items() if zoo.twins_of)
OWN_TWINS = one_of(id for id, zoo in RUN.catalogue.items() if not zoo.twins_of)


wildcard_constraints:
    zoo="|".join(RUN.catalogue),
    method="|".join(REGISTRY),
    shard=r"\d\d\d\d+-\d\d\d\d+",
    model=r"[^/]+",
    seed=r"\d+",


def from_root(path):
    """A path of the project, as seen from here."""
    return relpath(ROOT / path)


def given(find, name, *read):
    """A path of the catalogue, as seen from here; refused if it is nowhere or from the future.

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


def source_of(zoo):
    """The archive or folder that a zoo comes from."""
    return given(RUN.source_path, zoo, f"results/zoos/{zoo}/raw.zip", f"results/zoos/{zoo}/models.csv")


def files_of_dataset(name):
    """What a data set is read from, but for files in data_dir: the same ones elsewhere make nothing run again."""
    entry = RUN.datasets.get(name)
    if entry is None or not (entry.zoo or entry.path):
        return []
    return [f"results/zoos/{entry.zoo}/dataset.safetensors" if entry.zoo else given(RUN.dataset_path, name)]


def dataset_settings(name):
    """What the catalogue says of a data set, as plain values, and which files a folder holds; `archive` as it is."""
    entry = RUN.datasets.get(name)
    if entry is None:
        return name
    folder = Path(files_of_dataset(name)[0]) if entry.folder else None
    held = folder and sorted((str(file.relative_to(folder)), file.stat().st_size) for file in folder.rglob("*.*"))
    return {"name": name, "entry": entry.plain(), "files": held and digest(held)}


def zoo_of(wildcards):
    return RUN.catalogue[wildcards.zoo]


def shard_files(zoo, folder):
    """The files of a zoo's shards, in order."""
    return [f"{folder}/{shard}.safetensors" for shard in RUN.shards(zoo)]


def all_shards(wildcards):
    return [
        shard
        for zoo in RUN.zoos
        for method in RUN.catalogue[zoo].methods
        for shard in shard_files(zoo, f"results/twins/{zoo}/{method}")
    ]


def representation_files(suffix):
    """A file of every hyper-representation: of all its zoos and seeds."""
    chosen = RUN.config.representations
    return [f"results/representations/{zoo}/{seed}{suffix}" for zoo in chosen.zoos for seed in range(chosen.seeds)]


def method_shards(wildcards):
    return shard_files(wildcards.zoo, f"results/twins/{wildcards.zoo}/{wildcards.method}")


def local_archive(wildcards):
    """The archive of a zoo on this machine, or nothing where it is to be downloaded."""
    archive = zoo_of(wildcards).archive
    return [source_of(wildcards.zoo)] if archive and archive.path else []


def raw_zoo(wildcards):
    """The zoo in the raw layout: fetched, a folder of the user's, or trained here."""
    return raw_zoo_of(zoo_of(wildcards))


def raw_zoo_of(zoo):
    if zoo.train:
        return f"results/exports/{zoo.id}/trained.zip"
    # a folder is known by its content, see `folder_state`
    return ancient(source_of(zoo.id)) if zoo.directory else f"results/zoos/{zoo.id}/raw.zip"


@cache
def digest_of_folder(zoo, epoch):
    """Once for all of a zoo's jobs."""
    try:
        return folder_digest(source_of(zoo), epoch, RUN.catalogue[zoo].dialect)
    except InputError as error:
        refuse(error)


def folder_state(wildcards):
    """Tell whether the files that are read of a zoo's folder are still the same, whatever their dates."""
    zoo = zoo_of(wildcards)
    return digest_of_folder(zoo.id, fetched_epoch(wildcards)) if zoo.directory else None


def folder_state_of_originals(wildcards):
    """The same of the folder that may bring the data set along."""
    zoo = originals_of(zoo_of(wildcards))
    return digest_of_folder(zoo.id, zoo.epoch) if zoo.directory else None


def published_raw_zoo(wildcards):
    """The raw zoo that may bring its data set along; a zoo that is trained here takes the catalogue's."""
    zoo = originals_of(zoo_of(wildcards))
    return [] if zoo.train else raw_zoo_of(zoo)


def raw_zoo_with_initial_weights(wildcards):
    """The raw zoo whose checkpoints 0 are read; none where the factors tell the initial weights."""
    zoo = zoo_of(wildcards)
    return raw_zoo_of(zoo) if zoo.initial_weights == "checkpoint" else []


def folder_state_of_initial_weights(wildcards):
    zoo = zoo_of(wildcards)
    return digest_of_folder(zoo.id, 0) if zoo.directory and zoo.initial_weights == "checkpoint" else None


def originals_of(zoo):
    """The zoo that a zoo of published twins was made from; any other zoo is its own."""
    return RUN.catalogue[zoo.twins_of] if zoo.twins_of else zoo


def files_of_originals(wildcards):
    """What import_zoo wrote of the originals of published twins."""
    folder = f"results/zoos/{zoo_of(wildcards).twins_of}"
    return {kind: f"{folder}/{kind}.safetensors" for kind in ("originals", "predictions")} | {
        "models": f"{folder}/models.csv",
        "history": f"{folder}/history.parquet",
    }


def exported_shards(wildcards):
    """The shards that hold the population to export; the originals are in none."""
    if wildcards.population == "originals":
        return []
    folder = (
        f"zoos/{wildcards.zoo}/trained"
        if wildcards.population == "trained"
        else f"twins/{wildcards.zoo}/{wildcards.population}"
    )
    return shard_files(wildcards.zoo, f"results/{folder}")


def exported_models(wildcards):
    """The table of the models to export; a population trained here brings it along."""
    return [] if wildcards.population == "trained" else f"results/zoos/{wildcards.zoo}/models.csv"


def exported_originals(wildcards):
    return f"results/zoos/{wildcards.zoo}/originals.safetensors" if wildcards.population == "originals" else []


def shards_of_model(wildcards):
    """The shard of a method's twins that a model is in."""
    return model_shards(wildcards, shard_files(wildcards.zoo, f"results/twins/{wildcards.zoo}/{wildcards.method}"))


def model_shards(wildcards, shards):
    """The one of a zoo's shards that a model is in: by its name and models.csv, or by its index; all without these."""
    zoo, model = wildcards.zoo, wildcards.model
    table = Path(f"results/zoos/{zoo}/models.csv")
    names = [row[0] for row in csv.reader(table.read_text(encoding="utf-8").splitlines()[1:])] if table.exists() else []
    if model in names:
        index = names.index(model)
    elif model.isdigit():
        index = int(model)
    elif names:
        index = -1
    else:
        return shards
    if index not in range(RUN.models(zoo)):
        refuse(f"{model}: not among the {RUN.models(zoo)} models of {zoo} that this run takes; {table} lists all")
    return [shard for shard in shards if index in range(*shard_slice(Path(shard).stem))]


def lookup_architecture(wildcards):
    return zoo_of(wildcards).architecture


def architecture_code(wildcards):
    """Digest of the module that defines a zoo's network."""
    return code_digest(ROOT / "src/zootwins/architectures/registry.py", *modules_of(zoo_of(wildcards).architecture))


def run_models(wildcards):
    """How many of a zoo's models the run takes, from the first."""
    return RUN.models(wildcards.zoo)


def lookup_epoch(wildcards):
    return zoo_of(wildcards).epoch


def fetched_epoch(wildcards):
    """The checkpoint to read of each model of an archive or folder; of published twins, all."""
    zoo = zoo_of(wildcards)
    return "all" if zoo.twins_of else zoo.epoch


def lookup_dialect(wildcards):
    return zoo_of(wildcards).dialect


def lookup_dialect_of_originals(wildcards):
    return originals_of(zoo_of(wildcards)).dialect


def given_factors(wildcards):
    """The generating factors that the catalogue gives where a zoo's files have none."""
    return zoo_of(wildcards).factors


def lookup_vd_epochs(wildcards):
    return zoo_of(wildcards).methods["vd"].epochs


def lookup_dataset(wildcards):
    return dataset_settings(zoo_of(wildcards).dataset)


def files_of_zoos_dataset(wildcards):
    return files_of_dataset(zoo_of(wildcards).dataset)


def method_settings(wildcards):
    """The settings of a method for a zoo, refused here where the run does not have it."""
    settings = zoo_of(wildcards).methods.get(wildcards.method)
    if settings is None:
        refuse(f"{wildcards.zoo} has no twins by {wildcards.method} in this configuration; see its key methods")
    return settings.model_dump()


def imported_settings(wildcards):
    return zoo_of(wildcards).methods["vd"].model_dump()


def method_code(script):
    """Digest of what a script of any method computes with, the method's own module among it."""

    def digest(wildcards):
        return code_of(script, module_of(wildcards.method))

    return digest


def needed_by_method(wildcards):
    """What a method starts from beside the originals: twins of the same models by others, their initial weights."""
    zoo, method = wildcards.zoo, get_sparsifier(wildcards.method)
    settings = zoo_of(wildcards).methods.get(method.id)
    if settings is None:  # its job is refused
        return {}
    needed = {other: f"results/twins/{zoo}/{other}/{wildcards.shard}.safetensors" for other in method.needs(settings)}
    if method.needs_initial(settings):
        needed["initial"] = f"results/zoos/{zoo}/initial.safetensors"
    return needed


def exported_settings(wildcards):
    """The settings of the method that the population to export was made by; none of originals and of a trained zoo."""
    settings = zoo_of(wildcards).methods.get(wildcards.population)
    return settings.model_dump() if settings else None


def variational_threshold(wildcards):
    settings = zoo_of(wildcards).methods.get("vd")
    return settings.threshold if settings else None


def train_settings(wildcards):
    train = zoo_of(wildcards).train
    return train.model_dump() if train else None


def archive_settings(wildcards):
    return zoo_of(wildcards).archive.model_dump()


def imported_models(wildcards):
    """How many models a raw zoo has to hold: of a zoo trained here, those that the run takes."""
    zoo = zoo_of(wildcards)
    return RUN.models(zoo.id) if zoo.train else zoo.held or zoo.models


def sampled_models(wildcards):
    """How many models a zoo is of those that its source holds; None: all."""
    zoo = zoo_of(wildcards)
    return zoo.models if zoo.held else None


def code_of(script, *modules):
    """Digest of what a rule's script computes with: it reruns when a module changes that it imports or loads by name."""
    return code_digest(ROOT / f"workflow/scripts/{script}.py", *modules)


def growing(mb):
    """Memory that doubles with every attempt at a job, in MB."""

    def memory(wildcards, attempt):
        return mb * 2 ** (attempt - 1)

    return memory


# Training jobs take turns on a GPU where there may be one: whether torch can use it is not worth importing torch here.
GPUS = int(RUN.config.device == "cuda" or (RUN.config.device == "auto" and which("nvidia-smi") is not None))
ENGINE = {"name": RUN.config.engine, "device": RUN.config.device}


def analysed(zoo):
    """What tables and figures depend on in a catalogue entry: all but where the zoo comes from."""
    return RUN.catalogue[zoo].plain(origin=False) | {"models": RUN.models(zoo)}

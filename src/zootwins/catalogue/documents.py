"""The configuration and the catalogue as documents: their keys, and what a wrong one looks like in one line."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, StringConstraints, ValidationError, create_model

from zootwins.catalogue.datasets import DATASETS
from zootwins.catalogue.experiments import Representations
from zootwins.catalogue.soups import Soups
from zootwins.catalogue.transfer import Transfer
from zootwins.run.errors import InputError
from zootwins.run.settings import Once, Section
from zootwins.sparsifiers.registry import REGISTRY, sparsifiers
from zootwins.zoos.sources import ArchiveSource, TrainSource

EXPLAINED = "the keys are explained in config/README.md"
COMPARISONS = ("agreement", "correlation")

Model = TypeVar("Model", bound=BaseModel)
ZooId = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]*$")]


class Configuration(Section):
    """What to compute. Threads, memory and partitions are the profile's."""

    zoos: Annotated[tuple[str, ...], Once] = Field(
        min_length=1, description="Zoos to run, by their name in the catalogue."
    )
    catalogue: str = Field(description="Path of the catalogue.")
    max_models: int | None = Field(ge=1, description="Only the first n models of every zoo.")
    models_per_shard: int = Field(ge=1, le=4096, description="Models trained by one job as one population.")
    max_broken_share: float = Field(
        ge=0,
        le=1,
        description="The run stops where a larger share of a zoo's models is broken; fewer are excluded by name.",
    )
    methods: tuple[Literal[*REGISTRY], ...] | None = Field(
        min_length=1, description="How the zoos are sparsified; null: as the catalogue says of each."
    )
    keep_states: Literal["all", "final"] = Field(
        description="Weights in the shards: of every epoch, or of the last alone. Accuracies and sparsities are always "
        "there."
    )
    representations: Representations
    soups: Soups
    transfer: Transfer
    engine: Literal["auto", "torch", "native"] = Field(
        description="What trains: auto takes CUDA, else the native kernels, else torch."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(description="Where the torch engine trains.")
    data_dir: str = Field(description="Folder of torchvision's data sets; what is missing is downloaded into it.")
    download: Literal["selective", "full"] = Field(
        description="What to fetch of a remote archive: the members that twins start from, where the server takes "
        "range requests, or all of it."
    )


class Source(Section):
    """Where a zoo comes from; exactly one of the three."""

    archive: ArchiveSource | None = None
    directory: str | None = Field(None, description="A folder in the raw layout.")
    train: TrainSource | None = None


class ZooEntry(Section):
    """A zoo of the catalogue."""

    title: str | None = Field(None, description="The zoo's name in tables and figures.")
    source: Source
    dataset: Literal[*DATASETS, "archive"] = Field(
        description="Image data, with the transforms and splits of the paper (`digits` are scikit-learn's). A "
        "`dataset.pt` in the zoo's archive goes before it; `archive` insists on one."
    )
    architecture: Literal["cnn_s", "cnn_l"]
    models: int = Field(ge=1, description="Number of models, the broken ones counted.")
    epoch: int | None = Field(None, ge=0, description="Checkpoint that twins start from; the last one if absent.")
    initial_weights: Literal["factors", "checkpoint"] | None = Field(
        None,
        description="Where the weights before training come from, if a method or transfer asks for them: made "
        "again from seed and init, or read from checkpoint 0. Absent: factors for a zoo that is trained here, else "
        "checkpoint.",
    )
    methods: tuple[Literal[*REGISTRY], ...] = Field(
        ("mp", "vd"), min_length=1, description="How the zoo is sparsified, unless the configuration has methods."
    )
    compare_with: str | None = Field(
        None,
        description="A zoo of the paper that this one is like but not the same; its numbers are set beside ours. A zoo "
        "of the paper is compared with itself.",
    )
    twins_of: str | None = Field(
        None,
        description="The source holds variational twins, with log σ², that others made of this zoo of the catalogue; "
        "they are imported, not trained.",
    )
    soups: Literal[False] | dict[str, Any] = Field(
        {}, description="Keys of the configuration's section that differ for this zoo; false: no soups."
    )


@cache
def configuration_model() -> type[BaseModel]:
    """The configuration's keys, with a section for every sparsifier."""
    sections = {method.section: (method.Settings, Field(description=f"{method.title}.")) for method in sparsifiers()}
    return create_model("Configuration", __base__=Configuration, __doc__=Configuration.__doc__, **sections)


@cache
def catalogue_model() -> type[BaseModel]:
    """The catalogue's keys: every zoo can have sections of its own for the sparsifiers, and operating points."""
    points = {
        f"{method.id}_{method.sweep.name}": (
            float | None,
            Field(None, description=f"{method.sweep.label}; null: not in the table; absent: the usual one."),
        )
        for method in sparsifiers()
    }
    operating_point = create_model("OperatingPoint", __base__=Section, **points)
    operating_points = create_model(
        "OperatingPoints",
        __base__=Section,
        __doc__="Where the paper's Tables 1 (agreement) and 2 (correlation) compare the twins.",
        **dict.fromkeys(COMPARISONS, (operating_point, operating_point())),
    )
    sections = {
        method.section: (
            Literal[False] | dict[str, Any],
            Field(
                {},
                description=f"Keys of the configuration's section that differ for this zoo; false: no {method.short}.",
            ),
        )
        for method in sparsifiers()
    }
    entry = create_model(
        "Zoo",
        __base__=ZooEntry,
        __doc__=ZooEntry.__doc__,
        operating_points=(operating_points, operating_points()),
        **sections,
    )
    return create_model(
        "Catalogue",
        __base__=Section,
        __doc__="What every zoo is made of. A configuration's `zoos` chooses from it.",
        zoos=(dict[ZooId, entry], ...),
    )


def validated(model: type[Model], document: Mapping[str, Any], where: str, key: str = "") -> Model:
    """A document as an object.

    Args:
        model: its keys.
        where: the file, for messages.
        key: where in the file the document stands.

    Raises:
        InputError: naming file, key and what is wrong with it, in one line; of several, a misspelled key first.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        found = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        raise InputError(f"{where}: {_message(found[0], key, model)}; {EXPLAINED}") from None


def _message(error: Mapping[str, Any], key: str, model: type[BaseModel]) -> str:
    path = [str(part) for part in error["loc"] if not str(part).startswith(("dict[", "literal["))]
    place = ".".join(([key] if key else []) + path) or "top level"
    if error["type"] == "extra_forbidden":
        known = get_close_matches(path[-1], _keys(model), n=1)
        return f"{place}: there is no key {path[-1]!r}" + (f", did you mean {known[0]}?" if known else "")
    if error["type"] == "missing":
        return f"{place}: is missing"
    if path and path[-1] == "[key]":
        return f"{'.'.join(([key] if key else []) + path[:-2])}: {error['input']!r} does not match [a-z][a-z0-9_]*"
    reason = error["msg"].removeprefix("Value error, ")
    given = "" if isinstance(error["input"], Mapping) else f": {error['input']!r}"
    return " ".join(f"{place}{given}: {reason[0].lower()}{reason[1:]}".split())


def _keys(model: type[BaseModel]) -> set[str]:
    """All names of keys, at any depth."""
    schema = model.model_json_schema()
    return {name for part in (schema, *schema.get("$defs", {}).values()) for name in part.get("properties", {})}

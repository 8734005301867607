"""The configuration and the catalogue as documents: their keys and the values that these take."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
    model_validator,
)

from zootwins.architectures.registry import checked_spec
from zootwins.catalogue.experiments import experiments
from zootwins.catalogue.zoos import COMPARISONS
from zootwins.images.entries import DatasetEntry
from zootwins.run.settings import Once, Section
from zootwins.sparsifiers.registry import REGISTRY, sparsifiers
from zootwins.zoos.dialects import DIALECTS
from zootwins.zoos.ray_folders import ARCHIVE_SUFFIXES
from zootwins.zoos.sources import ArchiveSource, GivenFactors, TrainSource

Models = Annotated[int, Field(ge=1)]
# Names of zoos and twins become folders and parts of file names; figures have room for texts of these lengths.
LONGEST_ZOO, LONGEST_TITLE, LONGEST_NAME, LONGEST_SHORT = 100, 100, 40, 60
ZooId = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]*$", max_length=LONGEST_ZOO)]


def _in_figures(title: str) -> str:
    if "$" in title:
        raise ValueError("figures would take text after $ for a formula; write it without")
    return " ".join(title.split())


Title = Annotated[str, AfterValidator(_in_figures), StringConstraints(min_length=1, max_length=LONGEST_TITLE)]
Short = Annotated[str, AfterValidator(_in_figures), StringConstraints(min_length=1, max_length=LONGEST_SHORT)]
MethodName = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME)]
# Names that files and tables use for something else.
RESERVED = ("originals", "original", "trained", "random", "untrained", "mp_random", "mp_scratch", "all", "history")


class NamedTwin(Section):
    """A named twin: a sparsifier, and the keys of its section that differ for this twin."""

    model_config = ConfigDict(extra="allow", frozen=True)

    sparsifier: Literal[*(method.section for method in sparsifiers())] = Field(
        description="By the name of its section; further keys are those of the section."
    )
    title: Title | None = Field(None, description="In texts; the sparsifier's with the name if absent.")
    short: Short | None = Field(None, description="In tables and figures; likewise.")
    colour: Annotated[str, StringConstraints(pattern="^#[0-9A-Fa-f]{6}$")] | None = Field(
        None, description="In figures, such as `#0072B2`; by its place among the names if absent."
    )

    @property
    def settings(self) -> dict[str, Any]:
        """The keys of the section that it sets."""
        return dict(self.model_extra or {})


def _without_false(twins: Any) -> Any:
    """Leave out twins that are false, which `--config` passes as text.

    Raises:
        ValueError: if no other is left: the catalogue's methods would be run, and those that are false among them.
    """
    if not isinstance(twins, dict):
        return twins
    left = {name: twin for name, twin in twins.items() if twin not in (False, "false")}
    if twins and not left:
        raise ValueError(
            f"{' and '.join(twins)}: false, but this and the configuration below name no other twin; list those that "
            "are wanted, or set the sparsifier's section to false in the zoo's catalogue entry"
        )
    return left


class Configuration(Section):
    """What to compute. Threads, memory and partitions are set in a profile."""

    zoos: Annotated[tuple[str, ...], Once] = Field(
        min_length=1, description="Zoos to run, by their name in the catalogue."
    )
    catalogue: str = Field(description="Path of the catalogue.")
    max_models: Models | dict[str, Models] | None = Field(
        description="Only the first n models of every zoo, or of those that have an n here: `{mnist_s_seed: 128}`."
    )
    models_per_shard: int = Field(ge=1, le=4096, description="Models trained by one job as one population.")
    max_broken_share: float = Field(
        ge=0,
        le=1,
        description="The run stops where a larger share of a zoo's models is broken; fewer are excluded by name.",
    )
    twins: Annotated[dict[MethodName, NamedTwin], BeforeValidator(_without_false)] = Field(
        {},
        description="How the zoos are sparsified, by names that files, tables and figures use: two settings of one "
        "sparsifier live side by side. Random streams are keyed by the name. `false` leaves out a twin of the "
        "configuration that this one is merged into. Empty: as the catalogue says of each zoo.",
    )
    methods: tuple[MethodName, ...] | None = Field(
        None,
        min_length=1,
        description="Deprecated; write `twins`. Ids of sparsifiers, or names under `twins`, which override those of "
        "`twins`.",
    )
    keep_states: Literal["all", "final"] = Field(
        description="Weights in the shards: of every epoch, or of the last alone. Accuracies and sparsities are always "
        "there."
    )
    engine: Literal["auto", "torch", "native"] = Field(
        description="Engine that trains: auto takes CUDA, else the native kernels, else torch."
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
    sample: int | None = Field(
        None,
        ge=1,
        description="Only so many models of an archive or folder, drawn by a hash of their names; a larger sample "
        "begins with a smaller one. (`train` has a key of its own.)",
    )

    @model_validator(mode="before")
    @classmethod
    def _kind_is_named(cls, given: Any) -> Any:
        if isinstance(given, str):
            kind = "archive: {path: %s}" if given.endswith(ARCHIVE_SUFFIXES) else "directory: %s"
            raise ValueError(f"does not say what it is; write source: {{{kind % given}}}")
        return given

    @model_validator(mode="after")
    def _one_kind(self) -> "Source":
        if sum(part is not None for part in (self.archive, self.directory, self.train)) != 1:
            raise ValueError("needs exactly one of archive, directory and train")
        return self


class Publication(Section):
    """Licence and authors of a release, which needs both."""

    license: str | None = Field(None, description="SPDX identifier of the licence, such as CC-BY-4.0.")
    authors: Annotated[tuple[str, ...], Once] = Field((), description="Names to cite.")


class ZooEntry(Section):
    """A zoo of the catalogue."""

    title: Title | None = Field(None, description="The zoo's name in tables and figures, which no other zoo has.")
    source: Source
    dataset: str | dict[str, Any] = Field(
        description="Image data: the name of a data set, of the catalogue's section `datasets` or of those that every "
        "catalogue has (docs/own_data.md), or a section as there. A `dataset.pt` in the zoo's archive overrides it; "
        "`archive` insists on one."
    )
    architecture: Annotated[Any, AfterValidator(checked_spec)] = Field(
        description="The network: an id of the registry (docs/own_network.md lists them), such as `cnn_s`; an id with "
        "settings, such as `{id: resnet18, width: 0.25}`; or a chain of layers, `{layers: [...]}`."
    )
    models: int = Field(ge=1, description="Number of models, the broken ones counted.")
    epoch: int | None = Field(
        None, ge=0, description="Epoch of the checkpoint that twins start from; each model's last one if absent."
    )
    dialect: Literal[*(dialect.id for dialect in DIALECTS)] | None = Field(
        None, description="How the source's files are laid out; recognised from the files if absent."
    )
    factors: GivenFactors = Field(
        GivenFactors(),
        description="Generating factors of all models that the source's files do not record, such as `{batch_size: "
        "10}`.",
    )
    initial_weights: Literal["factors", "checkpoint"] | None = Field(
        None,
        description="Where the weights before training come from, if a method or transfer asks for them: made "
        "again from seed and init, or read from checkpoint 0. Absent: factors for a zoo that is trained here, else "
        "checkpoint.",
    )
    methods: tuple[Literal[*REGISTRY], ...] = Field(
        ("mp", "vd"),
        min_length=1,
        description="How the zoo is sparsified, unless the configuration has methods or twins.",
    )
    twins: dict[MethodName, Literal[False] | dict[str, Any]] = Field(
        {}, description="Keys of the configuration's named twins that differ for this zoo; false: not this one."
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
    publication: Publication = Field(
        Publication(), description="What `results/published/{zoo}` says of its licence and authors."
    )


@cache
def configuration_model() -> type[BaseModel]:
    """Return the model of the configuration, with a section per experiment with settings and per sparsifier."""
    sections = {one.id: (one.settings, ...) for one in experiments() if one.settings}
    sections |= {method.section: (method.Settings, Field(description=f"{method.title}.")) for method in sparsifiers()}
    return create_model("Configuration", __base__=Configuration, __doc__=Configuration.__doc__, **sections)


@cache
def catalogue_model() -> type[BaseModel]:
    """Return the model of the catalogue, whose zoos can have sections for sparsifiers and experiments."""
    points = {
        f"{method.id}_{method.sweep.name}": (
            float | None,
            Field(None, description=f"{method.sweep.label}; null: not in the table; absent: the method's default."),
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
    known = {one.id: one.id for one in experiments() if one.of_zoo} | {m.section: m.short for m in sparsifiers()}
    sections = {
        section: (
            Literal[False] | dict[str, Any],
            Field({}, description=f"Keys of the configuration's section that differ for this zoo; false: no {name}."),
        )
        for section, name in known.items()
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
        datasets=(
            dict[ZooId, DatasetEntry],
            Field({}, description="Data sets of your own, by name; every catalogue has those of docs/own_data.md."),
        ),
        zoos=(dict[ZooId, entry], ...),
    )

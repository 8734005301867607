"""The run configuration and the zoo catalogue, checked against their schemas, as typed objects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource

from zootwins.run.errors import InputError
from zootwins.run.paths import located
from zootwins.sparsifiers.settings import MagnitudePruning, VariationalDropout
from zootwins.storage.ranges import shard_ranges
from zootwins.zoos.sources import ArchiveSource, TrainSource


@dataclass(frozen=True)
class OperatingPoint:
    """Where a table looks at the twins: MP sparsity in percent, VD epoch; None leaves the method out."""

    mp_sparsity: float | None
    vd_epoch: int | None


@dataclass(frozen=True)
class Zoo:
    """A catalogue entry joined with the run's settings; exactly one of the three sources is set.

    `compare_with` is the id of a zoo of the paper that this one is like. `twins_of` is the id of the zoo whose
    variational twins the source holds; such a zoo is imported, not trained.
    """

    id: str
    title: str
    dataset: str
    architecture: str
    models: int
    epoch: int | None
    magnitude_pruning: MagnitudePruning | None
    variational_dropout: VariationalDropout | None
    agreement: OperatingPoint
    correlation: OperatingPoint
    compare_with: str | None = None
    twins_of: str | None = None
    archive: ArchiveSource | None = None
    directory: str | None = None
    train: TrainSource | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The sparsification methods that the zoo is twinned with: of mp and vd."""
        return ("mp",) * bool(self.magnitude_pruning) + ("vd",) * bool(self.variational_dropout)

    def operating_point(self, comparison: str) -> OperatingPoint:
        """Where a comparison (`agreement` or `correlation`) looks at the zoo's twins; None where it does not or cannot.

        Raises:
            InputError: if the catalogue asks for a sparsity or an epoch that the run does not have.
        """
        point: OperatingPoint = getattr(self, comparison)
        key = f"zoos.{self.id}.operating_points.{comparison}"
        percent = point.mp_sparsity if self.magnitude_pruning else None
        epoch = point.vd_epoch if self.variational_dropout else None
        if percent is not None and percent not in self.magnitude_pruning.sparsities:
            raise InputError(
                f"{key}.mp_sparsity: {percent:g} is not among magnitude_pruning.sparsities "
                f"{list(self.magnitude_pruning.sparsities)}; set one of these in the catalogue, or null"
            )
        if epoch is not None and epoch > self.variational_dropout.epochs:
            raise InputError(
                f"{key}.vd_epoch: {epoch} is beyond variational_dropout.epochs ({self.variational_dropout.epochs}); "
                "set an epoch that is run in the catalogue, or null"
            )
        return OperatingPoint(percent, epoch)


@dataclass(frozen=True)
class Run:
    """A validated configuration joined with its catalogue.

    Attributes:
        zoos: the chosen zoos, in the configuration's order.
        catalogue: every zoo of the catalogue with this run's settings, by id.
    """

    config: Mapping[str, Any]
    zoos: tuple[str, ...]
    catalogue: Mapping[str, Zoo]

    def models(self, zoo: str) -> int:
        """How many of a zoo's models the run takes, from the first."""
        return min(self.catalogue[zoo].models, self.config["max_models"] or self.catalogue[zoo].models)

    def shards(self, zoo: str) -> list[str]:
        """The names of a zoo's shards."""
        return shard_ranges(self.models(zoo), self.config["models_per_shard"])

    def representation_zoos(self) -> list[str]:
        """The zoos that hyper-representations are trained on.

        Raises:
            InputError: if none is listed, or one is not in the catalogue or lacks what is needed.
        """
        key, zoos = "representations.zoos", self.config["representations"]["zoos"]
        if not zoos:
            raise InputError(
                f"configuration: {key} is empty; list zoos there, or take --configfile config/representations.yaml, "
                "which takes two cores a quarter of an hour"
            )
        _check_known(key, zoos, self.catalogue, self.config["catalogue"])
        for zoo in zoos:
            if not self.catalogue[zoo].variational_dropout or self.config["keep_states"] != "all":
                raise InputError(f"configuration: {key}: {zoo!r} needs variational dropout and keep_states: all")
        return zoos


@cache
def _validator(schemas: Path, name: str) -> Draft202012Validator:
    documents = {path.name: yaml.safe_load(path.read_text()) for path in schemas.glob("*.schema.yaml")}
    registry = Registry().with_resources((key, Resource.from_contents(schema)) for key, schema in documents.items())
    return Draft202012Validator(documents[name] | {"$id": name}, registry=registry)


def validate(document: Mapping[str, Any], schema: Path, where: str) -> None:
    """Check a document against a JSON schema, given as YAML, which may refer to others in its folder.

    Raises:
        InputError: naming the file (`where`), the key and what is wrong with it.
    """
    error = best_match(_validator(schema.parent, schema.name).iter_errors(document))
    if error is not None:
        key = ".".join(str(part) for part in error.absolute_path) or "top level"
        raise InputError(f"{where}: {key}: {error.message}; the keys are explained in schemas/{schema.name}")


def load_run(config: Mapping[str, Any], root: Path) -> Run:
    """Validate a configuration and join it with its catalogue.

    Args:
        config: the run configuration.
        root: the workflow's folder: of `schemas/`, and where a catalogue is that the working directory does not have.

    Raises:
        InputError: for a key or value that the schemas refuse, for zoos that the catalogue does not have, and for
            operating points that are not run.
    """
    validate(config, root / "schemas/config.schema.yaml", "configuration")
    entries = _load_catalogue(located(config["catalogue"], root), root / "schemas/catalogue.schema.yaml")
    _check_known("zoos", config["zoos"], entries, config["catalogue"])
    catalogue = {zoo: _zoo(zoo, entry, config) for zoo, entry in entries.items()}
    for zoo in catalogue.values():
        if zoo.twins_of is not None:
            _check_twins(zoo, catalogue, config["catalogue"])
    for zoo in config["zoos"]:  # here, and not when the tables are made, hours later
        catalogue[zoo].operating_point("agreement")
        catalogue[zoo].operating_point("correlation")
    return Run(config, tuple(config["zoos"]), catalogue)


def _check_known(key: str, zoos: Iterable[str], entries: Mapping[str, Any], where: str) -> None:
    for zoo in zoos:
        if zoo not in entries:
            raise InputError(f"configuration: {key}: {zoo!r} is not in {where}; it has {', '.join(sorted(entries))}")


def _check_twins(zoo: Zoo, catalogue: Mapping[str, Zoo], where: str) -> None:
    """Refuse an entry of published twins that contradicts its originals' or asks for what is not imported."""
    originals = catalogue.get(zoo.twins_of)
    if originals is None or originals.twins_of is not None:
        raise InputError(
            f"{where}: zoos.{zoo.id}.twins_of: {zoo.twins_of!r} is no zoo of originals in this catalogue; correct it"
        )
    for key in ("dataset", "architecture"):
        if getattr(zoo, key) != getattr(originals, key):
            raise InputError(f"{where}: zoos.{zoo.id}.{key}: is not that of {originals.id}; make them the same")
    if zoo.train or zoo.epoch is not None or zoo.magnitude_pruning or not zoo.variational_dropout:
        raise InputError(
            f"{where}: zoos.{zoo.id}: twins_of takes variational twins from an archive or directory; "
            "set magnitude_pruning: false, and leave out epoch, source.train and variational_dropout: false"
        )


def _load_catalogue(path: Path, schema: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such catalogue; correct the configuration's key catalogue") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    validate(document, schema, str(path))
    return document["zoos"]


def _zoo(zoo: str, entry: Mapping[str, Any], config: Mapping[str, Any]) -> Zoo:
    source = entry["source"]
    points = entry.get("operating_points", {})
    pruning = _settings(MagnitudePruning, "magnitude_pruning", entry, config)
    variational = _settings(VariationalDropout, "variational_dropout", entry, config)
    usual = {
        "mp_sparsity": min(pruning.sparsities, key=lambda percent: abs(percent - 80)) if pruning else None,
        "vd_epoch": variational.epochs if variational else None,
    }
    loaded = Zoo(
        id=zoo,
        title=entry.get("title", zoo),
        dataset=entry["dataset"],
        architecture=entry["architecture"],
        models=entry["models"],
        epoch=entry.get("epoch"),
        magnitude_pruning=pruning,
        variational_dropout=variational,
        agreement=OperatingPoint(**usual | points.get("agreement", {})),
        correlation=OperatingPoint(**usual | points.get("correlation", {})),
        compare_with=entry.get("compare_with"),
        twins_of=entry.get("twins_of"),
        archive=ArchiveSource(**source["archive"]) if "archive" in source else None,
        directory=source.get("directory"),
        train=TrainSource(**_tuples(source["train"])) if "train" in source else None,
    )
    if loaded.train and loaded.train.models != loaded.models:
        raise InputError(
            f"{config['catalogue']}: zoos.{zoo}.models: says {loaded.models}, "
            f"but the factors of source.train make {loaded.train.models}; correct one of them"
        )
    return loaded


def _settings(kind: type, key: str, entry: Mapping[str, Any], config: Mapping[str, Any]):
    own = entry.get(key, {})
    return None if own is False else kind(**_tuples(config[key] | own))


def _tuples(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in mapping.items()}

"""The run configuration and the zoo catalogue, checked against their schemas, as typed objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource

from zootwins.errors import InputError

SCHEMAS = Path("schemas")


@dataclass(frozen=True)
class MagnitudePruning:
    """Settings of a zoo's magnitude pruning; `lr` None means each model's own. Sparsities in percent."""

    sparsities: tuple[float, ...]
    epochs: int
    lr: float | None = None
    scope: str = "global"

    @property
    def ratios(self) -> tuple[float, ...]:
        """Requested sparsities as fractions, the unpruned control (0) first."""
        return (0.0, *(percent / 100 for percent in sorted(self.sparsities)))


@dataclass(frozen=True)
class VariationalDropout:
    """Settings of a zoo's variational dropout; `lr` None means each model's own."""

    epochs: int
    threshold: float
    lr: float | None = None


@dataclass(frozen=True)
class OperatingPoint:
    """Where a table looks at the twins: MP sparsity in percent, VD epoch; None leaves the method out."""

    mp_sparsity: float | None
    vd_epoch: int | None


@dataclass(frozen=True)
class TrainSource:
    """Generating factors of a zoo to be trained: the product of the lists, times `seeds`."""

    seeds: int
    activation: tuple[str, ...]
    init: tuple[str, ...]
    optimizer: tuple[str, ...]
    lr: tuple[float, ...]
    weight_decay: tuple[float, ...]
    dropout: tuple[float, ...] = (0.0,)
    momentum: float = 0.9
    epochs: int = 50
    batch_size: int = 10
    seed_mode: str = "shared"

    @property
    def models(self) -> int:
        lists = (self.activation, self.init, self.optimizer, self.lr, self.weight_decay, self.dropout)
        return self.seeds * len(list(product(*lists)))


@dataclass(frozen=True)
class ArchiveSource:
    """A zip in the raw ModelZoo layout: a local path or a URL, and what its bytes must hash to."""

    path: str | None = None
    url: str | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Zoo:
    """A catalogue entry joined with the run's settings; exactly one of the three sources is set."""

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
    archive: ArchiveSource | None = None
    directory: str | None = None
    train: TrainSource | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The sparsification methods that the zoo is twinned with: of mp and vd."""
        return ("mp",) * bool(self.magnitude_pruning) + ("vd",) * bool(self.variational_dropout)


@dataclass(frozen=True)
class Run:
    """A validated configuration and the zoos it chose, by id and in its order."""

    config: Mapping[str, Any]
    zoos: Mapping[str, Zoo] = field(default_factory=dict)


@cache
def _validator(name: str) -> Draft202012Validator:
    schemas = {path.name: yaml.safe_load(path.read_text()) for path in SCHEMAS.glob("*.schema.yaml")}
    registry = Registry().with_resources((key, Resource.from_contents(schema)) for key, schema in schemas.items())
    return Draft202012Validator(schemas[name] | {"$id": name}, registry=registry)


def validate(document: Mapping[str, Any], schema: str, where: str) -> None:
    """Check a document against a schema of `schemas/`.

    Raises:
        InputError: naming the file (`where`), the key and what is wrong with it.
    """
    error = best_match(_validator(schema).iter_errors(document))
    if error is not None:
        key = ".".join(str(part) for part in error.absolute_path) or "top level"
        raise InputError(f"{where}: {key}: {error.message}; the keys are explained in schemas/{schema}")


def load_catalogue(path: str | Path) -> dict[str, Any]:
    """The checked entries of a catalogue file, by zoo id."""
    try:
        document = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such catalogue; correct the configuration's key catalogue") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    validate(document, "catalogue.schema.yaml", str(path))
    return document["zoos"]


def load_run(config: Mapping[str, Any]) -> Run:
    """Validate a configuration and join it with its catalogue.

    Raises:
        InputError: for a key or value that the schemas refuse, and for zoos that the catalogue does not have.
    """
    validate(config, "config.schema.yaml", "configuration")
    entries = load_catalogue(config["catalogue"])
    unknown = [zoo for zoo in config["zoos"] if zoo not in entries]
    if unknown:
        raise InputError(
            f"configuration: zoos: {unknown[0]!r} is not in {config['catalogue']}; it has {', '.join(sorted(entries))}"
        )
    return Run(config, {zoo: _zoo(zoo, entries[zoo], config) for zoo in config["zoos"]})


def _zoo(zoo: str, entry: Mapping[str, Any], config: Mapping[str, Any]) -> Zoo:
    source = entry["source"]
    points = entry.get("operating_points", {})
    variational = _settings(VariationalDropout, "variational_dropout", entry, config)
    last = variational.epochs if variational else None
    loaded = Zoo(
        id=zoo,
        title=entry.get("title", zoo),
        dataset=entry["dataset"],
        architecture=entry["architecture"],
        models=entry["models"],
        epoch=entry.get("epoch"),
        magnitude_pruning=_settings(MagnitudePruning, "magnitude_pruning", entry, config),
        variational_dropout=variational,
        agreement=OperatingPoint(**{"mp_sparsity": 80, "vd_epoch": last} | points.get("agreement", {})),
        correlation=OperatingPoint(**{"mp_sparsity": 80, "vd_epoch": last} | points.get("correlation", {})),
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

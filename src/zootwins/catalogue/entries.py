"""The run configuration joined with the zoo catalogue, as typed objects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from zootwins.architectures.registry import Spec, canonical, get_design
from zootwins.catalogue.datasets import (
    ARCHIVE,
    check_borrowed,
    check_dataset,
    named_datasets,
    same_classes,
    zoo_dataset,
)
from zootwins.catalogue.documents import COMPARISONS, catalogue_model, configuration_model
from zootwins.catalogue.messages import validated
from zootwins.catalogue.soups import Soups
from zootwins.catalogue.transfer import MASKS_OF, TaskSource
from zootwins.catalogue.yaml_files import read_yaml
from zootwins.images.entries import DatasetEntry
from zootwins.run.errors import InputError, Mistakes
from zootwins.run.paths import located, located_once
from zootwins.sparsifiers.base import Point, Settings
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.shards import shard_ranges
from zootwins.zoos.sources import ArchiveSource, TrainSource

# Fields of `Zoo` that say where it comes from.
_ORIGIN = ("archive", "directory", "train", "twins_of", "initial_weights", "dialect", "factors", "held")


@dataclass(frozen=True)
class Zoo:
    """A catalogue entry joined with the run's settings; exactly one of the three sources is set.

    Attributes:
        methods: settings of the sparsifiers that the zoo is twinned with, by their ids, in the configuration's order.
        points: where the comparisons `agreement` and `correlation` look at the twins: a value on each method's dial,
            None where they do not.
        initial_weights: `factors`, or `checkpoint`: what tells the models' weights before training.
        compare_with: the id of a zoo of the paper that this one is like.
        twins_of: the id of the zoo whose variational twins the source holds; such a zoo is imported, not trained.
        dialect: how the source's files are laid out; recognised if None.
        factors: generating factors of all models that the source's files do not record.
        models: how many the zoo has: all that the source holds, or a sample of them.
        held: how many models an archive or folder holds, where the zoo is a sample of them; else None.
        publication: licence and authors of a release.
    """

    id: str
    title: str
    dataset: str
    architecture: Spec
    models: int
    epoch: int | None
    methods: Mapping[str, Settings]
    points: Mapping[str, Mapping[str, float | None]]
    initial_weights: str = "checkpoint"
    compare_with: str | None = None
    twins_of: str | None = None
    publication: Mapping[str, Any] = field(default_factory=dict)
    archive: ArchiveSource | None = None
    directory: str | None = None
    train: TrainSource | None = None
    dialect: str | None = None
    factors: Mapping[str, Any] = field(default_factory=dict)
    held: int | None = None

    def curve(self, method: str) -> list[Point]:
        """The operating points of a method, in the order of its dial; none if the zoo lacks it."""
        return get_sparsifier(method).curve(self.methods[method]) if method in self.methods else []

    def point(self, method: str, value: float) -> Point | None:
        """The operating point of a method with a value on its dial, or None."""
        return get_sparsifier(method).point(self.methods[method], value) if method in self.methods else None

    def operating_points(self, comparison: str) -> dict[str, Point]:
        """Where a comparison (`agreement` or `correlation`) looks at the twins, by method; some it may leave out."""
        values = {method: self.points[comparison].get(method) for method in self.methods}
        return {method: self.point(method, value) for method, value in values.items() if value is not None}

    def check_points(self) -> None:
        """Refuse operating points that the run does not have.

        Raises:
            InputError: naming the key and what is run.
        """
        for comparison in COMPARISONS:
            for method in self.methods:
                value, sweep = self.points[comparison].get(method), get_sparsifier(method).sweep
                if value is not None and self.point(method, value) is None:
                    run = ", ".join(f"{point.value:g}" for point in self.curve(method))
                    raise InputError(
                        f"zoos.{self.id}.operating_points.{comparison}.{method}_{sweep.name}: {value:g} is not among "
                        f"what is run ({run}); set one of these in the catalogue, or null"
                    )

    def plain(self, *, origin: bool = True) -> dict[str, Any]:
        """The fields as plain values, as Snakemake's parameters hold them; `origin`: with where the zoo comes from."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["methods"] = {method: settings.model_dump() for method, settings in self.methods.items()}
        for name in ("archive", "train"):
            values[name] = values[name] and values[name].model_dump()
        sources = ("archive", "directory", "train", "twins_of", "initial_weights", "dialect", "factors", "publication")
        dropped = () if origin else sources
        return {name: value for name, value in values.items() if name not in dropped}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Zoo":
        """A zoo from its fields as plain values."""
        methods = {method: get_sparsifier(method).Settings(**own) for method, own in values["methods"].items()}
        sources = {"archive": ArchiveSource, "train": TrainSource}
        typed = {name: kind(**values[name]) for name, kind in sources.items() if values.get(name)}
        return cls(**{**values, **typed, "methods": methods})


@dataclass(frozen=True)
class Run:
    """A validated configuration joined with its catalogue.

    Attributes:
        zoos: the chosen zoos, in the configuration's order.
        catalogue: every zoo of the catalogue with this run's settings, by id.
        soups: settings of the soups of every zoo that has some, by id.
        folders: those that the catalogue's paths may be relative to, the first one first.
        datasets: the data sets by name, those written inside a zoo's entry among them.
    """

    config: Any
    zoos: tuple[str, ...]
    catalogue: Mapping[str, Zoo]
    soups: Mapping[str, Soups]
    folders: tuple[Path, ...]
    datasets: Mapping[str, DatasetEntry]

    def source_path(self, zoo: str) -> Path | None:
        """The archive or folder on this machine that a zoo comes from; None of one to be downloaded or trained.

        Raises:
            InputError: if two folders have different files of this name, or a folder stands for a file.
        """
        entry = self.catalogue[zoo]
        kind = "directory" if entry.directory else "archive.path"
        path = entry.directory or (entry.archive and entry.archive.path)
        if not path:
            return None
        key = f"{self.config.catalogue}: zoos.{zoo}.source.{kind}"
        found = located_once(path, self.folders, key)
        if found.is_dir() and not entry.directory:
            raise InputError(f"{key}: {found} is a folder, not a zip; write source: {{directory: {path}}}")
        if found.is_file() and entry.directory:
            raise InputError(f"{key}: {found} is a file, not a folder; write source: {{archive: {{path: {path}}}}}")
        return found

    def dataset_path(self, name: str) -> Path | None:
        """The user's file or folder that a data set is read from; None of one that comes from elsewhere.

        Raises:
            InputError: if two folders have different files of this name.
        """
        entry = self.datasets.get(name)
        if entry is None or entry.path is None:
            return None
        return located_once(entry.path, self.folders, f"{self.config.catalogue}: data set {name}")

    def missing(self, path: Path) -> str:
        """What to tell a user whose archive, folder or data set is nowhere."""
        looked = " or ".join(dict.fromkeys(str(folder.absolute()) for folder in self.folders))
        return f"{self.config.catalogue}: {path} is not in {looked}; correct the path in the catalogue"

    def models(self, zoo: str) -> int:
        """How many of a zoo's models the run takes, from the first."""
        return min(self.catalogue[zoo].models, self.config.max_models or self.catalogue[zoo].models)

    def shards(self, zoo: str) -> list[str]:
        """The names of a zoo's shards."""
        return shard_ranges(self.models(zoo), self.config.models_per_shard)

    def representation_zoos(self) -> tuple[str, ...]:
        """The zoos that hyper-representations are trained on.

        Raises:
            InputError: if none is listed, or one is not in the catalogue or lacks what is needed.
        """
        key, zoos = "representations.zoos", self.config.representations.zoos
        if not zoos:
            raise InputError(
                f"configuration: {key} is empty; list zoos there, or take --configfile config/representations.yaml, "
                "which takes two cores a quarter of an hour"
            )
        across = self.config.representations.across
        _check_known(key, zoos, self.catalogue, self.config.catalogue)
        _check_known("representations.across", across, self.catalogue, self.config.catalogue)
        specs = [self.catalogue[zoo].architecture for zoo in (*zoos, *across)]
        architectures = {canonical(spec): get_design(spec).label for spec in specs}
        if across and len(architectures) > 1:
            raise InputError(
                "configuration: representations.across: what is learned from networks of one architecture tells "
                f"nothing of another, and these are {' and '.join(sorted(architectures.values()))}; list zoos of one"
            )
        for zoo in (*zoos, *across):
            if "vd" not in self.catalogue[zoo].methods or self.config.keep_states != "all":
                raise InputError(
                    f"configuration: representations: {zoo!r} needs variational dropout and keep_states: all"
                )
        return zoos

    def transfer_points(self, zoo: str) -> dict[str, list[Point]]:
        """The operating points of a zoo's methods whose twins are transferred, in the order of each method's dial.

        Raises:
            InputError: if one is not run or not transferred, or baselines are asked for that the zoo has nothing for.
        """
        settings, points = self.config.transfer, {}
        for method, values in settings.points.items():
            if values and settings.methods is not None and method not in settings.methods:
                raise InputError(
                    f"configuration: transfer.points.{method}: {method} is not in transfer.methods; add it there, or "
                    f"set points.{method} to []"
                )
        for method, own in self.catalogue[zoo].methods.items():
            if settings.methods is not None and method not in settings.methods:
                continue
            values = settings.points.get(method, (get_sparsifier(method).default_point(own),))
            values = {*values, 0.0} if method == MASKS_OF else set(values)
            for value in values:
                if self.catalogue[zoo].point(method, value) is None:
                    run = ", ".join(f"{point.value:g}" for point in self.catalogue[zoo].curve(method))
                    raise InputError(
                        f"configuration: transfer.points.{method}: {value:g} is not among what {zoo} is run at ({run})"
                    )
            points[method] = [self.catalogue[zoo].point(method, value) for value in sorted(values)]
        known = [point.value for point in points.get(MASKS_OF, [])]
        for key in ("random", "scratch"):
            for value in getattr(settings, key):
                if not known:
                    raise InputError(
                        f"configuration: transfer.{key}: takes its counts and masks from {MASKS_OF}, whose twins of "
                        f"{zoo} are not transferred; add {MASKS_OF} to transfer.methods and the zoo's methods, or set "
                        f"{key} to []"
                    )
                if value not in known:
                    raise InputError(
                        f"configuration: transfer.{key}: {value:g} is not in transfer.points.{MASKS_OF}; add it there"
                    )
        if settings.untrained and self.catalogue[zoo].twins_of:
            raise InputError(
                f"configuration: transfer.untrained: the weights before training of {zoo}, whose twins are published, "
                "are not at hand; set it to false"
            )
        return points

    def transfer_tasks(self, zoo: str) -> list[str]:
        """The tasks that a zoo is transferred to: all but its own data set.

        Raises:
            InputError: if there is none, or one is of a data set or zoo that there is not.
        """
        tasks = []
        for task in self.config.transfer.tasks:
            source = TaskSource.of(task)
            if (source.zoo or source.dataset) not in (self.catalogue if source.zoo else self.datasets):
                raise InputError(f"configuration: transfer.tasks: {task!r}: there is no such data set or zoo")
            dataset = self.catalogue[source.zoo].dataset if source.zoo else source.dataset
            same = dataset == self.catalogue[zoo].dataset and dataset != ARCHIVE  # each archive brings its own
            if source.variant or (source.zoo != zoo and not same):
                tasks.append(task)
        if not tasks:
            raise InputError(f"configuration: transfer.tasks: none for {zoo}, its own data set does not count; add one")
        return tasks


def load_run(config: Mapping[str, Any], root: Path) -> Run:
    """Validate a configuration and join it with its catalogue.

    Args:
        config: the run configuration.
        root: the workflow's folder, where a catalogue is that the working directory does not have.

    Raises:
        InputError: for wrong keys and values, for zoos that the catalogue does not have, and for operating points that
            are not run; a line for each.
    """
    mistakes = Mistakes()
    with mistakes.collected():
        configuration = validated(configuration_model(), config, "configuration")
    if isinstance(config.get("catalogue"), str):  # else the configuration's mistake is enough
        with mistakes.collected():
            where = str(located(config["catalogue"], root))
            document = validated(catalogue_model(), _load(Path(where)), where)
            entries, datasets = document.zoos, named_datasets(document.datasets, where)
    mistakes.refuse()
    with mistakes.collected():
        _check_known("zoos", configuration.zoos, entries, configuration.catalogue)
    catalogue, soups = {}, {}
    for zoo, entry in entries.items():
        with mistakes.collected():
            catalogue[zoo] = _zoo(zoo, entry, configuration, where, datasets)
        if entry.soups is not False:
            with mistakes.collected():
                soups[zoo] = _soups(zoo, entry, configuration, where)
    mistakes.refuse()
    data_of = {zoo.id: zoo.dataset for zoo in catalogue.values()}
    with mistakes.collected():
        _check_titles(catalogue, where)
    with mistakes.collected():
        check_borrowed(datasets, data_of, where)
    for zoo, settings in soups.items():
        with mistakes.collected():
            _check_shifted(zoo, settings, datasets, data_of, configuration, where)
    for zoo in catalogue.values():
        if zoo.twins_of is not None:
            with mistakes.collected():
                _check_twins(zoo, catalogue, where)
    for zoo in configuration.zoos:  # here, and not when the tables are made, hours later
        with mistakes.collected():
            catalogue[zoo].check_points()
    mistakes.refuse()
    return Run(configuration, configuration.zoos, catalogue, soups, (Path(where).parent, Path(), root), datasets)


def _check_known(key: str, zoos: Iterable[str], entries: Mapping[str, Any], where: str) -> None:
    for zoo in zoos:
        if zoo not in entries:
            raise InputError(f"configuration: {key}: {zoo!r} is not in {where}; it has {', '.join(entries)}")


def _check_titles(catalogue: Mapping[str, Zoo], where: str) -> None:
    """Refuse two zoos of one title, which tables and figures could not tell apart."""
    first: dict[str, str] = {}
    for zoo in catalogue.values():
        if first.setdefault(zoo.title, zoo.id) != zoo.id:
            raise InputError(
                f"{where}: zoos.{zoo.id}.title: {zoo.title!r} is the title of {first[zoo.title]} too; change one"
            )


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
    if zoo.train or zoo.epoch is not None:
        raise InputError(
            f"{where}: zoos.{zoo.id}: twins_of takes variational twins from an archive or directory; "
            "leave out epoch and source.train"
        )


def _load(path: Path) -> Any:
    if not path.exists():
        raise InputError(f"{path}: there is no such catalogue; correct the configuration's key catalogue")
    return read_yaml(path)


def _zoo(name: str, entry: Any, config: Any, where: str, datasets: dict[str, DatasetEntry]) -> Zoo:
    source, methods = entry.source, _methods(name, entry, config, where)
    zoo = Zoo(
        id=name,
        title=entry.title or name,
        dataset=zoo_dataset(name, entry.dataset, datasets, where),
        architecture=entry.architecture,
        models=source.sample or entry.models,
        held=entry.models if source.sample else None,
        epoch=entry.epoch,
        methods=methods,
        points={
            comparison: _points(getattr(entry.operating_points, comparison), methods) for comparison in COMPARISONS
        },
        initial_weights=entry.initial_weights or ("factors" if source.train else "checkpoint"),
        compare_with=entry.compare_with,
        publication=entry.publication.model_dump(),
        twins_of=entry.twins_of,
        archive=source.archive,
        directory=source.directory,
        train=source.train,
        dialect=entry.dialect,
        factors=entry.factors.model_dump(exclude_none=True),
    )
    if zoo.twins_of and entry.variational_dropout is False:
        raise InputError(
            f"{where}: zoos.{name}: variational_dropout: false contradicts twins_of; leave one of them out"
        )
    if zoo.train and zoo.dataset == ARCHIVE:
        raise InputError(f"{where}: zoos.{name}.dataset: source.train has no archive; name a data set")
    if source.sample and (zoo.train or zoo.twins_of or source.sample > entry.models):
        raise InputError(
            f"{where}: zoos.{name}.source.sample: takes at most {entry.models} models of an archive or folder of "
            "originals; correct it, or leave it out"
        )
    if zoo.train and zoo.train.models != zoo.models:
        raise InputError(
            f"{where}: zoos.{name}.models: says {zoo.models}, but the factors of source.train make {zoo.train.models}; "
            "correct one of them"
        )
    return zoo


def _methods(name: str, entry: Any, config: Any, where: str) -> dict[str, Settings]:
    """The settings of a zoo's methods, the run's or its own; of published twins, variational dropout's alone."""
    methods = {}
    for method in config.methods or entry.methods:
        sparsifier = get_sparsifier(method)
        own = getattr(entry, sparsifier.section)
        if own is False or (entry.twins_of and method != "vd"):
            continue
        merged = getattr(config, sparsifier.section).model_dump() | own
        methods[method] = validated(sparsifier.Settings, merged, where, f"zoos.{name}.{sparsifier.section}")
    return _resolved(name, methods, _epochs(entry), config, where)


def _epochs(entry: Any) -> int | None:
    """The epochs that a zoo's originals were trained for, if the catalogue tells."""
    return entry.source.train.epochs if entry.epoch is None and entry.source.train else entry.epoch


def _resolved(
    name: str, methods: Mapping[str, Settings], epochs: int | None, config: Any, where: str
) -> dict[str, Settings]:
    """The methods with what follows from one another; a zoo that is not run is without those that do not fit."""
    resolved = {}
    for method, settings in methods.items():
        sparsifier = get_sparsifier(method)
        try:
            resolved[method] = sparsifier.resolve_settings(settings, methods, epochs)
        except ValueError as error:
            if name in config.zoos:
                key = sparsifier.section
                raise InputError(f"{where}: zoos.{name}.{key}: {error}, or set {key}: false for this zoo") from None
    return resolved


def _soups(name: str, entry: Any, config: Any, where: str) -> Soups:
    """The settings of a zoo's soups; their learning rate is magnitude pruning's where they have none of their own."""
    merged = config.soups.model_dump() | entry.soups
    settings = validated(Soups, merged, where, f"zoos.{name}.soups")
    pruning = config.magnitude_pruning.model_dump() | (entry.magnitude_pruning or {})
    return settings if "lr" in entry.soups or settings.lr else settings.model_copy(update={"lr": pruning["lr"]})


def _check_shifted(
    name: str,
    settings: Soups,
    datasets: Mapping[str, DatasetEntry],
    data_of: Mapping[str, str],
    config: Any,
    where: str,
) -> None:
    """Refuse shifted sets that there are not, or, of a zoo that is run, whose labels mean something else."""
    key = f"{where}: zoos.{name}.soups.shifted_sets"
    for one in settings.shifted_sets:
        check_dataset(one, datasets, key)
        if name in config.zoos and not same_classes(one, data_of[name], datasets, data_of):
            raise InputError(f"{key}: labels of {one} mean something else than those of {data_of[name]}; leave it out")


def _points(given: Any, methods: Mapping[str, Settings]) -> dict[str, float | None]:
    """A value on each method's dial; the usual one where the catalogue has none."""
    points = {}
    for method, settings in methods.items():
        sparsifier = get_sparsifier(method)
        key = f"{method}_{sparsifier.sweep.name}"
        points[method] = getattr(given, key) if key in given.model_fields_set else sparsifier.default_point(settings)
    return points

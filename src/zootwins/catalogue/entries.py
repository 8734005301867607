"""The run configuration joined with the zoo catalogue, as typed objects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zootwins.catalogue.datasets import ARCHIVE, check_borrowed, named_datasets, zoo_dataset
from zootwins.catalogue.documents import catalogue_model, configuration_model
from zootwins.catalogue.experiments import Experiment, experiments, get_experiment
from zootwins.catalogue.messages import validated
from zootwins.catalogue.methods import check_names, looks, operating_points, zoo_methods
from zootwins.catalogue.yaml_files import read_yaml
from zootwins.catalogue.zoos import COMPARISONS, Zoo
from zootwins.images.entries import DatasetEntry
from zootwins.run.errors import InputError, Mistakes
from zootwins.run.paths import located, located_once
from zootwins.sparsifiers.base import Sparsifier
from zootwins.sparsifiers.registry import get_sparsifier, name_twins
from zootwins.storage.shards import shard_ranges


@dataclass(frozen=True)
class Run:
    """A validated configuration joined with its catalogue.

    Attributes:
        zoos: the chosen zoos, in the configuration's order.
        catalogue: every zoo of the catalogue with this run's settings, by id.
        settings: of every experiment that a zoo may set otherwise, by its id: the settings of each zoo that has it.
        folders: those that the catalogue's paths may be relative to, the first one first.
        datasets: the data sets by name, those written inside a zoo's entry among them.
    """

    config: Any
    zoos: tuple[str, ...]
    catalogue: Mapping[str, Zoo]
    settings: Mapping[str, Mapping[str, Any]]
    folders: tuple[Path, ...]
    datasets: Mapping[str, DatasetEntry]

    def source_path(self, zoo: str) -> Path | None:
        """Return the archive or folder on this machine of a zoo; None of one to be downloaded or trained.

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
        """Return the user's file or folder of a data set; None of one that comes from elsewhere.

        Raises:
            InputError: if two folders have different files of this name.
        """
        entry = self.datasets.get(name)
        if entry is None or entry.path is None:
            return None
        return located_once(entry.path, self.folders, f"{self.config.catalogue}: data set {name}")

    def missing(self, path: Path) -> str:
        """Return the message for an archive, folder or data set that is not there."""
        looked = " or ".join(dict.fromkeys(str(folder.absolute()) for folder in self.folders))
        return f"{self.config.catalogue}: {path} is not in {looked}; correct the path in the catalogue"

    def models(self, zoo: str) -> int:
        """Return how many of a zoo's models the run takes, from the first."""
        whole, wanted = self.catalogue[zoo].models, self.config.max_models
        return min(whole, (wanted.get(zoo) if isinstance(wanted, Mapping) else wanted) or whole)

    def shards(self, zoo: str) -> list[str]:
        """Return the names of a zoo's shards."""
        return shard_ranges(self.models(zoo), self.config.models_per_shard)

    def originals_of(self, zoo: str) -> Zoo:
        """Return the zoo that published twins were made from; any other zoo is its own."""
        return self.catalogue[self.catalogue[zoo].twins_of or zoo]

    def fetched_epoch(self, zoo: str) -> int | str | None:
        """Return the checkpoint to read of each model of an archive or folder; of published twins, `all`."""
        return "all" if self.catalogue[zoo].twins_of else self.catalogue[zoo].epoch

    def dialect_of_dataset(self, zoo: str) -> str | None:
        """Return the dialect of the raw zoo that may bring a data set along."""
        return self.originals_of(zoo).dialect

    def imported_models(self, zoo: str) -> int:
        """Return how many models a raw zoo must hold: of a zoo trained here, those that the run takes."""
        entry = self.catalogue[zoo]
        return self.models(zoo) if entry.train else entry.held or entry.models

    def about(self) -> dict[str, list[str]]:
        """Return the titles of each zoo's methods, by the zoo's title, for the report."""
        zoos = [self.catalogue[zoo] for zoo in self.zoos]
        return {zoo.title: [get_sparsifier(method).title for method in zoo.methods] for zoo in zoos}

    def names_of(self, sparsifier: Sparsifier) -> list[str]:
        """Return the names of twins by a sparsifier: its id, and those in the run's section `twins`."""
        named = [name for name, twin in self.config.twins.items() if twin.sparsifier == sparsifier.section]
        return list(dict.fromkeys((sparsifier.id, *named)))

    def sampled_models(self, zoo: str) -> int | None:
        """Return how many of its source's models a zoo takes; None: all."""
        return self.catalogue[zoo].models if self.catalogue[zoo].held else None

    def analysed(self, zoo: str) -> dict[str, Any]:
        """Return what tables and figures depend on in a catalogue entry: all but the zoo's source."""
        return self.catalogue[zoo].plain(origin=False) | {"models": self.models(zoo)}

    def publication(self, zoo: str) -> dict[str, Any]:
        """Return what a release says of its zoo."""
        entry = self.catalogue[zoo]
        about = {name: getattr(entry, name) for name in ("title", "dataset", "architecture")}
        return {"zoo": zoo, **about, **entry.publication}

    def method_settings(self, zoo: str, method: str) -> dict[str, Any]:
        """Return the settings of a method for a zoo, as plain values.

        Raises:
            InputError: if the run does not have it.
        """
        settings = self.catalogue[zoo].methods.get(method)
        if settings is None:
            raise InputError(f"{zoo} has no twins by {method} in this configuration; add it to twins")
        return settings.model_dump()

    def exported_settings(self, zoo: str, population: str) -> dict[str, Any] | None:
        """Return the settings of a population's method; None of originals and of a zoo trained here."""
        methods = self.catalogue[zoo].methods
        return methods[population].model_dump() if population in methods else None

    def check_known(self, key: str, zoos: Iterable[str]) -> None:
        """Refuse zoos that the catalogue does not have.

        Raises:
            InputError: naming the configuration's key.
        """
        _check_known(key, zoos, self.catalogue, self.config.catalogue)


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
            document = validated(catalogue_model(), _read_catalogue(Path(where)), where)
            entries, datasets = document.zoos, named_datasets(document.datasets, where)
    mistakes.refuse()
    name_twins({name: twin.model_dump() for name, twin in configuration.twins.items()})
    with mistakes.collected():
        check_names(configuration, entries, where)
    mistakes.refuse()
    with mistakes.collected():
        _check_known("zoos", configuration.zoos, entries, configuration.catalogue)
        if isinstance(configuration.max_models, Mapping):
            _check_known("max_models", configuration.max_models, entries, configuration.catalogue)
    catalogue: dict[str, Zoo] = {}
    settings: dict[str, dict[str, Any]] = {one.id: {} for one in experiments() if one.of_zoo}
    for zoo, entry in entries.items():
        with mistakes.collected():
            catalogue[zoo] = _zoo(zoo, entry, configuration, where, datasets)
        for experiment, of_zoos in settings.items():
            if getattr(entry, experiment) is not False:
                with mistakes.collected():
                    of_zoos[zoo] = _settings(get_experiment(experiment), zoo, entry, configuration, where)
    mistakes.refuse()
    data_of = {zoo.id: zoo.dataset for zoo in catalogue.values()}
    with mistakes.collected():
        _check_titles(catalogue, where)
    with mistakes.collected():
        check_borrowed(datasets, data_of, where)
    for zoo in catalogue.values():
        if zoo.twins_of is not None:
            with mistakes.collected():
                _check_twins(zoo, catalogue, where)
    for zoo in configuration.zoos:  # here, and not when the tables are made, hours later
        with mistakes.collected():
            catalogue[zoo].check_points()
            catalogue[zoo].check_earlier_epochs(configuration.keep_states)
    run = Run(configuration, configuration.zoos, catalogue, settings, (Path(where).parent, Path(), root), datasets)
    for experiment, of_zoos in settings.items():
        for zoo in of_zoos:
            with mistakes.collected():
                get_experiment(experiment).check(run, zoo, f"{where}: zoos.{zoo}.{experiment}")
    mistakes.refuse()
    return run


def _zoo(name: str, entry: Any, config: Any, where: str, datasets: dict[str, DatasetEntry]) -> Zoo:
    source, methods = entry.source, zoo_methods(name, entry, config, where)
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
            comparison: operating_points(getattr(entry.operating_points, comparison), methods)
            for comparison in COMPARISONS
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
        twins=looks(methods, config),
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


def _settings(experiment: Experiment, zoo: str, entry: Any, config: Any, where: str) -> Any:
    """Return an experiment's settings for a zoo: the run's, with the zoo's own."""
    own, key = getattr(entry, experiment.id), f"zoos.{zoo}.{experiment.id}"
    settings = validated(experiment.settings, getattr(config, experiment.id).model_dump() | own, where, key)
    return experiment.resolve(settings, own, config, entry)


def _check_known(key: str, zoos: Iterable[str], entries: Mapping[str, Any], where: str) -> None:
    for zoo in zoos:
        if zoo not in entries:
            raise InputError(f"configuration: {key}: {zoo!r} is not in {where}; it has {', '.join(entries)}")


def _check_titles(catalogue: Mapping[str, Zoo], where: str) -> None:
    """Refuse two zoos of one title, which tables and figures could not distinguish."""
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


def _read_catalogue(path: Path) -> Any:
    """Read a catalogue's file."""
    if not path.exists():
        raise InputError(f"{path}: there is no such catalogue; correct the configuration's key catalogue")
    return read_yaml(path)

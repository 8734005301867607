"""The files of a run, and the inputs of each.

Rules, targets and `verify` ask here. Paths are relative to the working directory.
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from os.path import relpath
from pathlib import Path
from typing import Any

from zootwins.catalogue.entries import Run
from zootwins.catalogue.experiments import Experiment, Result, experiment_of, experiments, get_experiment, module_of
from zootwins.catalogue.zoos import Zoo
from zootwins.run.errors import InputError
from zootwins.run.provenance import digest
from zootwins.sparsifiers import registry
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.shards import shard_slice

TENSORS = ("dataset", "originals", "predictions")
# The files that a table and a figure are.
TABLE_FORMS = (".csv", ".csv.sha256", ".md", ".tex", ".html")
FIGURE_FORMS = (".pdf", ".png", ".svg")
PAPER = ("mp", "vd")  # the paper's methods
DIGESTS = ".snakemake/zootwins-digests.json"  # of large files of folders, beside Snakemake's own records


def _state_of(file: Path, folder: Path) -> tuple[str, int, int]:
    """Return what a file of a folder is known by, since images can have the same size: path, size, time of change."""
    status = file.stat()
    return str(file.relative_to(folder)), status.st_size, status.st_mtime_ns


@cache
def _digest_of_folder(directory: str, epoch: int | str | None, dialect: str | None) -> str:
    """Return the digest of a folder, computed once for all of a zoo's jobs."""
    from zootwins.zoos.identity import folder_digest  # imports numpy, for the runs that have such a zoo

    return folder_digest(directory, epoch, dialect, DIGESTS)


@cache
def _lacks_epoch(path: str, epoch: int, dialect: str | None) -> bool:
    from zootwins.zoos.identity import lacks_epoch

    return lacks_epoch(path, epoch, dialect)


@dataclass(frozen=True)
class Files:
    """The files of a run.

    Attributes:
        run: the configuration joined with its catalogue.
        root: the workflow's folder, where what the project brings along is.
        given: a path of the catalogue as it is seen from here, refused if it is nowhere. It takes the function of the
            run that looks it up, the name of its zoo or data set, and the files that are made of it.
    """

    run: Run
    root: Path
    given: Callable[..., str]

    def of_project(self, path: str) -> str:
        """Return a path of the project."""
        return relpath(self.root / path)

    def paper(self, tables: Iterable[str]) -> list[str]:
        """Return the paper's tables of some names."""
        return [self.of_project(f"resources/paper/{table}.csv") for table in tables]

    @cached_property
    def counterparts(self) -> dict[str, str]:
        """The paper's zoo that each zoo of the catalogue is, or is like, where its tables have it.

        Raises:
            InputError: if a zoo is to be compared with one that the paper does not have.
        """
        known, catalogue = self.paper_models, self.run.catalogue.items()
        for zoo, entry in catalogue:
            if entry.compare_with not in (None, *known):
                raise InputError(
                    f"{self.run.config.catalogue}: zoos.{zoo}.compare_with: {entry.compare_with!r} is no zoo of the "
                    f"paper; those are {', '.join(known)}"
                )
        return {zoo: like for zoo, entry in catalogue if (like := entry.compare_with or zoo) in known}

    @cached_property
    def paper_models(self) -> dict[str, int]:
        """How many models each zoo of the paper has."""
        with Path(*self.paper(["zoos"])).open(encoding="utf-8") as file:
            return {row["zoo"]: int(row["models"]) for row in csv.DictReader(file)}

    def counterpart(self, zoo: str) -> str:
        """Return the paper's zoo that a zoo is, or is like."""
        return self.counterparts[zoo]

    def counterpart_models(self, zoo: str) -> int:
        """Return the number of models of the paper's zoo."""
        return self.paper_models[self.counterparts[zoo]]

    # Raw zoos

    def source(self, zoo: str) -> str:
        """Return the archive or folder that a zoo comes from."""
        made = (f"results/zoos/{zoo}/raw.zip", f"results/zoos/{zoo}/models.csv")
        return self.given(self.run.source_path, zoo, *made)

    def of_dataset(self, name: str) -> list[str]:
        """Return the files of a data set, but for those in data_dir: the same ones elsewhere rerun nothing."""
        entry = self.run.datasets.get(name)
        if entry is None or not (entry.zoo or entry.path):
            return []
        if entry.zoo:
            return [f"results/zoos/{entry.zoo}/dataset.safetensors"]
        return [self.given(self.run.dataset_path, name)]

    def dataset_settings(self, name: str) -> dict[str, Any] | str:
        """Return the catalogue's settings of a data set, as plain values, and a folder's files; `archive` as is.

        A file of the folder is known by its name, its size and when it was last changed.
        """
        entry = self.run.datasets.get(name)
        if entry is None:
            return name
        folder = Path(*self.of_dataset(name)) if entry.folder else None
        held = folder and sorted(_state_of(file, folder) for file in folder.rglob("*.*"))
        return {"name": name, "entry": entry.plain(), "files": held and digest(held)}

    def zoo_dataset_files(self, zoo: str) -> list[str]:
        """Return the files of a zoo's data set."""
        return self.of_dataset(self.run.catalogue[zoo].dataset)

    def zoo_dataset_settings(self, zoo: str) -> dict[str, Any] | str:
        """Return the catalogue's settings of a zoo's data set."""
        return self.dataset_settings(self.run.catalogue[zoo].dataset)

    def archive(self, zoo: str) -> list[str]:
        """Return the archive of a zoo on this machine, or nothing where it is to be downloaded."""
        archive = self.run.catalogue[zoo].archive
        return [self.source(zoo)] if archive and archive.path else []

    def raw_zoo(self, zoo: str) -> str:
        """Return a zoo in the raw layout: fetched, a folder of the user's, or trained here."""
        entry = self.run.catalogue[zoo]
        if entry.train:
            return f"results/exports/{zoo}/trained.zip"
        return self.source(zoo) if entry.directory else f"results/zoos/{zoo}/raw.zip"

    def raw_zoo_with_dataset(self, zoo: str) -> str | list[str]:
        """Return the raw zoo that may hold its data set; a zoo that is trained here takes the catalogue's."""
        originals = self.run.originals_of(zoo)
        return [] if originals.train else self.raw_zoo(originals.id)

    def raw_zoo_with_initial_weights(self, zoo: str) -> str | list[str]:
        """Return the raw zoo whose checkpoints 0 are read; none where the weights follow from the factors."""
        return self._raw_zoo_at(zoo, 0) if self.run.catalogue[zoo].initial_weights == "checkpoint" else []

    def raw_zoo_with_epoch(self, zoo: str, epoch: str) -> str:
        """Return the raw zoo whose checkpoints of an epoch are read.

        Raises:
            InputError: if it is on this machine and has none.
        """
        raw, entry = self._raw_zoo_at(zoo, int(epoch)), self.run.catalogue[zoo]
        local = None if entry.train else self.run.source_path(zoo)
        if local is not None and local.exists() and _lacks_epoch(str(local), int(epoch), entry.dialect):
            raise InputError(
                f"{local}: has no checkpoints of epoch {epoch}, whose weights a method of {zoo} takes; set its "
                "rewind_epoch to an epoch that has, or to 0 (before training)"
            )
        return raw

    def _raw_zoo_at(self, zoo: str, epoch: int) -> str:
        """Return the raw zoo with the checkpoints of an epoch, which a download in part may have left out."""
        archive = self.run.catalogue[zoo].archive
        fetched = archive is not None and not archive.path
        return f"results/zoos/{zoo}/epoch-{epoch}.zip" if fetched else self.raw_zoo(zoo)

    def folder_state_of_epoch(self, zoo: str, epoch: str) -> str | None:
        """Return a digest of the checkpoints of an epoch in a zoo's folder."""
        return self._folder_state(self.run.catalogue[zoo], int(epoch))

    def folder_state(self, zoo: str) -> str | None:
        """Return a digest of the files that are read of a zoo's folder, whatever their dates."""
        return self._folder_state(self.run.catalogue[zoo], self.run.fetched_epoch(zoo))

    def folder_state_of_dataset(self, zoo: str) -> str | None:
        """Return the same of the folder that may bring the data set along."""
        originals = self.run.originals_of(zoo)
        return self._folder_state(originals, originals.epoch)

    def folder_state_of_initial_weights(self, zoo: str) -> str | None:
        """Return the same of the checkpoints 0, where these are read."""
        entry = self.run.catalogue[zoo]
        return self._folder_state(entry, 0) if entry.initial_weights == "checkpoint" else None

    def _folder_state(self, zoo: Zoo, epoch: int | str | None) -> str | None:
        return _digest_of_folder(self.source(zoo.id), epoch, zoo.dialect) if zoo.directory else None

    # Zoos and twins

    def shards(self, zoo: str, folder: str) -> list[str]:
        """Return the files of a zoo's shards in a folder, in order."""
        return [f"{folder}/{shard}.safetensors" for shard in self.run.shards(zoo)]

    def twins(self, zoo: str, method: str) -> list[str]:
        """Return the shards of a zoo's twins by a method."""
        return self.shards(zoo, f"results/twins/{zoo}/{method}")

    def twins_by_method(self, zoo: str) -> dict[str, list[str]]:
        """Return the shards of a zoo's twins, by method."""
        return {method: self.twins(zoo, method) for method in self.run.catalogue[zoo].methods}

    def vd_twins(self, zoo: str) -> list[str]:
        """Return the shards of a zoo's twins by variational dropout."""
        return self.twins(zoo, "vd")

    def all_twins(self) -> list[str]:
        """Return every shard of twins of the configured zoos."""
        return [shard for zoo in self.run.zoos for shards in self.twins_by_method(zoo).values() for shard in shards]

    def first_twins(self, zoo: str) -> dict[str, str]:
        """Return the first shard of a zoo's twins, by method."""
        return {method: shards[0] for method, shards in self.twins_by_method(zoo).items()}

    def small_twins(self, zoo: str) -> list[str]:
        """Return the shards of a zoo's twins as smaller networks, of the methods that remove channels."""
        methods = self.run.catalogue[zoo].methods.items()
        shrunk = [method for method, settings in methods if get_sparsifier(method).removes_channels(settings)]
        return [file for method in shrunk for file in self.shards(zoo, f"results/small/{zoo}/{method}")]

    def paper_twins(self, zoo: str) -> list[str]:
        """Return the shards of a zoo's twins by those of the paper's methods that it has."""
        return [shard for method in PAPER for shard in self.twins_by_method(zoo).get(method, [])]

    def paper_metrics(self, zoo: str) -> list[str]:
        """Return models.csv and the long tables of these twins."""
        names = [f"{method}/{table}" for method in PAPER for table in ("scores", "agreement")]
        return [f"results/zoos/{zoo}/models.csv", *self.metrics([zoo], names)]

    def needed_by_twins(self, zoo: str, method: str, shard: str) -> dict[str, str]:
        """Return the inputs of a shard of twins beside the originals: twins by other methods, initial weights."""
        settings = self.run.catalogue[zoo].methods.get(method)
        if settings is None:  # its job is refused
            return {}
        sparsifier = get_sparsifier(method)
        needed = {other: f"results/twins/{zoo}/{other}/{shard}.safetensors" for other in sparsifier.needs(settings)}
        return needed | {f"epoch_{epoch}": self.earlier(zoo, epoch) for epoch in sparsifier.earlier_epochs(settings)}

    def earlier(self, zoo: str, epoch: int) -> str:
        """Return the file of a zoo's weights after an epoch of their training; 0: before it."""
        return f"results/zoos/{zoo}/epoch-{epoch}.safetensors" if epoch else self.initial(zoo)

    def initial(self, zoo: str) -> str:
        """Return the weights of a zoo's models before training."""
        return f"results/zoos/{zoo}/initial.safetensors"

    def of_originals(self, zoo: str) -> dict[str, str]:
        """Return the files that import_zoo wrote of the originals of published twins."""
        folder = f"results/zoos/{self.run.catalogue[zoo].twins_of}"
        return {kind: f"{folder}/{kind}.safetensors" for kind in ("originals", "predictions")} | {
            "models": f"{folder}/models.csv",
            "history": f"{folder}/history.parquet",
        }

    def shard_of_model(self, zoo: str, method: str, model: str) -> list[str]:
        """Return the shard of a method's twins that a model is in; see `shard_with`."""
        return self.shard_with(zoo, model, self.twins(zoo, method))

    def shard_with(self, zoo: str, model: str, shards: Sequence[str]) -> list[str]:
        """Return the shard that holds a model, by its name and models.csv or its index; all shards without these.

        Raises:
            InputError: if the run does not take the model.
        """
        table = Path(f"results/zoos/{zoo}/models.csv")
        names = (
            [row[0] for row in csv.reader(table.read_text(encoding="utf-8").splitlines()[1:])] if table.exists() else []
        )
        if model not in names and not model.isdigit() and not names:
            return list(shards)
        index = names.index(model) if model in names else int(model) if model.isdigit() else -1
        if index not in range(self.run.models(zoo)):
            taken = self.run.models(zoo)
            raise InputError(f"{model}: not among the {taken} models of {zoo} that this run takes; {table} lists all")
        return [shard for shard in shards if index in range(*shard_slice(Path(shard).stem))]

    def metrics(self, zoos: Iterable[str], names: Iterable[str]) -> list[str]:
        """Return the long tables of zoos; `*/` before a name stands for every method that a zoo has."""
        names = list(names)
        files = [file for zoo in zoos for name in names for file in self._metrics(self.run.catalogue[zoo], name)]
        return list(dict.fromkeys(files))

    def _metrics(self, zoo: Zoo, name: str) -> list[str]:
        if name == "history":  # of the originals
            return [f"results/zoos/{zoo.id}/history.parquet"]
        if name == "mask_overlap" and len(zoo.methods) < 2:
            return []
        method, _, table = name.rpartition("/")
        methods = [known for known in zoo.methods if method in (known, "*")] if method else [""]
        if table == "response":
            methods = [method for method in methods if method in zoo.operating_points("correlation")]
        return [f"results/metrics/{zoo.id}/{method}{'/' * bool(method)}{table}.parquet" for method in methods]

    def scores(self, zoo: str) -> list[str]:
        """Return the scores of a zoo's twins, by every method."""
        return self.metrics([zoo], ["*/scores"])

    def explored(self) -> list[str]:
        """Return the explorer's inputs: models.csv and the scores of every method of the configured zoos."""
        models = [f"results/zoos/{zoo}/models.csv" for zoo in self.run.zoos]
        return models + self.metrics(self.run.zoos, ["*/scores"])

    # Tables and figures

    def sources(self, result: Result) -> list[str]:
        """Return the files that a table or figure is made of."""
        return experiment_of(result).sources(self, result.sources)

    def beside(self, result: Result) -> list[str]:
        """Return the paper's tables that are read beside them."""
        return self.paper(result.paper)

    def zoos(self, result: Result) -> list[dict[str, Any]]:
        """Return what a table or figure depends on in the entries of its zoos."""
        return [self.run.analysed(zoo) for zoo in experiment_of(result).zoos(self.run)]

    def modules(self, result: Result) -> list[str]:
        """Return the modules that a table or figure is made with, those of the methods' curves among them."""
        zoos = experiment_of(result).zoos(self.run)
        methods = dict.fromkeys(method for zoo in zoos for method in self.run.catalogue[zoo].methods)
        experiment = module_of(experiment_of(result).id)
        return [experiment, *result.modules, *map(registry.module_of, methods)]

    # What a run makes

    def targets(self, experiment: Experiment) -> list[str]:
        """Return all that an experiment's target makes: tables, figures, their inputs and checksums.

        Raises:
            InputError: if the experiment cannot be done with this configuration.
        """
        made = [file for files in experiment.files(self).values() for file in files]
        checksums = [f"{file}.sha256" for file in made if file.endswith(".csv")]
        of = [*map(get_experiment, experiment.extends), experiment] if not experiment.in_all else [experiment]
        return [*made, *checksums, *self.tables(of), *self.figures(of)]

    def tables(self, of: Iterable[Experiment]) -> list[str]:
        """Return every file of the tables of some experiments."""
        return [f"results/tables/{one.name}{form}" for each in of for one in each.tables for form in TABLE_FORMS]

    def figures(self, of: Iterable[Experiment]) -> list[str]:
        """Return every file of the figures of some experiments."""
        return [f"results/figures/{one.name}{form}" for each in of for one in each.figures for form in FIGURE_FORMS]

    def needed(self) -> dict[str, list[str]]:
        """Return the files that `all` makes, by kind, as `zootwins.storage.verification.verify` takes them."""
        return _joined(self._checked(one) for one in experiments() if one.in_all)

    def possible(self) -> dict[str, list[str]]:
        """Return the files that exist only if requested: of other experiments, single models, exports."""
        found = [self.on_request()]
        for experiment in experiments():
            if not experiment.in_all:
                with suppress(InputError):  # it cannot be done with this configuration
                    found.append(self._checked(experiment))
        needed = {file for files in self.needed().values() for file in files}
        return {kind: [file for file in files if file not in needed] for kind, files in _joined(found).items()}

    def _checked(self, experiment: Experiment) -> dict[str, list[str]]:
        tables = [f"results/tables/{table.name}.csv" for table in experiment.tables]
        return _joined([experiment.files(self), {"table": tables}])

    def of_zoos(self, zoos: Sequence[str]) -> dict[str, list[str]]:
        """Return the inputs and twins of zoos, by kind, but for what can be had again from elsewhere."""
        all_zoos = dict.fromkeys([*zoos, *(self.run.originals_of(zoo).id for zoo in zoos)])
        folders = [f"results/zoos/{zoo}" for zoo in all_zoos]
        trained = [zoo for zoo in all_zoos if self.run.catalogue[zoo].train]
        return {kind: [f"{folder}/{kind}.safetensors" for folder in folders] for kind in TENSORS} | {
            "models": [f"{folder}/models.csv" for folder in folders],
            "history": [f"{folder}/history.parquet" for folder in folders],
            "initial": [self.earlier(zoo, epoch) for zoo in zoos for epoch in self.run.catalogue[zoo].earlier_epochs],
            "shard": [file for zoo in trained for file in self.shards(zoo, f"results/zoos/{zoo}/trained")]
            + self.all_twins(),
            "small": [file for zoo in zoos for file in self.small_twins(zoo)],
        }

    def on_request(self) -> dict[str, list[str]]:
        """Return single models and exports that were requested, by kind; a model goes by its name or its index."""
        kinds = {"shard": "models/*/*/*.safetensors", "export": "exports/*/*.zip"}
        return {kind: sorted(map(str, Path("results").glob(pattern))) for kind, pattern in kinds.items()}


def _joined(parts: Iterable[Mapping[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Join the files of each kind in all parts, each file once, of the first kind that has it."""
    joined: dict[str, list[str]] = {}
    seen: set[str] = set()
    for part in parts:
        for kind, files in part.items():
            new = [file for file in dict.fromkeys(files) if file not in seen]
            joined.setdefault(kind, []).extend(new)
            seen.update(new)
    return joined

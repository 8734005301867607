"""Long tables that are kept when a run's folder is gone, and the tables of the workflow that are made of them anew.

`data/{experiment}/{zoo}/` holds models.csv and the long tables of a zoo that was run, as the workflow wrote them and
compressed; data/README.md describes them.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from snakemake.utils import update_config

from zootwins.analyses.results import ZooResults, load_results
from zootwins.catalogue.entries import Run, load_run
from zootwins.catalogue.experiments import tables
from zootwins.catalogue.files import Files
from zootwins.storage import checksums
from zootwins.storage.files import replacing
from zootwins.storage.frames import read_csv, read_models, read_parquet, write_csv

ROOT = Path(__file__).parents[1]


def keep(results: Path, folder: Path, files: Files, zoo: str, names: Iterable[str], points: bool = False) -> None:
    """Copy models.csv and long tables of a zoo into a folder, compressed; what is there already is replaced.

    Args:
        results: the folder `results` of a run.
        folder: of the zoo.
        files: of the run.
        zoo: its id.
        names: of the long tables, as in `Result.sources`.
        points: keep the rows of operating points alone, of tables that say which these are.

    Raises:
        InputError: if a table is missing or damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    models = read_models(results / f"zoos/{zoo}/models.csv")
    write_csv(models[models["index"] < files.run.models(zoo)], folder / "models.csv", digits=None)
    for file in files.metrics([zoo], names):
        _copy(results / Path(file).relative_to("results"), folder / Path(*Path(file).parts[3:]), points)


def _copy(source: Path, target: Path, points: bool) -> None:
    """A long table without the models' names, which its column `index` stands for, in less space."""
    read_parquet(source)  # checks it
    table = pq.read_table(source)
    if points:
        table = table.filter(pc.is_valid(table["point"]))
    kept = table.select([name for name in table.column_names if name != "model"])
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != b"pandas"}
    target.parent.mkdir(exist_ok=True)
    with replacing(target) as temporary:
        sealed = {**metadata, b"checksum": checksums.BLANK}
        pq.write_table(kept.replace_schema_metadata(sealed), temporary, compression="zstd", compression_level=19)
        checksums.seal(temporary)


def with_methods(run: Run, folders: Mapping[str, Path]) -> Run:
    """A run whose zoos have only those methods that their folders of long tables have a folder for."""
    methods = {zoo: {path.name for path in folder.iterdir() if path.is_dir()} for zoo, folder in folders.items()}
    catalogue = {
        zoo: replace(entry, methods={name: own for name, own in entry.methods.items() if name in methods[zoo]})
        for zoo, entry in run.catalogue.items()
        if zoo in methods
    }
    return replace(run, catalogue={**run.catalogue, **catalogue})


@dataclass(frozen=True)
class KeptRun:
    """A run whose long tables are kept.

    Attributes:
        configuration: its file, with what it changes of config.yaml.
        folder: where its long tables are kept, a folder for each zoo.
        names: of these tables, as in `Result.sources`.
        points: keep the rows of operating points alone, of tables that say which these are.
    """

    configuration: Path
    folder: Path
    names: tuple[str, ...]
    points: bool = False

    def whole(self) -> dict[str, Any]:
        """The configuration with the defaults."""
        whole = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
        update_config(whole, yaml.safe_load(self.configuration.read_text(encoding="utf-8")))
        return whole

    def keep(self, results: Path, zoos: Iterable[str] | None = None) -> dict[str, int]:
        """Keep the long tables of zoos, those of the configuration or some; returns how many models were run of each.

        Raises:
            InputError: if a table is missing or damaged, or a run has not all methods of the configuration.
        """
        zoos = self.whole()["zoos"] if zoos is None else zoos
        models = {zoo: _models_of(results, zoo, self.names[0]) for zoo in zoos}
        whole = load_run({**self.whole(), "zoos": list(models), "max_models": models}, ROOT)
        for zoo in models:
            keep(results, self.folder / zoo, Files(whole, ROOT, _unknown), zoo, self.names, self.points)
        return models

    def tables(self) -> "KeptTables":
        """What is kept."""
        return KeptTables(self.folder, self.whole())


@dataclass(frozen=True)
class KeptTables:
    """Tables of the workflow, made of the long tables of zoos that are kept.

    Attributes:
        folder: with a folder for each zoo.
        configuration: whose zoos they are; `zoos` and `max_models` follow from the folder.
    """

    folder: Path
    configuration: Mapping[str, Any]

    @property
    def models(self) -> dict[str, int]:
        """How many models were run of each zoo, in the configuration's order."""
        kept = [zoo for zoo in self.configuration["zoos"] if (self.folder / zoo / "models.csv").exists()]
        return {zoo: len(read_models(self.folder / zoo / "models.csv")) for zoo in kept}

    @property
    def run(self) -> Run:
        """The run that would make these long tables."""
        models = self.models
        run = load_run({**self.configuration, "zoos": list(models), "max_models": models}, ROOT)
        return with_methods(run, {zoo: self.folder / zoo for zoo in models})

    def make(self, names: Iterable[str]) -> dict[str, pd.DataFrame]:
        """Return some tables by name, made by the functions that the workflow makes them with."""
        with self._as_a_run() as files:
            return {name: _made(name, files) for name in names}

    def results(self, names: Iterable[str]) -> list[ZooResults]:
        """Return the long tables of some names (`Files.metrics`) as analyses take them, zoo by zoo."""
        with self._as_a_run() as files:
            zoos = files.run.zoos
            models = [f"results/zoos/{zoo}/models.csv" for zoo in zoos]
            return load_results(map(files.run.analysed, zoos), [*models, *files.metrics(zoos, names)])

    @contextmanager
    def _as_a_run(self) -> Iterator[Files]:
        """Work in a folder that has the kept files where a run has them."""
        files, kept = Files(self.run, ROOT, lambda find, name, *read: str(find(name))), self.folder.resolve()
        with TemporaryDirectory() as folder, chdir(folder):
            for place in ("zoos", "metrics"):
                Path("results", place).mkdir(parents=True)
                for zoo in files.run.zoos:
                    Path("results", place, zoo).symlink_to(kept / zoo, target_is_directory=True)
            yield files


def _models_of(results: Path, zoo: str, name: str) -> int:
    """Return how many models were run: up to the last in a long table, and those excluded after it."""
    models = read_models(results / f"zoos/{zoo}/models.csv")
    tables = sorted((results / f"metrics/{zoo}").glob(f"{name}.parquet"))
    last = max((read_parquet(table)["index"].max() for table in tables), default=-1)
    after = models.loc[(models["index"] > last) & (models["status"] == "ok"), "index"]
    return int(after.min()) if len(after) else len(models)


def _unknown(find: Any, name: str, *read: str) -> str:
    """Stand for files that the user gives, which long tables do not depend on."""
    return ""


def page_arguments(description: str) -> Path | None:
    """Read the command line of a page's script: the folder `results` of a run that is kept first, if any."""
    parser = argparse.ArgumentParser(description=description.split("\n", maxsplit=1)[0])
    parser.add_argument("--keep", type=Path, metavar="RESULTS", help="keep the networks of a run")
    return parser.parse_args().keep


def keep_as_asked(description: str, runs: Mapping[str, KeptRun]) -> None:
    """Read the command line of a page's script, and keep the run that `--keep NAME RESULTS` names, if any."""
    parser = argparse.ArgumentParser(description=description.split("\n", maxsplit=1)[0])
    known = ", ".join(f"{name}: {run.configuration.relative_to(ROOT)}" for name, run in runs.items())
    parser.add_argument("--keep", nargs=2, metavar=("NAME", "RESULTS"), help=f"keep the long tables of a run ({known})")
    if asked := parser.parse_args().keep:
        if asked[0] not in runs:
            parser.error(f"--keep {asked[0]}: there is no such run; name one of {known}")
        kept = runs[asked[0]].keep(Path(asked[1]))
        print("\n".join(f"{zoo}: {models} models" for zoo, models in kept.items()))


def _made(name: str, files: Files) -> pd.DataFrame:
    """A table, after those that it is made of."""
    table, path = tables()[name], Path(f"results/tables/{name}.csv")
    if not path.exists():
        sources = files.sources(table)
        for source in map(Path, sources):
            if source.parent == path.parent:
                _made(source.stem, files)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_csv(table.make(*table.read(files.zoos(table), sources, files.beside(table))), path)
    return read_csv(path)

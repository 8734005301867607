"""What an experiment is: settings, long tables, and the tables and figures that are made of these.

Snakemake reads every experiment whenever it starts. What makes a table or draws a figure is therefore named and not
imported, and a job depends on the code of its own table alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from pydantic import BaseModel

    from zootwins.catalogue.entries import Run
    from zootwins.catalogue.files import Files

OF_ZOOS = "zootwins.analyses.results:read_results"
TABLES, FIGURES, COMPARISON = "Tables", "Figures", "Comparison with the paper"  # chapters of the report


@dataclass(frozen=True, kw_only=True)
class Result:
    """A table or figure of an experiment.

    Attributes:
        name: its files' name.
        sources: what it is made of. `{table}` is a long table of each zoo (`results/metrics/{zoo}/{table}.parquet`),
            `*/{table}` one of each of its methods, `tables/{table}` another table of the run; an experiment may have
            sources of its own.
        label: what the report's menu says of it.
        caption: what the report says below it.
        reader: the function, as `module:name`, that turns files into the arguments of what makes it. It takes the
            fields of each zoo, the paths of the sources and those of `paper`.
        paper: the paper's tables that are read beside the sources; of most tables, the one whose order of zoos they
            take.
        chapter: of the report.
    """

    name: str
    sources: tuple[str, ...]
    label: str
    caption: str = ""
    reader: str = OF_ZOOS
    paper: tuple[str, ...] = ()
    chapter: str = ""

    @property
    def text(self) -> str:
        """What the report says below it."""
        return self.caption

    @property
    def labels(self) -> dict[str, str]:
        """What the report's menu shows: the paper's number of a table or figure, and what is in it."""
        number = f"{self.name[:-1].capitalize()} {self.name[-1]}" if self.name[-1].isdigit() else "beyond the paper"
        return {"result": number, "content": self.label}

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that it is made with, by full name: what its job's digest of code has to cover."""
        return (self.reader.partition(":")[0],)

    def read(self, zoos: Sequence[Mapping[str, Any]], files: Sequence[str], paper: Sequence[str]) -> Sequence[Any]:
        """Read the arguments of what makes it.

        Args:
            zoos: fields of `Zoo` as plain mappings.
            files: paths of its sources.
            paper: paths of the paper's tables that `paper` names.
        """
        return resolve_name(self.reader)(zoos, files, paper)


@dataclass(frozen=True, kw_only=True)
class Table(Result):
    """A table.

    Attributes:
        module: where its functions are, by full name.
        maker: makes it, of what its reader returns: a frame, long and with ids.
        arranger: turns that into text in rows and columns (`zootwins.analyses.cells`).
        title: what stands above it.
        note: what its numbers are.
    """

    module: str
    maker: str
    arranger: str
    title: str
    note: str
    paper: tuple[str, ...] = ("table6",)
    chapter: str = TABLES

    @property
    def text(self) -> str:
        return self.caption or self.note

    @property
    def modules(self) -> tuple[str, ...]:
        return (*super().modules, self.module)

    def make(self, *inputs: Any) -> pd.DataFrame:
        """Make the table, long and with ids, numbers in full."""
        return self._function(self.maker)(*inputs)

    def arrange(self, table: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
        """Arrange the table's text for people.

        Args:
            table: as `make` made it.
            titles: how people call the zoos, by id.
        """
        return self._function(self.arranger)(table).rename(index=titles, level="Zoo")

    def _function(self, name: str) -> Any:
        return resolve_name(f"{self.module}:{name}")


@dataclass(frozen=True, kw_only=True)
class Drawing(Result):
    """A figure.

    Attributes:
        drawn_by: the function, as `module:name` within `zootwins.reporting.figures`; `module` alone where both have
            one name.
    """

    drawn_by: str
    chapter: str = FIGURES

    @property
    def modules(self) -> tuple[str, ...]:
        return (*super().modules, f"zootwins.reporting.figures.{self.drawn_by.partition(':')[0]}")

    def draw(self, *inputs: Any) -> Figure:
        """Draw the figure of what its reader returned."""
        name = self.drawn_by.rpartition(":")[2]
        return resolve_name(f"{self.modules[-1]}:{name}")(*inputs)


class Experiment:
    """An experiment on zoos and their twins; instances hold no state.

    Attributes:
        id: of its target, its rules' file, and its section of the configuration where it has settings.
        title: what its target makes, in texts.
        page: its page among the documentation's, if it has one.
        settings: the section's model, or None.
        of_zoo: whether a zoo of the catalogue may have settings of its own, under the section's name, or `false`.
        in_all: whether it is a part of `all`, `tables` and `figures`; others have a target of their own.
        extends: experiments whose tables and figures its target makes too.
        long_tables: what it computes for each zoo, as `Result.sources` names it; tables and figures read no more than
            these and those of the experiments that it extends.
        tables: the tables, each made by one function and listed by one entry.
        figures: likewise.
        findings: the table that holds its verdicts, if one does.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    page: ClassVar[str | None] = None
    settings: ClassVar[type[BaseModel] | None] = None
    of_zoo: ClassVar[bool] = False
    in_all: ClassVar[bool] = False
    extends: ClassVar[tuple[str, ...]] = ()
    long_tables: ClassVar[tuple[str, ...]] = ()
    tables: ClassVar[tuple[Table, ...]] = ()
    figures: ClassVar[tuple[Drawing, ...]] = ()
    findings: ClassVar[str | None] = None

    def resolve(self, settings: Any, own: Mapping[str, Any], config: Any, entry: Any) -> Any:
        """Resolve a zoo's settings: add what follows from the rest of the configuration.

        Args:
            settings: the section's, with the zoo's own keys.
            own: these keys.
            config: the configuration.
            entry: the zoo's entry in the catalogue.
        """
        return settings

    def check(self, run: Run, zoo: str, where: str) -> None:
        """Refuse settings of a zoo that do not fit it or its data.

        Args:
            where: the file and the key that they stand under.

        Raises:
            InputError: with the key and what to do.
        """

    def zoos(self, run: Run) -> Sequence[str]:
        """Return the zoos of a run that its tables and figures are about.

        Raises:
            InputError: if there is none, or it cannot be done with this configuration.
        """
        return run.zoos

    def shown_path(self, name: str) -> str:
        """Return where a long table is below `results/`, with what varies in braces, for the documentation."""
        return "zoos/{zoo}/history.parquet" if name == "history" else f"metrics/{{zoo}}/{name}.parquet"

    def sources(self, files: Files, names: Sequence[str]) -> list[str]:
        """Return the files that sources stand for, in the order that readers rely on.

        Raises:
            InputError: as `zoos`.
        """
        zoos = self.zoos(files.run)
        models = [f"results/zoos/{zoo}/models.csv" for zoo in zoos]
        tables = [f"results/{name}.csv" for name in names if name.startswith("tables/")]
        return models + tables + files.metrics(zoos, [name for name in names if not name.startswith("tables/")])

    def files(self, files: Files) -> dict[str, list[str]]:
        """Return the intermediate files, by kind (`zootwins.storage.verification.verify`).

        Raises:
            InputError: as `zoos`.
        """
        return {"metrics": files.metrics(self.zoos(files.run), self.long_tables)}

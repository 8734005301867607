"""Results of a zoo's twins, as data frames: the view that tables, figures and findings share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zootwins.analyses.status import split_diverged
from zootwins.catalogue.zoos import Zoo
from zootwins.sparsifiers.base import Point
from zootwins.sparsifiers.registry import get_sparsifier, is_known
from zootwins.storage.frames import read_csv, read_models, read_parquet

# What the twins of a method are compared with, where it is no other method: the dense models, or the point before.
ORIGINAL, BEFORE = "original", "before"


@dataclass(frozen=True)
class ZooResults:
    """A zoo, its models and the long tables of its twins (`zootwins.analyses.metrics`); fractions throughout.

    Attributes:
        models: models.csv, the excluded ones too.
        tables: by name: `{method}/{table}`, such as `mp/scores`, `mp/layers`, `mp/agreement`, `mp/response`, and
            `history`, `weight_statistics`; what a reader does not need may be absent. Without the rows of networks
            that diverged.
        diverged: these rows, by the same names.
    """

    zoo: Zoo
    models: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    diverged: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def originals(self) -> pd.DataFrame:
        """The models that have twins, by their index in models.csv."""
        return self.models[self.models["status"] == "ok"].set_index("index")

    def values(self, method: str) -> list[float]:
        """Return a method's operating points, as values of its sweep parameter; none if the zoo lacks the method."""
        return [point.value for point in self.zoo.curve(method)]

    def milestones(self, method: str) -> list[Point]:
        """Return the operating points that have a row in tables."""
        return get_sparsifier(method).milestones(self.zoo.methods[method])

    def at(self, method: str, point: float | Point, table: str = "scores", epoch: int | None = None) -> pd.DataFrame:
        """Return rows of a method's table at an operating point (or its value of the sweep parameter), by index.

        Args:
            epoch: another state of the same twins than the point's.
        """
        if not isinstance(point, Point):
            point = self.zoo.point(method, point)
        rows = self.tables[f"{method}/{table}"]
        chosen = rows["epoch"] == (point.epoch if epoch is None else epoch)
        for name, value in point.at.items():
            chosen &= np.isclose(rows[name], value, atol=0)
        return rows[chosen].set_index("index")

    def curve(self, method: str, table: str = "scores") -> pd.DataFrame:
        """Return the rows of a method's table at all of its operating points; `point` is the sweep parameter."""
        rows = self.tables[f"{method}/{table}"]
        return rows[rows["point"].notna()]

    def undiverged(self) -> "ZooResults":
        """Return the results of the models none of whose networks diverged, for what needs all states of a model."""
        diverged = set().union(*(rows["index"] for rows in self.diverged.values()))
        keep = lambda table: table[~table["index"].isin(diverged)] if "index" in table else table  # noqa: E731
        return replace(
            self, models=keep(self.models), tables={name: keep(table) for name, table in self.tables.items()}
        )

    def operating_points(self, comparison: str) -> dict[str, Point]:
        """Return where a comparison looks at the twins, by method; see `Zoo.operating_points`."""
        return self.zoo.operating_points(comparison)


def load_results(zoos: Iterable[Mapping[str, Any]], files: Iterable[str]) -> list[ZooResults]:
    """Load what files under results/zoos and results/metrics hold of each zoo.

    Args:
        zoos: fields of `Zoo` as plain mappings, as Snakemake's parameters hold them; `models` is the number of models
            that the run takes, from the first, of those in models.csv.
        files: paths `results/zoos/{zoo}/{table}` and `results/metrics/{zoo}/{table}`.
    """
    found: dict[str, dict[str, pd.DataFrame]] = {}
    for path in map(Path, files):
        zoo, *name = path.with_suffix("").parts[2:]
        # without the models' names, which `index` stands for: at the paper's scale they are 2 GB of text
        table = read_models(path) if path.suffix == ".csv" else read_parquet(path, without=["model"])
        found.setdefault(zoo, {})["/".join(name)] = table
    results = []
    for zoo in map(Zoo.of, zoos):
        tables = {
            name: table[table["index"] < zoo.models] if "index" in table else table
            for name, table in found[zoo.id].items()
        }
        models = tables.pop("models")
        parts = {name: split_diverged(table) for name, table in tables.items()}
        counted, diverged = ({name: part[which] for name, part in parts.items()} for which in (0, 1))
        results.append(ZooResults(zoo, models, counted, diverged))
    return results


def left_out(zoos: Sequence[ZooResults]) -> str:
    """Return a sentence for the notes of a table on the networks that diverged; empty if there are none."""
    models: dict[str, int] = {}
    for results in zoos:
        indices: dict[str, set[int]] = {}
        for name, rows in results.diverged.items():
            if rows.empty:  # tables of whole zoos have no column of models either
                continue
            method = name.partition("/")[0]
            indices.setdefault(get_sparsifier(method).short if is_known(method) else method, set()).update(
                rows["index"]
            )
        models |= {kind: models.get(kind, 0) + len(found) for kind, found in indices.items() if found}
    counts = ", ".join(f"{kind.replace('_', ' ')}: {count}" for kind, count in models.items())
    return f"Left out where weights or loss are not finite, models: {counts}." if counts else ""


def paper_order(zoos: Iterable[ZooResults], paper: pd.DataFrame) -> list[ZooResults]:
    """Sort zoos in the order of one of the paper's tables; those that it does not have follow."""
    order = {zoo: position for position, zoo in enumerate(paper["zoo"].unique())}
    return sorted(zoos, key=lambda results: order.get(results.zoo.id, len(order)))


def read_results(
    zoos: Iterable[Mapping[str, Any]], files: Iterable[str], paper: Sequence[str]
) -> tuple[list[ZooResults] | pd.DataFrame, ...]:
    """Read the results of some zoos, in the order of one of the paper's tables where its path is given.

    Tables of the run that are among the files follow, each as it is.

    Args:
        zoos: see `load_results`.
        files: likewise.
        paper: the table's path, or nothing.
    """
    files = list(files)
    tables = [path for path in files if Path(path).parent.name == "tables"]
    results = load_results(zoos, [path for path in files if path not in tables])
    ordered = results if not paper else paper_order(results, pd.read_csv(paper[0]))
    return ordered, *map(read_csv, tables)


def with_left_out(note: str, inputs: Sequence[Any]) -> str:
    """Add a sentence on networks that diverged to the note of a table made of the results of zoos.

    Args:
        note: the table's.
        inputs: what its reader returned.
    """
    zoos = [results for part in inputs if isinstance(part, list) for results in part if isinstance(results, ZooResults)]
    return " ".join(filter(None, (note, left_out(zoos))))

"""What a zoo's twins came to, as data frames: the view that tables, figures and findings share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zootwins.catalogue.entries import OperatingPoint, Zoo
from zootwins.sparsifiers.settings import MagnitudePruning, VariationalDropout
from zootwins.storage.frames import read_parquet
from zootwins.zoos.originals import read_models


@dataclass(frozen=True)
class ZooResults:
    """A zoo, its models and the long tables of its twins (`zootwins.analyses.metrics`); fractions throughout.

    Attributes:
        models: models.csv, the excluded ones too.
        tables: by name, of `mp`, `mp_layers`, `mp_agreement`, `vd`, `vd_layers`, `vd_agreement`, `history`; what a
            reader does not need may be absent.
    """

    zoo: Zoo
    models: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]

    @property
    def originals(self) -> pd.DataFrame:
        """The models that have twins, by their index in models.csv."""
        return self.models[self.models["status"] == "ok"].set_index("index")

    @property
    def mp_percents(self) -> list[float]:
        """Requested sparsities of magnitude pruning in percent, the control (0) first; empty if there is none."""
        pruning = self.zoo.magnitude_pruning
        return [0.0, *sorted(map(float, pruning.sparsities))] if pruning else []

    @property
    def vd_epochs(self) -> range:
        """Epochs of variational dropout; empty if there is none."""
        dropout = self.zoo.variational_dropout
        return range(dropout.epochs + 1) if dropout else range(0)

    def mp(self, percent: float, epoch: int | None = None, table: str = "mp") -> pd.DataFrame:
        """Rows of a magnitude pruning table at a requested sparsity and an epoch (the last if None)."""
        rows = self.tables[table]
        epoch = self.zoo.magnitude_pruning.epochs if epoch is None else epoch
        return rows[np.isclose(rows["ratio"], percent / 100) & (rows["epoch"] == epoch)].set_index("index")

    def vd(self, epoch: int, table: str = "vd") -> pd.DataFrame:
        """Rows of a variational dropout table at an epoch."""
        rows = self.tables[table]
        return rows[rows["epoch"] == epoch].set_index("index")

    def operating_point(self, comparison: str) -> OperatingPoint:
        """Where a comparison looks at the twins; see `Zoo.operating_point`."""
        return self.zoo.operating_point(comparison)


def load_results(zoos: Iterable[Mapping[str, Any]], files: Iterable[str]) -> list[ZooResults]:
    """What some of the files under results/zoos and results/metrics say of each zoo.

    Args:
        zoos: fields of `Zoo` as plain mappings, as Snakemake's parameters hold them; `models` is the number of models
            that the run takes, from the first, of those in models.csv.
        files: paths `{zoo}/models.csv` and `{zoo}/{table}.parquet`.
    """
    found: dict[str, dict[str, pd.DataFrame]] = {}
    for path in map(Path, files):
        # without the models' names, which `index` stands for: at the paper's scale they are 2 GB of text
        table = read_models(path) if path.suffix == ".csv" else read_parquet(path, without=["model"])
        found.setdefault(path.parent.name, {})[path.stem] = table
    results = []
    for zoo in map(analysed_zoo, zoos):
        tables = {
            name: table[table["index"] < zoo.models] if "index" in table else table
            for name, table in found[zoo.id].items()
        }
        results.append(ZooResults(zoo, tables.pop("models"), tables))
    return results


def analysed_zoo(fields: Mapping[str, Any]) -> Zoo:
    """A zoo from its fields as plain mappings; those that say where it comes from may be absent."""
    kinds = {
        "magnitude_pruning": MagnitudePruning,
        "variational_dropout": VariationalDropout,
        "agreement": OperatingPoint,
        "correlation": OperatingPoint,
    }
    settings = {name: kind(**fields[name]) if fields[name] is not None else None for name, kind in kinds.items()}
    return Zoo(**{**fields, **settings})

"""The dense models of a zoo as twins start from them: originals.safetensors and models.csv."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
from safetensors import SafetensorError, safe_open
from torch import Tensor

from zootwins.architectures import Architecture, get_architecture
from zootwins.errors import InputError
from zootwins.population import Factors


@dataclass(frozen=True)
class Originals:
    """Dense models: names, indices in models.csv, generating factors and parameters `[models, …]`."""

    architecture: Architecture
    models: Sequence[str]
    index: Sequence[int]
    factors: Sequence[Factors]
    parameters: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.models)


def load_originals(weights: str | Path, models: str | Path, architecture: str, first: int, stop: int) -> Originals:
    """The models with index in `first … stop-1` that were not excluded.

    Raises:
        InputError: if a file cannot be read, or the two do not belong together.
    """
    table = read_models(models)
    chosen = table[(table.status == "ok") & table["index"].between(first, stop - 1)]
    try:
        with safe_open(weights, "pt") as file:
            rows = {index: row for row, index in enumerate(file.get_tensor("index").tolist())}
            missing = [name for name, index in zip(chosen.model, chosen["index"], strict=True) if index not in rows]
            if missing:
                raise InputError(f"{weights}: has no weights of {missing[0]}, which {models} lists; delete both files")
            positions = [rows[index] for index in chosen["index"]]
            names = [name for name in file.keys() if name != "index"]  # noqa: SIM118 (not a mapping)
            parameters = {name: file.get_tensor(name)[positions] for name in names}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{weights}: not readable ({error}); delete it, and the next run rebuilds it") from None
    shaped = get_architecture(architecture, parameters["conv1.weight"].shape[2])
    return Originals(
        shaped,
        chosen.model.tolist(),
        chosen["index"].tolist(),
        [_factors(row) for row in chosen.to_dict("records")],
        {name: parameters[name] for name in shaped.parameter_shapes},
    )


def read_models(path: str | Path) -> pd.DataFrame:
    """models.csv: one row a model of the zoo, with those that were excluded and why."""
    return pd.read_csv(path, dtype={"model": str, "reason": str}, keep_default_na=True)


def model_factors(models: pd.DataFrame) -> dict[int, Factors]:
    """The generating factors of the models that are not excluded, by index."""
    return {row["index"]: _factors(row) for row in models[models.status == "ok"].to_dict("records")}


def _factors(row: dict) -> Factors:
    types = {field.name: field.type for field in fields(Factors)}
    return Factors(**{name: kind(row[name]) for name, kind in types.items()})

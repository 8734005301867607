"""A zoo's dense models on disk: originals.safetensors, predictions.safetensors and models.csv."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
import torch
from safetensors import safe_open
from torch import Tensor

from zootwins.architectures.architecture import Architecture, Spec, stored_architecture
from zootwins.population import Factors
from zootwins.run.errors import InputError
from zootwins.storage import tensor_files
from zootwins.storage.files import remedy
from zootwins.storage.frames import read_models


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

    def at(self, rows: Sequence[int]) -> "Originals":
        """Return those of some rows, in their order."""
        return Originals(
            self.architecture,
            [self.models[row] for row in rows],
            [self.index[row] for row in rows],
            [self.factors[row] for row in rows],
            {name: tensor[list(rows)] for name, tensor in self.parameters.items()},
        )


def load_originals(
    weights: str | Path, models: str | Path, architecture: Spec, first: int = 0, stop: int | None = None
) -> Originals:
    """Load the models with index in `first … stop-1`, to the last one if None, that were not excluded.

    Raises:
        InputError: if a file cannot be read, or the two do not belong together.
    """
    table = read_models(models)
    chosen = table[(table.status == "ok") & table["index"].ge(first) & (stop is None or table["index"].lt(stop))]
    stored = _stored_rows(weights, "originals", torch.float32)
    held = set(stored.index.tolist())
    missing = [name for name, number in zip(chosen.model, chosen["index"], strict=True) if number not in held]
    if missing:
        raise InputError(f"{weights}: has no weights of {missing[0]}, which {models} lists; {remedy(weights)}")
    shaped = stored_architecture(weights, architecture, stored.metadata.get("network"), stored.shapes)
    parameters = stored.tensors(chosen["index"].tolist())
    return Originals(
        shaped,
        chosen.model.tolist(),
        chosen["index"].tolist(),
        [_factors(row) for row in chosen.to_dict("records")],
        {name: parameters[name] for name in shaped.tensor_shapes},
    )


def write_rows(
    path: str | Path, kind: str, index: Tensor, tensors: Mapping[str, Tensor], provenance: Mapping[str, str]
) -> None:
    """Write tensors `[rows, …]` of the models that are not excluded, with the models' indices, int64 `[rows]`."""
    tensor_files.write(path, kind, {**tensors, "index": index}, {}, provenance)


def write_initial(
    path: str | Path, originals: Originals, parameters: Mapping[str, Tensor], provenance: Mapping[str, str]
) -> None:
    """Write the parameters `[models, …]` that originals had before training, or after an epoch of it."""
    write_rows(path, "initial", torch.tensor(originals.index, dtype=torch.int64), parameters, provenance)


@dataclass(frozen=True)
class StoredRows:
    """Tensors `[rows, …]` of models in a file whose checksum was compared; read are those of the models asked for.

    Attributes:
        index: int64 `[rows]`, the models' indices.
        shapes: of the tensors, by name.
        metadata: of the file.
    """

    path: Path
    index: Tensor
    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]

    def tensors(self, models: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Return the tensors of some models, by their indices and in their order; of all if None."""
        rows = {number: row for row, number in enumerate(self.index.tolist())}
        wanted = [rows[number] for number in (rows if models is None else models)]
        first, stop = min(wanted, default=0), max(wanted, default=-1) + 1
        picked = None if wanted == list(range(first, stop)) else torch.tensor(wanted) - first
        with safe_open(self.path, "pt") as file:
            read = {name: file.get_slice(name)[first:stop] for name in self.shapes}
            return read if picked is None else {name: tensor[picked] for name, tensor in read.items()}


def read_parameters(path: str | Path) -> tuple[Tensor, dict[str, Tensor]]:
    """Read from originals.safetensors the indices `[rows]` and parameters by name, float32 `[rows, …]`.

    Raises:
        InputError: if the file is not as it was written.
    """
    stored = _stored_rows(path, "originals", torch.float32)
    return stored.index, stored.tensors()


def initial_rows(path: str | Path) -> StoredRows:
    """Return what initial.safetensors holds: the same before training.

    Raises:
        InputError: if the file is not as it was written.
    """
    return _stored_rows(path, "initial", torch.float32)


def read_predictions(path: str | Path) -> tuple[Tensor, Tensor]:
    """Read from predictions.safetensors the indices `[rows]` and predicted classes, uint8 `[rows, samples]`.

    Raises:
        InputError: if the file is not as it was written.
    """
    stored = _stored_rows(path, "predictions", torch.uint8, torch.int16)
    if list(stored.shapes) != ["predictions"] or len(stored.shapes["predictions"]) != 2:
        raise InputError(f"{path}: holds something else than predictions; {remedy(path)}")
    return stored.index, stored.tensors()["predictions"]


def _stored_rows(path: str | Path, kind: str, *dtypes: torch.dtype) -> StoredRows:
    """Check a file of rows; batch normalisation's counts are int64 whatever `dtypes`."""
    metadata, shapes = tensor_files.check(path, kind)
    with safe_open(path, "pt") as file:
        types = {name: tensor_files.dtype_of(file, name) for name in shapes}
        of_index = shapes.pop("index", ())
        if len(of_index) != 1 or types["index"] != torch.int64:
            raise InputError(f"{path}: does not say which models it holds (index); {remedy(path)}")
        index = file.get_tensor("index")
    for name, shape in shapes.items():
        expected = (torch.int64,) if name.endswith("num_batches_tracked") else dtypes
        if types[name] not in expected or shape[:1] != of_index:
            wanted = f"{expected[0]} [{len(index)}, …]"
            raise InputError(f"{path}: {name} is {types[name]} {list(shape)}, not {wanted}; {remedy(path)}")
    return StoredRows(Path(path), index, shapes, metadata)


def model_factors(models: pd.DataFrame) -> dict[int, Factors]:
    """Return the generating factors of the models that are not excluded, by index."""
    return {row["index"]: _factors(row) for row in models[models.status == "ok"].to_dict("records")}


def _factors(row: dict) -> Factors:
    # files of version 0.2 have no columns of what was not there to vary
    values = {field.name: row[field.name] for field in fields(Factors) if field.name in row}
    init = None if pd.isna(values["init"]) else values["init"] or None
    seed = None if pd.isna(values["seed"]) else int(values["seed"])
    return Factors(**values | {"init": init, "seed": seed, "batch_size": int(values["batch_size"])})

"""A zoo's dense models on disk: originals.safetensors, predictions.safetensors and models.csv."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
import torch
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
    last = table["index"].max() if stop is None else stop - 1
    chosen = table[(table.status == "ok") & table["index"].between(first, last)]
    index, parameters, metadata = _read_rows(weights, "originals", torch.float32)
    rows = {number: row for row, number in enumerate(index.tolist())}
    missing = [name for name, number in zip(chosen.model, chosen["index"], strict=True) if number not in rows]
    if missing:
        raise InputError(f"{weights}: has no weights of {missing[0]}, which {models} lists; {remedy(weights)}")
    positions = [rows[number] for number in chosen["index"]]
    shapes = {name: tuple(tensor.shape) for name, tensor in parameters.items()}
    shaped = stored_architecture(weights, architecture, metadata.get("network"), shapes)
    return Originals(
        shaped,
        chosen.model.tolist(),
        chosen["index"].tolist(),
        [_factors(row) for row in chosen.to_dict("records")],
        {name: parameters[name][positions] for name in shaped.tensor_shapes},
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


def read_parameters(path: str | Path) -> tuple[Tensor, dict[str, Tensor]]:
    """Read from originals.safetensors the indices `[rows]` and parameters by name, float32 `[rows, …]`.

    Raises:
        InputError: if the file is not as it was written.
    """
    return _read_rows(path, "originals", torch.float32)[:2]


def read_initial(path: str | Path) -> tuple[Tensor, dict[str, Tensor]]:
    """Read the same before training from initial.safetensors.

    Raises:
        InputError: if the file is not as it was written.
    """
    return _read_rows(path, "initial", torch.float32)[:2]


def read_predictions(path: str | Path) -> tuple[Tensor, Tensor]:
    """Read from predictions.safetensors the indices `[rows]` and predicted classes, uint8 `[rows, samples]`.

    Raises:
        InputError: if the file is not as it was written.
    """
    index, tensors, _ = _read_rows(path, "predictions", torch.uint8, torch.int16)
    if list(tensors) != ["predictions"] or tensors["predictions"].ndim != 2:
        raise InputError(f"{path}: holds something else than predictions; {remedy(path)}")
    return index, tensors["predictions"]


def _read_rows(path: str | Path, kind: str, *dtypes: torch.dtype) -> tuple[Tensor, dict[str, Tensor], dict[str, str]]:
    """Read indices, tensors and metadata; batch normalisation's counts are int64 whatever `dtypes`."""
    tensors, metadata = tensor_files.read(path, kind)
    index = tensors.pop("index", None)
    if index is None or index.dtype != torch.int64 or index.ndim != 1:
        raise InputError(f"{path}: does not say which models it holds (index); {remedy(path)}")
    for name, tensor in tensors.items():
        expected = (torch.int64,) if name.endswith("num_batches_tracked") else dtypes
        if tensor.dtype not in expected or tensor.shape[:1] != index.shape:
            wanted = f"{expected[0]} [{len(index)}, …]"
            raise InputError(f"{path}: {name} is {tensor.dtype} {list(tensor.shape)}, not {wanted}; {remedy(path)}")
    return index, tensors, metadata


def model_factors(models: pd.DataFrame) -> dict[int, Factors]:
    """Return the generating factors of the models that are not excluded, by index."""
    return {row["index"]: _factors(row) for row in models[models.status == "ok"].to_dict("records")}


def _factors(row: dict) -> Factors:
    # files of version 0.2 have no columns of what was not there to vary
    values = {field.name: row[field.name] for field in fields(Factors) if field.name in row}
    init = None if pd.isna(values["init"]) else values["init"] or None
    seed = None if pd.isna(values["seed"]) else int(values["seed"])
    return Factors(**values | {"init": init, "seed": seed, "batch_size": int(values["batch_size"])})

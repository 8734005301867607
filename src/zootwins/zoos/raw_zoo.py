"""Write populations in the raw ModelZoo layout, which `dialects.modelzoo` reads."""

import json
import zipfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from zootwins.architectures.architecture import Architecture, to_state_dict
from zootwins.storage.files import replacing
from zootwins.zoos.dialects.base import RawModel
from zootwins.zoos.raw_texts import params_json, result_json

_FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold: equal zoos make equal archives


def write_raw_zoo(
    path: str | Path,
    name: str,
    config: Mapping[str, Any],
    models: Iterable[RawModel],
    architecture: Architecture,
    dataset: Mapping[str, Any] | None = None,
) -> None:
    """Write a zip in the raw layout, whole or not at all; equal zoos make equal bytes.

    Args:
        path: the zip.
        name: the zoo's folder in it.
        config: content of config.json.
        models: models with their factors, checkpoints and history.
        architecture: of all the models.
        dataset: content of dataset.pt (`datasets.as_trained_on`).
    """
    files = (_files(model, architecture) for model in models)
    write_members(path, name, config, files, dataset)


# A model's name, the content of its params.json and result.json, and its state dicts by epoch.
FilesOfModel = tuple[str, dict[str, Any], bytes, dict[int, dict[str, Tensor]]]


def _files(model: RawModel, architecture: Architecture) -> FilesOfModel:
    params = params_json(model.factors, architecture) | dict(model.labels)
    states = {
        epoch: to_state_dict(parameters, architecture, model.factors.dropout)
        for epoch, parameters in model.checkpoints.items()
    }
    return model.name, params, result_json(model.history, params), states


def write_members(
    path: str | Path,
    name: str,
    config: Mapping[str, Any],
    models: Iterable[FilesOfModel],
    dataset: Mapping[str, Any] | None = None,
) -> None:
    """Write the files of a raw zoo to a zip; see `write_raw_zoo`."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:

        def member(file: str) -> zipfile.ZipInfo:
            entry = zipfile.ZipInfo(f"{name}/{file}", _FIXED_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            return entry

        archive.writestr(member("config.json"), json.dumps(dict(config), indent=1))
        if dataset is not None:
            entry = member("dataset.pt")
            entry.file_size = _size(dataset)  # by which zipfile knows whether the format for large members is needed
            with archive.open(entry, "w") as file:  # written as it is made, for it may be large
                torch.save(dict(dataset), file)
        for model, params, result, states in models:
            archive.writestr(member(f"{model}/params.json"), json.dumps(params, indent=1))
            archive.writestr(member(f"{model}/result.json"), result)
            for epoch, state in states.items():
                state = {key: tensor.clone() for key, tensor in state.items()}  # a view would save all it views
                buffer = BytesIO()
                torch.save(state, buffer)
                archive.writestr(member(f"{model}/checkpoint_{epoch:06d}/checkpoints"), buffer.getvalue())


def _size(dataset: Mapping[str, Any]) -> int:
    """Return bytes of the tensors of a dataset.pt."""
    parts = [part for part in dataset.values() if isinstance(part, TensorDataset)]
    return sum(tensor.nbytes for part in parts for tensor in part.tensors)

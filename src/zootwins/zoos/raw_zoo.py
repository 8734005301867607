"""The raw ModelZoo layout: a folder a model, with its generating factors, its history and its checkpoints.

    <zoo>/config.json  dataset.pt
    <zoo>/<model>/params.json  result.json  checkpoint_0000XX/checkpoints

Checkpoints are torch state dicts with keys `module_list.{i}.{weight,bias}`; those of the authors' variational twins
also have `module_list.{i}.{log_sigma2,log_sigma2_bias}`. What the files say is never executed and
never believed without a check: layouts are inferred from keys and shapes, rows matched by `training_iteration`.
"""

import json
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from zootwins.architectures.architecture import Architecture, get_architecture, to_state_dict
from zootwins.architectures.registry import REGISTRY
from zootwins.population import Factors
from zootwins.run.errors import InputError
from zootwins.storage import torch_files
from zootwins.storage.files import replacing
from zootwins.zoos.archives import Members
from zootwins.zoos.raw_texts import (
    TWIN_METRICS,
    BrokenModelError,
    params_json,
    parse_factors,
    parse_history,
    parse_original,
    result_json,
    shown,
)

CHECKPOINT_LIMIT, RESULTS_LIMIT, PARAMS_LIMIT = 16 << 20, 16 << 20, 1 << 20  # bytes; real ones have 50, 60 and 1 kB
DATASET_LIMIT = 4 << 30
MODEL_PREFIX = "NN_tune_trainable"  # how the authors' folders of models begin, whatever is in them
_CHECKPOINT = re.compile(r"checkpoint_([0-9]{1,9})/checkpoints")
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold: equal zoos make equal archives


@dataclass
class RawModel:
    """One model of a raw zoo.

    Attributes:
        name: its folder's name.
        factors: its generating factors; of a twin, which has its original's, None.
        checkpoints: parameters by epoch, named as in `Population`.
        history: rows with an `epoch` and `METRICS` (twins: `TWIN_METRICS`), NaN where result.json has none.
        reason: why the model is excluded; empty if it is not. What was not read then is missing above.
        original: of a twin, the name of its original's folder.
    """

    name: str
    factors: Factors | None = None
    checkpoints: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    reason: str = ""
    original: str = ""


def read_models(
    members: Members, architecture: Architecture, epoch: int | None, *, recorded: bool = True
) -> Iterator[RawModel]:
    """The models of a raw zoo by name, each with one checkpoint: of `epoch`, or the zoo's last if None.

    Args:
        recorded: whether result.json has to have the epoch; that before training is not in every zoo's.

    Raises:
        InputError: if there is no model at all, or more than one zoo.
    """
    folders = _model_folders(members)
    epochs = {folder: _checkpoints(files) for folder, files in folders.items()}
    chosen = max((number for of_model in epochs.values() for number in of_model), default=0) if epoch is None else epoch
    for folder, files in sorted(folders.items()):
        model = RawModel(folder.rpartition("/")[2])
        with _excluding(model):
            model.factors = parse_factors(_text(members, folder, files, "params.json", PARAMS_LIMIT))
            model.history = parse_history(_text(members, folder, files, "result.json", RESULTS_LIMIT))
            _add_checkpoint(model, members, folder, epochs[folder], chosen, architecture, recorded=recorded)
        yield model


def read_twins(
    members: Members, architecture: Architecture, epochs: Iterable[int], names: Collection[str] | None = None
) -> Iterator[RawModel]:
    """The authors' variational twins by name, of `names` only if given, each with the checkpoints of all `epochs`.

    Raises:
        InputError: as `read_models`.
    """
    for folder, files in sorted(_model_folders(members).items()):
        twin = RawModel(folder.rpartition("/")[2])
        if names is not None and twin.name not in names:
            continue
        with _excluding(twin):
            twin.original = parse_original(_text(members, folder, files, "params.json", PARAMS_LIMIT))
            result = _text(members, folder, files, "result.json", RESULTS_LIMIT)
            twin.history = parse_history(result, TWIN_METRICS)
            found = _checkpoints(files)
            for epoch in epochs:
                _add_checkpoint(twin, members, folder, found, epoch, architecture, variational=True)
        yield twin


@contextmanager
def _excluding(model: RawModel) -> Iterator[None]:
    """What is wrong with a model's files becomes the reason why it is excluded."""
    try:
        yield
    except BrokenModelError as error:
        model.reason = str(error)
    except OSError as error:
        model.reason = f"unreadable file: {error}"


def _add_checkpoint(
    model: RawModel,
    members: Members,
    folder: str,
    found: Mapping[int, str],
    epoch: int,
    architecture: Architecture,
    *,
    variational: bool = False,
    recorded: bool = True,
) -> None:
    if epoch not in found:
        last = f" (its last is {max(found)})" if found else ""
        raise BrokenModelError(f"missing checkpoint of epoch {epoch}{last}")
    if recorded and not any(row["epoch"] == epoch for row in model.history):
        raise BrokenModelError(f"truncated result.json: it has no training_iteration {epoch}")
    content = members.read(f"{folder}/{found[epoch]}", CHECKPOINT_LIMIT)
    model.checkpoints[epoch] = _read_checkpoint(content, architecture, variational=variational)


def find_dataset(members: Members) -> bytes | None:
    """The content of the zoo's own dataset.pt, if there is one beside the models' folders or above them.

    Raises:
        InputError: if it cannot be read, or there are no models.
    """
    folder = next(iter(_model_folders(members)))
    while folder:
        folder = folder.rpartition("/")[0]
        name = f"{folder}/dataset.pt".removeprefix("/")
        if name in members.names:
            try:
                return members.read(name, DATASET_LIMIT)
            except OSError as error:
                raise InputError(
                    f"{members.path}: {error}; without a dataset.pt in it, the catalogue's dataset is taken"
                ) from None
    return None


def _model_folders(members: Members) -> dict[str, set[str]]:
    """What is in each model's folder (its texts and checkpoints), by the folder's path."""
    folders: dict[str, set[str]] = {}
    for name in members.names:
        folder, _, file = name.rpartition("/")
        if file == "checkpoints":
            folder, _, checkpoint = folder.rpartition("/")
            file = f"{checkpoint}/checkpoints"
        if folder and (file in ("params.json", "result.json") or _CHECKPOINT.fullmatch(file)):
            folders.setdefault(folder, set()).add(file)
    roots = sorted({folder.rpartition("/")[0] for folder in folders})
    if not roots:
        raise InputError(
            f"{members.path}: holds no models in the raw ModelZoo layout (folders with params.json, result.json and "
            f"checkpoints), but {len(members.names) or 'no'} other files; correct the zoo's source in the catalogue"
        )
    if len(roots) > 1:
        raise InputError(
            f"{members.path}: holds models in more than one folder ({roots[0]!r}, {roots[1]!r}); "
            "give each zoo an archive and a catalogue entry of its own"
        )
    for folder in members.folders:  # a model of which nothing is left but its folder
        root, _, name = folder.rpartition("/")
        if root == roots[0] and name.startswith(MODEL_PREFIX):
            folders.setdefault(folder, set())
    return folders


def _checkpoints(files: Iterable[str]) -> dict[int, str]:
    """A model's files of checkpoints by epoch."""
    return {int(match[1]): match[0] for match in map(_CHECKPOINT.fullmatch, sorted(files)) if match}


def _text(members: Members, folder: str, files: Iterable[str], file: str, limit: int) -> bytes:
    if file not in files:
        raise BrokenModelError(f"missing {file}")
    return members.read(f"{folder}/{file}", limit)


def _read_checkpoint(content: bytes, architecture: Architecture, *, variational: bool) -> dict[str, Tensor]:
    """Parameters and buffers, float32, of variational twins log σ² too, whatever the layout of the keys."""
    try:
        state = torch_files.load(content)
    except torch_files.RefusedFileError as error:
        raise BrokenModelError(f"unreadable file: the checkpoint is refused ({error})") from None
    if not isinstance(state, dict):
        raise BrokenModelError("unreadable file: the checkpoint holds no state dict")
    layouts = [_keys(architecture, layout, variational=variational) for layout in architecture.layouts.values()]
    keys = max(layouts, key=lambda keys: len(keys.keys() & state.keys()))
    if unknown := next((key for key in state if key not in keys), None):
        raise BrokenModelError(
            f"wrong shapes: the checkpoint holds {shown(unknown)}, which {architecture.name} has not{_fitting(state)}"
        )
    return {name: _tensor(state, key, name, shape) for key, (name, shape) in keys.items() if name}


def _keys(
    architecture: Architecture, layout: Mapping[str, str], *, variational: bool
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Our names and the shapes of a checkpoint's tensors by their keys; no name of those that are not read."""
    keys = {layout[name]: (name, shape) for name, shape in architecture.tensor_shapes.items()}
    if variational:
        for layer in architecture.layers:
            place = layout[f"{layer.name}.weight"].removesuffix(".weight")
            keys[f"{place}.log_sigma2"] = (f"{layer.name}.log_sigma2", layer.weight_shape)
            # of linear layers the authors' code neither sets it nor uses it
            name = f"{layer.name}.bias_log_sigma2" if layer.is_conv else ""
            keys[f"{place}.log_sigma2_bias"] = (name, (layer.outputs,))
    return keys


def _tensor(state: Mapping[str, Any], key: str, name: str, shape: tuple[int, ...]) -> Tensor:
    if key not in state:
        raise BrokenModelError(f"wrong shapes: {name} is missing")
    try:
        tensor = torch_files.as_floats(state[key])
    except torch_files.RefusedFileError as error:
        raise BrokenModelError(f"{error} in {name}") from None
    if tuple(tensor.shape) != shape:
        raise BrokenModelError(f"wrong shapes: {name} is {list(tensor.shape)}, not {list(shape)}")
    return tensor.long() if name.endswith("num_batches_tracked") else tensor


def _fitting(state: Mapping[str, Any]) -> str:
    """Which registered network has exactly these keys, as a remark; empty if none has."""
    for name in REGISTRY:
        if any(state.keys() == set(layout.values()) for layout in get_architecture(name).layouts.values()):
            return f" (it is of {name})"
    return ""


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
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:

        def member(file: str) -> zipfile.ZipInfo:
            entry = zipfile.ZipInfo(f"{name}/{file}", _FIXED_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            return entry

        archive.writestr(member("config.json"), json.dumps(dict(config), indent=1))
        if dataset is not None:
            entry = member("dataset.pt")
            entry.file_size = _size(dataset)  # tells zipfile whether the format for large members is needed
            with archive.open(entry, "w") as file:  # written as it is made, for it may be large
                torch.save(dict(dataset), file)
        for model in models:
            params = params_json(model.factors, architecture)
            archive.writestr(member(f"{model.name}/params.json"), json.dumps(params, indent=1))
            archive.writestr(member(f"{model.name}/result.json"), result_json(model.history, params))
            for epoch, parameters in model.checkpoints.items():
                state = to_state_dict(parameters, architecture, model.factors.dropout)
                state = {key: tensor.clone() for key, tensor in state.items()}  # a view would save all it views
                buffer = BytesIO()
                torch.save(state, buffer)
                archive.writestr(member(f"{model.name}/checkpoint_{epoch:06d}/checkpoints"), buffer.getvalue())


def _size(dataset: Mapping[str, Any]) -> int:
    """Bytes of the tensors of a dataset.pt."""
    parts = [part for part in dataset.values() if isinstance(part, TensorDataset)]
    return sum(tensor.nbytes for part in parts for tensor in part.tensors)

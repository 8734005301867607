"""Initial weights of a zoo's models: read from their checkpoints 0, or made again from their factors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zootwins.population.initialisation import INITIALISERS, initial_parameters
from zootwins.run.errors import InputError
from zootwins.storage.files import remedy
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo
from zootwins.zoos.mapped_rows import MappedRows
from zootwins.zoos.members import folder_for_copies
from zootwins.zoos.originals import Originals, initial_rows

_OTHERWISE = (
    "set the catalogue's initial_weights: factors if seed and init determine them, or do without what starts from them "
    "(lottery_ticket, start: init, transfer's scratch and untrained)",
    "set rewind_epoch to an epoch that has checkpoints, or to 0",
)


def rebuilt(originals: Originals) -> dict[str, Tensor]:
    """Return the parameters before training, by name, `[models, …]`, as seeds and initialisers make them.

    Raises:
        InputError: if a model's seed or initialiser is unknown.
    """
    for name, factors in zip(originals.models, originals.factors, strict=True):
        if factors.seed is None or factors.init not in INITIALISERS:
            unknown = "its seed is not recorded" if factors.seed is None else f"its initialiser is {factors.init!r}"
            raise InputError(
                f"{name}: its weights before training cannot be made again, since {unknown} (known: "
                f"{', '.join(INITIALISERS)}); set the catalogue's initial_weights: checkpoint if the zoo has "
                "checkpoints of epoch 0, or give the value as factors: {init: …} or {seed: …}"
            )
    return _stacked(originals, [initial_parameters(originals.architecture, factors) for factors in originals.factors])


def read_checkpoints(
    path: str | Path,
    zoo: str,
    originals: Originals,
    dialect: str | None = None,
    factors: Mapping[str, Any] | None = None,
    epoch: int = 0,
) -> dict[str, Tensor]:
    """Return the parameters after an epoch from the checkpoints in a raw zoo; they are in a temporary file.

    Args:
        path: the archive or folder.
        zoo: its id, for messages.
        originals: the models.
        dialect: see `importing.import_zoo`.
        factors: likewise.
        epoch: of the checkpoints; 0: before training.

    Raises:
        InputError: if a model has none, with what to do.
    """
    with open_members(path) as members:
        raw_zoo = open_zoo(members, dialect, factors)
        if not epoch and raw_zoo.initial_epoch is None:
            raise InputError(
                f"{path}: {raw_zoo.title} has no weights before training; set {zoo}'s initial_weights: factors in the "
                "catalogue if seed and init determine them, or do without what starts from them"
            )
        stored = epoch or raw_zoo.initial_epoch
        read = raw_zoo.models(originals.architecture, stored, originals.models, recorded=False)
        rows: MappedRows | None = None
        model = next(read, None)
        for name in originals.models:  # as `models` yields them, those that are not there left out
            reason = model.reason if model and model.name == name else "it is not there"
            if reason or stored not in model.checkpoints:
                when = f"of epoch {epoch}" if epoch else "before training"
                raise InputError(
                    f"{path}: {zoo}'s weights {when} are unknown ({name}: {reason or 'no checkpoint'}); "
                    f"{_OTHERWISE[epoch > 0]}"
                )
            row = {key: model.checkpoints[stored][key][None] for key in originals.architecture.tensor_shapes}
            rows = rows or MappedRows(folder_for_copies(Path(path)), len(originals), row)
            rows.add(row)
            model = next(read, None)
    return _stacked(originals, []) if rows is None else rows.tensors


def load_initial(path: str | Path, originals: Originals) -> dict[str, Tensor]:
    """Load the parameters before training of some originals from initial.safetensors, by name, `[models, …]`.

    Raises:
        InputError: if the file is not as it was written, or is of other models.
    """
    stored = initial_rows(path)
    shapes = {name: shape[1:] for name, shape in stored.shapes.items()}
    if not set(stored.index.tolist()) >= set(originals.index) or shapes != originals.architecture.tensor_shapes:
        raise InputError(f"{path}: its tensors are not those of the zoo's originals; {remedy(path)}")
    return stored.tensors(originals.index)


def _stacked(originals: Originals, parameters: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {
        name: torch.stack([of_model[name] for of_model in parameters]) if parameters else torch.empty(0, *shape)
        for name, shape in originals.architecture.tensor_shapes.items()
    }

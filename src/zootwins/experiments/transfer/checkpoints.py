"""Pruned networks outside of zoos: checkpoints in the layout of the reference's authors, read and not executed.

Theirs is a file of `torch.save` with `{epoch, model_config: {arch, dataset}, model_state_dict}`. A layer X that their
code wraps has `X._layer.weight`, `X._layer.bias` and masks of 0 and 1, `X._weight_mask` and `X._bias_mask`; others have
plain names. `module.` before all names comes from training on several GPUs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import Tensor

from zootwins.run.errors import InputError
from zootwins.storage import torch_files

_STATE, _LAYER, _MASK, _PARALLEL = "model_state_dict", "._layer.", ("._weight_mask", "._bias_mask"), "module."


@dataclass(frozen=True)
class Checkpoint:
    """A pruned network.

    Attributes:
        architecture: its name where the file has it, such as `resnet50`; else empty.
        wrapped: whether the file has masks of its own.
        tensors: by plain names (`layer1.0.conv1.weight`), float32; what is pruned is 0.
        masks: of every tensor with two dimensions or more and of what the file masks, bool, True where kept. They are
            read from the zeros as well as from the file, since the zeros of a file without masks would be trained away.
    """

    architecture: str
    wrapped: bool
    tensors: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint in the authors' layout, or a plain state dict.

    Raises:
        InputError: if it is none, or holds anything that would have to be executed.
    """
    try:
        return _checkpoint(torch_files.load(Path(path).read_bytes()))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such checkpoint") from None
    except torch_files.RefusedFileError as error:
        raise InputError(f"{path}: not a checkpoint of plain tensors ({error}); it is refused, not executed") from None


def _checkpoint(stored: object) -> Checkpoint:
    if not isinstance(stored, dict):
        raise torch_files.RefusedFileError(f"a {type(stored).__name__} where a state dict belongs")
    state, config = stored.get(_STATE, stored), stored.get("model_config")
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise torch_files.RefusedFileError(f"{_STATE} is no state dict")
    named = {name.removeprefix(_PARALLEL): value for name, value in state.items()}
    given = {name: torch_files.as_floats(value) for name, value in named.items() if name.endswith(_MASK)}
    floats = {name: value for name, value in named.items() if name not in given and _is_float(value)}
    tensors = {name.replace(_LAYER, "."): torch_files.as_floats(value) for name, value in floats.items()}
    if not tensors:
        raise torch_files.RefusedFileError("no tensor of floats")
    masks = {name: tensor != 0 for name, tensor in tensors.items() if tensor.ndim > 1}
    for name, mask in given.items():
        masked = name.replace("._weight_mask", ".weight").replace("._bias_mask", ".bias")
        if masked not in tensors or tensors[masked].shape != mask.shape or ((mask != 0) & (mask != 1)).any():
            raise torch_files.RefusedFileError(f"{name} is no mask of 0 and 1 of {masked}")
        masks[masked] = masks.get(masked, mask != 0) & (mask != 0)
    tensors |= {name: tensors[name] * mask for name, mask in masks.items()}
    architecture = config.get("arch") if isinstance(config, dict) else None
    return Checkpoint(architecture if isinstance(architecture, str) else "", bool(given), tensors, masks)


def _is_float(value: object) -> bool:
    """Return whether a tensor is of floats; counts of batches are integers."""
    return not isinstance(value, Tensor) or value.is_floating_point()


def checkpoint_sparsity(checkpoint: Checkpoint) -> pd.DataFrame:
    """Return how much of every weight tensor is pruned.

    Returns:
        A row for each tensor with two dimensions or more, and `all` of them last: name, weights, pruned, sparsity.
    """
    weights = [(name, mask) for name, mask in checkpoint.masks.items() if mask.ndim > 1]
    rows = [{"name": name, "weights": mask.numel(), "pruned": int((~mask).sum())} for name, mask in weights]
    table = pd.DataFrame(rows, columns=["name", "weights", "pruned"])
    table.loc[len(table)] = ["all", table["weights"].sum(), table["pruned"].sum()]
    return table.assign(sparsity=table["pruned"] / table["weights"])

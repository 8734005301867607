"""State dicts in the wrappers that training code leaves around them: removed where that is unambiguous.

What was done is noted, for the log. Where it is ambiguous the reason names the wrapper, and how to save the weights
again.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from zootwins.architectures.architecture import Architecture, get_architecture
from zootwins.architectures.registry import REGISTRY
from zootwins.storage import torch_files
from zootwins.zoos.raw_texts import BrokenModelError, shown

_CONTAINERS = ("state_dict", "model_state_dict", "model")  # keys of checkpoints that hold more than the weights
_PREFIXES = ("module.", "_orig_mod.", "model.")  # of DataParallel, torch.compile and Lightning
_AVERAGED = "n_averaged"  # beside the weights of torch.optim.swa_utils.AveragedModel
_SAVE = "torch.save(model.state_dict(), path)"


def load_state_dict(content: bytes) -> tuple[dict[str, Tensor], list[str]]:
    """Return the parameters and buffers in a file of weights, by the model's own keys, and what was unwrapped.

    Raises:
        BrokenModelError: if the file is refused, or in a wrapper that cannot be removed for certain.
    """
    try:
        value = torch_files.load(content)
    except torch_files.RefusedFileError as error:
        raise BrokenModelError(f"unreadable file: the checkpoint is refused ({error}){_advice(str(error))}") from None
    kind = torch_files.container(content)
    notes = [] if kind == "torch" else [f"read from a file of {kind}"]
    if not isinstance(value, dict):
        raise BrokenModelError(f"unreadable file: the checkpoint holds no state dict; save it by {_SAVE}")
    state = _contained(value, notes)
    for key in state:
        if not isinstance(key, str):
            raise BrokenModelError(f"wrong shapes: the checkpoint holds {shown(key)} where a parameter's name belongs")
    return _plain_weights(_without_prefixes(state, notes), notes), notes


def _advice(error: str) -> str:
    if "Unsupported" in error or "TorchScript" in error:
        return f"; if it is a whole module, save the weights alone: {_SAVE}"
    return ""


def _contained(value: dict[Any, Any], notes: list[str]) -> dict[Any, Any]:
    """Return the state dict in a checkpoint that also holds, say, an optimiser's."""
    found = [key for key in _CONTAINERS if isinstance(value.get(key), Mapping)]
    if len(found) > 1:
        raise BrokenModelError(f"the checkpoint holds {' and '.join(found)}: keep one of them; save it by {_SAVE}")
    if not found:
        return value
    notes.append(f"taken from {found[0]!r} in the checkpoint")
    return dict(value[found[0]])


def _without_prefixes(state: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Remove what wrappers put before every key."""
    if state.keys() > {_AVERAGED} and all(key == _AVERAGED or key.startswith("module.") for key in state):
        state = {key: tensor for key, tensor in state.items() if key != _AVERAGED}
        notes.append(f"without {_AVERAGED!r}")
    while prefix := next((p for p in _PREFIXES if state and all(key.startswith(p) for key in state)), None):
        state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
        notes.append(f"without the prefix {prefix!r}")
    return state


def _plain_weights(state: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Apply the masks of torch.nn.utils.prune; other parametrizations are refused."""
    for key in state:
        if ".parametrizations." in key:
            layer, _, rest = key.partition(".parametrizations.")
            raise BrokenModelError(
                f"the checkpoint holds a parametrization, {shown(key)}: before saving, call torch.nn.utils.parametrize."
                f"remove_parametrizations(model.{layer}, {rest.partition('.')[0]!r})"
            )
        if key.endswith(("weight_g", "weight_v", "weight_u")):
            raise BrokenModelError(
                f"the checkpoint holds weight or spectral normalisation, {shown(key)}: before saving, call "
                "torch.nn.utils.remove_weight_norm or remove_spectral_norm on the layer"
            )
    plain = {}
    for key, tensor in state.items():
        name = key.removesuffix("_orig")
        mask = state.get(f"{name}_mask")
        if key.endswith("_mask") and f"{key.removesuffix('_mask')}_orig" in state:
            continue
        if name == key:
            plain[key] = tensor
            continue
        if mask is None:
            raise BrokenModelError(
                f"the checkpoint holds {shown(key)} without a mask: before saving, call torch.nn.utils.prune.remove on "
                "the layer"
            )
        if not (isinstance(mask, Tensor) and isinstance(tensor, Tensor) and mask.shape == tensor.shape):
            raise BrokenModelError(f"wrong shapes: the checkpoint's mask of {name} is not of its shape")
        plain[name] = tensor * mask
        if "with its prune masks applied" not in notes:
            notes.append("with its prune masks applied")
    return plain


def named_parameters(
    state: Mapping[str, Any], architecture: Architecture, *, variational: bool = False
) -> dict[str, Tensor]:
    """Return a state dict's parameters and buffers by our names, finite float32, whatever the layout of its keys.

    Args:
        state: from `load_state_dict`.
        architecture: the network whose parameters they are.
        variational: whether the authors' log σ² are among them.

    Raises:
        BrokenModelError: if they are not those of the architecture.
    """
    keys = _keys(state, architecture, variational=variational)
    return {name: _tensor(state, key, name, shape) for key, (name, shape) in keys.items() if name}


def _keys(
    state: Mapping[str, Any], architecture: Architecture, *, variational: bool
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return our names and the shapes of a state dict's tensors by their keys; no name of those that are not read."""
    own = {name: name for name in architecture.tensor_shapes}
    known = [own, *architecture.layouts.values()]
    layouts = [_layout(architecture, layout, variational=variational) for layout in known]
    keys = max(layouts, key=lambda keys: len(keys.keys() & state.keys()))
    if unknown := next((key for key in state if key not in keys), None):
        raise BrokenModelError(
            f"wrong shapes: the checkpoint holds {shown(unknown)}, which {architecture.name} has not{_fitting(state)}"
        )
    return keys


def _layout(
    architecture: Architecture, layout: Mapping[str, str], *, variational: bool
) -> dict[str, tuple[str, tuple[int, ...]]]:
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
    count = name.endswith("num_batches_tracked")
    try:
        tensor = torch_files.as_integers(state[key]) if count else torch_files.as_floats(state[key])
    except torch_files.RefusedFileError as error:
        raise BrokenModelError(f"{error} in {name}") from None
    if tuple(tensor.shape) != shape:
        raise BrokenModelError(f"wrong shapes: {name} is {list(tensor.shape)}, not {list(shape)}")
    return tensor


def _fitting(state: Mapping[str, Any]) -> str:
    """Say which registered network has exactly these keys, as a remark; nothing if none has."""
    for name in REGISTRY:
        if any(state.keys() == set(layout.values()) for layout in get_architecture(name).layouts.values()):
            return f" (it is of {name})"
    return ""

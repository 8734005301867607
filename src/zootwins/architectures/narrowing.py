"""The same chain of layers with fewer channels: the architecture of networks that channel pruning makes smaller."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from zootwins.architectures.activations import ACTIVATIONS
from zootwins.architectures.architecture import Architecture, OwnActivation, get_architecture
from zootwins.run.errors import InputError

_ACTIVATION_NAMES = {module: name for name, module in ACTIVATIONS.items()}


def narrowed(architecture: Architecture, outputs: Mapping[str, int]) -> Architecture:
    """Return the chain of the same steps whose layers have other numbers of outputs.

    Its layers are called as those of every chain (conv1, fc1, …), in the same order.

    Args:
        outputs: of layers by name; the others keep theirs.

    Raises:
        InputError: if the network is no chain, or has a step that a chain of the catalogue cannot have.
    """
    if not architecture.chain:
        raise InputError(
            f"{architecture.name}: only networks whose layers follow one another can be made smaller by their channels"
        )
    head = architecture.head.name
    steps = [
        _step(architecture, step, "classes" if name == head else outputs.get(name))
        for name, step in _steps(architecture)
    ]
    return get_architecture({"layers": steps}, **architecture.images)


def _steps(architecture: Architecture) -> list[tuple[str, nn.Module]]:
    """Return the steps of a chain, by name, without those that only flatten images."""
    return [(name, step) for name, step in architecture.chain if not isinstance(step, nn.Flatten)]


def _step(architecture: Architecture, step: nn.Module, outputs: int | str | None) -> Any:
    """Write a step as the catalogue does."""
    match step:
        case nn.Conv2d():
            return {"conv": {"outputs": outputs or step.out_channels, **_window(step)}}
        case nn.Linear():
            return {"linear": outputs or step.out_features}
        case nn.MaxPool2d() | nn.AvgPool2d():
            return {"max_pool" if isinstance(step, nn.MaxPool2d) else "avg_pool": step.kernel_size}
        case OwnActivation():
            return "activation"
        case nn.Dropout():
            return "dropout"
        case nn.AdaptiveAvgPool2d():
            return "global_avg_pool"
    if type(step).__name__ in _ACTIVATION_NAMES:
        return _ACTIVATION_NAMES[type(step).__name__]
    raise InputError(f"{architecture.name}: {step} is no step of a chain; its networks cannot be made smaller")


def _window(step: nn.Conv2d) -> dict[str, int]:
    return {"kernel": step.kernel_size[0], "stride": step.stride[0], "padding": step.padding[0]}

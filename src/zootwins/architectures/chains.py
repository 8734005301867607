"""Chains: networks that are a list of steps, one after the other, as architectures and the catalogue write them.

A step is `{conv: {outputs: 8, kernel: 5, stride: 1, padding: 0}}`, `{linear: 20}` (the last one is `{linear:
classes}`), `{max_pool: 2}`, `{avg_pool: 2}`, `global_avg_pool`, `dropout`, `activation` (the model's own) or the name
of an activation. Images are flattened before the first linear layer. Layers are called conv1, conv2, …, fc1, ….
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zootwins.architectures.activations import ACTIVATIONS, activation_module

if TYPE_CHECKING:
    from torch import nn

_ALONE = ("activation", "dropout", "global_avg_pool", *ACTIVATIONS)
_CONV_KEYS = {"outputs", "kernel", "stride", "padding"}


def checked_layers(layers: Any) -> list[Any]:
    """Return the steps of a chain in full: every convolution with all four numbers.

    Raises:
        ValueError: naming the step and what is wrong with it.
    """
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        raise ValueError("layers: needs a list of steps")
    steps = [_checked_step(f"layers[{number}]", step) for number, step in enumerate(layers)]
    if steps[-1] != {"linear": "classes"}:
        raise ValueError("layers: the last step must be {linear: classes}, which gives the logits")
    if steps.count({"linear": "classes"}) > 1:
        raise ValueError("layers: {linear: classes} can only be the last step")
    kinds = [next(iter(step)) if isinstance(step, dict) else step for step in steps]
    flat = kinds.index("linear")
    if late := [kind for kind in kinds[flat:] if kind == "conv" or "pool" in kind]:
        raise ValueError(f"layers: {late[0]} after a linear layer, where there is no image any more")
    return steps


def _checked_step(place: str, step: Any) -> Any:
    if step in _ALONE:
        return step
    if isinstance(step, dict) and len(step) == 1:
        (kind, value), *_ = step.items()
        if kind == "conv" and isinstance(value, dict):
            return {"conv": _checked_conv(place, value)}
        if (kind == "linear" and value == "classes") or (
            kind in ("linear", "max_pool", "avg_pool") and _natural(value)
        ):
            return {kind: value}
    raise ValueError(
        f"{place}: {step!r} is no step; write {{conv: {{outputs: 8, kernel: 5}}}}, {{linear: 20}}, {{max_pool: 2}}, "
        f"{{avg_pool: 2}}, {', '.join(_ALONE[:3])} or the name of an activation"
    )


def _checked_conv(place: str, given: dict[str, Any]) -> dict[str, int]:
    full = {"stride": 1, "padding": 0} | given
    for key, value in full.items():
        if key not in _CONV_KEYS or not (_natural(value) or (key == "padding" and value == 0)):
            raise ValueError(f"{place}.conv.{key}: {value!r} is no number of {', '.join(sorted(_CONV_KEYS))}")
    if lacking := sorted(_CONV_KEYS - full.keys()):
        raise ValueError(f"{place}.conv.{lacking[0]}: is missing")
    return full


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def module(
    channels: int,
    classes: int,
    image_size: int,
    activation: Callable[[], nn.Module],
    dropout: float,
    layers: Sequence[Any],
) -> nn.Sequential:
    """Build the network of a chain as an `nn.Sequential` of plain modules, by name.

    Raises:
        ValueError: if the images are too small for its convolutions and pools.
    """
    from torch import nn

    counts: Counter[str] = Counter()
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    width, size = channels, image_size  # of what the next step takes; size 0: flat

    def add(name: str, step: nn.Module) -> None:
        counts[name] += 1
        modules[f"{name}{counts[name]}"] = step

    for step in layers:
        kind, value = next(iter(step.items())) if isinstance(step, dict) else (step, None)
        if kind == "conv":
            kernel, stride, padding = value["kernel"], value["stride"], value["padding"]
            add("conv", nn.Conv2d(width, value["outputs"], kernel, stride, padding))
            width, size = value["outputs"], _left(size + 2 * padding - kernel, stride)
        elif kind == "linear":
            if size:
                modules["flatten"] = nn.Flatten()
                width, size = width * size * size, 0
            outputs = classes if value == "classes" else value
            add("fc", nn.Linear(width, outputs))
            width = outputs
        elif kind in ("max_pool", "avg_pool"):
            add("pool", (nn.MaxPool2d if kind == "max_pool" else nn.AvgPool2d)(value))
            size = _left(size - value, value)
        elif kind == "global_avg_pool":
            add("pool", nn.AdaptiveAvgPool2d(1))
            size = 1
        elif kind == "dropout":
            add("dropout", nn.Dropout(dropout))
        else:
            add("activation", activation() if kind == "activation" else activation_module(kind))
    return nn.Sequential(modules)


def _left(room: int, stride: int) -> int:
    """Return the edge of a window's output, which can move by `room` pixels."""
    if room < 0:
        raise ValueError("the images are too small for its convolutions and pools")
    return room // stride + 1

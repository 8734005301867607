"""Plain modules as steps of a chain: what the catalogue can write, and batched operations and kernels compute."""

from typing import Any

from torch import nn

from zootwins.architectures.activations import ACTIVATIONS, activation_module


class OwnActivation(nn.Identity):
    """Stands in a traced network where each model has its own activation."""


def as_step(module: nn.Module) -> Any:
    """Return the step of `chains` that makes a module, or `flatten`; None if none does.

    A subclass, or a setting that steps do not have, such as dilation, is none.
    """
    kind = type(module)
    if kind in (nn.Conv2d, nn.Linear) and module.bias is None:
        return None
    if kind is nn.Linear:
        return {"linear": module.out_features}
    if kind is nn.Conv2d:
        window = {key: _first(getattr(module, f"{key}_size" if key == "kernel" else key)) for key in _WINDOW}
        made = nn.Conv2d(module.in_channels, module.out_channels, *window.values(), device="meta")
        return {"conv": {"outputs": module.out_channels, **window}} if _alike(module, made) else None
    if kind in (nn.MaxPool2d, nn.AvgPool2d):
        size = _first(module.kernel_size)
        step = {"max_pool" if kind is nn.MaxPool2d else "avg_pool": size}
        return step if _alike(module, kind(size)) else None
    if kind is nn.AdaptiveAvgPool2d:
        return "global_avg_pool" if _alike(module, nn.AdaptiveAvgPool2d(1)) else None
    if kind is nn.Flatten:
        return "flatten" if _alike(module, nn.Flatten()) else None
    if kind in (OwnActivation, nn.Dropout):
        return "activation" if kind is OwnActivation else "dropout"
    for name, torchs in ACTIVATIONS.items():
        if kind is getattr(nn, torchs):
            return name if _alike(module, activation_module(name)) else None
    return None


_WINDOW = ("kernel", "stride", "padding")


def _first(setting: Any) -> Any:
    """Return a setting that is one number, or one for each dimension; 0 for a padding that is a word."""
    return setting[0] if isinstance(setting, tuple) else 0 if isinstance(setting, str) else setting


def _alike(module: nn.Module, other: nn.Module) -> bool:
    """Return whether two modules of a type have the same settings."""
    return all(
        _plain(getattr(module, each)) == _plain(getattr(other, each)) for each in getattr(module, "__constants__", ())
    )


def _plain(setting: Any) -> Any:
    """Return one number for a setting that is the same in every dimension."""
    same = isinstance(setting, tuple) and len(set(setting)) == 1
    return setting[0] if same else setting

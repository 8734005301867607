"""The architectures that exist: a new one is a module and one line here.

A module of an architecture defines

    module(channels, classes, image_size, activation, dropout, **settings) -> nn.Module

where `activation()` makes a new activation module and `dropout` is the probability of every `nn.Dropout`. Weights live
in `nn.Conv2d` and `nn.Linear`, each called once in a forward pass; these are what is pruned. It may also define
`Settings` (a pydantic model of its own settings), `IMAGE_SIZES` (the edges of the images that it takes; any if
absent) and `LAYOUTS` (other names of its modules in files; see `Architecture.layouts`). It imports torch only inside
functions, because Snakemake reads the registry whenever it starts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from zootwins.architectures.chains import checked_layers

REGISTRY = {
    "cnn_s": "zootwins.architectures.cnn_s",
    "cnn_l": "zootwins.architectures.cnn_l",
    "small_cnn": "zootwins.architectures.small_cnn",
    "lenet_300_100": "zootwins.architectures.lenet_300_100",
    "lenet_5": "zootwins.architectures.lenet_5",
    "resnet20": "zootwins.architectures.resnet20",
    "resnet18": "zootwins.architectures.resnet18",
}

Spec = str | Mapping[str, Any]  # an id, an id with settings `{id: …, …}`, or a chain `{layers: [...]}`


class NoSettings(BaseModel):
    """The settings of an architecture that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Design:
    """An architecture whose image format is not known yet.

    Attributes:
        id: in the registry; of a chain from the catalogue, `chain`.
        source: the module that defines it.
        settings: its own settings, or the layers of a chain.
    """

    id: str
    source: ModuleType
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The id, and in parentheses the settings that are not the defaults."""
        if self.id == CHAIN:
            return f"a chain of {len(self.settings['layers'])} steps"
        usual = _settings_model(self.source).model_fields
        set_here = [f"{key} {value}" for key, value in self.settings.items() if value != usual[key].default]
        return self.id + (f" ({', '.join(set_here)})" if set_here else "")

    @property
    def image_sizes(self) -> Sequence[int]:
        """The edges of the images that it takes, in pixels; empty if it takes any."""
        return getattr(self.source, "IMAGE_SIZES", ())

    @property
    def layouts(self) -> Mapping[str, Mapping[str, str]]:
        """Names of modules in files by our own, for each layout by its name; see `Architecture.layouts`."""
        return getattr(self.source, "LAYOUTS", {"own": {}})


CHAIN = "chain"


def get_design(spec: Spec) -> Design:
    """Return the design that a catalogue's `architecture` means.

    Raises:
        ValueError: if there is no such architecture, or its settings or layers are wrong; in one line.
    """
    if isinstance(spec, str):
        spec = {"id": spec}
    if not isinstance(spec, Mapping):
        raise ValueError(f"{spec!r} is neither an id nor a mapping")
    if "layers" in spec:
        if len(spec) > 1:
            raise ValueError("a chain has the one key layers; leave the others out")
        return Design(CHAIN, import_module("zootwins.architectures.chains"), {"layers": checked_layers(spec["layers"])})
    name = spec.get("id")
    if not isinstance(name, str) or name not in REGISTRY:
        raise ValueError(
            f"unknown architecture {name!r}; choose one of {', '.join(REGISTRY)}, or write {{layers: […]}}"
        )
    source = import_module(REGISTRY[name])
    given = {key: value for key, value in spec.items() if key != "id"}
    try:
        settings = _settings_model(source)(**given).model_dump()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        known = ", ".join(_settings_model(source).model_fields) or "none"
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{name}: {place}: {first['msg'].lower()}; its settings: {known}") from None
    return Design(name, source, settings)


def _settings_model(source: ModuleType) -> type[BaseModel]:
    return getattr(source, "Settings", NoSettings)


def checked_spec(spec: Spec) -> Spec:
    """Return what a catalogue says of an architecture, as it is.

    Raises:
        ValueError: as `get_design`.
    """
    get_design(spec)
    return spec


def canonical(spec: Spec) -> str:
    """Return one text for each design, whatever way it is written."""
    design = get_design(spec)
    return json.dumps({"id": design.id, **design.settings} if design.id != CHAIN else design.settings, sort_keys=True)


def modules_of(spec: Spec) -> tuple[str, ...]:
    """Return the full name of the module that defines an architecture: what a job's results depend on."""
    return (get_design(spec).source.__name__,)

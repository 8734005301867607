"""Raw model zoos: where they come from, how they are read, checked, trained here and written; see `write_zoo`."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "write_zoo":  # by name, since planning a workflow imports this package and not torch
        return import_module("zootwins.zoos.writing").write_zoo
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Zoo Twins: sparsified twins of whole populations of small neural networks."""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("zootwins")


def __getattr__(name: str) -> Any:
    """Import `load` (`zootwins.publishing.loading.load`) where it is used: no job's code depends on it."""
    if name == "load":
        return import_module("zootwins.publishing.loading").load
    raise AttributeError(f"module 'zootwins' has no attribute {name!r}")

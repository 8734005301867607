"""Zoo Twins: sparsified twins of whole populations of small neural networks."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from zootwins.publishing.loading import PublishedZoo

__version__ = version("zootwins")


def load(path_or_repo: str | Path) -> PublishedZoo:
    """Load a published zoo: see `zootwins.publishing.loading.load`."""
    from zootwins.publishing.loading import load as load_release

    return load_release(path_or_repo)

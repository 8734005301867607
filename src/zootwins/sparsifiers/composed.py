"""Settings shared by the methods that are compositions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from zootwins.sparsifiers import pruning


class Settings(pruning.Settings):
    """Settings of methods that are compositions; sparsities in percent."""

    start: Literal["trained", "init"] = Field(
        "trained", description="The weights to start from: the originals' as they are, or as they were before training."
    )
    min_left: int = Field(1, ge=0, description="So many weights of each layer stay, whatever the sparsity.")

    @property
    def start_epoch(self) -> int | None:
        return 0 if self.start == "init" else None

"""Pruning at initialisation: weights are scored before training, and the network is trained with its mask fixed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from zootwins.sparsifiers import composed


class Settings(composed.Settings):
    """Settings of pruning at initialisation; sparsities in percent."""

    start: Literal["trained", "init"] = Field(
        "init", description="The weights that are scored and trained: those before training, or the originals'."
    )

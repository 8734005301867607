"""ResNet-20 for small images (He et al. 2016, section 4.2): three groups of three basic blocks."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Settings of ResNet-20."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: float = Field(1.0, gt=0, description="Factor of the widths 16, 32 and 64.")
    option: Literal["A", "B"] = Field(
        "A", description="Shortcuts where the size changes: A, padded with zeros; B, a convolution 1×1."
    )


def module(channels, classes, image_size, activation, dropout, width, option):
    """Build a 3×3 convolution, nine basic blocks with batch normalisation, and a linear layer."""
    from zootwins.architectures.residual import residual_network

    widths = [max(1, int(outputs * width)) for outputs in (16, 32, 64)]
    return residual_network(channels, classes, widths, 3, activation, dropout, option)

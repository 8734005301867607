"""ResNet-18 for small images: torchvision's with a 3×3 first convolution of stride 1 and no max-pooling.

The network of ModelZooDataset's ResNet-18 zoos; with a width factor and dropout before the last layer, WeightCLIP's
`ResNet18Slim`.
"""

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Settings of ResNet-18."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: float = Field(1.0, gt=0, description="Factor of the widths 64, 128, 256 and 512.")


_HALVING = ("layer2", "layer3", "layer4")
LAYOUTS = {"own": {}, "weightclip": {f"{group}.0.downsample": f"{group}.0.shortcut" for group in _HALVING}}


def module(channels, classes, image_size, activation, dropout, width):
    """Build a 3×3 convolution, eight basic blocks with batch normalisation, and a linear layer."""
    from zootwins.architectures.residual import residual_network

    widths = [max(1, int(outputs * width)) for outputs in (64, 128, 256, 512)]
    return residual_network(channels, classes, widths, 2, activation, dropout, "B")

"""Parts of residual networks: the basic block and its shortcuts (He et al. 2016)."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class PaddedShortcut(nn.Module):
    """Option A: every second pixel, and channels of zeros for those that are new; without parameters."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.before = (outputs - inputs) // 2
        self.after = outputs - inputs - self.before

    def forward(self, images: Tensor) -> Tensor:
        """Compute `[samples, outputs, height / 2, width / 2]`."""
        return F.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


class BasicBlock(nn.Module):
    """Two convolutions 3×3 with batch normalisation, and a shortcut around them; names as in torchvision."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Callable[[], nn.Module], option: str):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.activation1 = activation()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.activation2 = activation()
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = (
                PaddedShortcut(inputs, outputs)
                if option == "A"
                else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            )

    def forward(self, images: Tensor) -> Tensor:
        """Compute `[samples, outputs, height / stride, width / stride]`."""
        hidden = self.activation1(self.bn1(self.conv1(images)))
        return self.activation2(self.bn2(self.conv2(hidden)) + self.downsample(images))


def residual_network(
    channels: int,
    classes: int,
    widths: Sequence[int],
    blocks: int,
    activation: Callable[[], nn.Module],
    dropout: float,
    option: str,
) -> nn.Sequential:
    """Build a 3×3 convolution, groups of basic blocks that halve the image from the second on, global average pooling,
    dropout and a linear layer.

    Args:
        channels: of the images.
        classes: outputs of the last layer.
        widths: outputs of each group.
        blocks: in each group.
        activation: makes a new activation module.
        dropout: the probability before the last layer.
        option: `A` or `B`, of the shortcuts where sizes change.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    modules["conv1"] = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
    modules["bn1"] = nn.BatchNorm2d(widths[0])
    modules["activation1"] = activation()
    inputs = widths[0]
    for group, outputs in enumerate(widths):
        strides = [1 + (group > 0)] + [1] * (blocks - 1)
        of_group = []
        for stride in strides:
            of_group.append(BasicBlock(inputs, outputs, stride, activation, option))
            inputs = outputs
        modules[f"layer{group + 1}"] = nn.Sequential(*of_group)
    modules["avgpool"] = nn.AdaptiveAvgPool2d(1)
    modules["flatten"] = nn.Flatten()
    modules["dropout"] = nn.Dropout(dropout)
    modules["fc"] = nn.Linear(inputs, classes)
    return nn.Sequential(modules)

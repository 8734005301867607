"""The large network of the model zoos (`CNN3` in ModelZoos/ModelZooDataset): 32×32 images, 10,760 weights.

Layers, sizes and the positions in `module_list` follow the authors' published code; the zoos of WeightCLIP are of this
network with other numbers of classes.
"""

from zootwins.architectures import chains

IMAGE_SIZES = (32,)
LAYERS = [
    {"conv": {"outputs": 16, "kernel": 3, "stride": 1, "padding": 0}},
    *({"max_pool": 2}, "activation", "dropout"),
    {"conv": {"outputs": 32, "kernel": 3, "stride": 1, "padding": 0}},
    *({"max_pool": 2}, "activation", "dropout"),
    {"conv": {"outputs": 15, "kernel": 3, "stride": 1, "padding": 0}},
    *({"max_pool": 2}, "activation", "dropout"),
    {"linear": 20},
    *("activation", "dropout"),
    {"linear": "classes"},
]
LAYOUTS = {
    "modelzoo": {
        "conv1": "module_list.0",
        "conv2": "module_list.4",
        "conv3": "module_list.8",
        "fc1": "module_list.13",
        "fc2": "module_list.16",
    },
}


def module(channels, classes, image_size, activation, dropout):
    """Build three convolutions and two linear layers; dropout after all but the last."""
    return chains.module(channels, classes, image_size, activation, dropout, LAYERS)

"""The small network of the model zoos (`CNN` in ModelZoos/ModelZooDataset): 28×28 images, 2,416 weights.

Layers, sizes and the positions in `module_list` follow the authors' published code.
"""

from zootwins.architectures import chains

IMAGE_SIZES = (28,)
LAYERS = [
    {"conv": {"outputs": 8, "kernel": 5, "stride": 1, "padding": 0}},
    *({"max_pool": 2}, "activation", "dropout"),
    {"conv": {"outputs": 6, "kernel": 5, "stride": 1, "padding": 0}},
    *({"max_pool": 2}, "activation", "dropout"),
    {"conv": {"outputs": 4, "kernel": 2, "stride": 1, "padding": 0}},
    "activation",
    {"linear": 20},
    *("activation", "dropout"),
    {"linear": "classes"},
]
# The authors put dropout modules into the list only if p > 0.
LAYOUTS = {
    "modelzoo": {
        "conv1": "module_list.0",
        "conv2": "module_list.3",
        "conv3": "module_list.6",
        "fc1": "module_list.9",
        "fc2": "module_list.11",
    },
    "dropout": {
        "conv1": "module_list.0",
        "conv2": "module_list.4",
        "conv3": "module_list.8",
        "fc1": "module_list.11",
        "fc2": "module_list.14",
    },
}


def module(channels, classes, image_size, activation, dropout):
    """Build three convolutions and two linear layers; dropout after all but the third."""
    return chains.module(channels, classes, image_size, activation, dropout, LAYERS)

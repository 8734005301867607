"""LeNet-300-100 (LeCun et al. 1998): two hidden linear layers, the lottery ticket's standard network."""

from zootwins.architectures import chains

LAYERS = [{"linear": 300}, "activation", {"linear": 100}, "activation", {"linear": "classes"}]
LAYOUTS = {"own": {}, "open_lth": {"fc1": "fc_layers.0", "fc2": "fc_layers.1", "fc3": "fc"}}


def module(channels, classes, image_size, activation, dropout):
    """Build three linear layers without dropout; for 28×28 grey images and ten classes, 266,200 weights."""
    return chains.module(channels, classes, image_size, activation, dropout, LAYERS)

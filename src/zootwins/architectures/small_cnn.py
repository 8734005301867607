"""The network of the Small CNN Zoo (Unterthiner et al. 2020): three convolutions of stride 2, 4,970 parameters.

As `train_network.py` of google-research/dnn_predict_accuracy builds it: 3 × [convolution 3×3, 16 outputs, no padding,
activation, dropout], global average pooling, logits.
"""

from zootwins.architectures import chains

_BLOCK = [{"conv": {"outputs": 16, "kernel": 3, "stride": 2, "padding": 0}}, "activation", "dropout"]
LAYERS = [*_BLOCK, *_BLOCK, *_BLOCK, "global_avg_pool", {"linear": "classes"}]


def module(channels, classes, image_size, activation, dropout):
    """Build three convolutions and one linear layer."""
    return chains.module(channels, classes, image_size, activation, dropout, LAYERS)

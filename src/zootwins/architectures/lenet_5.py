"""LeNet-5 as in Caffe, with or without activations after its convolutions; 430,500 weights on 28×28 grey images."""

from pydantic import BaseModel, ConfigDict, Field

from zootwins.architectures import chains

LAYOUTS = {"own": {}, "open_lth": {"fc2": "fc"}}


class Settings(BaseModel):
    """Settings of LeNet-5."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    convolution_activation: bool = Field(
        True, description="Whether activations follow the convolutions; in Caffe's network they do not."
    )


def module(channels, classes, image_size, activation, dropout, convolution_activation):
    """Build two convolutions 5×5, each followed by max-pooling, and two linear layers, without dropout."""
    after = ["activation"] * convolution_activation
    layers = [
        {"conv": {"outputs": 20, "kernel": 5, "stride": 1, "padding": 0}},
        *(*after, {"max_pool": 2}),
        {"conv": {"outputs": 50, "kernel": 5, "stride": 1, "padding": 0}},
        *(*after, {"max_pool": 2}),
        {"linear": 500},
        "activation",
        {"linear": "classes"},
    ]
    return chains.module(channels, classes, image_size, activation, dropout, layers)

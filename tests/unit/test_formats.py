"""Formats of metanetworks compute the same function as the network, or come back as its parameters."""

import pytest
import torch
from torch.nn import functional as F

from zootwins.publishing.formats import neural_graph, nfn_features, sane_tokens
from zootwins.run.errors import InputError

EXACT = 1e-12  # float64, sums of some dozens of products in another order


def chain(flattened: int = 4) -> dict[str, torch.Tensor]:
    """Conv 3→4, 3×3; conv 4→2, 2×2; linear 2·flattened→5; linear 5→3."""
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "conv1.weight": (4, 3, 3, 3),
        "conv1.bias": (4,),
        "conv2.weight": (2, 4, 2, 2),
        "conv2.bias": (2,),
        "fc1.weight": (5, 2 * flattened),
        "fc1.bias": (5,),
        "fc2.weight": (3, 5),
        "fc2.bias": (3,),
    }
    return {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}


def test_nfn_features_have_the_axes_that_nfn_reads():
    weights, biases = nfn_features(chain())
    assert [tuple(weight.shape) for weight in weights] == [
        (1, 1, 4, 3, 3, 3),
        (1, 1, 2, 4, 2, 2),
        (1, 1, 5, 2, 2, 2),
        (1, 1, 3, 5),
    ]
    assert [tuple(bias.shape) for bias in biases] == [(1, 1, 4), (1, 1, 2), (1, 1, 5), (1, 1, 3)]
    outputs = [weight.shape[2] for weight in weights]
    assert [weight.shape[3] for weight in weights[1:]] == outputs[:-1]  # what its equivariant layers rely on


def test_flattening_as_a_convolution_is_the_same_function():
    parameters = chain()
    weights, _ = nfn_features(parameters)
    maps = torch.randn(7, 2, 2, 2, dtype=torch.float64)
    linear = F.linear(maps.flatten(1), parameters["fc1.weight"])
    assert torch.allclose(F.conv2d(maps, weights[2][0, 0]).flatten(1), linear, atol=EXACT, rtol=0)


def test_graph_holds_every_parameter_once_for_each_of_its_uses():
    parameters = chain()
    graph = neural_graph(parameters)
    assert graph.layout == [3, 4, 8, 5, 3]  # conv2's two channels stand for four positions each
    assert graph.nodes.shape == (23, 1)
    assert graph.edges.shape == (23, 23, 9)
    assert int(graph.adjacency.sum()) == 3 * 4 + 4 * 8 + 8 * 5 + 5 * 3
    assert not graph.edges[~graph.adjacency].any()


def test_messages_through_the_linear_part_are_the_network():
    parameters = chain()
    graph = neural_graph(parameters)
    maps = torch.randn(2, 2, 2, dtype=torch.float64)  # one image after the second convolution
    start, hidden, end = 3 + 4, 3 + 4 + 8, 3 + 4 + 8 + 5
    values = maps.flatten() @ graph.edges[start:hidden, hidden:end, 0] + graph.nodes[hidden:end, 0]
    assert torch.allclose(
        values, F.linear(maps.flatten(), parameters["fc1.weight"], parameters["fc1.bias"]), atol=EXACT
    )


def test_small_kernels_are_centred_in_the_largest():
    parameters = chain()
    graph = neural_graph(parameters)
    kernel = graph.edges[3 + 1, 3 + 4].view(3, 3)  # from channel 1 of conv1 to channel 0 of conv2
    assert torch.equal(kernel[:2, :2], parameters["conv2.weight"][0, 1])
    assert not kernel[2].any()
    assert not kernel[:, 2].any()


@pytest.mark.parametrize("size", [1, 5, 28, 100])
def test_tokens_come_back_as_the_parameters(size):
    parameters = chain()
    tokens, mask, positions = sane_tokens(parameters, size)
    assert tokens.shape == mask.shape == (len(positions), size)
    assert positions.dtype == torch.int16
    assert positions[:, 0].tolist() == list(range(len(positions)))
    assert not tokens[~mask].any()
    for layer, name in enumerate(("conv1", "conv2", "fc1", "fc2")):
        weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
        for channel in range(len(weight)):
            own = (positions[:, 1] == layer) & (positions[:, 2] == channel)
            expected = torch.cat([weight[channel].flatten(), bias[channel : channel + 1]])
            assert torch.equal(tokens[own][mask[own]], expected)


def test_what_is_no_chain_is_refused():
    parameters = chain()
    parameters["fc2.weight"] = torch.zeros(3, 7, dtype=torch.float64)
    for form in (nfn_features, neural_graph):
        with pytest.raises(InputError, match=r"fc2\.weight: takes 7 inputs after a layer of 5 outputs"):
            form(parameters)


def test_a_map_that_is_not_square_is_refused_by_nfn():
    with pytest.raises(InputError, match="a map of 3 positions"):
        nfn_features(chain(flattened=3))

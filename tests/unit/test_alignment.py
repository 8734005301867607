"""Permutation alignment: an aligned network computes the same, and a permuted copy is put back exactly."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plain_networks import ACTIVATIONS, Network
from synthetic import make_models, make_shard
from zootwins.architectures.architecture import get_architecture, to_state_dict
from zootwins.experiments.representations.alignment import align, arrange, mean_reference, permuted
from zootwins.experiments.representations.states import load_states
from zootwins.experiments.representations.tokens import Tokens

seeds = st.integers(0, 2**32 - 1)
architectures = st.sampled_from([get_architecture("cnn_s", 1), get_architecture("cnn_l", 3)])


def networks(tokens: Tokens, models: int) -> torch.Tensor:
    return torch.randn(models, sum(tokens.sizes), dtype=torch.float64) / 5


@settings(max_examples=15, deadline=None)  # the first call of a convolution is slow
@given(architectures, st.sampled_from(list(ACTIVATIONS)), seeds)
def test_an_aligned_network_computes_the_same(architecture, activation, seed):
    torch.manual_seed(seed)
    tokens = Tokens(architecture)
    own, reference = networks(tokens, 2)
    aligned = permuted(own[None], align(own[None], reference, tokens), tokens)[0]
    assert not torch.equal(aligned, own)
    images = torch.randn(3, architecture.channels, *(architecture.image_size,) * 2, dtype=torch.float64)
    network = Network(architecture, activation).double().eval()
    outputs = []
    for vector in (own, aligned):
        network.load_state_dict(to_state_dict(tokens.separate(vector), architecture, 0.0))
        outputs.append(network(images))
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-12)  # float64; sums in another order


@settings(max_examples=20, deadline=None)
@given(architectures, seeds)
def test_a_permuted_copy_is_put_back_exactly(architecture, seed):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    tokens = Tokens(architecture)
    reference = networks(tokens, 1)
    orders = tokens.draw_permutations(3, generator)
    copies = permuted(reference.expand(3, -1), orders, tokens)
    found = align(copies, reference[0], tokens)
    assert torch.equal(permuted(copies, found, tokens), reference.expand(3, -1))
    for order, drawn in zip(found, orders, strict=True):
        assert torch.equal(order, drawn.argsort(dim=1))


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_alignment_brings_networks_closer_whatever_order_they_come_in(seed):
    torch.manual_seed(seed)
    tokens = Tokens(get_architecture("cnn_s", 1))
    own, reference = networks(tokens, 2)
    shuffled = permuted(own[None], tokens.draw_permutations(1, torch.Generator().manual_seed(seed)), tokens)
    aligned = [permuted(one, align(one, reference, tokens), tokens)[0] for one in (own[None], shuffled)]
    scale = torch.cat([part.std().expand(part.numel()) for part in reference.split(tokens.sizes)])
    distances = [((one - reference) / scale).square().sum() for one in (own, *aligned)]
    assert distances[1] < distances[0]
    assert distances[2] < distances[0] * 1.01  # coordinate descent may end elsewhere, but not far away


def test_states_of_a_model_share_an_order_and_come_back(tmp_path):
    states = load_states([make_shard(tmp_path / "shard.safetensors", "vd", make_models(3))], "cnn_s")
    reference = mean_reference(states.first_states().weights, states.tokens)
    arranged = arrange(states, reference)
    rows = states.table.groupby("model").indices
    for order in arranged.orders:
        assert all(len(order[positions].unique(dim=0)) == 1 for positions in rows.values())
    assert not torch.equal(arranged.states.weights, states.weights)
    assert torch.equal(arranged.restore(arranged.states.weights), states.weights)
    assert torch.equal(arranged.restore(arranged.states.alphas), states.alphas)
    assert arrange(states, None).states is states
    assert arrange(states, None).restore(reference) is reference


def test_the_mean_of_permuted_copies_is_the_network():
    tokens = Tokens(get_architecture("cnn_s", 1))
    torch.manual_seed(0)
    network = networks(tokens, 1)
    copies = permuted(network.expand(4, -1), tokens.draw_permutations(4, torch.Generator().manual_seed(0)), tokens)
    torch.testing.assert_close(mean_reference(copies, tokens), copies[0], rtol=0, atol=1e-15)

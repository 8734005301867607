"""The counter-based generator: known answers, independence of blocks, and the distributions it is used for."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zootwins.population import randomness
from zootwins.population.native_engine import is_available
from zootwins.population.randomness import data_order, normals, philox, to_uniform, uniforms
from zootwins.run.keys import stream_key

WORD = 0xFFFFFFFF


def test_known_answers_of_random123():
    """The vectors for philox4x32-10 that Random123 publishes (kat_vectors)."""
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    pi_key = 0xA4093822 | (0x299F31D0 << 32)
    cases = [
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((WORD,) * 4, -1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (pi, pi_key, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ]
    for counter, key, expected in cases:
        *words, stream = counter
        actual = philox((*(torch.tensor(word) for word in words), stream), torch.tensor(key))
        assert tuple(int(word) for word in actual) == expected


@given(st.integers(0, WORD))
def test_uniforms_are_inside_the_open_interval(word):
    value = to_uniform(torch.tensor(word)).item()
    assert 0 < value < 1
    assert value == ((word >> 9) + 0.5) / 2**23  # exact in float32


def test_numbers_do_not_depend_on_batch_or_neighbours():
    keys = torch.tensor([5, -7, 11])
    whole = normals(keys, 3, 0, 10, 40)
    assert torch.equal(normals(keys[1:2], 3, 4, 2, 40)[0], whole[1, 4:6])
    assert not torch.equal(normals(keys, 4, 0, 10, 40), whole)
    assert not torch.equal(uniforms(keys, 3, 0, 10, 40), whole)
    orders = data_order(keys, 2, 100)
    assert torch.equal(data_order(keys[2:], 2, 100)[0], orders[2])


@pytest.mark.skipif(not is_available(), reason="the extension was not built")
@pytest.mark.parametrize("draw", [normals, uniforms])
def test_the_extension_draws_the_same_bits(draw, monkeypatch):
    keys = torch.tensor([5, -7, 1 << 62])
    drawn = draw(keys, 3, 90_000, 7, 40)
    monkeypatch.setattr(randomness, "_native", None)
    assert torch.equal(draw(keys, 3, 90_000, 7, 40), drawn)


def test_distributions():
    keys = torch.arange(8)
    assert stats.kstest(normals(keys, 1, 0, 20, 400).flatten(), "norm").pvalue > 1e-3
    assert stats.kstest(uniforms(keys, 1, 0, 20, 400).flatten(), "uniform").pvalue > 1e-3


def test_orders_are_permutations_that_differ_by_model_and_epoch():
    orders = torch.cat([data_order(torch.arange(4), epoch, 50) for epoch in (1, 2)])
    assert (orders.sort(1).values == torch.arange(50)).all()
    assert len({tuple(order.tolist()) for order in orders}) == 8


def test_stream_keys_tell_their_parts_apart():
    assert stream_key("a", "bc") != stream_key("ab", "c")
    assert stream_key("zoo", "model", "mp", "0.5") == stream_key("zoo", "model", "mp", "0.5")
    assert -(2**63) <= stream_key("zoo") < 2**63

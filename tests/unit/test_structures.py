"""N:M sparsity: equal to the public code where that code covers a layer, and a rule for what is left of a row."""

import pytest
import torch

from reference_data import assert_same, of_layers, weights
from zootwins.sparsifiers.scores import magnitude
from zootwins.sparsifiers.structures import nm_kept, nm_masks

PATTERNS = pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (4, 8)])


@PATTERNS
def test_masks_are_those_of_the_stated_rule(n, m):
    assert_same(nm_masks(magnitude(weights()), n, m), of_layers("nm", f"ours_{n}_{m}."))


def test_masks_are_apexs():
    assert_same(nm_masks(magnitude(weights()), 2, 4), of_layers("nm", "apex_2_4."))


@pytest.mark.parametrize("n", [1, 2])
def test_masks_are_acdcs_where_rows_are_divisible(n):
    expected = of_layers("nm", f"acdc_{n}_4.")
    del expected["conv1.weight"]  # 25 inputs: their groups straddle filters
    assert_same(nm_masks(magnitude(weights()), n, 4), expected)


@PATTERNS
def test_every_whole_group_keeps_n_and_the_rest_its_share(n, m):
    for name, mask in nm_masks(magnitude(weights()), n, m).items():
        rows = mask.movedim(2, -1).flatten(2)
        assert set(rows.sum(2).flatten().tolist()) == {nm_kept(rows.shape[2], n, m)}
        groups, rest = divmod(rows.shape[2], m)
        assert (rows[..., : groups * m].unflatten(2, (groups, m)).sum(3) == n).all(), name
        assert (rows[..., groups * m :].sum(2) == -(-rest * n // m)).all()


def test_of_equals_the_first_go():
    mask = nm_masks({"w": torch.ones(1, 2, 7)}, 2, 4)["w"]
    assert mask.int().tolist() == [[[0, 0, 1, 1, 0, 1, 1]] * 2]

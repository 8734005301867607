"""Counting: exactly the asked-for number goes, the first among equals, and no layer falls below `min_left`."""

import pytest
import torch

from zootwins.population.masks import keep_highest

SIZES = {"small": (3, 2), "large": (5, 4, 2)}


def scores() -> dict[str, torch.Tensor]:
    """Of two models; the small layer has the lowest ones."""
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(2, *shape, generator=generator) + (name == "large") for name, shape in SIZES.items()}


def left(masks: dict[str, torch.Tensor]) -> dict[str, list[int]]:
    return {name: mask.flatten(1).sum(1).tolist() for name, mask in masks.items()}


def test_a_joint_ranking_may_empty_a_layer_and_min_left_protects_it():
    assert left(keep_highest(scores(), 0.5)) == {"small": [0, 0], "large": [23, 23]}
    masks = keep_highest(scores(), 0.5, min_left=2)
    assert left(masks) == {"small": [2, 2], "large": [21, 21]}  # 46 weights, 23 go all the same
    highest = scores()["small"].flatten(1).argsort(1)[:, -2:]
    assert masks["small"].flatten(1).gather(1, highest).all()


@pytest.mark.parametrize("ratio", [0.9, {"small": 0.9, "large": 0.95}])
def test_min_left_goes_before_the_ratio(ratio):
    assert left(keep_highest(scores(), ratio, min_left=4)) == {"small": [4, 4], "large": [4, 4]}
    assert left(keep_highest(scores(), ratio, min_left=10)) == {"small": [6, 6], "large": [10, 10]}


def test_among_equals_the_first_go_and_nan_last():
    equal = {"a": torch.tensor([[1.0, 1.0, torch.nan, 1.0]]), "b": torch.tensor([[1.0, 0.0]])}
    masks = keep_highest(equal, 0.5)
    assert masks["a"].tolist() == [[False, False, True, True]]
    assert masks["b"].tolist() == [[True, False]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
@pytest.mark.parametrize("pruned", [0, 1, 7, 29, 30])
def test_masks_are_those_of_a_stable_sort(pruned, dtype):
    """Ranks from 0 to 4 of 30 entries, of which many are equal, and both infinities."""
    generator = torch.Generator().manual_seed(pruned)
    ranks = torch.randint(5, (3, 30), generator=generator).to(dtype)
    if dtype.is_floating_point:
        ranks[1, 3:6], ranks[2, 10:20] = torch.inf, -torch.inf
    mask = keep_highest({"all": ranks}, pruned / 30)["all"]
    for row, kept in zip(ranks.tolist(), mask.tolist(), strict=True):
        lowest = sorted(range(30), key=row.__getitem__)[:pruned]  # Python's sort is stable
        assert kept == [entry not in lowest for entry in range(30)]

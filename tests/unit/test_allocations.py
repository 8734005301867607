"""Allocations: equal to the public code at its counts, and exact at the project's."""

from math import prod

import pytest
import torch

from reference_data import LAYERS, assert_same, of_layers, pruned, reference, weights
from zootwins.population.masks import keep_highest
from zootwins.sparsifiers.allocations import erk_densities, lamp_scores, row_ranking, whole_counts
from zootwins.sparsifiers.scores import activation_weighted, magnitude

FLOAT64 = 1e-13  # rounding of sums of some thousand numbers
WEIGHTS = 2416


@pytest.mark.parametrize("percent", [30, 50, 80, 90, 95, 98])
@pytest.mark.parametrize("architecture", ["cnn_s", "cnn_s_rgb", "cnn_l_rgb"])
def test_erk_is_jaxpruners_and_sparsimonys(architecture, percent):
    data = reference("erk")
    rows = data[f"{architecture}.shapes"].tolist()
    shapes = {layer: [size for size in row if size] for layer, row in zip(LAYERS, rows, strict=True)}
    kept = sum(prod(shape) - int(percent / 100 * prod(shape)) for shape in shapes.values())  # as they count
    densities = torch.tensor(list(erk_densities(shapes, kept).values()), dtype=torch.float64)
    for code in ("jaxpruner", "sparsimony"):
        torch.testing.assert_close(
            1 - densities, data[f"{architecture}.{code}_sparsity_{percent}"], rtol=0, atol=FLOAT64
        )


def test_erk_counts_sum_to_the_total():
    shapes = {name: weight.shape[1:] for name, weight in weights().items()}
    for kept in (1, 7, 48, 242, 1208, 2000, 2415, 2416):
        densities = erk_densities(shapes, kept)
        counts = whole_counts({name: densities[name] * prod(shape) for name, shape in shapes.items()}, kept)
        assert sum(counts.values()) == kept
        assert all(abs(counts[name] - densities[name] * prod(shape)) < 1 for name, shape in shapes.items())


@pytest.mark.parametrize("percent", [50, 80, 90, 95, 98])
def test_lamp_is_its_authors(percent):
    scores = lamp_scores(magnitude(weights()))
    for name, expected in of_layers("lamp", "float64_score.").items():
        torch.testing.assert_close(scores[name], expected, rtol=0, atol=FLOAT64)
    masks = of_layers("lamp", f"mask_{percent}.")
    assert pruned(masks) == round(percent / 100 * WEIGHTS)
    assert_same(keep_highest(scores, percent / 100), masks)


def test_lamp_never_empties_a_layer():
    twice = {name: torch.cat([weight, 0 * weight]) for name, weight in magnitude(weights()).items()}
    twice["conv2.weight"] = twice["conv2.weight"] * 1e-6
    masks = keep_highest(lamp_scores(twice), 1 - 5 / WEIGHTS)
    assert all(mask.flatten(1).sum(1).tolist() == [1, 1] for mask in masks.values())


@pytest.mark.parametrize("percent", [50, 90])
def test_rows_are_wandas(percent):
    norms = {f"{layer}.weight": reference("wanda")[f"norm.{layer}"][None] for layer in LAYERS}
    scores = activation_weighted(weights(), norms)
    masks = of_layers("wanda", f"mask_{percent}.")
    shares = {name: float((~mask).double().mean()) for name, mask in masks.items()}  # ⌊s·inputs⌋ of each row
    assert_same(keep_highest({name: row_ranking(score) for name, score in scores.items()}, shares), masks)


def test_rows_lose_as_many_but_one():
    score = weights()["conv1.weight"].abs()
    mask = keep_highest({"w": row_ranking(score)}, 0.9)["w"]
    lost = (~mask).flatten(2).sum(2)
    assert int(lost.sum()) == 180
    assert set(lost.flatten().tolist()) == {22, 23}
    # the rows that lose one more are those whose next weight is the smallest
    nexts = score.flatten(2).sort(2).values[..., 22]
    assert nexts[lost == 23].max() < nexts[lost == 22].min()

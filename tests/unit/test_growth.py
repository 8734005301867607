"""RigL and SET: one step equals public code's at its counts, and keeps what it has to keep."""

import pytest
import torch

from reference_data import assert_same, of_layers
from zootwins.sparsifiers.growth import replaced_counts, replaced_masks

FRACTIONS = pytest.mark.parametrize("percent", [30, 10])


def step(growth, counts):
    return replaced_masks(of_layers("rigl", "weights."), of_layers("rigl", "mask_before."), growth, counts)


def rigl_growth():
    return {name: gradient.abs() for name, gradient in of_layers("rigl", "dense_gradient.").items()}


@FRACTIONS
def test_a_step_is_that_of_rigl(percent):
    counts = replaced_counts(of_layers("rigl", "mask_before."), percent / 100)
    assert_same(step(rigl_growth(), counts), of_layers("rigl", f"port_of_rigl_tf1_{percent}."))


@FRACTIONS
@pytest.mark.parametrize("kind", ["rigl", "set"])
def test_a_step_is_jaxpruners(kind, percent):
    growth = rigl_growth() if kind == "rigl" else of_layers("rigl", "random_growth_score.")
    counts = replaced_counts(of_layers("rigl", "mask_before."), percent / 100)
    counts |= {"fc2.weight": torch.tensor([31])} if percent == 30 else {"conv3.weight": torch.tensor([5])}  # it rounds
    assert_same(step(growth, counts), of_layers("rigl", f"jaxpruner_{kind}_{percent}."))


@FRACTIONS
def test_a_step_keeps_counts_and_the_largest(percent):
    weights, before, growth = of_layers("rigl", "weights."), of_layers("rigl", "mask_before."), rigl_growth()
    counts = replaced_counts(before, percent / 100)
    after = step(growth, counts)
    for name, mask in after.items():
        assert mask.sum() == before[name].sum()
        active = weights[name].abs().masked_fill(~before[name], -1).flatten()
        largest = active.topk(int(before[name].sum() - counts[name])).indices
        assert mask.flatten()[largest].all()
        grown, left = mask & ~before[name], ~mask
        assert growth[name][grown].min() >= growth[name][left].max()


def test_models_of_a_population_do_not_mix_and_an_empty_layer_stays_empty():
    generator = torch.Generator().manual_seed(1)
    weights, growth = torch.randn(2, 4, 5, 6, generator=generator).unbind()
    masks = torch.rand(4, 5, 6, generator=generator) < torch.tensor([0.0, 0.1, 0.5, 1.0]).view(4, 1, 1)
    counts = replaced_counts({"w": masks}, 0.4)["w"]
    together = replaced_masks({"w": weights * masks}, {"w": masks}, {"w": growth}, {"w": counts})["w"]
    for model in range(4):
        one = slice(model, model + 1)
        alone = replaced_masks(
            {"w": (weights * masks)[one]}, {"w": masks[one]}, {"w": growth[one]}, {"w": counts[one]}
        )["w"]
        assert torch.equal(together[one], alone)
    assert torch.equal(together.flatten(1).sum(1), masks.flatten(1).sum(1))


def test_counts_are_exact_although_floats_are_not():
    masks = {"w": torch.ones(1, 200, dtype=torch.bool)}
    assert replaced_counts(masks, 1 - 0.9)["w"].tolist() == [20]

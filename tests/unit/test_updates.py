"""Second-order pruning: equal to the public code, and to least squares on what stays."""

from math import ceil

import pytest
import torch
from torch.nn import functional

from reference_data import assert_same, of_layers, pruned, reference, weights
from zootwins.population.masks import keep_highest
from zootwins.sparsifiers.updates import block_fisher, least_squares, output_hessian, removal_costs

INVERSION = 1e-10  # of a float64 matrix whose condition is about 1e5
FLOAT32_SUMS = 1e-5  # of their 60 products
FLOAT32_OBC = 5e-6  # their eliminations in float32
WEIGHTS = 2416


def image_gradients():
    joined, places = reference("woodfisher")["gradients"][None], weights()
    parts = joined.split([weight.numel() for weight in places.values()], dim=2)
    return {name: part.unflatten(2, w.shape[1:]) for part, (name, w) in zip(parts, places.items(), strict=True)}


@pytest.mark.parametrize("damping", ["1e-5", "0.001"])
def test_woodfisher_is_the_published(damping):
    fisher = block_fisher(image_gradients(), 50, float(damping))
    saliency = fisher.saliency(weights())
    for name, theirs in of_layers("woodfisher", f"damp_{damping}.inverse_diagonal.").items():
        ours = weights()[name].square() / saliency[name]
        torch.testing.assert_close(ours, theirs, rtol=INVERSION, atol=0)
    for percent in (50, 90):
        masks = of_layers("woodfisher", f"damp_{damping}.joint.mask_{percent}.")
        assert_same(keep_highest(saliency, pruned(masks) / WEIGHTS), masks)
        updated = of_layers("woodfisher", f"damp_{damping}.joint.weights_{percent}.")
        torch.testing.assert_close(fisher.updated(weights(), masks), updated, rtol=0, atol=1e-13)
    masks = of_layers("woodfisher", f"damp_{damping}.layer.mask_50.")
    shares = {name: float((~mask).double().mean()) for name, mask in masks.items()}
    assert_same(keep_highest(saliency, shares), masks)


def test_woodfisher_without_curvature_is_magnitude_pruning():
    flat = {name: torch.zeros_like(gradient) for name, gradient in image_gradients().items()}
    fisher = block_fisher(flat, 50, 0.5)
    magnitudes = {name: weight.abs() for name, weight in weights().items()}
    masks = keep_highest(fisher.saliency(weights()), 0.8)
    assert_same(masks, keep_highest(magnitudes, 0.8))
    expected = {name: weight * masks[name] for name, weight in weights().items()}
    torch.testing.assert_close(fisher.updated(weights(), masks), expected)


def test_one_removal_is_the_optimal_brain_surgeons():
    """Against the closed form of the constrained minimum of ½δᵀFδ, solved as one linear system."""
    name, gradient = "fc2.weight", image_gradients()["fc2.weight"][:, :, :2, :5]
    weight = weights()[name][:, :2, :5]
    g = gradient[0].flatten(1).double()
    curvature = g.T @ g / len(g) + 0.01 * torch.eye(10, dtype=torch.float64)
    kept = torch.ones(1, 10, dtype=torch.bool)
    kept[0, 3] = False
    ours = block_fisher({name: gradient}, 10, 0.01).updated({name: weight}, {name: kept.view_as(weight)})[name]
    e = torch.eye(10, dtype=torch.float64)[3]
    system = torch.zeros(11, 11, dtype=torch.float64)
    system[:10, :10], system[:10, 10], system[10, :10] = curvature, e, e
    delta = torch.linalg.solve(system, torch.cat([torch.zeros(10), -weight.flatten()[3:4]]).double())[:10]
    torch.testing.assert_close(ours.flatten(), weight.flatten() + delta, rtol=0, atol=1e-12)


def surgeon(weight, hessian, gone, damping=0.0):
    """The layer with so many weights removed."""
    kept = keep_highest({"w": removal_costs(weight, hessian, damping)}, gone / weight.numel())["w"]
    return least_squares(weight, hessian, kept, damping)


def hessian_of(inputs):
    return output_hessian(inputs.double().mT @ inputs.double(), 60)


def layer_inputs(layer):
    if layer == "fc1":
        return reference("obc")["fc1.inputs"][None]
    return functional.unfold(reference("network")["images"], 5).transpose(1, 2).flatten(0, 1)[None]


@pytest.mark.parametrize("damping", ["0", "0.01"])
@pytest.mark.parametrize("layer", ["fc1", "conv1"])
def test_obc_is_the_published(layer, damping):
    data, weight = reference("obc"), weights()[f"{layer}.weight"]
    hessian = hessian_of(layer_inputs(layer))
    torch.testing.assert_close(hessian[0], data[f"obc.{layer}.damp_{damping}.hessian"], rtol=FLOAT32_SUMS, atol=0)
    for percent in (50, 90):
        expected = data[f"obc.{layer}.damp_{damping}.weights_{percent}"]
        ours = surgeon(weight, hessian, ceil(percent * weight.numel() / 100), float(damping))[0]
        assert torch.equal(ours == 0, expected == 0)
        torch.testing.assert_close(ours, expected.double(), rtol=0, atol=FLOAT32_OBC)


def test_every_row_is_the_least_squares_solution_on_what_stays():
    weight, inputs = weights()["fc1.weight"], layer_inputs("fc1").double()
    pruned_weight = surgeon(weight, hessian_of(inputs), 500)[0]
    for row, original in zip(pruned_weight, weight[0], strict=True):
        support = row != 0
        solution = torch.linalg.lstsq(inputs[0][:, support], inputs[0] @ original).solution
        torch.testing.assert_close(row[support], solution, rtol=0, atol=1e-9)


def test_weights_of_an_input_that_is_always_zero_go_first():
    inputs = layer_inputs("fc1").clone()
    inputs[..., 7] = 0
    ours = surgeon(weights()["fc1.weight"], hessian_of(inputs), 20, damping=0.01)
    assert (ours[..., 7] == 0).all()
    others = [index for index in range(36) if index != 7]
    torch.testing.assert_close(ours[..., others], weights()["fc1.weight"][..., others])

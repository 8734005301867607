"""Scores: equal to the public code's, masks to the bit at its counts."""

import pytest
import torch

from plain_networks import Network
from reference_data import architecture, assert_same, gradients, of_layers, parameters, pruned, reference, weights
from zootwins.architectures.architecture import to_state_dict
from zootwins.population.masks import keep_highest
from zootwins.sparsifiers.scores import gradient_flow, identity, normalised, saliency, synaptic_flow

FLOAT64 = 1e-12  # relative to sums of some thousand products
WEIGHTS = 2416
PERCENTS = pytest.mark.parametrize("percent", [50, 90])


def masks_of(scores, masks):
    """As many pruned as in these masks."""
    return keep_highest(scores, pruned(masks) / WEIGHTS)


@PERCENTS
def test_snip_is_the_published(percent):
    scores = normalised(saliency(weights(), gradients()))
    torch.testing.assert_close(scores, of_layers("snip", "one.score."), rtol=FLOAT64, atol=1e-18)
    masks = of_layers("snip", f"one.mask_{percent}.")
    assert_same(masks_of(saliency(weights(), gradients()), masks), masks)


def hessian_gradient(images, labels, divisor):
    """H·g of the mean cross-entropy at divided logits, by plain PyTorch."""
    network = Network(architecture(), "tanh", 0.0).double()
    network.load_state_dict(to_state_dict({name: p[0] for name, p in parameters().items()}, architecture(), 0.0))
    trained = [module.weight for module in network.module_list if hasattr(module, "weight")]
    loss = torch.nn.functional.cross_entropy(network(images.double()) / divisor, labels)
    first = torch.autograd.grad(loss, trained, create_graph=True)
    inner = sum((g.detach() * g).sum() for g in first)
    products = torch.autograd.grad(inner, trained)
    return {name: product[None] for name, product in zip(architecture().weight_names, products, strict=True)}


@PERCENTS
def test_grasp_is_the_published(percent):
    data = reference("network")
    flow = gradient_flow(weights(), hessian_gradient(data["images"], data["labels"], 200))
    torch.testing.assert_close(normalised(flow, 1e-10), of_layers("grasp", "one.score."), rtol=1e-9, atol=1e-16)
    masks = of_layers("grasp", f"one.mask_{percent}.")
    assert_same(masks_of(flow, masks), masks)


@pytest.mark.parametrize("percent", [50, 90, 98])
@pytest.mark.parametrize("rounds", [1, 100])
@pytest.mark.parametrize("activation", [identity, torch.tanh])
def test_synflow_is_the_published(activation, rounds, percent):
    prefix = activation.__name__
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights().items()}
    for done in range(1, rounds + 1):
        masked = {name: p * masks[name] if name in masks else p for name, p in parameters().items()}
        scores = synaptic_flow(architecture(), masked, activation)
        gone = int((1 - (1 - percent / 100) ** (done / rounds)) * WEIGHTS)  # as they count
        masks = keep_highest(scores, gone / WEIGHTS)
        if done == 1:
            first = of_layers("synflow", f"{prefix}.first_score.")
            torch.testing.assert_close(scores, first, rtol=FLOAT64, atol=1e-20)
    assert_same(masks, of_layers("synflow", f"{prefix}.mask_{percent}_after_{rounds}."))


def test_synflow_scores_sum_to_the_outputs_in_every_layer_without_biases():
    bare = {name: p if name.endswith("weight") else 0 * p for name, p in parameters().items()}
    sums = [float(score.sum()) for score in synaptic_flow(architecture(), bare).values()]
    assert sums == pytest.approx([sums[0]] * 5, rel=FLOAT64)

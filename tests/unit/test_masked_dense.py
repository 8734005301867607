"""Dynamic pruning with feedback: the public code's 48 steps, and what its masks must not do."""

import torch
from torch.nn import functional as F

from reference_data import architecture, of_layers, parameters, reference
from zootwins.population import Factors, ImageSet, Population
from zootwins.population.batched_network import ActivationRun, forward
from zootwins.population.masked_dense import MaskedDense, mask_of
from zootwins.population.masks import keep_highest
from zootwins.population.torch_engine import TorchEngine

STEPS = 1e-14  # 48 steps in float64
WEIGHTS, REFRESH = MaskedDense(), 16


def refresh(tensors, gone):
    """Mask anew so many of the dense weights."""
    names = architecture().weight_names
    masks = keep_highest({name: tensors[name].detach().abs() for name in names}, gone / 2416)
    for name, mask in masks.items():
        tensors[mask_of(name)].copy_(mask)


def test_48_steps_are_the_published():
    """By torch.optim, since theirs is SGD with Nesterov's momentum; masks at their counts."""
    data, network = reference("dpf"), reference("network")
    tensors = WEIGHTS.start(parameters())
    trained = {name: tensor.requires_grad_() for name, tensor in tensors.items() if not name.endswith(".kept")}
    optimizer = torch.optim.SGD(
        trained.values(),
        lr=float(data["lr"]),
        momentum=float(data["momentum"]),
        weight_decay=float(data["weight_decay"]),
        nesterov=True,
    )
    zeros = dict(data["dpf.zeros_after_iteration"].tolist())
    batch = int(data["batch"])
    for iteration in range(1, 49):
        chosen = slice((iteration - 1) * batch % 60, (iteration - 1) * batch % 60 + batch)
        gone = zeros.get(iteration, 0)
        if gone != zeros.get(iteration - 1, 0):  # a point of the schedule
            refresh(tensors, gone)
        images, labels = network["images"].double()[chosen], network["labels"][None, chosen]
        logits, _ = forward(
            architecture(), [ActivationRun(slice(0, 1), "tanh", torch.tanh)], WEIGHTS.trained(tensors), images[None]
        )
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        optimizer.step()
        if iteration % REFRESH == 0:
            refresh(tensors, gone)
    for name, expected in of_layers("dpf", "dpf.dense_weights.").items():
        torch.testing.assert_close(tensors[name].detach(), expected, rtol=0, atol=STEPS)
    for name, expected in of_layers("dpf", "dpf.mask.").items():
        assert torch.equal(tensors[mask_of(name)].bool(), expected)


def test_the_engine_moves_masked_weights_and_leaves_masks():
    factors = Factors(0, "tanh", "uniform", "adam", 1e-2, 0.1, 0.9, 0.0, 20)
    tensors = WEIGHTS.start(parameters())
    refresh(tensors, 2000)
    masks = {name: tensors[mask_of(name)].bool() for name in architecture().weight_names}
    population = Population(architecture(), [factors], torch.tensor([1]), dict(tensors), weights=WEIGHTS)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    data = reference("network")
    TorchEngine().train_epoch(population, ImageSet(data["images"].double(), data["labels"]), 1)
    for name, mask in masks.items():
        assert torch.equal(population.parameters[mask_of(name)].bool(), mask)
        assert (population.parameters[name] != before[name])[~mask].all()
        assert torch.equal(population.deterministic().parameters[name] != 0, mask)

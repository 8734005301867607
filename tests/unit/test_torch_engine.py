"""The torch engine against one model at a time in plain PyTorch (`reference`)."""

from dataclasses import replace

import pytest
import torch

from plain_networks import module_indices
from reference import optimizer_for, train_one, train_one_variational
from zootwins.architectures.architecture import get_architecture
from zootwins.population import Factors, ImageSet, Population, optimizers
from zootwins.population import torch_engine as engine_module
from zootwins.population.hard_concrete import HardConcrete
from zootwins.population.masks import pruning_masks
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.variational import GaussianNoise

ROUNDING = {"rtol": 1e-9, "atol": 1e-11}  # float64 over some hundred operations


def factors(seed: int, activation="tanh", optimizer="adam", dropout=0.0, batch_size=8, **more) -> Factors:
    values = {"lr": 3e-3, "weight_decay": 1e-3, "momentum": 0.9} | more
    return Factors(seed, activation, "normal", optimizer, dropout=dropout, batch_size=batch_size, **values)


MIXED = [
    factors(0),
    factors(1, "relu", "sgd"),
    factors(2, "gelu", "adam", dropout=0.5),
    factors(3, "sigmoid", "sgd", weight_decay=0.0, lr=1e-2),
    factors(4, "relu", "adam"),
    factors(5, "tanh", "sgd", dropout=0.5, momentum=0.0),
]

PENALTIES = [0.01, 0.0, 0.1, 0.003, 1.0, 0.02]  # their weights, different for each model


def population(models=MIXED, name="cnn_s", channels=1, dtype=torch.float64) -> Population:
    architecture = get_architecture(name, channels)
    generator = torch.Generator().manual_seed(7)
    parameters = {
        key: torch.randn(len(models), *shape, generator=generator, dtype=dtype) * 0.3
        for key, shape in architecture.parameter_shapes.items()
    }
    return Population(architecture, models, torch.arange(len(models)) * 977 - 3, parameters)


def images(of: Population, samples: int, seed=1) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    size, dtype = of.architecture.image_size, of.parameters["fc2.bias"].dtype
    pixels = torch.randn(samples, of.architecture.channels, size, size, generator=generator, dtype=dtype)
    return ImageSet(pixels, torch.randint(10, (samples,), generator=generator))


def final_parameters(of: Population, data: ImageSet, epochs=1, **settings) -> dict[str, torch.Tensor]:
    engine = TorchEngine()
    for epoch in range(1, epochs + 1):
        engine.train_epoch(of, data, epoch, **settings)
    return of.parameters


@pytest.mark.parametrize(("name", "channels"), [("cnn_s", 1), ("cnn_s", 3), ("cnn_l", 3)])
def test_training_equals_plain_pytorch(name, channels):
    """Mixed activations, optimisers, dropout and masks; 21 samples leave a last batch of 5."""
    trained = population(name=name, channels=channels)
    weights = {key: trained.parameters[key] for key in trained.architecture.weight_names}
    trained.set_masks(pruning_masks(weights, 0.6, "global"))
    data, test = images(trained, 21), images(trained, 40, seed=2)
    expected = [train_one(trained, model, data, test, epochs=2)[0] for model in range(len(trained))]
    engine = TorchEngine()
    for epoch in (1, 2):
        engine.train_epoch(trained, data, epoch)
        accuracy = engine.evaluate(trained, test).accuracy
        torch.testing.assert_close(accuracy, torch.tensor([e[epoch - 1] for e in expected], dtype=torch.float64))
    for key, mask in trained.masks.items():
        assert (trained.parameters[key][~mask] == 0).all()


def test_what_is_masked_stays_so_in_a_model_that_diverges():
    """0 times infinity is NaN."""
    of = population([replace(model, lr=1e12) for model in MIXED], dtype=torch.float32)
    of.set_masks(pruning_masks({key: of.parameters[key] for key in of.architecture.weight_names}, 0.6, "global"))
    final_parameters(of, images(of, 40), epochs=3)
    assert any(tensor.isnan().any() for tensor in of.parameters.values())
    of.set_masks(of.masks)
    for key, mask in of.masks.items():
        assert (of.parameters[key][~mask] == 0).all()


@pytest.mark.parametrize(("name", "channels"), [("cnn_s", 1), ("cnn_l", 3)])
@pytest.mark.parametrize("log_sigma2", [-10.0, -1.0])
def test_variational_training_equals_plain_pytorch(name, channels, log_sigma2):
    """Weights, log σ² and accuracy after an epoch; log σ² = -1 starts with weights on both sides of the clamps."""
    models = MIXED[:4]
    trained = population(models, name, channels)
    data, test = images(trained, 21), images(trained, 40, seed=2)
    expected = [
        train_one_variational(trained, model, data, test, 1, lambda epoch, w=PENALTIES[model]: w, log_sigma2)
        for model in range(len(models))
    ]
    trained.weights = GaussianNoise(initial_log_sigma2=log_sigma2)
    trained.parameters = trained.weights.start(trained.parameters)
    engine = TorchEngine()
    engine.train_epoch(trained, data, 1, penalty=torch.tensor(PENALTIES[:4], dtype=torch.float64))
    accuracy = engine.evaluate(trained, test).accuracy
    for model, ((reference_accuracy,), network) in enumerate(expected):
        assert accuracy[model].item() == pytest.approx(reference_accuracy, abs=1e-12)
        for layer in network.layers:
            for key, parameter in layer.named_parameters():
                actual = trained.parameters[f"{layer.layer.name}.{key}"][model]
                torch.testing.assert_close(actual, parameter.detach(), **ROUNDING)


@pytest.mark.parametrize("own_lr", [False, True])
def test_a_step_in_parts_is_the_step(own_lr, monkeypatch):
    """Large networks are moved some parameters at a time; masks, factors and rates of parameters are cut alike."""
    kinds = [*MIXED, *(factors(9, optimizer=optimizer) for optimizer in ("nesterov", "adamw", "rmsprop"))]
    moved = []
    for at_once in (1 << 15, 700):
        monkeypatch.setattr(optimizers, "_MOVED_AT_ONCE", at_once)
        of = population(kinds)
        of.set_masks(pruning_masks({key: of.parameters[key] for key in of.architecture.weight_names}, 0.6, "global"))
        if own_lr:
            of.weights = HardConcrete(gate_lr=0.1)
            of.parameters = of.weights.start(of.parameters)
        moved.append(final_parameters(of, images(of, 16), epochs=2))
    for key, parameter in moved[0].items():
        torch.testing.assert_close(moved[1][key], parameter, **ROUNDING)


def test_weights_equal_torch_optim_bit_for_bit_in_kind():
    """Parameters after two epochs, every kind of optimiser, to rounding."""
    trained = population([replace(model, dropout=0.0) for model in MIXED])
    data = images(trained, 16)
    before = {key: tensor.clone() for key, tensor in trained.parameters.items()}
    final_parameters(trained, data, epochs=2)
    from reference import network_of
    from zootwins.population.randomness import data_order

    for model in range(len(trained)):
        fresh = Population(trained.architecture, trained.factors, trained.keys, before)
        network = network_of(fresh, model)
        optimizer = optimizer_for(network.parameters(), trained.factors[model])
        for epoch in (1, 2):
            order = data_order(trained.keys[model : model + 1], epoch, len(data))[0]
            for chosen in order.split(8):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(network(data.images[chosen]), data.labels[chosen]).backward()
                optimizer.step()
        indices = module_indices(trained.architecture, dropout=False)
        for key in trained.architecture.weight_names:
            expected = network.module_list[indices[key.split(".")[0]]].weight.detach()
            torch.testing.assert_close(trained.parameters[key][model], expected, **ROUNDING)


@pytest.mark.parametrize("variational", [False, True])
def test_a_model_does_not_depend_on_its_neighbours(variational, monkeypatch):
    """The same model trained alone, among others, in other blocks and with more threads, to float rounding."""

    def trained(chosen, block=16, threads=1):
        of = population(dtype=torch.float32)
        if variational:
            of.weights = GaussianNoise()
            of.parameters = of.weights.start(of.parameters)
        of = replace(
            of,
            factors=[of.factors[model] for model in chosen],
            keys=of.keys[chosen],
            parameters={key: tensor[chosen] for key, tensor in of.parameters.items()},
        )
        monkeypatch.setattr(engine_module, "_CPU_BLOCK", block)
        penalty = torch.tensor(PENALTIES, dtype=torch.float64)[chosen]
        TorchEngine(threads=threads).train_epoch(of, images(of, 24), 1, penalty=penalty)
        return of.parameters

    together = trained([0, 1, 2, 3, 4, 5])
    for chosen, block, threads in (([2], 16, 1), ([4, 2, 0], 2, 2)):
        for key, tensor in trained(chosen, block, threads).items():
            torch.testing.assert_close(tensor, together[key][chosen], rtol=2e-4, atol=2e-6)


def test_evaluation_equals_plain_pytorch_and_goes_in_chunks(monkeypatch):
    from reference import network_of

    of = population()
    data = images(of, 33)
    monkeypatch.setitem(engine_module._EVALUATED_AT_ONCE, "cpu", 7 * 6 * 8 * 24**2)  # 7 images at once
    evaluation = TorchEngine(threads=2).evaluate(of, data)
    for model in range(len(of)):
        logits = network_of(of, model).eval()(data.images).detach()
        assert evaluation.predictions[model].tolist() == logits.argmax(1).tolist()
        loss = torch.nn.functional.cross_entropy(logits, data.labels)
        torch.testing.assert_close(evaluation.loss[model], loss, **ROUNDING)
        torch.testing.assert_close(evaluation.accuracy[model], (logits.argmax(1) == data.labels).double().mean())


def test_scores_of_an_epoch_are_those_of_its_batches():
    """With a learning rate of (nearly) 0 an epoch's running scores are an evaluation's."""
    of = population([factors(0, lr=1e-30), factors(1, "relu", "sgd", lr=1e-30)])
    data = images(of, 21)
    expected = TorchEngine().evaluate(of, data)
    scores = TorchEngine().train_epoch(of, data, 1)
    torch.testing.assert_close(scores.accuracy, expected.accuracy)
    torch.testing.assert_close(scores.loss, expected.loss)

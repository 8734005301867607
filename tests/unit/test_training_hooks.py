"""What a plan of training may change, and what evaluations may be asked for, in both engines.

The torch engine in float64 against one model at a time in plain PyTorch (`reference`), the native engine in float32
against the torch engine.
"""

from dataclasses import replace

import pytest
import torch

from plain_networks import module_indices
from reference import network_of, train_one, train_one_variational
from test_torch_engine import MIXED, PENALTIES, ROUNDING, images, population
from zootwins.population import GaussianNoise, HardConcrete, Population, native_engine
from zootwins.population.native_engine import NativeEngine
from zootwins.population.torch_engine import TorchEngine
from zootwins.sparsifiers import gale_variational_dropout
from zootwins.sparsifiers.gale_variational_dropout import GaleVariationalDropout

FLOAT32 = {"rtol": 2e-3, "atol": 2e-5}  # weights after nine steps in float32, some of them Adam's at its largest
ENGINES = [
    pytest.param(TorchEngine, id="torch"),
    pytest.param(
        NativeEngine,
        id="native",
        marks=pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here"),
    ),
]
OUTPUTS = {"rtol": 1e-3, "atol": 1e-4}  # float32 through layers whose sums reach some tens
SAMPLES = 21  # batches of 8, 8 and 5
EPOCHS = 3
GALE = gale_variational_dropout.Settings(penalties=(1,), epochs=1, ramp=0, threshold=3, initial_log_sigma2=-4)


def lr_factors(epoch: int, models: int = len(MIXED)) -> torch.Tensor:
    """Models begin late, rest, end early, or follow schedules of their own: `[models, 3]`."""
    factors = torch.tensor(
        [
            [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]],
            [[0.0, 0.0, 0.5], [1.0, 2.0, 1.0], [0.3, 0.2, 0.1]],
            [[0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.5]],
            [[1.0, 0.0, 1.0], [1.0, 0.5, 0.25], [0.0, 0.0, 0.0]],
            [[0.5, 0.5, 0.5], [0.0, 1.0, 0.0], [2.0, 0.0, 1.0]],
            [[1.0, 0.7, 0.5], [0.3, 0.0, 0.0], [0.0, 0.0, 0.0]],
        ]
    )
    return factors[:models, epoch - 1]


def masks(of: Population, epoch: int) -> dict[str, torch.Tensor]:
    """Other masks, drawn anew before each epoch but the first, so that weights go and come back."""
    generator = torch.Generator().manual_seed(epoch)
    shapes = {name: of.parameters[name].shape for name in of.architecture.weight_names}
    return {} if epoch == 1 else {n: torch.rand(shape, generator=generator) < 0.5 for n, shape in shapes.items()}


def train(engine, of: Population, data, *, moving_masks=True, penalty=None) -> None:
    for epoch in range(1, EPOCHS + 1):
        if moving_masks and (new := masks(of, epoch)):
            of.set_masks(new)
        engine.train_epoch(of, data, epoch, penalty=penalty, lr_factors=lr_factors(epoch, len(of)))


def noisy(of: Population) -> Population:
    weights = GaussianNoise(initial_log_sigma2=-4.0)
    return replace(of, parameters=weights.start(of.parameters), weights=weights)


def gale(of: Population) -> Population:
    weights = GaleVariationalDropout().weights(GALE)
    return replace(of, parameters=weights.start(of.parameters), weights=weights)


def gated(of: Population) -> Population:
    weights = HardConcrete(initial_log_alpha=1.0, gate_lr=0.02)
    return replace(of, parameters=weights.start(of.parameters), weights=weights)


KINDS = pytest.mark.parametrize("kind", [lambda of: of, noisy, gale, gated], ids=["plain", "noisy", "gale", "gated"])


@pytest.mark.parametrize(("name", "channels"), [("cnn_s", 1), ("cnn_l", 3)])
def test_moving_masks_and_learning_rates_equal_plain_pytorch(name, channels):
    of = population(name=name, channels=channels)
    data = images(of, SAMPLES)
    expected = [
        train_one(
            of,
            model,
            data,
            data,
            EPOCHS,
            lambda epoch, batch, model=model: lr_factors(epoch)[model, batch].item(),
            lambda epoch, model=model: {name: mask[model] for name, mask in masks(of, epoch).items()},
        )[1]
        for model in range(len(of))
    ]
    train(TorchEngine(), of, data)
    for model, network in enumerate(expected):
        indices = module_indices(of.architecture, of.factors[model].dropout > 0)
        for layer in of.architecture.layers:
            module = network.module_list[indices[layer.name]]
            weight, bias = (of.parameters[f"{layer.name}.{kind}"][model] for kind in ("weight", "bias"))
            torch.testing.assert_close(weight, (module.weight_orig * module.weight_mask).detach(), **ROUNDING)
            torch.testing.assert_close(bias, module.bias.detach(), **ROUNDING)


@pytest.mark.parametrize("kind", [noisy, gale])
def test_penalties_and_learning_rates_of_noisy_models_equal_plain_pytorch(kind):
    of = population()
    data = images(of, SAMPLES)
    expected = [
        train_one_variational(
            of,
            model,
            data,
            data,
            EPOCHS,
            lambda epoch, model=model: PENALTIES[model],
            -4.0,
            lambda epoch, batch, model=model: lr_factors(epoch)[model, batch].item(),
            gale=kind is gale,
        )[1]
        for model in range(len(of))
    ]
    of = kind(of)
    train(TorchEngine(), of, data, moving_masks=False, penalty=torch.tensor(PENALTIES, dtype=torch.float64))
    for model, network in enumerate(expected):
        for layer in network.layers:
            for key, parameter in layer.named_parameters():
                actual = of.parameters[f"{layer.layer.name}.{key}"][model]
                torch.testing.assert_close(actual, parameter.detach(), **ROUNDING)


@pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here")
@KINDS
def test_the_native_engine_follows_the_same_plan(kind):
    exact = kind(population())
    of = replace(exact, parameters={name: parameter.float() for name, parameter in exact.parameters.items()})
    data = images(exact, SAMPLES)
    for engine, trained in ((TorchEngine(), exact), (NativeEngine(), of)):
        train(engine, trained, data, penalty=torch.tensor(PENALTIES, dtype=torch.float64))
    assert torch.equal(of.optimizer_state["steps"], exact.optimizer_state["steps"])
    assert of.optimizer_state["steps"].tolist() == [9, 7, 4, 5, 6, 4]
    for name, parameter in exact.parameters.items():
        torch.testing.assert_close(of.parameters[name], parameter.float(), **FLOAT32)
    for name, mask in of.masks.items():
        assert (of.parameters[name][~mask] == 0).all()
        assert (of.optimizer_state[f"exp_avg.{name}"][~mask] == 0).all()


@pytest.mark.parametrize("engine", ENGINES)
@KINDS
def test_a_model_stands_still_to_the_last_bit(engine, kind):
    """Parameters, moments and count of steps are as before, those of its neighbours are not."""
    of = kind(population(dtype=torch.float32))
    data, penalty = images(of, SAMPLES), torch.full((len(of),), 0.1, dtype=torch.float64)
    engine().train_epoch(of, data, 1, penalty=penalty)
    before = {name: tensor.clone() for name, tensor in (of.parameters | of.optimizer_state).items()}
    rates = torch.ones(len(of), 3)
    rates[1:3] = 0
    engine().train_epoch(of, data, 2, penalty=penalty, lr_factors=rates)
    still = rates.sum(1) == 0
    for name, tensor in (of.parameters | of.optimizer_state).items():
        assert torch.equal(tensor[still], before[name][still]), name
    assert (of.parameters["fc2.bias"] != before["fc2.bias"])[~still].all()
    assert of.optimizer_state["steps"].tolist() == [6, 3, 3, 6, 6, 6]


@pytest.mark.parametrize("engine", ENGINES)
@KINDS
def test_a_factor_of_one_changes_no_bit(engine, kind):
    plain, scaled = (kind(population(dtype=torch.float32)) for _ in range(2))
    data = images(plain, SAMPLES)
    engine().train_epoch(plain, data, 1)
    engine().train_epoch(scaled, data, 1, lr_factors=torch.ones(len(scaled), 3))
    for name, parameter in plain.parameters.items():
        assert torch.equal(parameter, scaled.parameters[name]), name


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_masked_counts_for_nothing(engine):
    """A population made with weights under its masks is the one without them, trained or evaluated."""
    of = population(dtype=torch.float32)
    given = {name: parameter.clone() for name, parameter in of.parameters.items()}
    kept = masks(of, 2)
    cut = {name: torch.where(kept[name], p, 0) if name in kept else p.clone() for name, p in given.items()}
    data = images(of, SAMPLES)
    full, zeroed = (Population(of.architecture, of.factors, of.keys, p, masks=kept) for p in (dict(given), cut))
    assert torch.equal(engine().evaluate(full, data).loss, engine().evaluate(zeroed, data).loss)
    for each in (full, zeroed):
        engine().train_epoch(each, data, 1)
    for name, parameter in full.parameters.items():
        assert torch.equal(parameter, zeroed.parameters[name]), name
        if name in kept:
            assert (parameter[~kept[name]] == 0).all()
            assert torch.equal(given[name], of.parameters[name])  # what was given is left alone


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "channels"), [("cnn_s", 1), ("cnn_l", 3)])
def test_probabilities_and_features_are_the_networks(engine, name, channels):
    """Of 20 models, more than one block, on 33 images, against float64 modules up to the last one."""
    of = population([*MIXED, *MIXED, *MIXED, *MIXED[:2]], name, channels, dtype=torch.float32)
    data = images(of, 33)
    evaluation = engine().evaluate(of, data, ("probabilities", "features"))
    for model in range(len(of)):
        *modules, last = network_of(of, model).double().eval().module_list
        with torch.no_grad():
            features = torch.nn.Sequential(*modules)(data.images.double())
            probabilities = last(features).softmax(1)
        torch.testing.assert_close(evaluation.features[model], features.float(), **OUTPUTS)
        torch.testing.assert_close(evaluation.probabilities[model], probabilities.float(), **OUTPUTS)


@pytest.mark.parametrize("engine", ENGINES)
def test_only_what_is_asked_for_is_kept(engine):
    of = population(dtype=torch.float32)
    data = images(of, 5)
    evaluation = engine().evaluate(of, data)
    assert evaluation.probabilities is evaluation.features is None
    assert engine().evaluate(of, data, ["features"]).probabilities is None


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_split_has_no_scores(engine):
    of = population(dtype=torch.float32)
    evaluation = engine().evaluate(of, images(of, 0))
    assert evaluation.loss.isnan().all()
    assert evaluation.accuracy.isnan().all()

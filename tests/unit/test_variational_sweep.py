"""Variational dropout swept over penalties and thresholds: the one schedule it shares with `vd`, counts, refusals."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from test_gradual_pruning import shown, some_originals
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.trajectory import record_trajectory
from zootwins.population.variational import log_alpha
from zootwins.run.errors import InputError
from zootwins.sparsifiers import (
    gale_variational_dropout,
    l0_regularization,
    variational_dropout,
    variational_sweep,
    variational_thresholds,
)
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.gale_variational_dropout import GaleVariationalDropout
from zootwins.sparsifiers.penalised import penalty_weights
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.sparsifiers.variational_dropout import VariationalDropout, kl_weight
from zootwins.sparsifiers.variational_sweep import VariationalSweep
from zootwins.sparsifiers.variational_thresholds import VariationalThresholds
from zootwins.storage.shards import read_shard, write_trajectory

SWEPT = {"penalties": (1, 5000), "epochs": 2, "ramp": 0, "threshold": 3.0, "initial_log_sigma2": -5, "lr": 0.3}
THRESHOLDS = variational_thresholds.Settings(thresholds=(3, 0, -20))
CASES = pytest.mark.parametrize(
    ("method", "settings"),
    [
        (VariationalSweep(), variational_sweep.Settings(**SWEPT)),
        (GaleVariationalDropout(), gale_variational_dropout.Settings(**SWEPT)),
    ],
    ids=["vds", "vdg"],
)


@pytest.fixture(scope="module")
def originals():
    return some_originals()


def swept(method, settings, originals, path):
    """Trained twins as a shard, and their tensors."""
    trajectory = sparsify(TorchEngine(), method, settings, SparsifierInputs("zoo", originals), shown(originals))
    write_trajectory(path, method.id, trajectory, originals.models, originals.index, axes=method.axes(settings))
    return read_shard(path), trajectory.tensors


def test_a_weight_of_480_over_24_epochs_is_the_schedule_of_vd():
    settings = variational_sweep.Settings(penalties=(480,), epochs=25, ramp=24, threshold=3.0)
    weights = [penalty_weights(settings, epoch).item() for epoch in range(1, 26)]
    assert weights == pytest.approx([kl_weight(epoch) for epoch in range(1, 26)], rel=1e-12)


def test_with_the_keys_of_vd_the_twins_are_those_of_vd(originals):
    data, inputs = shown(originals), SparsifierInputs("zoo", originals)
    ours = variational_sweep.Settings(penalties=(480,), epochs=3, ramp=24, threshold=3.0)
    theirs = variational_dropout.Settings(epochs=3, threshold=3.0)
    of, reference = VariationalSweep().population(inputs, ours), VariationalDropout().population(inputs, theirs)
    of.keys = reference.keys
    one = record_trajectory(TorchEngine(), of, data, VariationalSweep().plan(inputs, ours)).tensors
    other = record_trajectory(TorchEngine(), reference, data, VariationalDropout().plan(inputs, theirs)).tensors
    for name in of.parameters:
        torch.testing.assert_close(one[name], other[name], rtol=1e-6, atol=1e-9)


@CASES
def test_each_twin_has_its_penalty_and_its_kind_of_noise(method, settings, originals):
    tensors = sparsify(TorchEngine(), method, settings, SparsifierInputs("zoo", originals), shown(originals)).tensors
    assert ("conv1.bias_log_sigma2" in tensors) == (method.id == "vds")
    assert tensors["fc1.log_sigma2"].shape == (2, 2, 3, 20, 36)
    assert (tensors["fc1.log_sigma2"][:, :, 0] == -5).all()
    sparsity = tensors["sparsity"].double() @ originals.architecture.weight_shares
    assert sparsity[0, 1, -1] > sparsity[0, 0, -1]  # of the one that Adam trains; SGD's first steps are too long
    assert method.point(settings, 5000).at == {"penalty": 5000}


def test_the_state_of_sparsitys_noise():
    weights = GaleVariationalDropout().weights(gale_variational_dropout.Settings(**SWEPT))
    assert not weights.decays("conv1.log_sigma2")
    assert weights.decays("conv1.weight")
    started = weights.start({"conv1.weight": torch.ones(1, 1, 1, 1, 1), "conv1.bias": torch.ones(1, 1)})
    assert set(started) == {"conv1.weight", "conv1.bias", "conv1.log_sigma2"}
    far = torch.tensor([1e-9]), torch.tensor([0.0])
    assert log_alpha(*far, is_conv=False, linear_clamp=weights.linear_clamp).item() == 8


@CASES
def test_thresholds_count_what_log_alpha_says(method, settings, originals, tmp_path):
    """At −20 everything goes; at the method's own 3 it is the method's twin."""
    shard, trained = swept(method, settings, originals, tmp_path / "shard.safetensors")
    chosen = THRESHOLDS.model_copy(update={"twins": method.id})
    chosen = VariationalThresholds().resolve_settings(chosen, {method.id: settings}, None)
    inputs, data = SparsifierInputs("zoo", originals, {method.id: shard}), shown(originals)
    tensors = sparsify(TorchEngine(), VariationalThresholds(), chosen, inputs, data, [0]).tensors
    assert tensors["predictions"].shape == (2, 2, 3, 1, 8)
    for place, threshold in enumerate(chosen.thresholds):
        for layer, name in enumerate(originals.architecture.weight_names):
            noise = trained[name.replace("weight", "log_sigma2")][:, :, -1]
            pruned = log_alpha(trained[name][:, :, -1], noise, is_conv=name.startswith("conv")) >= threshold
            assert torch.equal(tensors[name][:, :, place, 0] == 0, pruned)
            torch.testing.assert_close(
                tensors["sparsity"][:, :, place, 0, layer], pruned.flatten(2).double().mean(2).float()
            )
    assert (tensors["sparsity"][:, :, 0] == 1).all()
    for score in ("test_accuracy", "validation_loss", "eval_mode_train_accuracy"):
        assert torch.equal(tensors[score][:, :, 2, 0], trained[score][:, :, -1]), score
    assert [point.value for point in VariationalThresholds().curve(chosen)] == [-20, 0, 3]
    defaults = VariationalThresholds().point(chosen, VariationalThresholds().default_point(chosen))
    assert (defaults.epoch, defaults.at) == (0, {"penalty": 5000, "threshold": 3})


def test_small_values_of_a_sweep_are_told_apart():
    settings = variational_sweep.Settings(penalties=(1e-7, 5e-7), epochs=3, ramp=1, threshold=3.0)
    assert VariationalSweep().point(settings, 5e-7).value == 5e-7
    assert VariationalSweep().point(settings, 5.0000001e-7).value == 5e-7  # as a float32 of a file is read
    assert VariationalSweep().point(settings, 2e-7) is None


def test_thresholds_of_what_is_not_there_are_refused(originals, tmp_path):
    method, settings = VariationalSweep(), variational_sweep.Settings(**SWEPT)
    with pytest.raises(ValueError, match="twins: 'vds' is no method of this zoo; add it"):
        VariationalThresholds().resolve_settings(THRESHOLDS, {}, None)
    with pytest.raises(ValueError, match=r"penalty: 7 is not among those of vds \(1, 5000\); choose"):
        VariationalThresholds().resolve_settings(THRESHOLDS.model_copy(update={"penalty": 7}), {"vds": settings}, None)
    with pytest.raises(ValueError, match="penalties: they are those of vds; leave the key out"):
        VariationalThresholds().resolve_settings(
            THRESHOLDS.model_copy(update={"penalties": (7,)}), {"vds": settings}, None
        )
    gates = {"l0": l0_regularization.Settings(penalties=(1,), epochs=1, ramp=0)}
    with pytest.raises(ValueError, match="twins: 'l0' has no noise with penalties; choose"):
        VariationalThresholds().resolve_settings(THRESHOLDS.model_copy(update={"twins": "l0"}), gates, None)
    mine = THRESHOLDS.model_copy(update={"twins": "mine"})  # a named twin
    assert VariationalThresholds().resolve_settings(mine, {"mine": settings}, None).penalties == settings.penalties
    with pytest.raises(ValidationError):
        variational_thresholds.Settings(thresholds=(1, 1.0))
    shard, _ = swept(method, settings, originals, tmp_path / "shard.safetensors")
    resolved = VariationalThresholds().resolve_settings(THRESHOLDS, {"vds": settings}, None)
    inputs = SparsifierInputs("zoo", replace(originals, models=["a", "c"]), {"vds": shard})
    with pytest.raises(InputError, match="not those of the originals; make it again"):
        VariationalThresholds().population(inputs, resolved)

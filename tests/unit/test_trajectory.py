"""Recording a run state by state, and going on after a kill."""

import pytest
import torch

from test_torch_engine import factors, images, population
from zootwins.population import native_engine
from zootwins.population.native_engine import NativeEngine
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.trajectory import Resume, kept_states, record_trajectory
from zootwins.population.variational import Variational, start

native = pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here")
MODELS = [factors(0), factors(1, "relu", "sgd")]


def fresh(variational: bool):
    of = population(MODELS, dtype=torch.float32)
    if variational:
        of.variational = Variational()
        of.parameters = start(of.parameters, of.variational)
    return of


def record(of, **settings):
    return record_trajectory(TorchEngine(), of, images(of, 24), images(of, 30, seed=2), 3, **settings)


def test_every_state_is_recorded():
    of = fresh(variational=False)
    before = {name: tensor.clone() for name, tensor in of.parameters.items()}
    trajectory = record(of, prediction_states=(0, 3))
    assert trajectory.states == trajectory.weight_states == [0, 1, 2, 3]
    for name, tensor in before.items():
        assert torch.equal(trajectory.tensors[name][:, 0], tensor)
        assert torch.equal(trajectory.tensors[name][:, 3], of.parameters[name])
        assert not torch.equal(trajectory.tensors[name][:, 1], trajectory.tensors[name][:, 2])
    assert trajectory.tensors["predictions"].shape == (2, 2, 30)
    labels = images(of, 30, seed=2).labels
    accuracy = (trajectory.tensors["predictions"][:, 1] == labels).float().mean(1)
    torch.testing.assert_close(trajectory.tensors["test_accuracy"][:, 3], accuracy)


def test_final_states_alone():
    trajectory = record(fresh(variational=False), weight_states=kept_states("final", 3))
    assert trajectory.weight_states == [3]
    assert trajectory.tensors["conv1.weight"].shape == (2, 1, 8, 1, 5, 5)
    assert trajectory.tensors["test_accuracy"].shape == (2, 4)


@pytest.mark.parametrize("variational", [False, True])
def test_a_killed_run_goes_on_to_the_same_tensors(tmp_path, variational):
    """Killed after the first epoch: the rest is trained from there, and nothing differs in a single bit."""
    undisturbed = record(fresh(variational), prediction_states=range(4))
    resume = Resume(tmp_path / "resume.safetensors", "digest")

    def die(epoch, epochs):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), resume:
        record(fresh(variational), prediction_states=range(4), resume=resume, on_epoch=die)
    assert resume.path.exists()
    trained = []
    with resume:
        resumed = record(
            fresh(variational),
            prediction_states=range(4),
            resume=resume,
            on_epoch=lambda epoch, epochs: trained.append(epoch),
        )
    assert trained == [2, 3]
    assert resumed.tensors.keys() == undisturbed.tensors.keys()
    for name, tensor in undisturbed.tensors.items():
        assert torch.equal(resumed.tensors[name], tensor), name
    assert not resume.path.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"\xff" * 100,
        lambda content: content[:-1],
        lambda content: content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
    ],
    ids=["empty", "something else", "truncated", "a bit flipped"],
)
def test_a_damaged_resume_file_is_not_trusted(tmp_path, damage):
    path = tmp_path / "resume.safetensors"
    record(fresh(variational=False), resume=Resume(path, "digest"))  # leaves the file: no `with`
    path.write_bytes(damage(path.read_bytes()))
    trained = []
    record(
        fresh(variational=False),
        resume=Resume(path, "digest"),
        on_epoch=lambda epoch, epochs: trained.append(epoch),
    )
    assert trained == [1, 2, 3]


def test_a_resume_file_of_another_configuration_is_not_used(tmp_path):
    path = tmp_path / "resume.safetensors"
    record(fresh(variational=False), resume=Resume(path, "one"))  # leaves the file: no `with`
    assert path.exists()
    trained = []
    record(
        fresh(variational=False),
        resume=Resume(path, "another"),
        on_epoch=lambda epoch, epochs: trained.append(epoch),
    )
    assert trained == [1, 2, 3]


@pytest.mark.parametrize("engine", [TorchEngine(), pytest.param("native", marks=native)])
def test_a_shard_all_of_whose_models_are_excluded_is_empty(engine):
    engine = NativeEngine() if engine == "native" else engine
    of = population([], dtype=torch.float32)
    trajectory = record_trajectory(engine, of, images(of, 24), images(of, 30, seed=2), 2, prediction_states=(0, 2))
    assert trajectory.tensors["conv1.weight"].shape == (0, 3, 8, 1, 5, 5)
    assert trajectory.tensors["test_accuracy"].shape == (0, 3)
    assert trajectory.tensors["predictions"].shape == (0, 2, 30)

"""Recording a run state by state, and going on after a kill."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from test_torch_engine import ROUNDING, factors, images, population
from zootwins.population import GaussianNoise, ImageData, Population, native_engine
from zootwins.population.masks import pruning_masks
from zootwins.population.native_engine import NativeEngine
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.trajectory import SCORES, Moment, Plan, Training, kept_states, record_trajectory
from zootwins.storage.resume import Resume

native = pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here")
MODELS = [factors(0), factors(1, "relu", "sgd", dropout=0.5)]
STEPS = 3  # an epoch


def fresh(noisy: bool = False) -> Population:
    of = population(MODELS, dtype=torch.float32)
    if noisy:
        of.weights = GaussianNoise()
        of.parameters = of.weights.start(of.parameters)
    return of


def data_of(of) -> ImageData:
    return ImageData(images(of, 8 * STEPS), images(of, 16, seed=3), images(of, 30, seed=2))


THREE_EPOCHS = Plan(3)


def record(of, plan=THREE_EPOCHS, engine=None, **settings):
    return record_trajectory(engine or TorchEngine(), of, data_of(of), plan, **settings)


def test_every_state_is_recorded():
    of = fresh()
    before = {name: tensor.clone() for name, tensor in of.parameters.items()}
    trajectory = record(of, Plan(3, prediction_states=(0, 3)))
    assert trajectory.states == trajectory.weight_states == [0, 1, 2, 3]
    for name, tensor in before.items():
        assert torch.equal(trajectory.tensors[name][:, 0], tensor)
        assert torch.equal(trajectory.tensors[name][:, 3], of.parameters[name])
        assert not torch.equal(trajectory.tensors[name][:, 1], trajectory.tensors[name][:, 2])
    assert trajectory.tensors["predictions"].shape == (2, 2, 30)
    labels = images(of, 30, seed=2).labels
    accuracy = (trajectory.tensors["predictions"][:, 1] == labels).double().mean(1)
    torch.testing.assert_close(trajectory.tensors["test_accuracy"][:, 3], accuracy)


def test_the_log_has_the_loss_of_the_others_and_says_how_many_diverged(caplog):
    of = fresh()
    next(iter(of.parameters.values()))[0] = torch.nan
    with caplog.at_level("INFO"):
        loss = record(of).tensors["train_loss"][1, 1]
    first = next(message for message in caplog.messages if message.startswith("epoch 1 of 3, 2 models"))
    assert f"train loss {loss:.4f}," in first
    assert first.endswith(", 1 diverged")


def test_scores_are_those_of_their_splits():
    """Each at the last state as an evaluation of that split gives it; in between, no clean accuracy is worked out."""
    of = fresh()
    tensors = record(of).tensors
    assert all(tensors[name].shape == (2, 4) for name in SCORES)
    for split in ("validation", "test"):
        evaluation = TorchEngine().evaluate(of, getattr(data_of(of), split))
        assert torch.equal(tensors[f"{split}_accuracy"][:, 3], evaluation.accuracy)
        assert torch.equal(tensors[f"{split}_loss"][:, 3], evaluation.loss)
    clean = tensors["eval_mode_train_accuracy"]
    assert torch.equal(clean[:, 0], tensors["train_accuracy"][:, 0])
    assert clean[:, 1:3].isnan().all()
    assert torch.equal(clean[:, 3], TorchEngine().evaluate(of, data_of(of).train).accuracy)


def test_final_states_alone():
    trajectory = record(fresh(), weight_states=kept_states("final", 3))
    assert trajectory.weight_states == [3]
    assert trajectory.tensors["conv1.weight"].shape == (2, 1, 8, 1, 5, 5)
    assert trajectory.tensors["test_accuracy"].shape == (2, 4)


def fall(moment: Moment, of: Population) -> None:
    """Before epoch 2 the smallest 60 % go, before epoch 3 the smallest 30 %: half of what was masked comes back."""
    ratio = {2: 0.6, 3: 0.3}.get(moment.epoch)
    if ratio is not None:
        of.set_masks(pruning_masks({n: of.parameters[n] for n in ("conv2.weight", "fc1.weight")}, ratio, "global"))


def rising_penalty(epoch: int) -> torch.Tensor:
    return torch.tensor([0.01, 0.1], dtype=torch.float64) * (epoch - 1)


def halted(epoch: int) -> torch.Tensor | None:
    """The first model takes no step in epoch 2, and the second none after the first batch of epoch 3."""
    return {2: torch.tensor([[0.0] * STEPS, [1.0] * STEPS]), 3: torch.tensor([[1.0] * STEPS, [1.0, 0.0, 0.0]])}.get(
        epoch
    )


EVERYTHING = Plan(4, prediction_states=range(5), penalty=rising_penalty, lr_factors=halted, change=fall)


def test_a_plan_is_followed_epoch_by_epoch():
    """As the engine alone computes it, with everything set by hand."""
    of, tensors = fresh(noisy=True), record(fresh(noisy=True), EVERYTHING).tensors
    engine = TorchEngine()
    for epoch in range(1, 5):
        fall(Moment(epoch, 0, STEPS, 4), of)
        penalty, lr_factors = rising_penalty(epoch), halted(epoch)
        engine.train_epoch(of, data_of(of).train, epoch, penalty=penalty, lr_factors=lr_factors)
        for name, parameter in of.parameters.items():
            assert torch.equal(tensors[name][:, epoch], parameter), (epoch, name)
    zeros = [(tensors["conv2.weight"][:, epoch] == 0).sum().item() for epoch in range(5)]
    assert zeros[0] == zeros[1] == 0
    assert zeros[2] > zeros[3] >= zeros[4] > 0


def test_one_weight_of_the_penalty_is_that_of_all_models():
    one, each = (
        record(fresh(noisy=True), Plan(2, penalty=penalty)).tensors
        for penalty in (lambda epoch: 0.1, lambda epoch: torch.tensor([0.1, 0.1], dtype=torch.float64))
    )
    assert all(torch.equal(one[name], each[name]) for name in one if one[name].isfinite().all())


@pytest.mark.parametrize("killed_after", [1, 2, 3])
@pytest.mark.parametrize("engine", [TorchEngine(), pytest.param("native", marks=native)])
@pytest.mark.parametrize("plan", [Plan(4, prediction_states=range(5)), EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize("noisy", [False, True])
def test_a_killed_run_goes_on_to_the_same_tensors(tmp_path, plan, noisy, engine, killed_after, monkeypatch):
    """Killed before an epoch's state is saved, it goes on from the last one that was: not a single bit differs."""
    monkeypatch.setattr("zootwins.storage.resume._SAVING_SHARE", 1)  # after every epoch
    engine = NativeEngine() if engine == "native" else engine
    undisturbed = record(fresh(noisy), plan, engine)
    resume = Resume(tmp_path / "resume.safetensors", "digest")

    def die(epoch, epochs):
        if epoch == killed_after + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(fresh(noisy), plan, engine, resume=resume, on_epoch=die)
    trained = []
    resumed = record(fresh(noisy), plan, engine, resume=resume, on_epoch=lambda epoch, epochs: trained.append(epoch))
    assert trained == list(range(killed_after + 1, 5))
    assert resumed.tensors.keys() == undisturbed.tensors.keys()
    for name, tensor in undisturbed.tensors.items():
        assert torch.equal(resumed.tensors[name].nan_to_num(-1), tensor.nan_to_num(-1)), name
    assert resume.path.exists()
    resume.discard()
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
    resume = Resume(tmp_path / "resume.safetensors", "digest")
    record(fresh(), resume=resume)
    resume.path.write_bytes(damage(resume.path.read_bytes()))
    trained = []
    record(fresh(), resume=resume, on_epoch=lambda epoch, epochs: trained.append(epoch))
    assert trained == [1, 2, 3]


@pytest.mark.parametrize(
    ("digest", "engine"),
    [("another", TorchEngine()), pytest.param("one", "native", marks=native)],
    ids=["another configuration", "another engine"],
)
def test_a_resume_file_of_another_run_is_not_used(tmp_path, digest, engine):
    """Engines agree to rounding only, so that a run is not to be half of the one and half of the other."""
    path = tmp_path / "resume.safetensors"
    record(fresh(), resume=Resume(path, "one"))
    assert path.exists()
    engine = NativeEngine() if engine == "native" else engine
    trained = []
    record(fresh(), engine=engine, resume=Resume(path, digest), on_epoch=lambda epoch, epochs: trained.append(epoch))
    assert trained == [1, 2, 3]


@pytest.mark.parametrize("engine", [TorchEngine(), pytest.param("native", marks=native)])
def test_a_shard_all_of_whose_models_are_excluded_is_empty(engine):
    engine = NativeEngine() if engine == "native" else engine
    of = population([], dtype=torch.float32)
    plan = Plan(2, (0, 2), lambda epoch: 0.1, lambda epoch: torch.ones(0, STEPS), lambda moment, of: None, 2)
    trajectory = record(of, plan, engine)
    assert trajectory.tensors["conv1.weight"].shape == (0, 3, 8, 1, 5, 5)
    assert trajectory.tensors["predictions"].shape == (0, 2, 30)
    assert all(trajectory.tensors[name].shape == (0, 3) for name in SCORES)


@pytest.mark.parametrize("averaged_from", [1, 3, 4])
def test_the_mean_of_the_weights_is_that_of_torch(averaged_from):
    """Stochastic weight averaging, also where a run was interrupted in the middle of it."""
    of, epochs = population(MODELS), 4  # float64
    plan, engine = Plan(epochs, averaged_from=averaged_from), TorchEngine()
    averaged = AveragedModel(nn.ParameterList(of.parameters.values()))
    training = Training(engine, of, data_of(of).train, plan)
    while training.epoch < epochs:
        training.next_epoch()
        if training.epoch >= averaged_from:
            averaged.update_parameters(nn.ParameterList(of.parameters.values()))
        state = copy.deepcopy(training.state_dict())
        training = Training(engine, population(MODELS), data_of(of).train, plan)
        training.load_state_dict(state)
        of = training.population
    assert averaged.n_averaged == epochs - averaged_from + 1
    for mean, expected in zip(training.mean().values(), averaged.parameters(), strict=True):
        torch.testing.assert_close(mean, expected.detach(), **ROUNDING)


def test_a_training_that_is_not_averaged_has_no_mean():
    of = fresh()
    training = Training(TorchEngine(), of, data_of(of).train, THREE_EPOCHS)
    training.next_epoch()
    assert training.mean() == {}


def in_parts(every: int | None) -> tuple[Plan, list]:
    """A plan that prunes a little more whenever it is asked, and when it was asked."""
    asked = []

    def change(moment: Moment, of: Population) -> None:
        asked.append((moment.epoch, moment.step, moment.taken))
        weights = {name: of.parameters[name] for name in of.architecture.weight_names}
        of.set_masks(pruning_masks(weights, 0.1 * moment.taken, "global"))

    return Plan(3, change=change, every=every, lr_factors=lambda epoch: torch.tensor([[1, 0, 1], [0.5, 1, 0]])), asked


@pytest.mark.parametrize("engine", [TorchEngine(), pytest.param("native", marks=native)])
@pytest.mark.parametrize("noisy", [False, True])
def test_parts_of_an_epoch_come_to_the_whole(engine, noisy):
    """Bit for bit the parameters, moments and steps; scores to rounding, since parts are summed in another order."""
    engine = NativeEngine() if engine == "native" else engine
    whole, parts = fresh(noisy), fresh(noisy)
    factors_ = torch.tensor([[1, 0, 1], [0.5, 1, 0]])
    for epoch, count in ((1, 8 * STEPS), (2, 8 * STEPS), (2, 8 * STEPS - 3)):  # at last the last batch is smaller
        data = images(fresh(), count)
        scores = engine.train_epoch(whole, data, epoch, lr_factors=factors_)
        of_parts = [
            engine.train_epoch(parts, data, epoch, lr_factors=factors_, batches=b) for b in (range(1), range(1, 3))
        ]
    for kind, tensors in whole.state_dict().items():
        for name, tensor in tensors.items():
            assert torch.equal(parts.state_dict()[kind][name], tensor), name
    shares = torch.tensor([8, 13], dtype=torch.float64) / 21
    for name in ("loss", "accuracy"):
        joined = sum(share * getattr(part, name) for share, part in zip(shares, of_parts, strict=True))
        torch.testing.assert_close(joined, getattr(scores, name), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (None, [(1, 0, 0), (2, 0, 3), (3, 0, 6)]),
        (2, [(1, 0, 0), (1, 2, 2), (2, 0, 3), (2, 1, 4), (3, 0, 6), (3, 2, 8)]),
    ],
)
def test_a_plan_may_change_masks_within_an_epoch(every, expected):
    plan, asked = in_parts(every)
    of = fresh()
    training = Training(TorchEngine(), of, data_of(of).train, plan)
    scores = [training.next_epoch() for _ in range(plan.epochs)]
    assert asked == expected
    sparsity = 1 - torch.cat([mask.flatten(1) for mask in of.masks.values()], dim=1).double().mean(1)
    assert sparsity.tolist() == pytest.approx([0.1 * expected[-1][-1]] * 2, abs=1e-3)
    by_hand, other = fresh(), in_parts(every)[0]
    for number, (epoch, first, _) in enumerate(expected):
        other.change(Moment(epoch, first, STEPS, 3), by_hand)
        stop = expected[number + 1][1] or STEPS if number + 1 < len(expected) else STEPS
        factors_ = other.lr_factors(epoch)
        last = TorchEngine().train_epoch(
            by_hand, data_of(of).train, epoch, lr_factors=factors_, batches=range(first, stop)
        )
    for name, tensor in by_hand.parameters.items():
        assert torch.equal(of.parameters[name], tensor), name
    if every is None:
        assert torch.equal(scores[-1].loss, last.loss)

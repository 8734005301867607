"""Transfer of a few small models: who is transferred, linear and full, against plain PyTorch."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from plain_networks import module_indices
from reference import train_one
from test_torch_engine import factors, images
from zootwins.architectures.architecture import get_architecture
from zootwins.catalogue.candidates import Candidate
from zootwins.catalogue.transfer import Full, Linear
from zootwins.experiments.transfer import linear as linear_transfer
from zootwins.experiments.transfer.backbones import Backbones, gather, load_backbones, twin_parameters
from zootwins.experiments.transfer.baselines import axis, prune_at_random, random_masks
from zootwins.experiments.transfer.full import full_population, full_rows, transfer_full
from zootwins.experiments.transfer.linear import transfer_linear
from zootwins.experiments.transfer.rates import beyond, choose_lrs, chosen_lrs, messages
from zootwins.experiments.transfer.schedules import class_accuracy, lr_factor, transfer_keys
from zootwins.population import ImageData, Population, native_engine
from zootwins.population.masks import pruning_masks
from zootwins.population.native_engine import NativeEngine
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.trajectory import kept_states
from zootwins.run.errors import InputError
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.magnitude_pruning import MagnitudePruning
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.sparsifiers.variational_dropout import VariationalDropout
from zootwins.storage.frames import write_csv
from zootwins.storage.resume import Resume
from zootwins.storage.shards import read_shard, write_trajectory
from zootwins.zoos.initial import rebuilt
from zootwins.zoos.originals import Originals, write_rows

MP, VD = MagnitudePruning(), VariationalDropout()
SETTINGS = {
    "mp": MP.Settings(sparsities=(50, 90), epochs=1, lr=1e-3),
    "vd": VD.Settings(epochs=2, threshold=-10.4, lr=1e-2),  # some weights are above it from the start
}
FULL = Full(epochs=3, lrs=(0.05,), batch_size=8, momentum=0.9, weight_decay=5e-4, restarts=2)
LINEAR = Linear(
    epochs=3, lrs=(0.05,), batch_size=8, momentum=0.9, weight_decay=5e-4, restarts=2, layers=("conv3", "fc1"),
    exact=("fc1",),
)  # fmt: skip
NAMES = ("zoo", "digits")
ARCHITECTURE = get_architecture("cnn_s", 1)
ENGINES = [
    pytest.param(TorchEngine, id="torch"),
    pytest.param(
        NativeEngine,
        id="native",
        marks=pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here"),
    ),
]
FACTORS = [
    replace(factors(0), init="kaiming_uniform"),
    replace(factors(1, "relu", "sgd", dropout=0.3), init="normal"),
    replace(factors(2, "gelu"), init="kaiming_normal"),
]


def originals(models: slice = slice(None)) -> Originals:
    generator = torch.Generator().manual_seed(7)
    parameters = {n: 0.3 * torch.randn(3, *s, generator=generator) for n, s in ARCHITECTURE.parameter_shapes.items()}
    names, index = ["a", "b", "c"][models], [0, 2, 5][models]
    return Originals(ARCHITECTURE, names, index, FACTORS[models], {n: p[models] for n, p in parameters.items()})


def data() -> ImageData:
    like = Population(ARCHITECTURE, FACTORS, torch.zeros(3, dtype=torch.int64), originals().parameters)
    return ImageData(images(like, 21), images(like, 15, seed=2), images(like, 30, seed=3))


def made_shards(folder, models: slice = slice(None)) -> dict:
    """Twins of the originals by both methods, and random ones, as they are on disk."""
    inputs, shards = SparsifierInputs("zoo", originals(models)), {}
    for method, sparsifier in (("mp", MP), ("vd", VD)):
        settings = SETTINGS[method]
        made = sparsify(TorchEngine(), sparsifier, settings, inputs, data(), kept_states("all", settings.epochs))
        path = folder / f"{method}-{len(inputs.originals)}.safetensors"
        named = (inputs.originals.models, inputs.originals.index)
        write_trajectory(path, method, made, *named, axes=sparsifier.axes(settings))
        shards[method] = read_shard(path)
    points = [MP.point(SETTINGS["mp"], 90)]
    made = prune_at_random(
        TorchEngine(), SparsifierInputs("zoo", originals(models), shards), points, SETTINGS["mp"], data()
    )
    path = folder / f"random-{len(inputs.originals)}.safetensors"
    write_trajectory(path, "mp_random", made, *named, axes=[axis(points)])
    return shards | {"mp_random": read_shard(path)}


CANDIDATES = [
    Candidate("original"),
    *(Candidate("mp", MP.point(SETTINGS["mp"], value)) for value in (0, 50, 90)),
    Candidate("vd", VD.point(SETTINGS["vd"], 1)),
    Candidate("mp_random", MP.point(SETTINGS["mp"], 90)),
    Candidate("mp_scratch", MP.point(SETTINGS["mp"], 90)),
    Candidate("untrained"),
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return made_shards(tmp_path_factory.mktemp("shards"))


@pytest.fixture
def backbones(shards) -> Backbones:
    return gather(originals(), np.array([0.5, 0.6, 0.7]), CANDIDATES, shards, SETTINGS, rebuilt(originals()))


def place(method: str, value: float = 0) -> int:
    return next(n for n, each in enumerate(CANDIDATES) if (each.method, each.value) == (method, value))


def test_candidates_are_the_networks_they_are_said_to_be(backbones, shards):
    parameters, dense = backbones.parameters, originals().parameters
    for name, tensor in dense.items():
        assert torch.equal(parameters[name][:, place("original")], tensor)
        assert torch.equal(parameters[name][:, place("mp", 50)], shards["mp"].tensor(name)[:, 1, 1])
        assert torch.equal(parameters[name][:, place("untrained")], rebuilt(originals())[name])
    for name in ARCHITECTURE.weight_names:
        mask = shards["mp"].tensor(f"mask.{name}")[:, 2]
        scratch, at_random = (parameters[name][:, place(kind, 90)] for kind in ("mp_scratch", "mp_random"))
        assert torch.equal(scratch, parameters[name][:, place("untrained")] * mask)
        assert torch.equal((at_random != 0).flatten(1).sum(1), mask.flatten(1).sum(1))
        assert not torch.equal(at_random != 0, mask)
    twins = VD.weights(SETTINGS["vd"]).deterministic(
        {name: shards["vd"].tensor(name)[:, 1] for name in shards["vd"].shapes if "." in name}
    )
    assert torch.equal(parameters["conv2.weight"][:, place("vd", 1)], twins["conv2.weight"])
    assert backbones.sparsity()[:, place("vd", 1)].min() > 0
    assert torch.equal(parameters["conv2.bias"][:, place("vd", 1)], twins["conv2.bias"])


def test_what_is_known_of_them_is_what_their_shards_say(backbones, shards):
    upstream = backbones.upstream
    assert upstream[:, place("original")].tolist() == [0.5, 0.6, 0.7]
    np.testing.assert_array_equal(upstream[:, place("mp", 90)], shards["mp"].tensor("test_accuracy")[:, 2, 1].double())
    assert np.isnan(upstream[:, [place("mp_scratch", 90), place("untrained")]]).all()
    below = [name for name in ARCHITECTURE.weight_names if name != "fc2.weight"]
    masks = torch.cat([shards["mp"].tensor(f"mask.{name}")[:, 2].flatten(1) for name in below], dim=1)
    np.testing.assert_allclose(backbones.sparsity()[:, place("mp", 90)], 1 - masks.double().mean(1))
    assert (backbones.sparsity()[:, place("original")] == 0).all()


def test_a_state_without_weights_is_refused(shards):
    point = VD.point(SETTINGS["vd"], 1)
    final = replace(shards["vd"], weight_states=[2])
    with pytest.raises(InputError, match=r"no weights of epoch 1; set keep_states: all"):
        twin_parameters(final, point, SETTINGS["vd"], "vd")


def test_random_masks_have_the_counts_and_nothing_else():
    keys = torch.tensor([3, 4, 3])
    weights = originals().parameters
    kept = pruning_masks({name: weights[name] for name in ARCHITECTURE.weight_names}, 0.7, "global")
    masks = random_masks(ARCHITECTURE, keys, kept)
    for name, mask in masks.items():
        assert torch.equal(mask.flatten(1).sum(1), kept[name].flatten(1).sum(1))
    alone = random_masks(ARCHITECTURE, keys[1:2], {name: mask[1:2] for name, mask in kept.items()})
    assert torch.equal(alone["fc1.weight"], masks["fc1.weight"][1:2])
    assert not torch.equal(masks["fc1.weight"][0], masks["fc1.weight"][1])


def test_the_schedule_is_the_references():
    factors = [lr_factor(epoch, 150) for epoch in range(1, 151)]
    assert factors == [1.0] * 51 + [0.1] * 50 + [0.01] * 49
    assert [factors[at] for at in (50, 51, 100, 101)] == [1.0, 0.1, 0.1, 0.01]  # epochs counted from 0
    assert [lr_factor(epoch, 15) for epoch in range(1, 16)] == [1.0] * 6 + [0.1] * 5 + [0.01] * 4
    assert lr_factor(1, 1) == 1.0


def test_the_candidates_of_a_model_share_head_and_order(backbones):
    population = full_population(backbones, NAMES, FULL, [0.05] * len(CANDIDATES))
    grid = (3, len(CANDIDATES), 2)
    assert len(population) == 3 * len(CANDIDATES) * 2
    assert torch.equal(population.keys.view(grid), population.keys.view(grid)[:, :1].expand(grid))
    assert len(population.keys.unique()) == 6
    for name in ("fc2.weight", "fc2.bias"):
        heads = population.parameters[name].unflatten(0, grid)
        assert torch.equal(heads, heads[:, :1].expand_as(heads))
        assert not torch.equal(heads[:, :, 0], heads[:, :, 1])
        assert not torch.equal(heads[0], heads[1])
    assert "fc2.weight" not in population.masks  # dense
    assert {f.optimizer for f in population.factors} == {"sgd"}
    assert [f.activation for f in population.factors[:: len(CANDIDATES) * 2]] == ["tanh", "relu", "gelu"]


@pytest.mark.parametrize("engine", ENGINES)
def test_full_transfer_equals_plain_pytorch_with_pruned_modules(engine, backbones):
    """Every parameter after three epochs in the schedule, masks by torch.nn.utils.prune: float32 against float64."""
    task = data()
    lrs = [0.05] * len(CANDIDATES)
    population = full_population(backbones, NAMES, FULL, lrs)
    exact = replace(population, parameters={name: tensor.double() for name, tensor in population.parameters.items()})
    rounded = replace(task.train, images=task.train.images.double())
    trained = transfer_full(engine(), backbones, task, NAMES, FULL, lrs)
    for twin in range(0, len(population), 7):
        _, network = train_one(exact, twin, rounded, rounded, 3, lambda epoch, batch: lr_factor(epoch, 3))
        indices = module_indices(ARCHITECTURE, population.factors[twin].dropout > 0)
        for layer in ARCHITECTURE.layers:
            module = network.module_list[indices[layer.name]]
            for kind in ("weight", "bias"):
                found = trained.tensors[f"{layer.name}.{kind}"].flatten(0, 2)[twin, 0]
                expected = getattr(module, kind)
                if hasattr(module, f"{kind}_orig"):
                    expected = module.weight_orig * module.weight_mask
                torch.testing.assert_close(found, expected.detach().float(), rtol=2e-2, atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_pruned_stays_so_at_every_state(engine, backbones):
    population = full_population(backbones, NAMES, FULL, [0.05] * len(CANDIDATES))
    pruned = {name: tensor.flatten(0, 1) == 0 for name, tensor in backbones.parameters.items() if "weight" in name}
    train = data().train
    for epoch in (1, 2, 3):
        engine().train_epoch(population, train, epoch)
        for name, zeros in pruned.items():
            if name != "fc2.weight":
                now = population.parameters[name].unflatten(0, (-1, 2)) == 0
                assert torch.equal(now, zeros[:, None].expand_as(now)), name
    assert (population.parameters["fc2.weight"] != 0).all()


def test_own_data_and_own_head_give_the_accuracy_upstream(backbones, shards):
    """What is transferred is what was evaluated: with nothing changed, the twins' recorded accuracies come back."""
    accuracy = TorchEngine().evaluate(backbones.population(), data().test).accuracy.view(3, -1).numpy()
    for method, value in (("mp", 0), ("mp", 50), ("mp", 90), ("vd", 1), ("mp_random", 90)):
        at = place(method, value)
        np.testing.assert_allclose(accuracy[:, at], backbones.upstream[:, at], atol=1e-6)


def linear(backbones, **changes) -> pd.DataFrame:
    settings = LINEAR.model_copy(update=changes)
    return transfer_linear(TorchEngine(), backbones, data(), NAMES, settings, dict.fromkeys(settings.layers, 0.05))


def test_linear_transfer_leaves_the_networks_as_they_were(backbones):
    before = {name: tensor.clone() for name, tensor in backbones.parameters.items()}
    rows = linear(backbones)
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbones.parameters.items())
    assert len(rows) == 3 * len(CANDIDATES) * (2 * 2 + 1)
    assert set(zip(rows["layer"], rows["solver"], strict=True)) == {("conv3", "sgd"), ("fc1", "sgd"), ("fc1", "exact")}
    best = rows.query("layer == 'fc1'").pivot_table(
        index=["index", "method", "point"], columns="solver", values="loss", aggfunc="min"
    )
    assert (best["exact"] <= best["sgd"] + 1e-6).all()
    assert not rows["accuracy"].isna().any()


def test_full_rows_say_what_was_recorded(backbones):
    task = data()
    trajectory = transfer_full(TorchEngine(), backbones, task, NAMES, FULL, [0.05] * len(CANDIDATES))
    rows = full_rows(backbones, trajectory, task.test.labels, 0.05)
    assert len(rows) == 3 * len(CANDIDATES) * 2 * 4
    last = rows.query("index == 5 and method == 'mp' and point == 90 and restart == 1 and epoch == 3").iloc[0]
    tensors = trajectory.tensors
    at = (2, place("mp", 90), 1)
    assert last["accuracy"] == pytest.approx(tensors["test_accuracy"][at][3].item())
    right = tensors["predictions"][at][0] == task.test.labels
    by_class = [right[task.test.labels == label].double().mean().item() for label in task.test.labels.unique()]
    assert last["class_accuracy"] == pytest.approx(np.mean(by_class))
    assert rows.query("epoch < 3")["class_accuracy"].isna().all()
    assert last["source_state"] == 1


def test_class_accuracy_leaves_missing_classes_out():
    assert class_accuracy(np.array([[0, 0, 1, 5]]), np.array([0, 0, 1, 1])).tolist() == [0.75]


@pytest.mark.parametrize("engine", ENGINES)
def test_neighbours_and_the_size_of_shards_change_nothing(engine, backbones, tmp_path):
    """A model transferred alone, from a shard of its own, comes to the same bits."""
    one = slice(1, 2)
    own = originals(one)
    alone = gather(own, np.array([0.6]), CANDIDATES, made_shards(tmp_path, one), SETTINGS, rebuilt(own))
    for name, tensor in backbones.parameters.items():
        assert torch.equal(tensor[one], alone.parameters[name])
    lrs = [0.05] * len(CANDIDATES)
    together, apart = (transfer_full(engine(), each, data(), NAMES, FULL, lrs).tensors for each in (backbones, alone))
    for name in ("fc1.weight", "fc2.bias"):
        close = {"rtol": 0, "atol": 0} if engine is NativeEngine else {"rtol": 1e-4, "atol": 1e-6}
        torch.testing.assert_close(together[name][one], apart[name], **close)
    whole, part = (linear(each) for each in (backbones, alone))
    same = whole[whole["index"] == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, part, check_exact=False, rtol=1e-3)


def test_a_killed_transfer_goes_on_to_the_same_result(backbones, tmp_path, monkeypatch):
    lrs = [0.05] * len(CANDIDATES)
    expected = transfer_full(TorchEngine(), backbones, data(), NAMES, FULL, lrs).tensors

    def kill(epoch, epochs):
        if epoch == 2:
            raise KeyboardInterrupt

    resume = Resume(tmp_path / "state.safetensors", "digest")
    monkeypatch.setattr("zootwins.storage.resume._SAVING_SHARE", 1e9)
    with pytest.raises(KeyboardInterrupt):
        transfer_full(TorchEngine(), backbones, data(), NAMES, FULL, lrs, resume, kill)
    assert resume.path.exists()
    found = transfer_full(TorchEngine(), backbones, data(), NAMES, FULL, lrs, resume).tensors
    assert all(
        torch.equal(found[name], tensor) or name == "eval_mode_train_accuracy" for name, tensor in expected.items()
    )


@pytest.mark.parametrize("settings", [LINEAR, FULL], ids=["linear", "full"])
def test_learning_rates_are_chosen_by_originals_on_validation_images(settings):
    """The best mean validation accuracy wins, and test images have no say."""
    settings = settings.model_copy(update={"lrs": (0.0001, 0.05, 5.0), "epochs": 12})
    task, names = data(), ("zoo", "digits")
    task = replace(task, validation=task.train)  # what is trained on is learned, by a rate that learns
    table = choose_lrs(TorchEngine(), originals(), task, names, settings)
    assert set(table["models"]) == {3}
    for layer, part in table.groupby("layer"):
        best = part.loc[part["validation_accuracy"].idxmax()]
        assert best["chosen"]
        assert part["chosen"].sum() == 1
        assert chosen_lrs(table)[layer] == best["lr"]
    blind = replace(task, test=images_of_nothing(task))
    pd.testing.assert_frame_equal(choose_lrs(TorchEngine(), originals(), blind, names, settings), table)


@pytest.mark.parametrize("settings", [LINEAR, FULL], ids=["linear", "full"])
def test_a_grid_whose_best_rate_is_at_its_edge_is_extended_once(settings, tmp_path, monkeypatch):
    task = replace(data(), validation=data().train)
    small = settings.model_copy(update={"lrs": (0.0005, 0.005), "epochs": 12})
    table = choose_lrs(TorchEngine(), originals(), task, NAMES, small)
    wide = choose_lrs(TorchEngine(), originals(), task, NAMES, small.model_copy(update={"lrs": (0.0005, 0.005, 0.05)}))
    for layer, part in table.groupby("layer"):
        assert part["lr"].tolist() == [0.0005, 0.005, 0.05]
        assert part["extended"].tolist() == [False, False, True]
        same = wide[(wide["layer"] == layer) & ~wide["extended"]]
        assert part["validation_accuracy"].tolist() == pytest.approx(same["validation_accuracy"].tolist(), abs=1e-6)
    if settings is LINEAR:
        return
    monkeypatch.setattr("zootwins.storage.resume._SAVING_SHARE", 1e9)
    passed = []

    def kill(epoch, epochs):
        passed.append(epoch)
        if len(passed) == 15:  # while the further rate is tried
            raise KeyboardInterrupt

    resume = Resume(tmp_path / "state.safetensors", "digest")
    with pytest.raises(KeyboardInterrupt):
        choose_lrs(TorchEngine(), originals(), task, NAMES, small, resume, kill)
    trained = []
    again = choose_lrs(
        TorchEngine(),
        originals(),
        task,
        NAMES,
        small,
        Resume(resume.path, "digest"),
        lambda epoch, _: trained.append(epoch),
    )
    pd.testing.assert_frame_equal(again, table)
    assert trained == [*range(3, 13)]  # of the further rate alone, from where it was killed


def images_of_nothing(task: ImageData):
    return replace(task.test, images=torch.zeros_like(task.test.images), labels=9 - task.test.labels)


def test_a_single_learning_rate_is_taken_untried():
    table = choose_lrs(None, originals(), data(), NAMES, FULL)
    assert chosen_lrs(table) == {"all": 0.05}
    assert table["validation_accuracy"].isna().all()


def test_random_streams_differ_by_what_they_should():
    keys = [transfer_keys("zoo", ["a"], task, mode, restart) for task, mode, restart in
            (("x", "full", 0), ("y", "full", 0), ("x", "linear", 0), ("x", "full", 1))]  # fmt: skip
    assert len(torch.cat(keys).unique()) == 4


def test_a_shard_without_models_has_no_rows(shards):
    none = originals(slice(0, 0))
    empty = gather(none, np.array([]), [Candidate("original"), Candidate("untrained")], {}, {}, rebuilt(none))
    trajectory = transfer_full(TorchEngine(), empty, data(), NAMES, FULL, [0.05] * 2)
    full = full_rows(empty, trajectory, data().test.labels, 0.05)
    rows = transfer_linear(TorchEngine(), empty, data(), NAMES, LINEAR, {"conv3": 0.1, "fc1": 0.1})
    assert full.empty
    assert rows.empty
    assert {*full} < {*rows}  # a zoo of such shards has all the columns that tables ask for


def test_initial_weights_are_those_of_the_file(tmp_path):
    """As the catalogue's initial_weights has them, whatever seeds and initialisers would make."""
    dense = originals()
    read = {name: torch.full_like(tensor, 0.25) for name, tensor in dense.parameters.items()}
    index = torch.tensor(dense.index)
    for kind, parameters in (("originals", dense.parameters), ("initial", read)):
        write_rows(tmp_path / f"{kind}.safetensors", kind, index, parameters, {})
    table = pd.DataFrame([vars(each) for each in dense.factors]).assign(
        model=dense.models, index=dense.index, status="ok", reason="", test_accuracy=0.5
    )
    write_csv(table, tmp_path / "models.csv", digits=None)
    names = {"originals": "originals.safetensors", "models": "models.csv", "initial": "initial.safetensors"}
    files = Files({kind: str(tmp_path / name) for kind, name in names.items()})
    params = SimpleNamespace(architecture="cnn_s", candidates=[Candidate("untrained").plain()], methods={})
    found = load_backbones(files, "0000-0005", params).parameters
    assert all(torch.equal(found[name][:, 0], tensor) for name, tensor in read.items())


class Files(dict):
    """Named paths, as Snakemake gives them to a script."""

    __getattr__ = dict.__getitem__


@pytest.mark.parametrize("numbers", [1, 10_000, 45_000])
def test_how_many_features_are_held_changes_nothing(backbones, monkeypatch, numbers):
    """Of one network at a time, of some candidates of a model, of some models.

    To rounding: on some processors the library multiplies batches of another size in another order.
    """
    short = {"exact": (), "epochs": 1, "restarts": 1}
    whole, held = linear(backbones, **short), []
    monkeypatch.setattr(linear_transfer, "_AT_ONCE", numbers)
    places = linear_transfer._places

    def recorded(models, candidates, each):
        for place in places(models, candidates, each):
            networks = [part.stop - part.start for part in place]
            held.append(networks[0] * networks[1] * each <= numbers or networks == [1, 1])
            yield place

    monkeypatch.setattr(linear_transfer, "_places", recorded)
    pd.testing.assert_frame_equal(linear(backbones, **short), whole, rtol=1e-5)
    assert all(held)
    assert len(held) > 2  # in two layers


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_network_that_diverged_does_not_end_the_others(backbones, caplog, number):
    """Its probes have no score, and there is no exact optimum; the log names it."""
    before = linear(backbones)
    broken, at = {name: tensor.clone() for name, tensor in backbones.parameters.items()}, place("mp", 90)
    broken["fc1.weight"][1, at] = number
    broken["fc1.bias"][1, at] = number
    with caplog.at_level("WARNING"):
        rows = linear(replace(backbones, parameters=broken))
    assert "b: mp 90 has no finite loss in linear transfer from fc1 (exact)" in caplog.text
    assert "conv3" not in caplog.text
    hit = (rows["index"] == 2) & (rows["method"] == "mp") & (rows["point"] == 90) & (rows["layer"] == "fc1")
    scores = ["validation_accuracy", "accuracy", "class_accuracy", "loss"]
    assert rows.loc[hit, scores].isna().all(axis=None)
    assert (rows.loc[hit, "status"] == "diverged").all()
    pd.testing.assert_frame_equal(rows.loc[~hit, scores], before.loc[~hit, scores])


def test_an_exact_classifier_that_is_not_found_is_left_open(backbones, caplog, monkeypatch):
    monkeypatch.setattr("zootwins.population.probe._MOST_ITERATIONS", 1)
    rows = linear(backbones).query("solver == 'exact'")
    assert rows["accuracy"].isna().any()
    assert "finite loss in linear transfer from fc1 (exact)" in caplog.text


def test_networks_that_diverge_in_full_transfer_are_named(backbones, caplog):
    rows = transfer_full(TorchEngine(), backbones, data(), NAMES, FULL, [1e30] + [0.05] * (len(CANDIDATES) - 1))
    accuracy = rows.tensors["test_accuracy"]
    assert ((accuracy >= 0) & (accuracy <= 1)).all()
    assert "a: original 0 has no finite parameters after full transfer" in caplog.text
    assert "vd" not in caplog.text


def test_a_best_learning_rate_at_the_end_of_those_tried_is_told():
    def table(best: float, tried: list[float], extended: float | None = None) -> pd.DataFrame:
        accuracy = [np.nan] if len(tried) == 1 else [0.9 if lr == best else 0.5 for lr in tried]
        columns = {"layer": "fc1", "lr": tried, "validation_accuracy": accuracy}
        return pd.DataFrame(columns).assign(
            chosen=[lr == best for lr in tried], extended=[lr == extended for lr in tried]
        )

    key, rates = "transfer.linear.lrs", [0.1, 0.01, 0.001]
    assert messages(table(0.01, rates), key) == []
    assert messages(table(0.1, rates), key) == [
        "transfer.linear.lrs: 0.1 is best for fc1, the optimum may lie beyond; add a larger one"
    ]
    (warning,) = messages(table(0.001, rates), key)
    assert warning.endswith("add a smaller one")
    assert messages(table(0.1, [0.1]), key) == []  # nothing was tried
    tried = "transfer.linear.lrs: 0.1 was best for fc1 and the last of the list; 1 was tried as well"
    assert messages(table(0.1, [*rates, 1.0], 1.0), key) == [tried]
    assert messages(table(1.0, [*rates, 1.0], 1.0), key)[0] == tried
    assert messages(table(1.0, [*rates, 1.0], 1.0), key)[1].endswith("add a larger one")
    assert messages(table(0.001, [*rates, 1e-4], 1e-4), key)[0].endswith("0.0001 was tried as well")


def test_grids_are_extended_by_the_step_at_the_edge_where_the_best_is():
    assert beyond({"a": 0.1, "b": 0.01, "c": 0.002}, [0.01, 0.1, 0.002]) == {"a": pytest.approx(1), "c": 0.0004}
    assert beyond({"a": 0.01}, [0.1, 0.01]) == {"a": pytest.approx(0.001)}

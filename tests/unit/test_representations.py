"""Hyper-representations: tokens, losses, training, and what is predicted from them."""

from itertools import chain
from math import exp, log, tanh
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from plain_networks import ACTIVATIONS, Network
from synthetic import ARCHITECTURE, SETTINGS, make_models, make_shard
from zootwins.architectures.architecture import get_architecture, to_state_dict
from zootwins.experiments.representations.evaluation import evaluate, latent_plane, reconstruct, reconstruction_r2
from zootwins.experiments.representations.model import AutoEncoder, alpha_errors, nt_xent, weight_errors
from zootwins.experiments.representations.representation_training import layer_scale, train
from zootwins.experiments.representations.states import load_states, split_models
from zootwins.experiments.representations.storage import Representation, load_representation, save_representation
from zootwins.experiments.representations.tokens import Tokens, erase
from zootwins.population.variational import log_alpha
from zootwins.run.errors import InputError
from zootwins.storage.resume import Resume
from zootwins.storage.shards import Trajectory, read_shard, write_trajectory

ROOT = Path(__file__).parents[2]
THRESHOLD = 3.0
architectures = st.sampled_from([get_architecture("cnn_s", 1), get_architecture("cnn_l", 3)])


def random_parameters(architecture, *leading: int) -> dict[str, torch.Tensor]:
    shapes = architecture.parameter_shapes
    return {name: torch.randn(*leading, *shape, dtype=torch.float64) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """Twelve made-up models in two shards."""
    folder, models = tmp_path_factory.mktemp("shards"), make_models(12)
    shards = [make_shard(folder / f"{i}.safetensors", "vd", part) for i, part in enumerate((models[:7], models[7:]))]
    return load_states(shards, "cnn_s")


@pytest.fixture(scope="module")
def trained(states):
    split = split_models({model: model for model in states.models}, "mini", 0)
    model, _ = train(states.of(split["train"]), SETTINGS, THRESHOLD, ("mini", 0), "cpu")
    return Representation(model, SETTINGS, THRESHOLD, split)


@given(architectures, st.integers(0, 2**32 - 1))
def test_tokens_round_trip(architecture, seed):
    torch.manual_seed(seed)
    parameters = random_parameters(architecture, 2, 3)
    tokens = Tokens(architecture)
    vectors = tokens.join(parameters)
    assert vectors.shape == (2, 3, sum(tensor[0, 0].numel() for tensor in parameters.values()))
    for name, tensor in tokens.separate(vectors).items():
        assert torch.equal(tensor, parameters[name])


def test_a_token_is_a_neuron_with_its_bias():
    assert [Tokens(get_architecture(*which)).count for which in (("cnn_s", 1), ("cnn_l", 3))] == [48, 93]
    parameters = random_parameters(ARCHITECTURE)
    tokens = Tokens(ARCHITECTURE)
    second = tokens.split(tokens.join(parameters))[1]
    assert torch.equal(second[4, :-1], parameters["conv2.weight"][4].flatten())
    assert second[4, -1] == parameters["conv2.bias"][4]
    noisy = tokens.separate(tokens.noisy)
    assert {name for name, flags in noisy.items() if not flags.any()} == {"fc1.bias", "fc2.bias"}
    assert all(flags.all() for name, flags in noisy.items() if name not in ("fc1.bias", "fc2.bias"))


@settings(max_examples=30, deadline=None)  # the first call of a convolution is slow
@given(architectures, st.sampled_from(list(ACTIVATIONS)), st.integers(0, 2**32 - 1))
def test_permuted_networks_compute_the_same(architecture, activation, seed):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    tokens = Tokens(architecture)
    vectors = tokens.join(random_parameters(architecture, 2)) / 5
    permutations = tokens.draw_permutations(2, generator)
    permuted = tokens.permute(vectors[:, None], permutations)[:, 0]
    assert not torch.equal(permuted, vectors)
    images = torch.randn(3, architecture.channels, *(architecture.image_size,) * 2, dtype=torch.float64)
    network = Network(architecture, activation).double().eval()
    outputs = []
    for vector in (vectors[1], permuted[1]):
        network.load_state_dict(to_state_dict(tokens.separate(vector), architecture, 0.0))
        outputs.append(network(images))
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-12)  # float64; sums in another order


def test_every_model_has_its_own_permutation_and_its_vectors_share_it():
    tokens = Tokens(ARCHITECTURE)
    vector = tokens.join(random_parameters(ARCHITECTURE))
    permutations = tokens.draw_permutations(2, torch.Generator().manual_seed(0))
    permuted = tokens.permute(torch.stack((vector, -vector)).expand(2, 2, -1), permutations)
    assert torch.equal(permuted[:, 0], -permuted[:, 1])
    assert not torch.equal(permuted[0], permuted[1])
    assert torch.equal(permuted[0, 0].sort().values, vector.sort().values)


@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_erasing_hides_one_stretch(share, seed):
    erased = erase(torch.ones(5, 200), share, torch.Generator().manual_seed(seed))
    hidden = erased == 0
    assert (hidden.sum(1) <= share * 200 + 1).all()
    assert (hidden.int().diff(dim=1).abs().sum(1) <= 2).all()  # one beginning and one end at most
    assert (erased[~hidden] == 1).all()


def test_contrast_by_hand():
    first, second = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[3.0, 0.0], [0.0, 0.5]])
    # every vector: cosine 1 with its partner, 0 with the two others
    assert nt_xent(first, second, 0.5).item() == pytest.approx(-log(exp(2) / (exp(2) + 2)), rel=1e-6)
    swapped = nt_xent(first, second.flip(0), 0.5).item()  # cosine 0 with the partner, 1 with one other
    assert swapped == pytest.approx(-log(1 / (exp(2) + 2)), rel=1e-6)


def test_reconstruction_errors_by_hand():
    weights = weight_errors(torch.tensor([[1.0, 4.0]]), torch.tensor([[3.0, 3.0]]), torch.tensor([2.0, 0.5]))
    assert weights.tolist() == [[1.0, 4.0]]
    alphas = alpha_errors(torch.tensor([[3.0]]), torch.tensor([[-2.0]]), 3.0, 5.0)
    assert alphas.item() == pytest.approx(tanh(-1) ** 2)


def test_layer_scale_is_the_standard_deviation_over_models(states):
    scale = states.tokens.separate(layer_scale(states.weights, states.tokens))
    parameters = states.tokens.separate(states.weights)
    pooled = torch.cat((parameters["conv2.weight"].flatten(), parameters["conv2.bias"].flatten()))
    assert scale["conv2.bias"][0].item() == pytest.approx(pooled.std().item(), rel=1e-5)
    assert scale["conv2.weight"].unique().numel() == 1


def test_states_are_those_of_the_shards(tmp_path):
    shard = make_shard(tmp_path / "shard.safetensors", "vd", make_models(7))
    states = load_states([shard], "cnn_s")
    assert len(states) == 7 * len(shard.states)
    row = states.table.index[(states.table["index"] == 3) & (states.table["epoch"] == 2)][0]
    weight = shard.tensor("fc1.weight")[3, 2]
    assert torch.equal(states.tokens.separate(states.weights[row])["fc1.weight"], weight)
    alpha = log_alpha(weight, shard.tensor("fc1.log_sigma2")[3, 2], is_conv=False)
    assert torch.equal(states.tokens.separate(states.alphas[row])["fc1.weight"], alpha)
    line = states.table.loc[row]
    assert line["accuracy"] == shard.tensor("test_accuracy")[3, 2].item()
    assert line["generalization_gap"] == pytest.approx(0.02, abs=1e-6)
    sizes = torch.tensor([layer.weights for layer in ARCHITECTURE.layers]).double()
    expected = (shard.tensor("sparsity")[3, 2].double() * sizes).sum() / sizes.sum()
    assert line["sparsity"] == pytest.approx(expected.item(), rel=1e-5)


def test_diverged_models_are_left_out_by_name(tmp_path, caplog):
    shard = make_shard(tmp_path / "shard.safetensors", "vd", make_models(7))
    tensors = {name: shard.tensor(name) for name in shard.shapes}
    tensors["fc1.weight"][2, -1, 0, 0] = torch.nan
    trajectory = Trajectory(shard.states, shard.weight_states, shard.prediction_states, tensors)
    write_trajectory(shard.path, "vd", trajectory, shard.models, shard.index)
    states = load_states([read_shard(shard.path)], "cnn_s")
    assert len(states.models) == 6
    assert "NN_0002" not in states.models
    assert "diverged: NN_0002" in caplog.text


def test_final_states_alone_are_refused(tmp_path):
    shard = make_shard(tmp_path / "shard.safetensors", "vd", make_models(2))
    last = {name: shard.tensor(name) for name in shard.shapes}
    parameters = {name for name in last if "." in name}
    last = {name: tensor[:, -1:] if name in parameters else tensor for name, tensor in last.items()}
    trajectory = Trajectory(shard.states, shard.states[-1:], shard.prediction_states, last)
    write_trajectory(shard.path, "vd", trajectory, shard.models, shard.index)
    with pytest.raises(InputError, match="weights of 1 of 6 states; set keep_states: all"):
        load_states([read_shard(shard.path)], "cnn_s")


@given(st.integers(9, 300), st.integers(0, 99))
def test_models_are_split_whole_and_once(models, seed):
    names = {f"NN_{i}": i for i in range(models)}
    split = split_models(names, "mini", seed)
    assert sorted(name for part in split.values() for name in part) == sorted(names)
    assert split["test"]
    assert len(split["validation"]) >= 2
    assert abs(len(split["train"]) - 0.7 * models) <= 0.5
    assert split == split_models(dict(reversed(names.items())), "mini", seed)
    if models > 20:
        assert split != split_models(names, "mini", seed + 1)


def test_too_few_models_are_refused():
    with pytest.raises(InputError, match="mini has 8 models with VD twins"):
        split_models({f"NN_{i}": i for i in range(8)}, "mini", 0)


@given(st.lists(st.integers(0, 40), min_size=60, max_size=120), st.integers(0, 99))
def test_models_that_began_alike_are_on_one_side(seeds, number):
    begun = {f"NN_{i}": (seed, "uniform") for i, seed in enumerate(seeds)}
    try:
        split = split_models(begun, "mini", number)
    except InputError:
        assert len(set(seeds)) < 12
        return
    sides = [{begun[model] for model in part} for part in split.values()]
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert sorted(chain.from_iterable(split.values())) == sorted(begun)


def test_models_that_all_began_alike_are_refused():
    with pytest.raises(InputError, match="20 models of mini began with 1 different weights"):
        split_models({f"NN_{i}": 7 for i in range(20)}, "mini", 0)


@pytest.mark.workflow  # ten seconds
def test_overfits_eight_models(tmp_path):
    """Eight networks at one epoch, without what keeps an auto-encoder from learning them by heart."""
    states = load_states([make_shard(tmp_path / "shard.safetensors", "vd", make_models(8))], "cnn_s")
    states, _ = states.ends()
    plain = {"dropout": 0.0, "contrastive_weight": 0.0, "permutations": False, "erasing": 0.0, "weights_factor": 0.03}
    sizes = {"dimension": 96, "feed_forward": 192, "latent": 64, "batch_size": 8}
    overfitting = SETTINGS.model_copy(update=plain | sizes | {"lr": 4e-3, "epochs": 400})
    model, _ = train(states, overfitting, THRESHOLD, ("mini", 0), "cpu")
    representation = Representation(model, overfitting, THRESHOLD, {})
    r2 = reconstruction_r2(reconstruct(representation, states), {"train": states, "test": states}, representation)
    whole = r2[r2["layer"] == "all"].set_index("quantity")["r2"]
    assert (whole > 0.95).all(), whole


def test_reconstruction_r2_is_scikit_learns(states, trained):
    """Where the test is the training data, the baseline is the same: each parameter's mean."""
    part = states.of(states.models[:5])
    found = reconstruct(trained, part)
    ours = reconstruction_r2(found, {"train": part, "test": part}, trained).set_index(["quantity", "layer"])["r2"]
    with torch.no_grad():
        weights, alphas = trained.model.decode(trained.model.encode(part.weights))
    # each layer's scale is one number, which R² within a layer does not see
    layers = dict(zip([layer.name for layer in ARCHITECTURE.layers], part.tokens.split(part.weights), strict=True))
    decoded = dict(zip(layers, part.tokens.split(weights), strict=True))
    expected = r2_score(layers["fc1"].flatten(1), decoded["fc1"].flatten(1), multioutput="variance_weighted")
    assert ours["weights", "fc1"] == pytest.approx(expected, abs=1e-4)  # float32 errors
    noisy = part.tokens.noisy
    truth, predicted = (np.tanh((a[:, noisy].numpy() - 3.0) / 5.0) for a in (part.alphas, alphas))
    expected = r2_score(truth, predicted, multioutput="variance_weighted")
    assert ours["alphas", "all"] == pytest.approx(expected, abs=1e-4)


def test_the_same_key_gives_the_same_model_and_a_killed_training_goes_on(states, tmp_path, monkeypatch):
    monkeypatch.setattr("zootwins.storage.resume._SAVING_SHARE", 1)  # after every epoch

    def run(resume=None, on_epoch=lambda epoch, epochs: None):
        return train(states, SETTINGS, THRESHOLD, ("mini", 3), "cpu", resume, on_epoch)

    class KilledError(Exception):
        pass

    def kill(epoch, epochs):
        if epoch == SETTINGS.epochs:
            raise KilledError

    model, history = run()
    resume = Resume(tmp_path / "resume.safetensors", "digest")
    with pytest.raises(KilledError):
        run(resume, kill)
    epochs = []
    resumed, resumed_history = run(resume, lambda epoch, _: epochs.append(epoch))
    assert epochs == [SETTINGS.epochs]
    pd.testing.assert_frame_equal(resumed_history, history)
    for name, tensor in model.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_a_saved_training_that_is_damaged_or_of_another_configuration_is_not_gone_on_with(states, tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 1})

    def trained_epochs(digest="digest"):
        epochs = []
        resume = Resume(tmp_path / "resume.safetensors", digest)  # leaves the file: no `with`
        train(states, settings, THRESHOLD, ("mini", 3), "cpu", resume, lambda epoch, _: epochs.append(epoch))
        return epochs

    assert trained_epochs() == [1]
    assert trained_epochs() == []
    assert trained_epochs("another") == [1]
    path = tmp_path / "resume.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert trained_epochs("another") == [1]


def test_latent_plane_covers_every_split(states, trained):
    splits = {split: states.of(models) for split, models in trained.split.items()}
    _, predictions = evaluate(trained, splits)
    plane = latent_plane(trained, splits)
    assert plane["split"].value_counts().to_dict() == {split: len(part) for split, part in splits.items()}
    assert plane.merge(predictions, how="left")["predicted_accuracy"].notna().sum() == len(splits["test"])


def test_storage_round_trip_and_damage(states, trained, tmp_path):
    path = tmp_path / "0.safetensors"
    save_representation(path, trained, {"engine": "none"})
    loaded = load_representation(path)
    assert loaded.settings == trained.settings
    assert loaded.split == trained.split
    assert torch.equal(loaded.model.encode(states.weights[:2]), trained.model.encode(states.weights[:2]))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"0\.safetensors: not a readable safetensors file"):
        load_representation(path)


def test_without_magnitudes_the_encoder_sees_weights_alone():
    sizes = {
        magnitudes: AutoEncoder(Tokens(ARCHITECTURE), SETTINGS.model_copy(update={"magnitudes": magnitudes}))
        .embed[0]
        .in_features
        for magnitudes in (False, True)
    }
    assert sizes == {False: 26, True: 52}

"""Zero-shot twins: features of a weight, predictors of log α, prune decisions, masks and tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from reference import network_of
from synthetic import ARCHITECTURE, SAMPLES, SETTINGS, make_models, make_shard
from zootwins.analyses.findings import FAILS, HOLDS
from zootwins.architectures.architecture import get_architecture
from zootwins.experiments.representations import METHODS, NOVELTY, OWN
from zootwins.experiments.representations.decisions import MAGNITUDE, auc, decisions_table
from zootwins.experiments.representations.model import AutoEncoder
from zootwins.experiments.representations.predictors import Pairs, along, boosting, layer_curves
from zootwins.experiments.representations.states import load_states, split_models
from zootwins.experiments.representations.storage import Representation
from zootwins.experiments.representations.token_network import token_network
from zootwins.experiments.representations.tokens import Tokens
from zootwins.experiments.representations.unseen import fisher_information
from zootwins.experiments.representations.weight_features import FEATURES, weight_features
from zootwins.experiments.representations.zero_shot import (
    PREDICTED,
    compare_twins,
    predict_alphas,
    unseen_models,
    without_siblings,
    zero_shot_twins,
)
from zootwins.experiments.representations.zero_shot_tables import (
    arrange_prune_decisions,
    arrange_zero_shot,
    prune_decisions_table,
    zero_shot_table,
)
from zootwins.population import ImageData, ImageSet, Population
from zootwins.population.masks import pruning_masks
from zootwins.population.torch_engine import TorchEngine
from zootwins.run.errors import InputError
from zootwins.run.keys import stream_key
from zootwins.zoos.originals import Originals, model_factors

THRESHOLD = 3.0
TOKENS = Tokens(ARCHITECTURE)
WEIGHTS = int(TOKENS.prunable.sum())


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """Twelve made-up models."""
    return load_states(
        [make_shard(tmp_path_factory.mktemp("shards") / "0.safetensors", "vd", make_models(12))], "cnn_s"
    )


@pytest.fixture(scope="module")
def representation(states):
    torch.manual_seed(0)
    settings = SETTINGS.model_copy(update={"largest": 200, "align": True})
    split = split_models({model: model for model in states.models}, "mini", 0)
    reference = states.of(split["train"]).first_states().weights[0]
    return Representation(AutoEncoder(states.tokens, settings).eval(), settings, THRESHOLD, split, reference)


@pytest.fixture(scope="module")
def predicted(representation, states):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zootwins.experiments.representations.token_network.STEPS", 10)
        return _predicted(representation, states)


def _predicted(representation, states):
    test = states.of(representation.split["test"])
    return predict_alphas(representation, states, {"mini": test, "other": states}, ("mini", 0), some_information)


def some_information(zoo, models):
    """Of a model alone, whatever its zoo."""
    generators = [torch.Generator().manual_seed(stream_key(model)) for model in models]
    return torch.stack([torch.rand(sum(TOKENS.sizes), generator=generator) for generator in generators])


def made_up_pairs(models: int, seed: int = 0) -> Pairs:
    """Dense models whose log α falls with magnitude, by a factor of the layer's own."""
    torch.manual_seed(seed)
    dense = torch.randn(models, sum(TOKENS.sizes))
    alphas = (2.0 + TOKENS.layer_of - 4 * dense.abs()) * TOKENS.prunable
    return Pairs(TOKENS, [f"NN_{seed}_{i}" for i in range(models)], dense, alphas, dense * 1.1)


def test_features_of_a_weight_are_its_neurons_and_its_inputs():
    vectors = made_up_pairs(2).dense
    features = TOKENS.separate(torch.zeros(2, sum(TOKENS.sizes)))
    parameters = TOKENS.separate(vectors)
    values = weight_features(vectors, TOKENS)
    assert values.shape == (2, WEIGHTS, len(FEATURES))
    assert values.isfinite().all()
    first = sum(layer.weights for layer in ARCHITECTURE.layers[:1])
    size = ARCHITECTURE.layers[1].weights
    conv2 = values[:, first : first + size].view(2, *features["conv2.weight"].shape[1:], len(FEATURES))
    found = dict(zip(FEATURES, conv2[1, 4, 3, 2, 1], strict=True))  # output 4, input 3, row 2, column 1
    weight = parameters["conv2.weight"][1]
    log_norm = lambda part: part.square().mean().sqrt().log().item()  # noqa: E731
    assert found["log magnitude"].item() == pytest.approx(weight[4, 3, 2, 1].abs().log().item(), abs=1e-3)
    assert (found["layer"], found["row in the kernel"], found["column in the kernel"]) == (1, 2, 1)
    assert found["log norm of the kernel"].item() == pytest.approx(log_norm(weight[4, 3]), abs=1e-4)
    incoming, outgoing = found["log norm of the neuron's incoming weights"], found["log norm of its outgoing weights"]
    assert incoming.item() == pytest.approx(log_norm(weight[4]), abs=1e-4)
    assert outgoing.item() == pytest.approx(log_norm(parameters["conv3.weight"][1][:, 4]), abs=1e-4)
    assert found["its bias"] == parameters["conv2.bias"][1, 4]
    assert found["the input's bias"] == parameters["conv1.bias"][1, 3]
    smaller = (weight.abs() < weight[4, 3, 2, 1].abs()).float().sum() / (size - 1)
    assert found["magnitude's rank in the layer"].item() == pytest.approx(smaller.item(), abs=1e-6)


def test_the_prior_prunes_what_the_zoo_does_in_each_layer_by_magnitude():
    train, test = made_up_pairs(20), made_up_pairs(3, seed=1)
    found = along(layer_curves(train), -test.dense.abs(), TOKENS)
    for number in range(len(TOKENS.sizes)):
        layer = (TOKENS.layer_of == number) & TOKENS.prunable
        order = test.dense[:, layer].abs().argsort(1)
        assert (found[:, layer].gather(1, order).diff(dim=1) <= 0).all()
        shares = [(alphas[:, layer] >= THRESHOLD).double().mean().item() for alphas in (found, train.alphas)]
        assert shares[0] == pytest.approx(shares[1], abs=0.05)


def test_along_a_curve_scores_say_which_weight_and_the_zoo_how_many():
    train = made_up_pairs(20)
    scores = torch.randn(2, sum(TOKENS.sizes), generator=torch.Generator().manual_seed(0))
    curves = layer_curves(train)
    found = along(curves, scores, TOKENS)
    for number, curve in enumerate(curves):
        layer = (TOKENS.layer_of == number) & TOKENS.prunable
        order = scores[:, layer].argsort(dim=1, descending=True)
        assert torch.equal(found[:, layer].gather(1, order), curve.expand(2, -1))
    assert (found[:, ~TOKENS.prunable] == 0).all()


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_fisher_information_is_that_of_one_image_after_the_other(activation):
    torch.manual_seed(0)
    of = [replace(factors, activation=activation) for factors in model_factors(make_models(12)).values()][:2]
    shapes = ARCHITECTURE.parameter_shapes.items()
    originals = Originals(ARCHITECTURE, ["a", "b"], [0, 1], of, {name: 0.3 * torch.randn(2, *s) for name, s in shapes})
    images = ImageSet(torch.randn(5, 1, 28, 28), torch.randint(10, (5,)))
    network = network_of(Population(ARCHITECTURE, of, torch.zeros(2), originals.parameters), 1).eval()
    expected = [torch.zeros_like(parameter) for parameter in network.parameters()]
    for image, label in zip(images.images, images.labels, strict=True):
        loss = torch.nn.functional.cross_entropy(network(image[None]), label[None])
        for total, gradient in zip(expected, torch.autograd.grad(loss, list(network.parameters())), strict=True):
            total += gradient.square() / len(images)
    found = TOKENS.separate(fisher_information(originals, images))
    for (name, _), squares in zip(shapes, expected, strict=True):
        torch.testing.assert_close(found[name][1], squares, rtol=1e-4, atol=1e-7)


def test_models_that_began_like_those_learned_from_are_left_out(states):
    factors = dict(zip(states.models, model_factors(make_models(12)).values(), strict=True))
    first, *others = states.models
    learned = [replace(factors[first], activation="relu", lr=1.0)]  # neither is of the initial weights
    assert without_siblings(states, factors, learned, "mini").models == others
    elsewhere = [replace(own, init="normal") for own in factors.values()]
    assert without_siblings(states, factors, elsewhere, "mini").models == states.models
    with pytest.raises(InputError, match="all models of mini began with the weights of models that are learned from"):
        without_siblings(states, factors, factors.values(), "mini")


@pytest.mark.parametrize("kind", ["boosting", "token_network"])
def test_predictors_learn_a_law_and_tell_unseen_models(kind, monkeypatch):
    monkeypatch.setattr("zootwins.experiments.representations.token_network.STEPS", 150)
    train, test = made_up_pairs(8), made_up_pairs(2, seed=1)
    predict = boosting(train) if kind == "boosting" else token_network(train, SETTINGS, ("mini", 0))
    chosen = TOKENS.prunable
    error = (predict(test.dense) - test.alphas)[:, chosen].square().mean()
    assert error < 0.1 * test.alphas[:, chosen].var()
    assert (predict(test.dense)[:, ~chosen] == 0).all()


@settings(deadline=None)  # scikit-learn's first call is slow
@given(
    hnp.arrays(np.float64, (3, 20), elements=st.integers(0, 5).map(float)),
    hnp.arrays(bool, (3, 20)),
)
def test_auc_is_scikit_learns(scores, positives):
    for own, score, positive in zip(auc(scores, positives), scores, positives, strict=True):
        if 0 < positive.sum() < 20:
            assert own == pytest.approx(roc_auc_score(positive, score))
        else:
            assert np.isnan(own)


def test_decisions_are_of_weights_and_by_layer():
    pairs = made_up_pairs(3)
    table = decisions_table(pairs, {"prior": pairs.alphas}, THRESHOLD)
    whole = table.set_index(["predictor", "layer", "model"]).sort_index()
    assert (whole.loc["prior", "auc"].dropna() == 1).all()  # it is the truth
    assert whole.loc[(MAGNITUDE, "fc1"), "auc"].to_numpy() == pytest.approx([1, 1, 1])  # a layer's own law
    assert (whole.loc[(MAGNITUDE, "all"), "auc"] < 1).all()
    row = whole.loc[("prior", "all", "NN_0_1")]
    expected = (pairs.alphas[1, TOKENS.prunable] >= THRESHOLD).double().mean().item()
    assert row["sparsity"] == row["predicted_sparsity"] == pytest.approx(expected)


def test_predictions_are_of_every_target_in_its_own_order(predicted, states):
    assert {name: len(found["prior"]) for name, found in predicted.items()} == {"mini": 2, "other": 12}
    assert set(predicted["mini"]) == {"decoder", "decoder_weights", *PREDICTED}
    rows = [
        states.models.index(model)
        for model in split_models({model: model for model in states.models}, "mini", 0)["test"]
    ]
    for name, found in predicted["mini"].items():
        same = predicted["other"][name][sorted(rows)]
        torch.testing.assert_close(found, same, rtol=1e-3, atol=1e-3)


def test_a_target_of_other_channels_is_refused(representation, states):
    colour = replace(states, tokens=Tokens(get_architecture("cnn_s", 3)))
    with pytest.raises(
        InputError, match="networks of colour have other image channels than those of mini; leave it out"
    ):
        predict_alphas(representation, states, {"colour": colour}, ("mini", 0), some_information)


def training_pairs(representation, states) -> Pairs:
    return Pairs.of(states.of(representation.split["train"]))


def test_controls_are_the_nearest_training_twin_and_a_noisy_copy(predicted, representation, states):
    pairs, training = Pairs.of(states.of(representation.split["test"])), training_pairs(representation, states)
    made = zero_shot_twins(pairs, predicted["mini"], THRESHOLD, "mini", training)["80"]
    generated, nearest, noisy = (TOKENS.join(made[name, "80"]) for name in ("decoder", *NOVELTY))
    for own, found in zip(generated, nearest, strict=True):
        kept = found != 0
        source = (training.trained[:, kept] == found[kept]).all(1)
        assert source.any()  # a training twin's weights, not the model's own
        assert (own - found).norm() <= min((own - other).norm() for other in nearest) + 1e-5
    torch.testing.assert_close((noisy - nearest).norm(dim=1), (generated - nearest).norm(dim=1))
    assert torch.equal(noisy == 0, nearest == 0)
    again = zero_shot_twins(pairs, predicted["mini"], THRESHOLD, "mini", training)["80"]
    assert torch.equal(TOKENS.join(again["nearest_noisy", "80"]), noisy)


def test_twins_are_as_sparse_as_asked_and_pruned_where_said(predicted, representation, states):
    pairs = Pairs.of(states.of(representation.split["test"]))
    by_sparsity = zero_shot_twins(pairs, predicted["mini"], THRESHOLD, "mini", training_pairs(representation, states))
    made = {key: TOKENS.join(twin) for twins in by_sparsity.values() for key, twin in twins.items()}
    assert all(key[1] == at for at, twins in by_sparsity.items() for key in twins)
    assert {at for _, at in made} == {"50", "70", "80", "90", OWN}
    assert {method for method, _ in made} == set(METHODS)
    own = pairs.alphas[:, TOKENS.prunable] >= THRESHOLD
    for (_, at), twin in made.items():
        pruned = (twin == 0)[:, TOKENS.prunable].sum(1)
        wanted = own.sum(1) if at == OWN else torch.full_like(pruned, round(float(at) / 100 * WEIGHTS))
        assert torch.equal(pruned, wanted)
    assert torch.equal((made["vd", OWN] == 0)[:, TOKENS.prunable], own)
    for method in set(METHODS) - {"vd", *NOVELTY}:
        kept = made[method, "80"] != 0
        assert torch.equal(made[method, "80"][kept], pairs.dense[kept])
    masks = [(made[method, "80"] == 0)[:, TOKENS.prunable] for method in ("decoder", "decoder_mask")]
    assert torch.equal(*masks)
    by_layer = {method: (made[method, "80"] == 0).float() for method in ("vd", "mp_layers", "mp")}
    for number in range(len(TOKENS.sizes)):
        layer = (TOKENS.layer_of == number) & TOKENS.prunable
        assert torch.equal(by_layer["vd"][:, layer].sum(1), by_layer["mp_layers"][:, layer].sum(1))
        share = 0.8 * int(layer.sum())
        for method in ("mp_uniform", "boosting_uniform"):
            assert ((made[method, "80"] == 0)[:, layer].sum(1) - share).abs().max() < 1
        kept = (made["mp_uniform", "80"] != 0)[:, layer]
        smallest = pairs.dense[:, layer].abs().masked_fill(~kept, torch.inf).amin(1)
        assert (smallest >= pairs.dense[:, layer].abs().masked_fill(kept, 0).amax(1)).all()
    weights = {name: tensor for name, tensor in TOKENS.separate(pairs.dense).items() if name.endswith("weight")}
    expected = pruning_masks(weights, 0.8, "global")
    for name, twin in TOKENS.separate(made["mp", "80"]).items():
        if name in expected:
            assert torch.equal(twin != 0, expected[name])


def test_twins_are_compared_before_and_after_an_epoch(predicted, representation, states):
    pairs = Pairs.of(states.of(representation.split["test"]))
    made = zero_shot_twins(pairs, predicted["mini"], THRESHOLD, "mini", training_pairs(representation, states))
    twins = made["80"] | made[OWN]
    models = make_models(12)
    originals = Originals(
        ARCHITECTURE,
        models["model"].tolist(),
        models["index"].tolist(),
        list(model_factors(models).values()),
        {name: torch.randn(12, *shape) for name, shape in ARCHITECTURE.parameter_shapes.items()},
    )
    unseen = unseen_models(originals, pairs.models, 1e-2)
    assert {factors.lr for factors in unseen.factors} == {1e-2}
    assert torch.equal(unseen.parameters["fc1.bias"][0], originals.parameters["fc1.bias"][unseen.index[0]])
    images = ImageSet(torch.randn(SAMPLES, 1, 28, 28), torch.randint(10, (SAMPLES,)))
    predictions = np.zeros((len(unseen), SAMPLES), dtype=np.uint8)
    table = compare_twins(TorchEngine(), unseen, twins, ImageData(images, images, images), predictions, "mini")
    assert len(table) == len(twins) * len(unseen) * 2
    sparsity = table.pivot_table(index=["method", "at", "index"], columns="epochs", values="sparsity")
    assert (sparsity[0] == sparsity[1]).all()  # fine-tuning does not bring pruned weights back
    assert sparsity.loc[("random", "80"), 0].to_numpy() == pytest.approx(round(0.8 * WEIGHTS) / WEIGHTS)
    moved = table.pivot_table(index=["method", "at", "index"], columns="epochs", values="accuracy")
    assert (moved[0] != moved[1]).any()


def made_up_twins() -> pd.DataFrame:
    """Three models; the token network is 10 points better than magnitude pruning, random pruning 10 worse."""
    better = {"token_network": 0.1, "random": -0.1}
    return pd.DataFrame(
        [
            {"zoo": "mini", "learned_on": "mini", "seed": seed, "method": method, "at": at, "epochs": epochs,
             "index": index, "accuracy": 0.5 + 0.1 * seed + 0.01 * index + better.get(method, 0.0), "sparsity": 0.8,
             "agreement": 0.7, "distance": 1.0}
            for seed in (0, 1) for method in METHODS for at in ("50", OWN) for epochs in (0, 1)
            for index in ((0, 1, 2) if seed == 0 else (2,))
        ]
    )  # fmt: skip


def test_zero_shot_table_counts_a_model_once_and_pairs_models():
    table = zero_shot_table(made_up_twins())
    text = arrange_zero_shot(table)
    assert text.loc[("mini", "itself", "3", "VD's own", "MP"), "Sparsity"] == "80.0"
    row = table.set_index(["method", "at", "epochs"])
    assert (row["models"] == 3).all()
    assert row.loc[("vd", OWN, 1), "accuracy_mean"] == pytest.approx((50 + 51 + 57) / 3)
    assert row.loc[("vd", OWN, 1), "of_vd_mean"] == 100
    assert row.loc[("token_network", "50", 0), "over_mp_mean"] == pytest.approx(10)
    verdicts = row["ahead_of_mp"].xs(("50", 1), level=("at", "epochs"))
    assert (verdicts["token_network"], verdicts["random"], verdicts["mp"]) == (HOLDS, FAILS, "")


def test_prune_decisions_table_has_the_whole_and_the_layers():
    pairs = made_up_pairs(4)
    decisions = decisions_table(pairs, {"prior": pairs.alphas + 1}, THRESHOLD)
    decisions = pd.concat([decisions.assign(zoo="mini", learned_on="other", seed=seed) for seed in (0, 1)])
    table = prune_decisions_table(decisions).set_index(["predictor", "layer"])
    assert table.loc[("prior", "all"), ["auc_mean", "models"]].tolist() == [100, 4]
    assert table.loc[("prior", "all"), "sparsity_error_mean"] > 0
    assert np.isnan(table.loc[(MAGNITUDE, "all"), "predicted_sparsity_mean"])
    text = arrange_prune_decisions(prune_decisions_table(decisions))
    assert text.loc[("mini", "other", "population prior"), "AUC"].startswith("100.0")
    assert text.loc[("mini", "other", "magnitude"), "Sparsity, predicted"] == "–"

"""What a hyper-representation is held against: components, largest weights, the epoch alone, probes; Table 3."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from synthetic import ARCHITECTURE, SETTINGS, make_models, make_shard
from zootwins.analyses.findings import FAILS, HOLDS, OPEN
from zootwins.experiments.representations import ALL_EPOCHS, TARGETS, baselines, probes
from zootwins.experiments.representations.baselines import (
    by_size,
    epoch_alone,
    largest_weights,
    normalised,
    principal_components,
)
from zootwins.experiments.representations.evaluation import evaluate, reconstruct, reconstruction_r2
from zootwins.experiments.representations.largest import LargestWeights
from zootwins.experiments.representations.model import AutoEncoder
from zootwins.experiments.representations.representation_tables import (
    BASELINES,
    PREDICTORS,
    QUANTITIES,
    arrange_claims,
    arrange_table3,
    claims_table,
    table3,
)
from zootwins.experiments.representations.representation_training import layer_scale, train
from zootwins.experiments.representations.states import load_states, split_models
from zootwins.experiments.representations.storage import Representation
from zootwins.experiments.representations.tokens import Tokens
from zootwins.run.errors import InputError

ROOT = Path(__file__).parents[2]
HOLDING = SETTINGS.model_copy(update={"largest": 400, "contrastive_weight": 0.0})


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """Twelve made-up models."""
    return load_states(
        [make_shard(tmp_path_factory.mktemp("shards") / "0.safetensors", "vd", make_models(12))], "cnn_s"
    )


@pytest.fixture(scope="module")
def untrained(states):
    """An auto-encoder that holds the largest weights, in their scale, but was not trained; and its splits."""
    split = split_models({model: model for model in states.models}, "mini", 0)
    torch.manual_seed(0)
    model = AutoEncoder(states.tokens, HOLDING).eval()
    model.scale.copy_(layer_scale(states.weights, states.tokens))
    return Representation(model, HOLDING, 3.0, split), {name: states.of(models) for name, models in split.items()}


def test_principal_components_are_numpys(untrained):
    representation, splits = untrained
    components, found = principal_components(splits, representation)
    scale = representation.model.scale
    train_rows, test_rows = ((splits[name].weights / scale).double().numpy() for name in ("train", "test"))
    mean = train_rows.mean(0)
    rank = components["test"].shape[1]
    basis = np.linalg.svd(train_rows - mean, full_matrices=False)[2][:rank]
    assert rank == min(HOLDING.numbers, len(train_rows) - 1)
    expected = (test_rows - mean) @ basis.T @ basis + mean
    np.testing.assert_allclose((found.weights / scale).numpy(), expected, atol=1e-4)  # float32


def test_the_epoch_alone_is_the_mean_of_the_training_models(untrained):
    representation, splits = untrained
    found = epoch_alone(splits, representation)
    row = splits["test"].table.index[splits["test"].table["epoch"] == 2][0]
    there = torch.from_numpy((splits["train"].table["epoch"] == 2).to_numpy().copy())
    torch.testing.assert_close(found.weights[row], splits["train"].weights[there].mean(0))
    torch.testing.assert_close(found.alphas[row], normalised(splits["train"], representation)[there].mean(0))


def test_by_size_is_what_the_components_and_the_largest_weights_give_back(untrained, monkeypatch):
    monkeypatch.setattr(baselines, "SIZES", (20, 2000, 9999))
    representation, splits = untrained
    scale = representation.model.scale
    table = by_size(splits, scale).set_index(["predictor", "numbers", "epoch"])["r2"]
    train_rows, test_rows = ((splits[name].weights / scale).double() for name in ("train", "test"))
    basis = torch.linalg.svd(train_rows - train_rows.mean(0), full_matrices=False).Vh[:20]
    centred = test_rows - train_rows.mean(0)
    expected = (centred @ basis.T).square().sum() / centred.square().sum()
    assert table["pca", 20, ALL_EPOCHS] == pytest.approx(expected.item(), abs=1e-4)
    assert ("pca", 2000, ALL_EPOCHS) not in table.index  # more than the training states have components
    there = torch.from_numpy((splits["test"].table["epoch"] == 0).to_numpy().copy())
    magnitudes = test_rows.abs()
    kept = 2000 - -(-test_rows.shape[1] // 24)  # a bit a parameter, 24 a number
    lost = magnitudes.sort(1).values[:, : test_rows.shape[1] - kept].square().sum(1)
    expected = 1 - lost[there].sum() / centred[there].square().sum()
    assert table["largest", 2000, 0] == pytest.approx(expected.item(), abs=1e-4)


@given(st.integers(104, 2700), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_the_largest_weights_come_back_to_the_bit_and_bound_the_others(numbers, seed):
    tokens = Tokens(ARCHITECTURE)
    scaled = torch.randn(3, sum(tokens.sizes), generator=torch.Generator().manual_seed(seed))
    code = LargestWeights(tokens, numbers)
    packed = code(scaled)
    assert packed.shape == (3, numbers)
    values, bounds = code.recover(packed)
    there = values != 0
    assert (there.sum(1) == min(numbers - 103, 2464)).all()
    assert torch.equal(values[there], scaled[there])
    assert (scaled.abs() <= bounds).all()
    assert torch.equal(bounds[there], values[there].abs())


def test_numbers_that_hold_no_weight_are_refused():
    with pytest.raises(InputError, match=r"representations\.largest: 103 numbers hold no weight: 103 of them"):
        LargestWeights(Tokens(ARCHITECTURE), 103)


def test_an_auto_encoder_returns_the_weights_that_it_holds_and_its_context_is_learned(untrained):
    representation, splits = untrained
    model = representation.model
    latent = model.encode(splits["test"].weights)
    assert latent.shape == (len(splits["test"]), HOLDING.numbers)
    expected, _ = model.largest.recover(model.largest(splits["test"].weights / model.scale))
    torch.testing.assert_close(reconstruct(representation, splits["test"]).weights, expected * model.scale)
    trained, history = train(splits["train"], HOLDING, 3.0, ("mini", 0), "cpu")
    assert (history["contrast"] == 0).all()
    assert not torch.equal(trained.to_latent.weight, model.to_latent.weight)
    assert "largest.powers" not in trained.state_dict()


@pytest.mark.parametrize("columns", [50, 20])
def test_ridge_is_the_closed_form_with_the_best_penalty(columns):
    rng = np.random.default_rng(0)
    features = {split: rng.normal(size=(30, columns)) * rng.random(columns) for split in probes.SPLITS}
    for values in features.values():
        values[:, 3] = 2.0  # does not vary
    targets = {split: values[:, :2] + 0.1 * rng.normal(size=(30, 2)) for split, values in features.items()}
    mean, std = features["train"].mean(0), features["train"].std(0)
    x = {split: (values - mean) / np.where(std > 0, std, 1) for split, values in features.items()}
    middle = targets["train"].mean(0)
    found = []
    for penalty in probes.PENALTIES:
        normal = x["train"].T @ x["train"] + penalty * np.eye(columns)
        weights = np.linalg.solve(normal, x["train"].T @ (targets["train"] - middle))
        errors = ((x["validation"] @ weights + middle - targets["validation"]) ** 2).sum(0)
        found.append((errors, x["test"] @ weights + middle))
    best = np.argmin([errors for errors, _ in found], axis=0)
    expected = np.stack([found[best[target]][1][:, target] for target in range(2)], axis=1)
    np.testing.assert_allclose(probes.ridge(features, targets), expected, atol=1e-9)


def linear_splits(nothing: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    features = {split: rng.normal(size=(rows, 5)) for split, rows in (("train", 60), ("validation", 30), ("test", 30))}
    targets = {split: values[:, : len(TARGETS)].copy() for split, values in features.items()}
    targets["train"][:, nothing] = rng.normal(size=60)
    return features, targets


def test_probe_takes_the_penalty_that_suits_the_validation_models():
    features, targets = linear_splits(nothing=2)
    r2 = r2_score(targets["test"], probes.ridge(features, targets), multioutput="raw_values")
    assert r2[[0, 1, 3]] == pytest.approx([1, 1, 1], abs=1e-3)
    assert r2[2] < 0.5


def test_boosted_probe_takes_the_number_of_trees_that_suits_the_validation_models():
    features, targets = linear_splits(nothing=2)
    r2 = r2_score(targets["test"], probes.boosted(features, targets), multioutput="raw_values")
    assert (r2[[0, 1, 3]] > 0.5).all()
    assert r2[2] > -0.5  # as many trees as learn noise by heart would do worse


def test_evaluation_has_every_predictor_on_the_same_states(untrained):
    representation, splits = untrained
    scores, predictions = evaluate(representation, splits)
    assert len(predictions) == len(splits["test"])
    whole = scores[scores["layer"] == "all"]
    found = whole.groupby("quantity")["predictor"].agg(set)
    assert found["weights"] == found["alphas"] == {"representation", "pca", "aligned_pca", "largest", "epoch"}
    assert found["accuracy"] == set(PREDICTORS) - {"largest"}
    assert "epoch" not in found["epoch"]
    assert not whole.duplicated(["predictor", "quantity"]).any()


def test_largest_weights_tell_log_alpha_where_it_follows_from_magnitudes(untrained):
    """Log α as a function of the magnitude and the layer: known of the largest, nearly constant of the others."""
    representation, splits = untrained
    scaled = {split: (states.weights / representation.model.scale).abs() for split, states in splits.items()}
    of_magnitude = {
        split: replace(states, alphas=(6 - 4 * scaled[split].clamp(max=3)) * states.tokens.noisy)
        for split, states in splits.items()
    }
    holding = replace(representation, settings=HOLDING.model_copy(update={"largest": 2000}))
    found = largest_weights(of_magnitude, holding)
    r2 = reconstruction_r2(found, of_magnitude, holding).set_index(["quantity", "layer"])["r2"]
    assert r2["alphas", "all"] > 0.9
    assert r2["weights", "all"] > 0.9


def test_r2_does_not_depend_on_the_order_that_a_predictor_takes(untrained):
    """Where neurons were aligned, what comes back is compared in the zoo's order."""
    representation, splits = untrained
    found = reconstruct(representation, splits["test"])
    plain = reconstruction_r2(found, splits, representation)
    reference = splits["train"].first_states().weights[0]
    aligned = Representation(representation.model, HOLDING, 3.0, representation.split, reference)
    r2 = reconstruction_r2(reconstruct(aligned, splits["test"]), splits, aligned)
    weights = [one[(one["quantity"] == "weights") & (one["layer"] == "all")]["r2"].item() for one in (plain, r2)]
    assert weights[0] == pytest.approx(weights[1], abs=1e-6)


def made_up_scores(seeds: int) -> pd.DataFrame:
    """The auto-encoder reconstructs less than PCA, and predicts properties better than all others in every seed."""
    rows = []
    shared = {"zoo": "mini", "paper_zoo": "svhn_s_seed", "configuration": "test", "layer": "all"}
    shared |= {"models": 12, "states": 72, "train_models": 8, "validation_models": 2, "test_models": 2}
    for seed in range(seeds):
        values = {("representation", quantity): 0.1 * seed for quantity in ("weights", "alphas")}
        values |= {("pca", quantity): 0.5 for quantity in ("weights", "alphas")}
        for number, predictor in enumerate(name for name in PREDICTORS if name != "largest"):
            values |= {(predictor, target): 0.5 - 0.1 * number + 0.01 * seed for target in TARGETS}
        rows += [
            shared | {"seed": seed, "predictor": predictor, "quantity": quantity, "r2": r2}
            for (predictor, quantity), r2 in values.items()
        ]
    return pd.DataFrame(rows)


def test_table3_begins_with_the_papers_columns():
    paper = pd.read_csv(ROOT / "resources/paper/table3.csv")
    table = table3(made_up_scores(3), paper)
    assert list(table.columns[: len(paper.columns)]) == list(paper.columns)
    row = table.iloc[0]
    assert (row["weights_r2"], row["accuracy_r2"], row["seeds"]) == (pytest.approx(10), pytest.approx(51), 3)
    assert row["weights_r2_pca"] == pytest.approx(50)
    assert (row["paper_zoo"], row["sparsity_r2_paper"]) == ("svhn_s_seed", 97.6)
    text = arrange_table3(table).droplevel(["Zoo", "n", "Seeds"])
    assert text.loc["hyper-representation (test)", "w"] == (
        f"10.0 [{row['weights_r2_low']:.1f}, {row['weights_r2_high']:.1f}]"
    )
    assert text.loc["paper: svhn_s_seed", "Sparsity"] == "97.6"
    assert text.loc["weight statistics", "log α"] == "–"


def test_claims_are_held_against_the_best_baseline():
    scores = made_up_scores(3)
    table = claims_table(scores).set_index("quantity")
    assert list(table.index) == list(QUANTITIES)
    assert table.loc["weights", ["baseline", "verdict", "seeds_above"]].tolist() == ["pca", FAILS, 0]
    assert table.loc["accuracy", "baseline"] == "pca"  # the first of those that are not the representation's own
    assert table.loc["accuracy", "verdict"] == HOLDS
    assert table.loc["accuracy", "seeds_above"] == 3
    assert set(table["baseline"]) <= set(BASELINES)
    text = arrange_claims(claims_table(scores))
    assert text.iloc[0]["Best baseline"] == "PCA: 50.0"


def test_a_claim_is_held_against_every_baseline():
    """The best one by its mean may be distinguished from ours where another, which scatters, cannot."""
    scores = made_up_scores(3)
    scattered = (scores["predictor"] == "raw_weights") & (scores["quantity"] == "accuracy")
    ours = (scores["predictor"] == "representation") & (scores["quantity"] == "accuracy")
    scores.loc[scattered, "r2"] = scores.loc[ours, "r2"].to_numpy() - [0.9, 0.9, -0.1]
    row = claims_table(scores).set_index("quantity").loc["accuracy"]
    assert row["baseline"] == "pca"
    assert row["low"] > 0
    assert (row["verdict"], row["seeds_above"]) == (OPEN, 2)

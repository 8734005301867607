"""Whose zero-shot twins are made: models that nothing was learned from, each with its own images and predictions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from synthetic import ARCHITECTURE, SETTINGS, make_models, make_shard
from zootwins.experiments.representations import unseen
from zootwins.experiments.representations.model import AutoEncoder
from zootwins.experiments.representations.states import load_states, split_models
from zootwins.experiments.representations.storage import Representation
from zootwins.experiments.representations.unseen import Target, sparsify_unseen, unseen_states
from zootwins.zoos.originals import Originals, model_factors


def target(folder, models: int, first: int = 0, lr: float | None = None) -> Target:
    """A made-up zoo; its models' seeds are their indices, so that two zoos have siblings."""
    table = make_models(first + models).iloc[first:]
    states = load_states([make_shard(folder / f"{first}-{models}.safetensors", "vd", table)], "cnn_s")
    factors = model_factors(table)
    index = tuple(table["index"])
    parameters = {name: torch.randn(models, *shape) for name, shape in ARCHITECTURE.parameter_shapes.items()}
    originals = Originals(ARCHITECTURE, tuple(table["model"]), index, [factors[one] for one in index], parameters)
    predictions = np.array(index)[:, None].repeat(4, 1)
    order = np.random.default_rng(0).permutation(models)
    return Target(originals, states, f"images of {first}", predictions[order], np.array(index)[order], lr)


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("targets")
    return {"mini": target(folder, 12), "other": target(folder, 14, first=6, lr=0.25)}


@pytest.fixture(scope="module")
def representation(targets):
    states = targets["mini"].states
    split = split_models({model: model for model in states.models}, "mini", 0)
    return Representation(AutoEncoder(states.tokens, SETTINGS).eval(), SETTINGS, 3.0, split, None)


def test_no_model_began_as_one_that_was_learned_from(representation, targets):
    """Models of two zoos with one seed and initialisation are siblings: their masks correlate."""
    found = unseen_states(representation, targets)
    assert set(found["mini"].models) == set(representation.split["test"])
    learned = {*representation.split["train"], *representation.split["validation"]}
    assert set(found["other"].models) == {*targets["other"].originals.models} - learned
    assert learned & {*targets["other"].originals.models}


def test_each_model_has_its_own_predictions_images_and_learning_rate(representation, targets, monkeypatch):
    compared = {}

    def compare(engine, originals, twins, data, predictions, zoo):
        compared[zoo] = originals, data, predictions
        return pd.DataFrame({"model": originals.models})

    monkeypatch.setattr(unseen, "compare_twins", compare)
    monkeypatch.setattr(unseen, "zero_shot_twins", lambda *arguments: {"80": {}})
    monkeypatch.setattr(unseen, "decisions_table", lambda pairs, *rest: pd.DataFrame({"model": pairs.models}))
    monkeypatch.setattr(unseen, "predict_alphas", lambda *arguments: dict.fromkeys(targets))
    decisions, twins = sparsify_unseen(None, representation, targets, 3)
    for zoo, (originals, data, predictions) in compared.items():
        assert predictions[:, 0].tolist() == list(originals.index)
        assert data == targets[zoo].data
        own = [targets[zoo].factors[model] for model in originals.models]
        lr = targets[zoo].lr
        assert list(originals.factors) == (own if lr is None else [replace(each, lr=lr) for each in own])
    for table in (decisions, twins):
        assert set(table["zoo"]) == {"mini", "other"}
        assert set(table["learned_on"]) == {"mini"}
        assert set(table["seed"]) == {3}

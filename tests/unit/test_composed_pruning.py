"""Pruning by parts that the configuration names: the same twins as the methods that have them, and mistakes refused."""

import json
from typing import get_args

import pytest
import torch
from pydantic import ValidationError

from test_own_sparsifier import inputs_of
from test_torch_engine import factors, images, population
from zootwins.catalogue.messages import validated
from zootwins.population import ImageData
from zootwins.population.torch_engine import TorchEngine
from zootwins.run.errors import InputError
from zootwins.sparsifiers.composed_pruning import ComposedPruning, Settings
from zootwins.sparsifiers.parts import PARTS, part_settings
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.sparsify import sparsify

SHORT = {"sparsities": (80, 90), "epochs": 4, "lr": 1e-2, "min_left": 0}
PUBLISHED = {
    "mp": ({}, {}),
    "gmp": ({"schedule": {"name": "cubic", "begin": 1, "end": 3}, "allocation": "uniform"}, {"begin": 1, "ends": (3,)}),
    "snip": ({"score": {"name": "saliency", "images": 9}, "start": "init"}, {"images": 9, "min_left": 0}),
    "rigl": (
        {"allocation": "erk", "schedule": {"name": "exchange", "every": 3}, "growth": "gradient"},
        {"every": 3, "min_left": 0},
    ),
    "acdc": (
        {"schedule": {"name": "alternating", "warmup": 1, "phase": 1, "last": 1}},
        {"warmup_epochs": 1, "phase_epochs": 1, "last_epochs": 1, "min_left": 0},
    ),
    "obc": (
        {
            "score": {"name": "removal_costs", "images": 9},
            "allocation": "uniform",
            "update": {"name": "least_squares", "images": 9},
        },
        {"images": 9, "min_left": 0},
    ),
    "imp": (
        {"schedule": {"name": "rounds", "rounds_of_training": 2, "epochs_per_round": 2}},
        {"rounds": 2, "min_left": 0},
    ),
}


@pytest.mark.parametrize("method", PUBLISHED)
def test_a_published_method_is_a_combination_that_the_configuration_can_name(monkeypatch, method):
    """Through JSON, as settings reach jobs; with the method's own stream of random numbers."""
    named, own = PUBLISHED[method]
    composed, published = ComposedPruning(), get_sparsifier(method)
    monkeypatch.setattr(ComposedPruning, "stream", method)
    given, one = inputs_of(0, 1), images(population([factors(0)], dtype=torch.float32), 24)
    settings = Settings(**json.loads(Settings(**SHORT, **named).model_dump_json()))
    theirs = published.Settings(**{k: v for k, v in SHORT.items() if k != "min_left"} | own)
    assert composed.earlier_epochs(settings) == published.earlier_epochs(theirs)
    ours, expected = (
        sparsify(TorchEngine(), sparsifier, chosen, given, ImageData(one, one, one)).tensors
        for sparsifier, chosen in ((composed, settings), (published, theirs))
    )
    for name, tensor in expected.items():
        assert torch.equal(ours[name].flatten().nan_to_num(), tensor.flatten().nan_to_num()), name


@pytest.mark.parametrize(
    ("wrong", "key", "message"),
    [
        ({"score": "magnitud"}, "score", "'magnitud' is none of magnitude, random, .*; write one"),
        ({"score": {"name": ["a"]}}, "score", r"\['a'\] is none of magnitude"),
        ({"score": {"images": 3}}, "score", "None is none of magnitude"),
        ({"score": 5}, "score", "5 is none of magnitude"),
        ({"structure": "n_of_m"}, "structure", "settings without defaults; write {name: n_of_m, n: …, m: …}"),
        ({"structure": {"name": "n_of_m", "n": 4, "m": 2}}, "structure", "4 of every 2 are all .*; write n < m"),
        ({"schedule": "exchange"}, "growth", "schedule exchange needs one"),
        ({"schedule": {"name": "cubic", "begin": 0, "end": 4}}, "schedule", "is not reached in 4 epochs; shorten it"),
        (
            {"schedule": "exchange", "growth": "random", "structure": {"name": "n_of_m", "n": 2, "m": 4}},
            "structure",
            "schedule exchange moves single weights, which breaks n_of_m",
        ),
        ({"structure": "channels", "allocation": "rows"}, "allocation", "rows rank single weights"),
        (
            {"schedule": {"name": "cubic", "begin": 0, "end": 2, "remembers": True}, "update": "fisher"},
            "update",
            "not with a schedule that remembers masked weights",
        ),
    ],
)
def test_parts_that_cannot_be_are_refused_with_their_key(wrong, key, message):
    with pytest.raises(ValidationError, match=message) as refused:
        Settings(**SHORT, **wrong)
    assert [error["loc"] for error in refused.value.errors()] == [(key,)]


def test_all_parts_that_do_not_go_together_are_lines_of_one_error():
    with pytest.raises(InputError) as refused:
        validated(Settings, SHORT | {"schedule": "exchange", "structure": "channels"}, "my.yaml", "twins.own")
    assert str(refused.value).splitlines() == [
        f"my.yaml: twins.own.{line}; the keys are explained in config/README.md"
        for line in (
            "growth: null: schedule exchange needs one, such as gradient (RigL) or fresh_random (SET)",
            "structure: 'channels': schedule exchange moves single weights, which breaks channels",
        )
    ]


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, table in PARTS.items() for name in table])
def test_every_setting_of_every_part_has_a_type_and_a_range(key, name):
    fields = part_settings(PARTS[key], name).model_fields
    # a text is read as a number where one is due
    whole = {"name": name} | {one: "2" if field.is_required() else field.default for one, field in fields.items()}
    mistakes = [({"no_setting": 1}, "no_setting")]
    for setting, field in fields.items():
        kinds = {field.annotation, *get_args(field.annotation)}
        wrong = [["a"], {}]
        wrong += [-1, True, float("inf"), float("nan")] if kinds & {int, float} else []
        wrong += [0.5] if int in kinds else []
        mistakes += [({setting: value}, setting) for value in wrong]
    for mistake, setting in mistakes:
        with pytest.raises(ValidationError) as refused:
            Settings(**SHORT, **{key: whole | mistake})
        assert [error["loc"] for error in refused.value.errors()] == [(key, setting)]


def test_all_mistakes_are_lines_of_one_error_with_file_key_and_remedy():
    parts = {
        "score": {"name": "saliency", "images": 0},
        "allocation": "erkk",
        "schedule": {"name": "cubic", "end": "late"},
        "update": {"name": "fisher", "block": 0, "blocks": 9},
        "growth": {"name": "fisher", "damping": 0},
    }
    with pytest.raises(InputError) as refused:
        validated(Settings, SHORT | parts, "my.yaml", "twins.own")
    assert str(refused.value).splitlines() == [
        f"my.yaml: twins.own.{line}; the keys are explained in config/README.md"
        for line in (
            "update.blocks: there is no key 'blocks' here",
            "score.images: 0: input should be greater than or equal to 1",
            "allocation: 'erkk': 'erkk' is none of global, uniform, extended, erk, lamp, rows; write one of these, or "
            "{name: …} with settings",
            "schedule.begin: is missing; add it",
            "schedule.end: 'late': is not a number",
            "update.block: 0: input should be greater than or equal to 1",
            "growth.damping: 0: input should be greater than 0",
        )
    ]


def test_masks_of_another_method_are_needed():
    settings = Settings(**SHORT, score={"name": "kept_by", "method": "mp"}, structure="as_scored")
    assert ComposedPruning().needs(settings) == ("mp",)
    growing = Settings(**SHORT, schedule="exchange", growth={"name": "kept_by", "method": "gmp"})
    assert ComposedPruning().needs(growing) == ("gmp",)

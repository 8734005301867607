"""params.json and result.json: read as written, or refused with a reason whatever they hold."""

import json
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raw_zoos import CNN_S, PARAMS, results
from zootwins.population import Factors
from zootwins.population.initialisation import INITIALISERS
from zootwins.run.errors import InputError
from zootwins.zoos import raw_texts
from zootwins.zoos.raw_texts import (
    FACTOR_KEYS,
    LINE_LIMIT,
    METRICS,
    BrokenModelError,
    params_json,
    parse_history,
    parse_params,
    result_json,
)

FACTORS = st.builds(
    Factors,
    seed=st.integers(0, 2**32 - 1),
    activation=st.sampled_from(["tanh", "relu", "sigmoid", "gelu"]),
    init=st.sampled_from(list(INITIALISERS)),
    optimizer=st.just("sgd"),
    lr=st.floats(1e-9, 10),
    weight_decay=st.floats(0, 1),
    momentum=st.floats(0, 1),
    dropout=st.floats(0, 0.99),
    batch_size=st.integers(1, 4096),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


def parse_factors(text: bytes, given=None) -> Factors:
    return raw_texts.parse_factors(parse_params(text), "zoo.zip: NN_0/params.json", given or {})


def params(**changes) -> bytes:
    return json.dumps({key: value for key, value in (PARAMS | changes).items() if value != "absent"}).encode()


@given(FACTORS)
def test_factors_come_back(factors):
    assert parse_factors(json.dumps(params_json(factors, CNN_S)).encode()) == factors


def test_factors_of_the_authors_file():
    assert parse_factors(params()) == Factors(3, "tanh", "uniform", "adam", 3e-4, 0.0, 0.0, 0.0, 10)
    whole = parse_factors(params(**{"model::dropout": 0}))  # as some of the authors' generators write it
    assert isinstance(whole.dropout, float)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model::nlin", "swish"),
        ("model::nlin", ["tanh"]),
        ("optim::optimizer", "rms_prop"),
        ("optim::lr", 0),
        ("optim::lr", math.nan),
        ("optim::lr", 10**400),
        ("optim::lr", "0.1"),
        ("optim::lr", True),
        ("optim::wd", -1e-3),
        ("model::dropout", 1.0),
        ("training::batchsize", 0),
        ("training::batchsize", 2.5),
        ("seed", -1),
        ("seed", 1e300),
        ("seed", json.loads("[" * 500 + "]" * 500)),
    ],
)
def test_factors_out_of_range_are_refused_with_a_reason_of_one_line(key, value):
    with pytest.raises(BrokenModelError) as caught:
        parse_factors(params(**{key: value}))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 150


def test_unknown_names_are_told_with_those_that_are_known():
    with pytest.raises(BrokenModelError, match="model::nlin is 'swish', not one of tanh, relu, sigmoid, gelu"):
        parse_factors(params(**{"model::nlin": "swish"}))


REQUIRED = [(factor, key) for factor, key in FACTOR_KEYS.items() if factor not in ("seed", "init", "momentum")]


@pytest.mark.parametrize(("factor", "key"), REQUIRED)
@pytest.mark.parametrize("value", ["absent", None])
def test_a_missing_factor_is_refused_by_key_file_and_remedy_unless_the_catalogue_gives_it(factor, key, value):
    expected = rf"^zoo.zip: NN_0/params.json: has no {key}; .*catalogue entry, factors: {{{factor}: …}}$"
    with pytest.raises(InputError, match=expected):
        parse_factors(params(**{key: value}))
    given = getattr(parse_factors(params()), factor)
    if value == "absent":
        assert parse_factors(params(**{key: value}), {factor: given}) == parse_factors(params())


def test_what_the_files_record_goes_before_the_catalogue():
    assert parse_factors(params(), {"batch_size": 99, "lr": 1.0}) == parse_factors(params())


@pytest.mark.parametrize(("key", "factor"), [("seed", "seed"), ("model::init_type", "init")])
def test_seed_and_initialiser_may_be_unknown(key, factor):
    assert getattr(parse_factors(params(**{key: "absent"})), factor) is None
    assert parse_factors(params(**{"model::init_type": "xavier_uniform"})).init == "xavier_uniform"


def test_activations_have_their_names_in_the_authors_code_and_ours():
    for name in ("leakyrelu", "leaky_relu"):
        assert parse_factors(params(**{"model::nlin": name})).activation == "leaky_relu"


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1) | st.just(math.nan), st.floats(0)), min_size=1))
def test_history_comes_back(rows):
    missing = dict.fromkeys(METRICS, math.nan)
    history = [
        {"epoch": epoch, **missing, "test_accuracy": accuracy, "train_loss": loss if loss < math.inf else math.nan}
        for epoch, accuracy, loss in {row[0]: row for row in rows}.values()
    ]
    history.sort(key=lambda row: row["epoch"])
    assert str(parse_history(result_json(history, PARAMS))[0]) == str(history)  # as text: NaN does not equal itself


def test_rows_are_matched_by_iteration_and_the_later_of_two_counts():
    text = results([2, 0, 1]) + results([1], test_acc=0.75)
    rows, cut = parse_history(text)
    assert not cut
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert [row["test_accuracy"] for row in rows] == [0.25, 0.75, 0.25]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, -999])
def test_what_is_no_accuracy_is_missing(value):
    """-999 is what the authors' code writes for the training accuracy of epoch 0."""
    ((row,), _) = parse_history(results([0], train_acc=value))
    assert math.isnan(row["train_accuracy"])
    assert row["test_accuracy"] == 0.25


@pytest.mark.parametrize("value", [72.5, 1.5, -0.5, 101])
def test_an_accuracy_out_of_range_is_refused_and_not_taken_for_missing(value):
    with pytest.raises(BrokenModelError, match=f"test_acc is {value:g}, not between 0 and 1") as caught:
        parse_history(results([0], test_acc=value))
    assert ("percentages, divide them by 100" in str(caught.value)) == (1 < value <= 100)


def test_percentages_are_read_where_the_dialect_records_them():
    ((row,), _) = parse_history(results([0], test_acc=72.5, train_acc=0.5), accuracy_unit=100)
    assert (row["test_accuracy"], row["train_accuracy"]) == (0.725, 0.005)
    with pytest.raises(BrokenModelError, match=r"test_acc is 100\.5, not between 0 and 100"):
        parse_history(results([0], test_acc=100.5), accuracy_unit=100)


@pytest.mark.parametrize("value", [math.nan, math.inf, None, -999, 10**400])
def test_what_is_no_loss_is_missing(value):
    ((row,), _) = parse_history(results([0], test_loss=value))
    assert math.isnan(row["test_loss"])


@pytest.mark.parametrize("value", ["0.5", True, [0.5], {}])
def test_what_is_no_number_breaks_a_model(value):
    with pytest.raises(BrokenModelError, match=r"test_acc is .*, not a number"):
        parse_history(results([0], test_acc=value))


@given(st.integers(0, len(results()) - 1))
def test_a_file_cut_anywhere_has_the_rows_before_the_cut(length):
    text = results()[:length]
    whole = (text + b"\n").count(b"}\n")
    if not whole:
        with pytest.raises(BrokenModelError, match=r"truncated result\.json"):
            parse_history(text)
        return
    rows, cut = parse_history(text)
    assert len(rows) == whole
    assert cut == (not text.endswith((b"}", b"}\n")))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "truncated"),
        (b"\n\n", "truncated"),
        (b"{}\n", "training_iteration"),
        (results([0.5]), "training_iteration"),
        (b"[1]\n", "no JSON object"),
        (b"x\n" + results(), "not JSON"),
        (b"\xff\xfe\n" + results(), "not JSON"),
        (b"[" * 100_000 + b"\n", "not JSON"),
        (b'{"a":' * 100_000 + b"\n", "not JSON"),
        (b'{"training_iteration": ' + b"9" * 5000 + b"}\n", "not JSON"),
        (b'{"training_iteration": "' + b"9" * LINE_LIMIT + b'"}\n', "absurd length"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_broken_histories_are_refused(text, reason):
    with pytest.raises(BrokenModelError, match=reason):
        parse_history(text)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode() + b"\n"))
def test_strange_texts_are_refused_and_nothing_else(text):
    with suppress(BrokenModelError):
        parse_history(text)
    with suppress(BrokenModelError, InputError):
        parse_factors(text)


@given(st.dictionaries(st.sampled_from(list(PARAMS)), JSON))
def test_strange_values_are_refused_or_become_factors(changes):
    with suppress(BrokenModelError, InputError):
        assert isinstance(parse_factors(json.dumps(PARAMS | changes).encode()), Factors)


@given(st.dictionaries(st.sampled_from(["training_iteration", *METRICS.values()]), JSON))
def test_strange_rows_are_refused_or_become_numbers(changes):
    with suppress(BrokenModelError):
        rows, _ = parse_history(results([0], **changes))
        assert all(isinstance(value, float | int) for row in rows for value in row.values())

"""Methods that take masks of others are refused when the run is planned, if these have none or not the right ones."""

from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from zootwins.catalogue.entries import load_run
from zootwins.run.errors import InputError
from zootwins.sparsifiers.registry import name_twins

ROOT = Path(__file__).parents[2]
ZOO = "fmnist_mini_seed"
MP = {"sparsifier": "magnitude_pruning", "sparsities": [80, 90]}
ERK = MP | {"allocation": "erk"}


@pytest.fixture(autouse=True)
def forget():
    yield
    name_twins({})


def methods_of(**twins):
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, {"zoos": [ZOO], "twins": twins})
    return load_run(config, ROOT).catalogue[ZOO].methods


def lottery(masks, sparsities=(80,)):
    return {"sparsifier": "lottery_ticket", "masks": masks, "sparsities": list(sparsities)}


def composed(method, sparsities=(80,)):
    kept_by = {"name": "kept_by", "method": method}
    return {
        "sparsifier": "composed_pruning",
        "score": kept_by,
        "structure": "as_scored",
        "sparsities": list(sparsities),
    }


@pytest.mark.parametrize("method", [lottery, composed])
def test_any_twins_with_masks_will_do(method):
    assert list(methods_of(mp_erk=ERK, other=method("mp_erk"))) == ["mp_erk", "other"]
    patterns = {"sparsifier": "n_of_m", "patterns": ["2:4"]}
    assert list(methods_of(nm=patterns, other=method("nm", [50]))) == ["nm", "other"]


@pytest.mark.parametrize("method", [lottery, composed])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("gmp", "'gmp' is no method of this zoo; add it to the configuration's twins"),
        ("vd", "vd has no masks of its own; take those of mp"),
        ("dpf", "dpf has no masks of its own; take those of mp"),
        ("ticket", "ticket has no masks of its own; take those of mp"),
    ],
)
def test_what_has_no_masks_is_refused(method, given, message):
    others = {"mp": MP, "ticket": lottery("mp")}
    others |= {"vd": {"sparsifier": "variational_dropout"}, "dpf": {"sparsifier": "feedback_pruning"}}
    with pytest.raises(InputError, match=message) as error:
        methods_of(**others, other=method(given))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", [lottery, composed])
def test_sparsities_without_masks_are_refused(method):
    with pytest.raises(InputError, match=r"sparsities: mp makes no mask of 95 % \(but of 80, 90\); add them there"):
        methods_of(mp=MP, other=method("mp", (80, 95)))


def test_two_that_wait_for_each_other_are_refused():
    with pytest.raises(
        InputError, match="composed_a needs the masks of composed_b, and that needs those of composed_a"
    ):
        methods_of(composed_a=composed("composed_b"), composed_b=composed("composed_a"))

"""Named twins: settings of one sparsifier side by side, by names that files, streams, tables and figures use."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import yaml
from snakemake.utils import update_config

from synthetic import ARCHITECTURE, twins_by
from zootwins.analyses.cells import shorts, sweep_texts
from zootwins.catalogue.entries import Run, load_run
from zootwins.catalogue.files import Files
from zootwins.catalogue.zoos import Zoo
from zootwins.population import Factors
from zootwins.reporting.figures.looks import look_of, name_of
from zootwins.run.errors import InputError
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier, is_known, module_of, name_twins
from zootwins.sparsifiers.twins import evaluated_parameters
from zootwins.zoos.originals import Originals

ROOT = Path(__file__).parents[2]
ZOO = "fmnist_mini_seed"
MP = {"sparsifier": "magnitude_pruning", "sparsities": [50, 80]}
TWINS = {
    "mp": MP,
    "mp_layer": MP | {"scope": "layer"},
    "quick": MP | {"epochs": 2, "short": "Quick", "colour": "#123456"},
}


@pytest.fixture(autouse=True)
def forget():
    """Names are those of one process; the next test has others."""
    yield
    name_twins({})


def run_with(catalogue: Path | None = None, **changes) -> Run:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, {"zoos": [ZOO], "twins": TWINS, **changes})
    return load_run(config | ({"catalogue": str(catalogue)} if catalogue else {}), ROOT)


def keys_of(name: str, settings) -> list[int]:
    """The random streams of the twins of a model."""
    factors = Factors(0, "tanh", "uniform", "adam", 1e-3, 0.0, 0.0, 0.0, 10)
    parameters = {part: torch.ones(1, *shape) for part, shape in ARCHITECTURE.parameter_shapes.items()}
    originals = Originals(ARCHITECTURE, ("a",), (0,), [factors], parameters)
    return get_sparsifier(name).population(SparsifierInputs("zoo", originals), settings).keys.tolist()


def with_entry(folder: Path, **changes) -> Path:
    catalogue = yaml.safe_load((ROOT / "config/zoos.yaml").read_text(encoding="utf-8"))
    catalogue["zoos"][ZOO] |= changes
    path = folder / "zoos.yaml"
    path.write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    return path


def test_each_name_has_settings_files_and_a_look_of_its_own():
    run = run_with()
    zoo = run.catalogue[ZOO]
    assert list(zoo.methods) == ["mp", "mp_layer", "quick"]
    assert [zoo.methods[name].allocation for name in zoo.methods] == ["global", "uniform", "global"]
    assert [zoo.methods[name].epochs for name in zoo.methods] == [15, 15, 2]
    assert zoo.point("quick", 80).epoch == 2
    files = Files(run, ROOT, None)
    assert {path.split("/")[3] for path in files.all_twins()} == {"mp", "mp_layer", "quick"}
    assert f"results/metrics/{ZOO}/mp_layer/scores.parquet" in files.metrics([ZOO], ["*/scores"])
    assert run.names_of(get_sparsifier("mp")) == ["mp", "mp_layer", "quick"]
    assert shorts(pd.Series(["mp", "mp_layer", "quick"])).tolist() == ["MP", "MP layer", "Quick"]
    assert sweep_texts(pd.Series(["quick"]), pd.Series([80])).tolist() == ["80 % pruned"]
    assert name_of("mp_layer") == "MP layer"
    assert look_of("quick").colour == "#123456"
    assert len({look_of(name) for name in zoo.methods}) == 3
    assert module_of("quick") == "zootwins.sparsifiers.magnitude_pruning"


def test_a_section_and_methods_still_say_the_same():
    """The deprecated `methods` are the twins of these names, with the same parameters of every job."""
    before = run_with(twins={}, methods=["mp", "vd"]).catalogue[ZOO]
    named = run_with(twins=twins_by("mp", "vd")).catalogue[ZOO]
    assert named.plain() == before.plain()
    assert "twins" not in before.plain()


def test_a_twin_of_the_configuration_below_is_left_out():
    """Snakemake merges sections, so that a second configuration cannot do without a twin of the first otherwise."""
    with pytest.raises(InputError, match=r"twins: vd: false, but .* name no other twin; list those"):
        run_with(twins={"vd": False})
    for false in (False, "false"):  # in a file, and by --config
        run = run_with(twins=TWINS | {"mp": false})
        assert list(run.catalogue[ZOO].methods) == ["mp_layer", "quick"]
    name_twins({"quick": TWINS["quick"], "mp_layer": False})  # as the scripts read it
    assert [is_known(name) for name in ("quick", "mp_layer")] == [True, False]


def test_random_streams_are_keyed_by_the_name():
    run = run_with(twins={"mp": MP, "rp": {"sparsifier": "random_pruning"}, "rp_2": {"sparsifier": "random_pruning"}})
    zoo = run.catalogue[ZOO]
    assert zoo.methods["rp"] == zoo.methods["rp_2"]
    keys = {name: keys_of(name, zoo.methods[name]) for name in ("rp", "rp_2")}
    assert not set(keys["rp"]) & set(keys["rp_2"])
    name_twins({})
    assert keys_of("rp", zoo.methods["rp"]) == keys["rp"]  # as without names


def test_a_zoo_may_set_a_named_twin_otherwise(tmp_path):
    own = {"mp_layer": {"epochs": 7}, "quick": False}
    zoo = run_with(with_entry(tmp_path, twins=own, magnitude_pruning={"lr": 0.5, "epochs": 9})).catalogue[ZOO]
    assert {name: settings.epochs for name, settings in zoo.methods.items()} == {"mp": 9, "mp_layer": 7}
    assert zoo.methods["mp"].lr == zoo.methods["mp_layer"].lr == 0.5
    with pytest.raises(InputError, match=rf"zoos\.{ZOO}\.twins\.none: the configuration has no such twin"):
        run_with(with_entry(tmp_path, twins={"none": {"epochs": 1}}))


def test_operating_points_of_the_sparsifier_hold_where_they_are_run(tmp_path):
    points = {"agreement": {"mp_sparsity": 80}}
    twins = {"mp": MP, "mp_90": MP | {"sparsities": [90]}}
    zoo = run_with(with_entry(tmp_path, operating_points=points), twins=twins).catalogue[ZOO]
    assert zoo.points["agreement"] == {"mp": 80, "mp_90": 90}


def test_what_is_analysed_has_the_looks_and_comes_back():
    run = run_with()
    values = json.loads(json.dumps(run.analysed(ZOO)))
    assert values["twins"]["quick"]["short"] == "Quick"
    assert Zoo.of(values).methods == run.catalogue[ZOO].methods


@pytest.mark.parametrize(
    ("twins", "message"),
    [
        ({"Big": MP}, r"twins\.Big|does not match|\[a-z\]"),
        ({"trained": MP}, r"twins\.trained: files and tables use this name for something else"),
        ({"vd": MP}, r"twins\.vd: is the id of variational_dropout, not of magnitude_pruning; take another name"),
        ({"a": {"sparsifier": "magnitude"}}, r"twins\.a\.sparsifier"),
        (
            {"a": MP | {"allocatio": "erk"}},
            r"twins\.a\.allocatio: there is no key 'allocatio' here; did you mean allocat",
        ),
        (
            {"a": MP | {"allocation": "erk", "scope": "layer"}},
            r"twins\.a\.scope: there is no key 'scope' here",
        ),
        ({"a": MP | {"short": "X"}, "b": MP | {"short": "X"}}, r"two of them are called 'X' in tables; change a short"),
    ],
)
def test_a_wrong_name_or_key_is_named(twins, message):
    with pytest.raises(InputError, match=message):
        run_with(twins=twins)


def test_mistakes_in_the_settings_of_all_twins_are_reported_at_once():
    composed = {"sparsifier": "composed_pruning"}
    twins = {
        "a": MP | {"epochs": 0},
        "b": composed | {"schedule": {"name": "rounds", "rounds_of_training": 3, "rewind_epoch": -1}},
        "c": composed | {"structure": {"name": "n_of_m", "n": 4, "m": 2}, "update": {"name": "fisher", "block": 0}},
    }
    with pytest.raises(InputError) as refused:
        run_with(twins=twins)
    keys = [line.removeprefix("configuration: twins.").split(":")[0] for line in str(refused.value).splitlines()]
    assert keys == [
        "a.epochs",
        "b.schedule.epochs_per_round",
        "b.schedule.rewind_epoch",
        "c.structure",
        "c.update.block",
    ]


def test_methods_and_transfer_know_the_names():
    assert list(run_with(methods=["quick", "vd"]).catalogue[ZOO].methods) == ["quick", "vd"]
    with pytest.raises(InputError, match=r"methods: 'quik' is no method; there are mp, mp_layer, quick, vd"):
        run_with(methods=["quik"])
    with pytest.raises(InputError, match=r"transfer\.points: 'quik' is no method"):
        run_with(transfer={"points": {"quik": [50]}})


def test_the_file_of_a_named_twin_says_what_it_is_made_by():
    """In code of others, which knows no run: the rule has the name of the sparsifier's section."""
    configuration = {"rule": "variational_dropout", "settings": {"epochs": 2, "threshold": 3.0}}
    nothing = {"models": (), "axes": (), "weight_states": (), "parameters": (), "tensor": None, "path": "x"}
    shard = SimpleNamespace(method="vd_low", metadata={"configuration": json.dumps(configuration)}, **nothing)
    assert not is_known("vd_low")
    assert evaluated_parameters(shard) == {}
    broken = {"rule": "variational_dropout", "settings": {"epochs": 2, "treshold": 3.0}}
    shard.metadata = {"configuration": json.dumps(broken)}
    with pytest.raises(InputError, match="do not have the settings"):
        evaluated_parameters(shard)

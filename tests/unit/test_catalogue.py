"""The shipped configuration and catalogue, their schemas, and what a wrong key looks like."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.utils import update_config

from synthetic import twins_by
from zootwins.architectures.architecture import get_architecture
from zootwins.catalogue.documents import catalogue_model, configuration_model
from zootwins.catalogue.entries import load_run
from zootwins.catalogue.experiments import get_experiment
from zootwins.catalogue.representations import Representations
from zootwins.catalogue.soups import Soups
from zootwins.run.errors import InputError
from zootwins.sparsifiers.registry import sparsifiers
from zootwins.storage.shards import shard_ranges, shard_slice

ROOT = Path(__file__).parents[2]
DEFAULTS = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
PAPER = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
update_config(PAPER, yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8")))  # as --configfile does
CATALOGUE = yaml.safe_load((ROOT / "config/zoos.yaml").read_text(encoding="utf-8"))

# The paper's Table 4: data channels, architecture, weights without biases, models, learning rates (None: the source's
# own; False: no magnitude pruning).
TABLE4 = {
    "mnist_s_seed": (1, "cnn_s", 2416, 1000, 3e-4, 1e-3),
    "mnist_s_fixed": (1, "cnn_s", 2416, 2560, None, None),
    "mnist_s_random": (1, "cnn_s", 2416, 2560, None, None),
    "svhn_s_seed": (1, "cnn_s", 2416, 1000, 3e-3, 1e-3),
    "fmnist_s_seed": (1, "cnn_s", 2416, 1000, 3e-4, 1e-3),
    "fmnist_s_fixed": (1, "cnn_s", 2416, 2560, 1e-6, False),
    "fmnist_s_random": (1, "cnn_s", 2416, 2560, 1e-6, False),
    "cifar10_l_seed": (3, "cnn_l", 10760, 1000, 1e-5, 1e-4),
    "cifar10_l_fixed": (3, "cnn_l", 10760, 1280, 5e-6, False),
    "cifar10_l_random": (3, "cnn_l", 10760, 1280, 5e-6, False),
    "cifar10_s_seed": (3, "cnn_s", 2816, 1000, 5e-6, 1e-4),
    "usps_s_seed": (1, "cnn_s", 2416, 1000, 3e-4, 1e-3),
    "stl10_l_seed": (3, "cnn_l", 10760, 1000, 1e-4, 1e-3),
    "stl10_s_seed": (3, "cnn_s", 2816, 1000, 1e-4, 1e-3),
}


def run_with(tmp_path, change_zoo=None, **config):
    """A run of the default configuration with some keys changed, and the seed mini zoo changed by a function."""
    document = copy.deepcopy(CATALOGUE)
    if change_zoo:
        change_zoo(document["zoos"]["fmnist_mini_seed"])
    path = tmp_path / "zoos.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_run(DEFAULTS | {"catalogue": str(path)} | config, ROOT)


@pytest.mark.parametrize("config", [DEFAULTS, PAPER], ids=["default", "paper"])
def test_shipped_configuration_is_valid(config):
    run = load_run(config, ROOT)
    assert run.zoos == tuple(config["zoos"])


def test_the_configuration_file_shows_every_key():
    """But what is deprecated, and a method's keys that have a default and are a zoo's affair."""
    assert set(DEFAULTS) == set(configuration_model().model_fields) - {"methods"}
    assert set(DEFAULTS["representations"]) == set(Representations.model_fields)
    for method in sparsifiers():
        fields = method.Settings.model_fields
        assert {name for name, field in fields.items() if field.is_required()} <= set(DEFAULTS[method.section])


def test_every_mapping_with_named_keys_is_closed_to_others():
    for model in (configuration_model(), catalogue_model()):
        schema = model.model_json_schema()
        for part in (schema, *schema["$defs"].values()):
            closed = part.get("additionalProperties") is False or "properties" not in part
            assert closed or part["title"] == "NamedTwin"  # whose further keys are those of its sparsifier


def test_the_snakefile_reads_configuration_and_catalogue_without_torch():
    """Which would add two seconds to every start."""
    code = "import sys, zootwins.catalogue.entries; assert not {'torch', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_paper_run_is_table_4():
    run = load_run(PAPER, ROOT)
    assert run.zoos == tuple(TABLE4)
    for id_, (channels, architecture, weights, models, lr_vd, lr_mp) in TABLE4.items():
        zoo = run.catalogue[id_]
        assert zoo.architecture == architecture
        assert get_architecture(architecture, channels).weights == weights
        assert zoo.models == models
        assert zoo.methods["vd"].lr == lr_vd
        if lr_mp is False:
            assert list(zoo.methods) == ["vd"]
        else:
            assert zoo.methods["mp"].lr == lr_mp
        assert zoo.archive.zenodo
    assert {id_ for id_ in TABLE4 if (mp := run.catalogue[id_].methods.get("mp")) and mp.allocation == "uniform"} == {
        "svhn_s_seed"
    }


def test_paper_run_has_the_papers_populations_and_states():
    run = load_run(PAPER, ROOT)
    models = {
        method: sum(run.models(zoo) for zoo in run.zoos if method in run.catalogue[zoo].methods)
        for method in ("vd", "mp")
    }
    assert models == {"vd": 20_800, "mp": 13_120}
    assert sum(models.values()) == 33_920  # the abstract's number
    zoos = [run.catalogue[zoo] for zoo in run.zoos]
    assert {(zoo.methods["vd"].epochs, zoo.methods["vd"].threshold) for zoo in zoos} == {(25, 3.0)}
    pruned = [zoo.methods["mp"] for zoo in zoos if "mp" in zoo.methods]
    assert {(pruning.epochs, pruning.sparsities) for pruning in pruned} == {(15, tuple(range(10, 100, 10)))}


def test_what_the_paper_fixes_is_not_inherited_from_the_small_run():
    shipped = yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8"))
    for section in ("magnitude_pruning", "variational_dropout", "representations"):
        assert set(shipped[section]) == set(DEFAULTS[section])


def test_default_run_is_as_long_as_the_papers():
    for section in ("magnitude_pruning", "variational_dropout"):
        assert DEFAULTS[section] == PAPER[section]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zoos": []}, "is empty"),
        ({"zoos": ["none"]}, "'none' is not in .*zoos.yaml"),
        ({"zoos": ["fmnist_s_seed"]}, "keep_states: all"),
        ({"across": ["none"]}, "representations.across: 'none' is not in .*zoos.yaml"),
        ({"across": ["cifar10_l_seed"]}, "these are cnn_l and cnn_s; list zoos of one"),
    ],
)
def test_zoos_of_representations_are_checked_when_they_are_asked_for(changes, message):
    run = load_run(PAPER | {"keep_states": "final", "representations": PAPER["representations"] | changes}, ROOT)
    with pytest.raises(InputError, match=message):
        get_experiment("representations").zoos(run)


def test_operating_points_are_those_of_tables_1_and_2():
    """Zoos that a table of the paper has, and only those, have operating points for it (resources/paper)."""
    run = load_run(PAPER, ROOT)
    for number, point in ((1, "agreement"), (2, "correlation")):
        lines = (ROOT / f"resources/paper/table{number}.csv").read_text(encoding="utf-8").splitlines()
        column = lines[0].split(",").index("mp_sparsity_mean" if number == 1 else "mp_sparsity")
        printed = {line.split(",")[0]: float(line.split(",")[column]) for line in lines[1:]}
        ours = {zoo: run.catalogue[zoo].points[point] for zoo in run.zoos}
        assert {zoo: at["mp"] for zoo, at in ours.items() if at.get("mp") is not None} == printed
        assert {zoo for zoo, at in ours.items() if at["vd"] is not None} == set(printed)


def test_an_operating_point_that_is_not_run_is_refused_before_anything_runs(tmp_path):
    def change(zoo):
        zoo["operating_points"] = {"agreement": {"mp_sparsity": 65}, "correlation": {"vd_epoch": 26}}

    pruning = DEFAULTS["magnitude_pruning"] | {"sparsities": [50, 65]}
    with pytest.raises(
        InputError, match=r"zoos\.fmnist_mini_seed\.operating_points\.agreement\.mp_sparsity: 65 is not"
    ):
        run_with(tmp_path, change)
    with pytest.raises(InputError, match=r"correlation\.vd_epoch: 26 is not among what is run \(0, 1, .*, 25\)"):
        run_with(tmp_path, change, magnitude_pruning=pruning)
    run_with(tmp_path, change, zoos=["fmnist_mini_random"])  # the catalogue may hold what this run does not do


def test_the_usual_operating_point_is_one_that_is_run(tmp_path):
    for sparsities, nearest in (([10, 80, 90], 80), ([50, 75], 75), ([95], 95)):
        run = run_with(tmp_path, magnitude_pruning=DEFAULTS["magnitude_pruning"] | {"sparsities": sparsities})
        points = run.catalogue["fmnist_mini_seed"].operating_points("agreement")
        assert points["mp"].at == {"ratio": nearest / 100}
        assert points["vd"].epoch == DEFAULTS["variational_dropout"]["epochs"]


def test_trained_zoo_has_the_factors_of_its_source():
    zoo = load_run(PAPER, ROOT).catalogue["fmnist_s_seed_trained"]
    assert zoo.train.models == zoo.models == 1000
    assert (zoo.train.lr, zoo.train.weight_decay, zoo.train.epochs, zoo.train.batch_size) == ((3e-4,), (0,), 50, 10)


def test_replication_is_trained_with_the_factors_of_the_papers_zoos():
    """A zoo trained here differs from the paper's in where its models come from, and in nothing that makes twins."""
    configuration = copy.deepcopy(DEFAULTS)
    update_config(
        configuration, yaml.safe_load((ROOT / "config/replication.yaml").read_text(encoding="utf-8"))
    )  # as Snakemake does
    run = load_run(configuration, ROOT)
    for name in run.zoos:
        ours, theirs = run.catalogue[name], run.catalogue[run.catalogue[name].compare_with]
        assert ours.dataset.replace("_held_out", "") == theirs.dataset  # of CIFAR-10, test images are held out
        assert ours.architecture == theirs.architecture
        assert ours.methods.keys() == theirs.methods.keys()
        for method, own in ours.methods.items():
            stated = {key: value for key, value in own.model_dump().items() if key != "sparsities"}
            assert stated in (paper := theirs.methods[method].model_dump(include=stated.keys()), paper | {"lr": None})
            assert {*getattr(own, "sparsities", ())} <= {*getattr(theirs.methods[method], "sparsities", ())}
            assert stated["lr"] == paper["lr"] or "seed" not in name  # the paper's rates of grids make no sparse twins
        looked_at = {"mnist_s_random_trained": "mnist_s_seed", "mnist_s_fixed_trained": "mnist_s_seed"}.get(name)
        if looked_at or "seed" in name:  # the paper has no operating points of grids
            assert ours.points == (run.catalogue[looked_at] if looked_at else theirs).points
        assert ours.train.combinations == theirs.models
        assert (ours.train.epochs, ours.train.batch_size, ours.train.momentum) == (50, 10, 0.9)
    assert run.models("mnist_s_seed_trained") == 128
    assert run.models("mnist_s_fixed_trained") == 64


def _paths(mapping, prefix=()):
    for key, value in mapping.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from _paths(value, (*prefix, key))


def _misspelled(mapping, path):
    document = copy.deepcopy(mapping)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1] + "x"] = parent.pop(path[-1])
    return document


@pytest.mark.parametrize("path", list(_paths(DEFAULTS)), ids=".".join)
def test_typo_in_any_configuration_key_is_named(path):
    with pytest.raises(InputError) as caught:
        load_run(_misspelled(DEFAULTS, path), ROOT)
    message = str(caught.value)
    assert f"{path[-1]}x" in message
    assert message.startswith("configuration: ")
    assert "\n" not in message


FULL_ENTRY = {
    "title": "Mine",
    "source": {"archive": {"zenodo": 1, "file": "a.zip", "md5": "0" * 32}},
    "dataset": "archive",
    "architecture": "cnn_s",
    "models": 4,
    "epoch": 50,
    "magnitude_pruning": {"lr": 1e-3, "allocation": "global", "sparsities": [50], "epochs": 2},
    "variational_dropout": {"lr": 1e-3, "epochs": 2, "threshold": 3.0},
    "operating_points": {
        "agreement": {"mp_sparsity": 50, "vd_epoch": 2},
        "correlation": {"mp_sparsity": 50, "vd_epoch": 2},
    },
}
TRAINED_SOURCE = {
    "train": {
        "seeds": 4,
        "seed_mode": "shared",
        "activation": ["tanh"],
        "init": ["uniform"],
        "optimizer": ["adam"],
        "lr": [1e-3],
        "weight_decay": [0],
        "dropout": [0],
        "momentum": 0.9,
        "epochs": 1,
        "batch_size": 10,
    }
}


@pytest.mark.parametrize("source", [FULL_ENTRY["source"], TRAINED_SOURCE], ids=["archive", "train"])
def test_typo_in_any_catalogue_key_is_named(tmp_path, source):
    entry = FULL_ENTRY | {"source": source}
    paths = list(_paths(entry))
    for path in paths:
        catalogue = tmp_path / "zoos.yaml"
        catalogue.write_text(yaml.safe_dump({"zoos": {"mine": _misspelled(entry, path)}}), encoding="utf-8")
        with pytest.raises(InputError) as caught:
            load_run(DEFAULTS | {"catalogue": str(catalogue), "zoos": ["mine"]}, ROOT)
        message = str(caught.value)
        assert f"{path[-1]}x" in message, path
        assert str(catalogue) in message
        assert "zoos.mine" in message
        assert "\n" not in message


def test_full_entry_is_valid(tmp_path):
    catalogue = tmp_path / "zoos.yaml"
    for source in (FULL_ENTRY["source"], TRAINED_SOURCE, {"directory": "a/b"}, {"archive": {"path": "a.zip"}}):
        entry = FULL_ENTRY | {"source": source} | ({"dataset": "mnist"} if source is TRAINED_SOURCE else {})
        catalogue.write_text(yaml.safe_dump({"zoos": {"mine": entry}}), encoding="utf-8")
        run = load_run(DEFAULTS | {"catalogue": str(catalogue), "zoos": ["mine"]}, ROOT)
        assert run.catalogue["mine"].methods["mp"].epochs == 2


def test_a_zoo_that_is_trained_needs_a_data_set(tmp_path):
    catalogue = tmp_path / "zoos.yaml"
    catalogue.write_text(yaml.safe_dump({"zoos": {"mine": FULL_ENTRY | {"source": TRAINED_SOURCE}}}), encoding="utf-8")
    with pytest.raises(InputError, match=r"zoos\.mine\.dataset: source\.train has no archive; name a data set"):
        load_run(DEFAULTS | {"catalogue": str(catalogue), "zoos": ["mine"]}, ROOT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zoos": ["fmnist_mini_seed"] * 2}, "zoos: .* .* is listed twice"),
        ({"transfer": {"tasks": ["digits", "digits"]}}, r"transfer\.tasks: .* twice"),
        ({"transfer": {"linear": {"lrs": [0.1, 0.1]}}}, r"transfer\.linear\.lrs: .* twice"),
        ({"representations": {"zoos": ["a", "a"]}}, r"representations\.zoos: .* twice"),
        (
            {"representations": {"dimension": 32, "heads": 3}},
            "representations: dimension: 32 is no multiple of heads",
        ),
        ({"representations": {"latent": 1}}, r"representations\.latent: 1: .* greater than or equal to 2"),
    ],
)
def test_values_that_do_not_go_together_are_named_at_once(change, message):
    config = copy.deepcopy(DEFAULTS)
    update_config(config, change)
    with pytest.raises(InputError, match=f"^configuration: {message}"):
        load_run(config, ROOT)


@pytest.mark.parametrize(
    "archive",
    [
        {"path": "a.zip", "url": "http://x/a.zip"},
        {"zenodo": 1},
        {"path": "a.zip", "file": "a"},
        {},
        {"url": "ftp://x/a"},
    ],
    ids=["two places", "no file", "file without record", "nothing", "not http"],
)
def test_archive_that_is_not_one_place_is_refused(tmp_path, archive):
    with pytest.raises(InputError, match=r"zoos\.fmnist_mini_seed\.source\.archive"):
        run_with(tmp_path, lambda zoo: zoo["source"].update(archive=archive))


@pytest.mark.parametrize("percent", [0, 100, -5, 120])
def test_ratio_outside_0_to_100_is_refused(tmp_path, percent):
    methods = DEFAULTS["magnitude_pruning"] | {"sparsities": [50, percent]}
    with pytest.raises(
        InputError, match=rf"configuration: magnitude_pruning\.sparsities\.1: {percent}: input should be"
    ):
        load_run(DEFAULTS | {"magnitude_pruning": methods}, ROOT)
    with pytest.raises(
        InputError, match=rf"fmnist_mini_seed\.magnitude_pruning\.sparsities\.0: {percent}: input should be"
    ):
        run_with(tmp_path, lambda zoo: zoo.update(magnitude_pruning={"sparsities": [percent]}))


def test_numbers_that_arrive_as_text_are_numbers(tmp_path):
    """`--config` passes those inside a mapping as text, and YAML takes 1e-3 for a word."""
    given = {"magnitude_pruning": {"sparsities": ["50", "8e1"], "epochs": "3"}, "max_models": "4"}
    run = run_with(tmp_path, lambda zoo: zoo.update(variational_dropout={"lr": "1e-3"}), **given)
    zoo = run.catalogue["fmnist_mini_seed"]
    assert zoo.methods["mp"].ratios == (0.0, 0.5, 0.8)
    assert zoo.methods["vd"].lr == 1e-3
    assert run.models("fmnist_mini_seed") == 4


def test_methods_are_chosen_by_the_configuration(tmp_path):
    run = run_with(tmp_path, twins=twins_by("vd"))
    assert {tuple(zoo.methods) for zoo in run.catalogue.values()} <= {("vd",), ()}
    run = run_with(tmp_path, twins=twins_by("mp"))
    assert list(run.catalogue["fmnist_mini_seed"].operating_points("correlation")) == ["mp"]


def test_unknown_zoo_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r"zoos: 'mnist_seed' is not in .*config/zoos\.yaml; it has .*mnist_s_seed"):
        load_run(DEFAULTS | {"zoos": ["mnist_seed"]}, ROOT)


@pytest.mark.parametrize(
    "name", ["../../x", "..", "/etc/x", "a/b", "a\\b", "x\n", "a b", "a|.*", "{zoo}", "$(touch x)", ""]
)
def test_a_zoos_name_that_leads_out_of_its_folder_is_refused(tmp_path, name):
    (tmp_path / "zoos.yaml").write_text(
        yaml.safe_dump({"zoos": {name: CATALOGUE["zoos"]["fmnist_mini_seed"]}}), encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"zoos\.yaml: zoos: .* does not match") as caught:
        load_run(DEFAULTS | {"catalogue": str(tmp_path / "zoos.yaml"), "zoos": [name]}, ROOT)
    assert "\n" not in str(caught.value)


def test_missing_and_malformed_catalogue(tmp_path):
    with pytest.raises(InputError, match="there is no such catalogue"):
        load_run(DEFAULTS | {"catalogue": "config/none.yaml"}, ROOT)
    (tmp_path / "zoos.yaml").write_text("zoos: [", encoding="utf-8")
    with pytest.raises(InputError, match=r"zoos\.yaml: not valid YAML"):
        load_run(DEFAULTS | {"catalogue": str(tmp_path / "zoos.yaml")}, ROOT)


def test_count_that_the_factors_do_not_make(tmp_path):
    with pytest.raises(InputError, match=r"fmnist_mini_seed\.models: says 16, but the factors .* make 4"):
        run_with(tmp_path, lambda zoo: zoo.update(source=TRAINED_SOURCE))


def test_zoos_own_settings_go_before_the_runs(tmp_path):
    run = run_with(
        tmp_path,
        lambda zoo: zoo.update(magnitude_pruning={"sparsities": [90, 20], "epochs": 3}, variational_dropout=False),
    )
    zoo = run.catalogue["fmnist_mini_seed"]
    assert zoo.methods["mp"].ratios == (0.0, 0.2, 0.9)
    assert zoo.methods["mp"].epochs == 3
    assert "vd" not in zoo.methods
    assert run.catalogue["fmnist_mini_random"].methods["mp"].epochs == DEFAULTS["magnitude_pruning"]["epochs"]


def test_max_models_limits_every_zoo(tmp_path):
    run = run_with(tmp_path, max_models=4, models_per_shard=3)
    assert run.shards("fmnist_mini_seed") == ["0000-0002", "0003-0003"]


def test_max_models_may_differ_between_zoos(tmp_path):
    run = run_with(tmp_path, max_models={"fmnist_mini_seed": 4})
    assert [run.models(zoo) for zoo in ("fmnist_mini_seed", "fmnist_mini_random")] == [4, 16]
    with pytest.raises(InputError, match=r"max_models: .*fmnist_mini_sed"):
        run_with(tmp_path, max_models={"fmnist_mini_sed": 4})


@settings(deadline=None)  # a busy machine is no defect
@given(st.integers(1, 30_000), st.integers(1, 4096))
def test_shards_are_a_partition_of_the_models(models, size):
    slices = [shard_slice(name) for name in shard_ranges(models, size)]
    assert [index for first, stop in slices for index in range(first, stop)] == list(range(models))
    assert all(first % size == 0 and stop - first <= size for first, stop in slices)


def published(tmp_path, **changes):
    """A run whose catalogue has twins of the seed mini zoo, with some keys changed; None leaves a key out."""
    document = copy.deepcopy(CATALOGUE)
    originals = document["zoos"]["fmnist_mini_seed"]
    entry = {key: originals[key] for key in ("source", "dataset", "architecture", "models")}
    entry |= {"twins_of": "fmnist_mini_seed", "magnitude_pruning": False} | changes
    document["zoos"]["published"] = {key: value for key, value in entry.items() if value is not None}
    (tmp_path / "zoos.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_run(DEFAULTS | {"catalogue": str(tmp_path / "zoos.yaml"), "zoos": ["published"]}, ROOT)


def test_published_twins_under_another_name_are_refused(tmp_path):
    mine = {"twins": {"mine": {"sparsifier": "variational_dropout"}}}
    published(tmp_path)
    changed = DEFAULTS | {"catalogue": str(tmp_path / "zoos.yaml"), "zoos": ["published"]} | mine
    with pytest.raises(InputError, match=r"twins: published has published twins .* imported as vd; add vd,"):
        load_run(changed, ROOT)


def test_published_twins_are_variational_only(tmp_path):
    zoo = published(tmp_path).catalogue["published"]
    assert (zoo.twins_of, list(zoo.methods)) == ("fmnist_mini_seed", ["vd"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"twins_of": "nowhere"}, "'nowhere' is no zoo of originals"),
        ({"twins_of": "published"}, "'published' is no zoo of originals"),
        ({"dataset": "mnist"}, r"published\.dataset: is not that of fmnist_mini_seed"),
        ({"architecture": "cnn_l"}, r"published\.architecture: is not that of fmnist_mini_seed"),
        ({"variational_dropout": False}, "variational_dropout: false contradicts twins_of"),
        ({"epoch": 50}, "leave out epoch and source.train"),
    ],
)
def test_published_twins_that_contradict_their_originals_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        published(tmp_path, **changes)


def test_soups_take_the_learning_rate_of_magnitude_pruning_unless_they_have_one(tmp_path):
    run = run_with(tmp_path)
    assert run.settings["soups"]["fmnist_mini_seed"].lr == 1e-3
    assert run.settings["soups"]["fmnist_mini_random"].lr is None  # each model's own
    assert run_with(tmp_path, lambda zoo: zoo.update(soups={"lr": 0.5})).settings["soups"]["fmnist_mini_seed"].lr == 0.5
    assert (
        run_with(tmp_path, lambda zoo: zoo.update(soups={"lr": None})).settings["soups"]["fmnist_mini_seed"].lr is None
    )
    assert "fmnist_mini_seed" not in run_with(tmp_path, lambda zoo: zoo.update(soups=False)).settings["soups"]


def test_a_variant_of_soups_depends_on_its_own_settings_alone(tmp_path):
    soups = run_with(tmp_path).settings["soups"]["fmnist_mini_seed"]
    assert soups.variants == ("seed", "weight_decay", "lr", "length", "constant", "dense", "unrelated_models")
    fewer = soups.model_copy(update={"vary": ("lr",), "controls": (), "members": (3, 5), "member_lengths": (1, 2)})
    assert fewer.variants == ("seed", "lr")
    for variant in ("seed", "lr"):
        assert fewer.of_variant(variant, 5) == soups.of_variant(variant, 5)
        assert Soups(**soups.of_variant(variant, 5)).of_variant(variant, 5) == soups.of_variant(variant, 5)
    assert soups.of_variant("length", 2)["member_lengths"] == soups.member_lengths[:2]
    assert soups.of_variant("length", 5) != fewer.of_variant("length", 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": [6]}, "member_weight_decays has 5 values, and members asks for 6"),
        ({"goals": [90, 90]}, r"soups.goals: \[90, 90\]: .* is listed twice"),
        ({"goals": [100]}, "soups.goals.0: 100: input should be less than 100"),
        ({"phase": 2}, "there is no key 'phase' here; did you mean phases"),
        ({"shifted_sets": ["digit"]}, "soups.shifted_sets: 'digit' is no data set; did you mean digits"),
        (
            {"shifted_sets": ["mnist"]},
            "soups.shifted_sets: labels of mnist mean something else than those of fashion_mnist_m",
        ),
    ],
)
def test_soups_that_cannot_be_are_named(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        run_with(tmp_path, soups=DEFAULTS["soups"] | change)
    with pytest.raises(InputError, match=f"zoos.fmnist_mini_seed.soups.*{message.rpartition('soups.')[2]}"):
        run_with(tmp_path, lambda zoo: zoo.update(soups=change))


def test_soups_while_pruning_take_the_settings_of_their_methods(tmp_path):
    own = {"sparsities": [70], "methods": ["gmp", "acdc"], "settings": {"gmp": {"ends": [9]}}}
    own = DEFAULTS["pruning_soups"] | own
    zoo = {"gradual_pruning": {"lr": 0.5, "ends": [8]}}
    soups = run_with(tmp_path, lambda one: one.update(zoo), pruning_soups=own).settings["pruning_soups"]
    gmp = soups["fmnist_mini_seed"].settings["gmp"]
    assert (gmp["sparsities"], gmp["ends"], gmp["lr"], gmp["epochs"]) == ((70.0,), [9], 0.5, 15)
    off = {"gradual_pruning": False, "methods": ["mp"]}
    without = run_with(tmp_path, lambda one: one.update(off), pruning_soups=own)
    assert without.settings["pruning_soups"]["fmnist_mini_seed"].methods == ("acdc",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ["vd"]}, "methods: .*vd: is not pruned to sparsities by masks that copies could share"),
        ({"methods": ["scratch"]}, "settings.scratch: starts from twins by gmp, which are not made here"),
        ({"methods": ["gmpp"]}, "pruning_soups.methods.*gmpp"),
        ({"settings": {"gmp": {"end": [9]}}}, "settings: .*gmp: 'end' is no key of gradual_pruning"),
        ({"settings": {"gmp": {"ends": [15]}}}, "settings.gmp: .*begin 0, ends 15, epochs 15"),
    ],
)
def test_soups_while_pruning_that_cannot_be_are_named(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        run_with(tmp_path, pruning_soups=DEFAULTS["pruning_soups"] | change)


def test_methods_are_a_zoos_own_where_the_configuration_has_none(tmp_path):
    run = run_with(tmp_path, lambda zoo: zoo.update(methods=["rp", "mp"]))
    assert list(run.catalogue["fmnist_mini_seed"].methods) == ["rp", "mp"]
    assert list(run.catalogue["fmnist_mini_seeds"].methods) == ["mp", "vd"]  # which says nothing
    run = run_with(tmp_path, lambda zoo: zoo.update(methods=["rp", "mp"]), twins=twins_by("vd"))
    assert list(run.catalogue["fmnist_mini_seed"].methods) == ["vd"]
    with pytest.raises(InputError, match=r"zoos\.fmnist_mini_seed\.methods"):
        run_with(tmp_path, lambda zoo: zoo.update(methods=["pm"]))


def test_every_method_of_the_state_of_sparsity_is_in_the_default_run():
    run = load_run(DEFAULTS, ROOT)
    for zoo in run.zoos:
        assert {"gmp", "rp", "l0", "vdg"} <= set(run.catalogue[zoo].methods)
    assert {"scratch", "lottery", "shuffled"} <= set(run.catalogue["fmnist_mini_seed"].methods)
    assert list(load_run(PAPER | {"zoos": ["mnist_s_seed"]}, ROOT).catalogue["mnist_s_seed"].methods) == ["mp", "vd"]


def test_retraining_takes_masks_and_epochs_from_the_zoo(tmp_path):
    run = run_with(tmp_path, twins=twins_by("gmp", "scratch", "lottery"))
    assert run.catalogue["fmnist_mini_seed"].methods["scratch"].budgets == (25, 40, 50)
    assert run.catalogue["fmnist_mini_seeds"].methods["lottery"].budgets == (25, 40, 50)  # of source.train.epochs
    assert run.catalogue["fmnist_s_seed"].methods["lottery"].budgets == (50, 65, 100)
    assert [
        run.catalogue[zoo].initial_weights for zoo in ("fmnist_mini_seed", "fmnist_mini_seeds", "mnist_s_seed")
    ] == [
        "factors",
        "factors",
        "checkpoint",
    ]
    with pytest.raises(InputError, match=r"zoos\.fmnist_mini_seed\.scratch: masks: 'gmp' is no method of this zoo"):
        run_with(tmp_path, twins=twins_by("mp", "scratch"), zoos=["fmnist_mini_seed"])
    without = run_with(
        tmp_path, lambda zoo: zoo.pop("epoch"), twins=twins_by("gmp", "scratch"), zoos=["fmnist_mini_random"]
    )
    assert list(without.catalogue["fmnist_mini_seed"].methods) == ["gmp"]  # which this run does not take
    with pytest.raises(InputError, match=r"fmnist_mini_seed\.scratch: epochs: the catalogue does not say"):
        run_with(tmp_path, lambda zoo: zoo.pop("epoch"), twins=twins_by("gmp", "scratch"), zoos=["fmnist_mini_seed"])

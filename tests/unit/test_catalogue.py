"""The shipped configuration and catalogue, their schemas, and what a wrong key looks like."""

import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.utils import update_config

from zootwins.catalogue.entries import load_run
from zootwins.population.architectures import get_architecture
from zootwins.run.errors import InputError
from zootwins.storage.ranges import shard_ranges, shard_slice
from zootwins.zoos.sources import ArchiveSource

ROOT = Path(__file__).parents[2]
DEFAULTS = yaml.safe_load((ROOT / "config.yaml").read_text())
PAPER = yaml.safe_load((ROOT / "config.yaml").read_text())
update_config(PAPER, yaml.safe_load((ROOT / "config/paper.yaml").read_text()))  # as --configfile does
CATALOGUE = yaml.safe_load((ROOT / "config/zoos.yaml").read_text())
SCHEMAS = {name: yaml.safe_load((ROOT / f"schemas/{name}.schema.yaml").read_text()) for name in ("config", "catalogue")}

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
    path.write_text(yaml.safe_dump(document))
    return load_run(DEFAULTS | {"catalogue": str(path)} | config, ROOT)


@pytest.mark.parametrize("config", [DEFAULTS, PAPER], ids=["default", "paper"])
def test_shipped_configuration_is_valid(config):
    run = load_run(config, ROOT)
    assert run.zoos == tuple(config["zoos"])


def test_defaults_and_schema_have_the_same_keys():
    schema = SCHEMAS["config"]
    assert set(DEFAULTS) == set(schema["properties"]) == set(schema["required"])
    for method in ("magnitude_pruning", "variational_dropout"):
        assert set(DEFAULTS[method]) == set(schema["properties"][method]["properties"])


def test_every_key_of_the_schemas_is_closed_to_others():
    """`additionalProperties: false` wherever a mapping has named keys; zoo ids are free."""

    def mappings(schema):
        if isinstance(schema, dict):
            if "properties" in schema and schema.get("type") == "object":
                yield schema
            for value in schema.values():
                yield from mappings(value)
        elif isinstance(schema, list):
            for value in schema:
                yield from mappings(value)

    for schema in SCHEMAS.values():
        assert all(mapping.get("additionalProperties") is False for mapping in mappings(schema))


def test_archive_keys_of_schema_and_object_are_the_same():
    schema = SCHEMAS["catalogue"]["$defs"]["source"]["properties"]["archive"]["properties"]
    assert set(schema) == set(ArchiveSource.__dataclass_fields__)


def test_paper_run_is_table_4():
    run = load_run(PAPER, ROOT)
    assert run.zoos == tuple(TABLE4)
    for id_, (channels, architecture, weights, models, lr_vd, lr_mp) in TABLE4.items():
        zoo = run.catalogue[id_]
        assert zoo.architecture == architecture
        assert get_architecture(architecture, channels).weights == weights
        assert zoo.models == models
        assert zoo.variational_dropout.lr == lr_vd
        if lr_mp is False:
            assert zoo.methods == ("vd",)
        else:
            assert zoo.magnitude_pruning.lr == lr_mp
        assert zoo.archive.zenodo
    assert {id_ for id_ in TABLE4 if (mp := run.catalogue[id_].magnitude_pruning) and mp.scope == "layer"} == {
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
    assert {(zoo.variational_dropout.epochs, zoo.variational_dropout.threshold) for zoo in zoos} == {(25, 3.0)}
    pruned = [zoo.magnitude_pruning for zoo in zoos if zoo.magnitude_pruning]
    assert {(pruning.epochs, pruning.sparsities) for pruning in pruned} == {(15, tuple(range(10, 100, 10)))}


def test_what_the_paper_fixes_is_not_inherited_from_the_small_run():
    shipped = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    for section in ("magnitude_pruning", "variational_dropout", "representations"):
        assert set(shipped[section]) == set(DEFAULTS[section])


def test_default_run_is_as_long_as_the_papers():
    for section in ("magnitude_pruning", "variational_dropout"):
        assert DEFAULTS[section] == PAPER[section]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zoos": []}, "is empty"),
        ({"zoos": ["none"]}, "'none' is not in config/zoos.yaml"),
        ({"zoos": ["fmnist_s_seed"]}, "keep_states: all"),
    ],
)
def test_zoos_of_representations_are_checked_when_they_are_asked_for(changes, message):
    run = load_run(PAPER | {"keep_states": "final", "representations": PAPER["representations"] | changes}, ROOT)
    with pytest.raises(InputError, match=message):
        run.representation_zoos()


def test_operating_points_are_those_of_tables_1_and_2():
    """Zoos that a table of the paper has, and only those, have operating points for it (resources/paper)."""
    run = load_run(PAPER, ROOT)
    for number, point in ((1, "agreement"), (2, "correlation")):
        lines = (ROOT / f"resources/paper/table{number}.csv").read_text().splitlines()
        column = lines[0].split(",").index("mp_sparsity_mean" if number == 1 else "mp_sparsity")
        printed = {line.split(",")[0]: float(line.split(",")[column]) for line in lines[1:]}
        ours = {zoo: getattr(run.catalogue[zoo], point) for zoo in run.zoos}
        assert {zoo: at.mp_sparsity for zoo, at in ours.items() if at.mp_sparsity is not None} == printed
        assert {zoo for zoo, at in ours.items() if at.vd_epoch is not None} == set(printed)


def test_an_operating_point_that_is_not_run_is_refused_before_anything_runs(tmp_path):
    def change(zoo):
        zoo["operating_points"] = {"agreement": {"mp_sparsity": 65}, "correlation": {"vd_epoch": 26}}

    pruning = DEFAULTS["magnitude_pruning"] | {"sparsities": [50, 65]}
    with pytest.raises(
        InputError, match=r"zoos\.fmnist_mini_seed\.operating_points\.agreement\.mp_sparsity: 65 is not"
    ):
        run_with(tmp_path, change)
    with pytest.raises(InputError, match=r"correlation\.vd_epoch: 26 is beyond variational_dropout\.epochs \(25\)"):
        run_with(tmp_path, change, magnitude_pruning=pruning)
    run_with(tmp_path, change, zoos=["fmnist_mini_random"])  # the catalogue may hold what this run does not do


def test_the_usual_operating_point_is_one_that_is_run(tmp_path):
    for sparsities, nearest in (([10, 80, 90], 80), ([50, 75], 75), ([95], 95)):
        run = run_with(tmp_path, magnitude_pruning=DEFAULTS["magnitude_pruning"] | {"sparsities": sparsities})
        point = run.catalogue["fmnist_mini_seed"].operating_point("agreement")
        assert (point.mp_sparsity, point.vd_epoch) == (nearest, DEFAULTS["variational_dropout"]["epochs"])


def test_trained_zoo_has_the_factors_of_its_source():
    zoo = load_run(PAPER, ROOT).catalogue["fmnist_s_seed_trained"]
    assert zoo.train.models == zoo.models == 1000
    assert (zoo.train.lr, zoo.train.weight_decay, zoo.train.epochs, zoo.train.batch_size) == ((3e-4,), (0,), 50, 10)


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
    "magnitude_pruning": {"lr": 1e-3, "scope": "global", "sparsities": [50], "epochs": 2},
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
        catalogue.write_text(yaml.safe_dump({"zoos": {"mine": _misspelled(entry, path)}}))
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
        catalogue.write_text(yaml.safe_dump({"zoos": {"mine": FULL_ENTRY | {"source": source}}}))
        run = load_run(DEFAULTS | {"catalogue": str(catalogue), "zoos": ["mine"]}, ROOT)
        assert run.catalogue["mine"].magnitude_pruning.epochs == 2


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
    with pytest.raises(InputError, match=rf"configuration: magnitude_pruning\.sparsities\.1: {percent} is"):
        load_run(DEFAULTS | {"magnitude_pruning": methods}, ROOT)
    with pytest.raises(InputError, match=rf"fmnist_mini_seed\.magnitude_pruning\.sparsities\.0: {percent} is"):
        run_with(tmp_path, lambda zoo: zoo.update(magnitude_pruning={"sparsities": [percent]}))


def test_unknown_zoo_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r"zoos: 'mnist_seed' is not in config/zoos\.yaml; it has .*mnist_s_seed"):
        load_run(DEFAULTS | {"zoos": ["mnist_seed"]}, ROOT)


@pytest.mark.parametrize(
    "name", ["../../x", "..", "/etc/x", "a/b", "a\\b", "x\n", "a b", "a|.*", "{zoo}", "$(touch x)", ""]
)
def test_a_zoos_name_that_leads_out_of_its_folder_is_refused(tmp_path, name):
    (tmp_path / "zoos.yaml").write_text(yaml.safe_dump({"zoos": {name: CATALOGUE["zoos"]["fmnist_mini_seed"]}}))
    with pytest.raises(InputError, match=r"zoos\.yaml: zoos: .* does not match") as caught:
        load_run(DEFAULTS | {"catalogue": str(tmp_path / "zoos.yaml"), "zoos": [name]}, ROOT)
    assert "\n" not in str(caught.value)


def test_missing_and_malformed_catalogue(tmp_path):
    with pytest.raises(InputError, match="there is no such catalogue"):
        load_run(DEFAULTS | {"catalogue": "config/none.yaml"}, ROOT)
    (tmp_path / "zoos.yaml").write_text("zoos: [")
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
    assert zoo.magnitude_pruning.ratios == (0.0, 0.2, 0.9)
    assert zoo.magnitude_pruning.epochs == 3
    assert zoo.methods == ("mp",)
    assert run.catalogue["fmnist_mini_random"].magnitude_pruning.epochs == DEFAULTS["magnitude_pruning"]["epochs"]


def test_max_models_limits_every_zoo(tmp_path):
    run = run_with(tmp_path, max_models=4, models_per_shard=3)
    assert run.shards("fmnist_mini_seed") == ["0000-0002", "0003-0003"]


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
    (tmp_path / "zoos.yaml").write_text(yaml.safe_dump(document))
    return load_run(DEFAULTS | {"catalogue": str(tmp_path / "zoos.yaml"), "zoos": ["published"]}, ROOT)


def test_published_twins_are_variational_only(tmp_path):
    zoo = published(tmp_path).catalogue["published"]
    assert (zoo.twins_of, zoo.methods) == ("fmnist_mini_seed", ("vd",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"twins_of": "nowhere"}, "'nowhere' is no zoo of originals"),
        ({"twins_of": "published"}, "'published' is no zoo of originals"),
        ({"dataset": "mnist"}, r"published\.dataset: is not that of fmnist_mini_seed"),
        ({"architecture": "cnn_l"}, r"published\.architecture: is not that of fmnist_mini_seed"),
        ({"magnitude_pruning": None}, "set magnitude_pruning: false"),
        ({"variational_dropout": False}, "leave out epoch, source.train"),
        ({"epoch": 50}, "leave out epoch, source.train"),
    ],
)
def test_published_twins_that_contradict_their_originals_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        published(tmp_path, **changes)

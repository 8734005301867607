"""The files of a run: which there are, and what is asked for of each."""

from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from synthetic import twins_by
from zootwins.catalogue.entries import load_run
from zootwins.catalogue.experiments import experiments, get_experiment
from zootwins.catalogue.files import Files
from zootwins.run.errors import InputError

ROOT = Path(__file__).parents[2]
ZOO = "fmnist_mini_seed"


def files_with(**changes) -> Files:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    few = {"zoos": [ZOO], "max_models": 3, "models_per_shard": 2, "twins": twins_by("mp", "vd")}
    update_config(config, few | changes)
    return Files(load_run(config, ROOT), ROOT, lambda find, name, *read: f"the source of {name}")


@pytest.fixture(scope="module")
def files():
    return files_with()


def test_a_raw_zoo_is_fetched_trained_or_given():
    files = files_with()
    assert files.raw_zoo(ZOO) == f"results/zoos/{ZOO}/raw.zip"
    assert files.archive(ZOO) == [f"the source of {ZOO}"]
    assert files.raw_zoo("fmnist_mini_seeds") == "results/exports/fmnist_mini_seeds/trained.zip"
    assert files.raw_zoo_with_dataset("fmnist_mini_seeds") == []
    assert files.raw_zoo_with_initial_weights(ZOO) == []  # made again from the factors


def test_shards_cover_the_models_that_the_run_takes(files):
    assert files.twins(ZOO, "mp") == [
        f"results/twins/{ZOO}/mp/{shard}.safetensors" for shard in ("0000-0001", "0002-0002")
    ]
    assert files.all_twins() == files.twins(ZOO, "mp") + files.twins(ZOO, "vd")


def test_a_model_is_in_the_shard_of_its_index_or_of_its_name(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert files.shard_of_model(ZOO, "mp", "a") == files.twins(ZOO, "mp")  # unknown before the zoo is imported
    assert files.shard_of_model(ZOO, "mp", "2") == files.twins(ZOO, "mp")[1:]
    table = tmp_path / f"results/zoos/{ZOO}/models.csv"
    table.parent.mkdir(parents=True)
    table.write_text("model,index\na,0\nb,1\n2,2\nc,3\n", encoding="utf-8")
    assert files.shard_of_model(ZOO, "mp", "b") == files.twins(ZOO, "mp")[:1]
    for model in ("c", "d", "7"):
        with pytest.raises(InputError, match=rf"^{model}: not among the 3 models of {ZOO} that this run takes"):
            files.shard_of_model(ZOO, "mp", model)


def test_sources_are_of_the_methods_that_a_zoo_has(files):
    folder = f"results/metrics/{ZOO}"
    assert files.metrics([ZOO], ["*/scores", "l0/scores", "vd/layers"]) == [
        f"{folder}/mp/scores.parquet",
        f"{folder}/vd/scores.parquet",
        f"{folder}/vd/layers.parquet",
    ]
    assert files.metrics([ZOO], ["mask_overlap"]) == [f"{folder}/mask_overlap.parquet"]
    assert files_with(twins=twins_by("mp")).metrics([ZOO], ["mask_overlap"]) == []
    assert files.metrics([ZOO], ["history"]) == [f"results/zoos/{ZOO}/history.parquet"]


def test_a_zoo_that_the_paper_does_not_have_is_refused(tmp_path):
    catalogue = yaml.safe_load((ROOT / "config/zoos.yaml").read_text(encoding="utf-8"))
    catalogue["zoos"][ZOO]["compare_with"] = "fmnist_s_sed"
    (tmp_path / "zoos.yaml").write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    with pytest.raises(InputError, match=rf"zoos\.{ZOO}\.compare_with: 'fmnist_s_sed' is no zoo of the paper"):
        _ = files_with(catalogue=str(tmp_path / "zoos.yaml")).counterparts
    assert files_with().counterparts[ZOO] == "fmnist_s_seed"


def test_every_file_is_needed_or_possible_and_none_both(files):
    needed, possible = files.needed(), files.possible()
    everyday = [file for kind in needed.values() for file in kind]
    asked_for = [file for kind in possible.values() for file in kind]
    assert len({*everyday, *asked_for}) == len(everyday) + len(asked_for)
    for experiment in experiments():
        where = everyday if experiment.in_all else asked_for
        try:
            made = [file for kind in experiment.files(files).values() for file in kind]
        except InputError:
            assert experiment.id == "representations"  # for which no zoo is listed
            continue
        made += [f"results/tables/{table.name}.csv" for table in experiment.tables]
        assert {*made} <= {*where, *everyday}, experiment.id


def test_a_target_has_the_checksums_of_its_tables(files):
    targets = files.targets(get_experiment("soups"))
    assert "results/tables/soup_gains.csv.sha256" in targets
    assert "results/figures/soup_gain.svg" in targets
    assert f"results/zoos/{ZOO}/models.csv.sha256" in files.targets(get_experiment("twins"))
    assert "results/tables/findings.csv" in files.targets(get_experiment("replication"))
    with pytest.raises(InputError, match=r"representations\.zoos is empty"):
        files.targets(get_experiment("representations"))


def test_single_models_and_exports_are_found(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (f"results/models/{ZOO}/mp/1.safetensors", f"results/exports/{ZOO}/mp.zip"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    assert files.on_request() == {
        "shard": [f"results/models/{ZOO}/mp/1.safetensors"],
        "export": [f"results/exports/{ZOO}/mp.zip"],
    }


def test_a_result_depends_on_its_experiment_its_functions_and_the_methods_of_its_zoos(files):
    modules = files.modules(get_experiment("soups").tables[0])
    assert "zootwins.catalogue.experiments.soups" in modules
    assert "zootwins.experiments.soups.soup_tables" in modules
    assert "zootwins.sparsifiers.magnitude_pruning" in modules
    assert "zootwins.sparsifiers.l0_regularization" not in modules

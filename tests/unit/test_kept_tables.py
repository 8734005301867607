"""Long tables that are kept make the tables that the run made, and take less space than its own files."""

import shutil

import pandas as pd
import pytest
import yaml
from kept_tables import KeptRun, KeptTables, _models_of, keep

from projects import REPOSITORY
from synthetic import MP_EPOCHS, PERCENTS, VD_EPOCHS, make_results
from zootwins.catalogue.entries import load_run
from zootwins.catalogue.experiments import tables
from zootwins.catalogue.files import Files
from zootwins.run.errors import InputError
from zootwins.storage.frames import write_csv, write_parquet

ZOO = "fmnist_mini_seed"
NAMES = ("*/scores", "*/agreement")
SIX_DIGITS = 1e-5  # of numbers in CSV


@pytest.fixture
def configuration() -> dict:
    changes = {
        "zoos": [ZOO],
        "methods": ["mp", "vd"],
        "magnitude_pruning": {"sparsities": list(PERCENTS), "epochs": MP_EPOCHS},
        "variational_dropout": {"epochs": VD_EPOCHS, "threshold": 3.0},
    }
    return yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8")) | changes


@pytest.fixture
def made(tmp_path, configuration):
    """The results of a run: in memory, and as files."""
    results = make_results(tmp_path)
    write_csv(results.models.reset_index(drop=True), _made(tmp_path / f"results/zoos/{ZOO}/models.csv"), digits=None)
    for name, table in results.tables.items():
        if "/" in name:
            write_parquet(table, _made(tmp_path / f"results/metrics/{ZOO}/{name}.parquet"), {"software": "test"})
    return results


def _made(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _keep(tmp_path, configuration):
    files = Files(load_run(configuration, REPOSITORY), REPOSITORY, lambda find, name, *read: "")
    keep(tmp_path / "results", tmp_path / "kept" / ZOO, files, ZOO, NAMES)
    return KeptTables(tmp_path / "kept", configuration)


def test_kept_tables_make_the_tables_of_the_run(tmp_path, configuration, made):
    kept = _keep(tmp_path, configuration)
    (table,) = kept.make(["table1"]).values()
    expected = tables()["table1"].make([made])
    ours, theirs = table.drop(columns="zoo"), expected.drop(columns="zoo")
    pd.testing.assert_frame_equal(ours, theirs, rtol=SIX_DIGITS, check_dtype=False)


def test_kept_tables_are_read_as_those_of_the_run(tmp_path, configuration, made):
    (results,) = _keep(tmp_path, configuration).results(["*/scores"])
    assert set(results.tables) == {"mp/scores", "vd/scores"}
    for method in ("mp", "vd"):
        ours, theirs = (one.curve(method)[["index", "point", "test_accuracy"]] for one in (results, made))
        pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)


def test_the_number_of_models_is_that_of_the_kept_zoo(tmp_path, configuration, made):
    kept = _keep(tmp_path, configuration | {"max_models": 5})
    assert kept.models == {ZOO: 5}
    assert kept.make(["table1"])["table1"]["models"].max() <= 5


def test_a_method_that_was_not_run_is_left_out(tmp_path, configuration, made):
    kept = _keep(tmp_path, configuration)
    shutil.rmtree(tmp_path / "kept" / ZOO / "mp")
    table = kept.make(["table1"])["table1"]
    assert table["mp_accuracy_mean"].isna().all()
    assert table["vd_accuracy_mean"].notna().all()


def test_kept_files_have_no_names_and_their_origin(tmp_path, configuration, made):
    _keep(tmp_path, configuration)
    path = tmp_path / "kept" / ZOO / "mp/scores.parquet"
    assert "model" not in pd.read_parquet(path)
    assert path.stat().st_size < (tmp_path / f"results/metrics/{ZOO}/mp/scores.parquet").stat().st_size


def test_a_damaged_kept_file_is_refused(tmp_path, configuration, made):
    kept = _keep(tmp_path, configuration)
    path = tmp_path / "kept" / ZOO / "mp/scores.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"scores\.parquet: damaged"):
        kept.make(["table1"])


def test_a_run_of_fewer_models_is_kept_as_such(tmp_path, made):
    """models.csv of an archive lists all of its models, however many were run."""
    table = tmp_path / f"results/metrics/{ZOO}/mp/scores.parquet"
    last = made.models["index"].iloc[3]
    write_parquet(made.tables["mp/scores"].query("index <= @last"), table, {"software": "test"})
    ran = made.models[(made.models["index"] <= last) | (made.models["status"] != "ok")]
    expected = ran["index"].tolist().index(last) + 1
    while expected < len(made.models) and made.models["status"].iloc[expected] != "ok":
        expected += 1
    assert _models_of(tmp_path / "results", ZOO, "mp/scores") == expected


def test_a_run_without_all_methods_of_the_configuration_is_not_kept(tmp_path, made):
    run = KeptRun(REPOSITORY / "config/all_sparsifiers.yaml", tmp_path / "kept", ("*/scores",))
    with pytest.raises(InputError, match=r"gmp/scores\.parquet: not there"):
        run.keep(tmp_path / "results", [ZOO])

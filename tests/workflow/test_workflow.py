"""The workflow from raw archives to tables: what is built, what is rebuilt, and what is left alone."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from projects import REPOSITORY, TABLES
from zootwins.catalogue.experiments import get_experiment
from zootwins.storage.shards import read_shard

ZOO = "fmnist_mini_seed"


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path)


def assert_equal(actual: dict, expected: dict) -> None:
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(actual[name].nan_to_num(), tensor.nan_to_num()), name


def test_every_csv_has_its_origin_in_a_file_beside_it(tabulated):
    """CSV has no place for it."""
    for table in (tabulated.root / "results/tables").glob("*.csv"):
        assert '"configuration_digest"' in table.with_suffix(".md").read_text(encoding="utf-8"), table.name
    for table in (tabulated.root / "results/zoos").glob("*/models.csv"):
        with safe_open(table.with_name("originals.safetensors"), "pt") as file:
            assert file.metadata()["configuration_digest"]


def test_a_second_run_does_nothing(tabulated):
    assert "Nothing to be done" in tabulated.run(*TABLES)


def test_table2_has_the_papers_columns_and_the_zoo(tabulated):
    table = pd.read_csv(tabulated.root / "results/tables/table2.csv")
    paper = pd.read_csv(tabulated.root / "resources/paper/table2.csv")
    assert list(table.columns[: len(paper.columns)]) == list(paper.columns)
    assert set(table.zoo) == {ZOO}
    assert (table.models == 3).all()
    assert table.mp_sparsity.between(79.9, 80.1).all()


@pytest.mark.workflow
@pytest.mark.parametrize("table", ["table1", "table5", "table6", "table7", "table8"])
def test_the_papers_tables_are_what_version_0_1_made_of_the_same_run(finished, table):
    """Half a point is one image of 200: engines and processors differ by rounding, which two epochs amplify little."""
    expected = pd.read_csv(REPOSITORY / f"tests/data/golden/{table}.csv")
    means = [name for name in expected if name.endswith("mean")]
    keys = [name for name in expected if not name.endswith(("mean", "std", "low", "high"))]
    actual = pd.read_csv(finished.root / f"results/tables/{table}.csv")
    pd.testing.assert_frame_equal(actual[keys], expected[keys])
    pd.testing.assert_frame_equal(actual[means], expected[means], atol=0.5, rtol=0)


def test_originals_are_those_of_the_archive_and_meet_their_recorded_accuracy(tabulated):
    models = pd.read_csv(tabulated.root / f"results/zoos/{ZOO}/models.csv")
    assert len(models) == 16
    assert (models.status == "ok").all()
    assert (models.recorded_test_accuracy - models.test_accuracy).abs().max() < 1e-3


def test_shards_hold_what_the_readme_says(tabulated):
    root = tabulated.root / f"results/twins/{ZOO}"
    assert sorted(path.name for path in (root / "mp").iterdir()) == ["0000-0001.safetensors", "0002-0002.safetensors"]
    pruned, variational = (read_shard(root / f"{method}/0000-0001.safetensors") for method in ("mp", "vd"))
    assert [(axis.name, axis.values) for axis in pruned.axes] == [("ratio", (0.0, 0.5, 0.8))]
    assert variational.axes == []
    assert pruned.tensor("conv1.weight").shape == (2, 3, 3, 8, 1, 5, 5)
    assert variational.tensor("fc1.log_sigma2").shape == (2, 3, 20, 36)
    for shard in (pruned, variational):
        assert shard.metadata["engine"] in ("native", "torch")
        assert json.loads(shard.metadata["software"])["torch"]
        assert shard.metadata["configuration_digest"]
        assert shard.metadata["random_streams"].startswith("Philox")


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("file", "rebuilt"),
    [
        ("results/twins/fmnist_mini_seed/vd/0000-0001.safetensors", {"variational_dropout": 1}),
        ("results/twins/fmnist_mini_random/mp/0002-0002.safetensors", {"magnitude_pruning": 1}),
    ],
)
def test_a_deleted_shard_comes_back_the_same(finished, file, rebuilt):
    """No other is trained again; the same tensors come back, so that what was made from them stays."""
    before = tensors(finished.root / file)
    (finished.root / file).unlink()
    planned = finished.planned("all")
    training = {"magnitude_pruning", "variational_dropout", "import_zoo", "prepare_dataset", "fetch_zoo"}
    assert {rule: jobs for rule, jobs in planned.items() if rule in training} == rebuilt
    finished.run(file)
    assert_equal(tensors(finished.root / file), before)
    assert "Nothing to be done" in finished.run("all")


def test_a_deleted_table_is_made_alone(tabulated):
    table = tabulated.root / "results/tables/table2.csv"
    before = table.read_text(encoding="utf-8")
    table.unlink()
    finished = [line for line in tabulated.run(*TABLES).splitlines() if line.startswith("Finished jobid")]
    assert len(finished) == 1
    assert finished[0].endswith("(Rule: make_table)")
    assert table.read_text(encoding="utf-8") == before


@pytest.mark.workflow
def test_a_model_is_a_target_by_name_and_by_index(finished):
    models = pd.read_csv(finished.root / "results/zoos/fmnist_mini_seed/models.csv")
    targets = [f"results/models/fmnist_mini_seed/vd/{model}.safetensors" for model in (models.model[2], "0002")]
    finished.run(*targets)
    shard = read_shard(finished.root / "results/twins/fmnist_mini_seed/vd/0002-0002.safetensors")
    for target in targets:
        cut = read_shard(finished.root / target)
        assert cut.models == [models.model[2]]
        assert torch.equal(cut.tensor("conv1.weight"), shard.tensor("conv1.weight"))
    for model in ("nobody", models.model[3], "3"):
        message = finished.run("-n", f"results/models/fmnist_mini_seed/vd/{model}.safetensors", succeeds=False)
        assert f"{model}: not among the 3 models of fmnist_mini_seed that this run takes" in message
        assert "Traceback" not in message


@pytest.mark.workflow
def test_verify_reports_every_file_of_a_run_and_fails_for_the_damaged_and_the_missing(finished):
    finished.run("verify")
    report = pd.read_csv(finished.root / "results/verification.csv").set_index("file")
    unasked = [
        get_experiment(name) for name in ("replication", "soups", "pruning_soups", "benchmark")
    ]  # others do not fit
    tables = {f"results/tables/{table.name}.csv" for one in unasked for table in one.tables}
    not_made = report[report.status == "not made"].index
    assert {file for file in not_made if file.startswith("results/tables/")} == tables
    report = report[report.status != "not made"]
    assert set(report.status) == {"ok"}
    read_by_jobs = {".safetensors", ".parquet", ".csv"}
    made = [path for path in (finished.root / "results").rglob("*") if path.suffix in read_by_jobs]
    assert {str(path.relative_to(finished.root)) for path in made} == {*report.index, "results/verification.csv"}

    zoo = finished.root / "results/zoos/fmnist_mini_seed"
    damaged, missing = zoo / "dataset.safetensors", zoo / "history.parquet"
    for path in (damaged, missing):
        path.rename(path.with_name(f"whole {path.name}"))
    content = damaged.with_name(f"whole {damaged.name}").read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    printed = finished.run("verify", succeeds=False)
    for path in (damaged, missing):
        path.with_name(f"whole {path.name}").replace(path)
    report = pd.read_csv(finished.root / "results/verification.csv").set_index("file")
    wrong = report[~report.status.isin(["ok", "not made"])]
    assert {finished.root / file: status for file, status in wrong.status.items()} == {
        damaged: "damaged",
        missing: "missing",
    }
    for problem in wrong.problem:
        assert problem in printed
    assert f"verification.csv: lists 1 damaged and 1 missing of {len(report)} files" in printed
    assert "Traceback" not in printed


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("zoos/fmnist_mini_seed/models.csv.sha256", "import_zoo"),
        ("metrics/fmnist_mini_seed/weight_statistics.parquet", "collect_weight_statistics"),
        ("tables/table2.tex", "make_table"),
        ("figures/figure5.png", "make_figure"),
    ],
)
def test_all_restores_whatever_of_a_finished_run_is_gone(finished, file, rule):
    """Of some; tests/faults/survey.py does it with every file."""
    path = finished.root / "results" / file
    away = path.rename(path.with_name("away"))
    planned = finished.planned("all")
    away.rename(path)
    assert planned[rule] >= 1  # and what is made of the table


def test_a_changed_parameter_reruns_what_depends_on_it(tabulated):
    tabulated.configure(variational_dropout={"threshold": 2.5})
    planned = tabulated.planned(*TABLES)
    tabulated.configure()
    assert planned["variational_dropout"] == 2
    assert not {"magnitude_pruning", "import_zoo", "fetch_zoo", "prepare_dataset"} & set(planned)


@pytest.mark.workflow
def test_a_changed_module_reruns_what_computes_with_it(finished):
    """Snakemake does not look into imported modules; the digests among the rules' parameters do."""
    expected = {
        "sparsifiers/magnitude_pruning.py": {"magnitude_pruning": 4},
        "zoos/importing.py": {"import_zoo": 2, "magnitude_pruning": 4, "variational_dropout": 4},
        "analyses/statistics.py": {},
    }
    for module, jobs in expected.items():
        path = finished.root / "src/zootwins" / module
        source = path.read_text(encoding="utf-8")
        path.write_text(source + "\nCHANGED = True\n", encoding="utf-8")
        planned = finished.planned("all")
        path.write_text(source, encoding="utf-8")
        training = {"magnitude_pruning", "variational_dropout", "import_zoo"}
        assert {rule: number for rule, number in planned.items() if rule in training} == jobs, module
        assert "make_table" in planned
    assert "Nothing to be done" in finished.run("all")


@pytest.mark.workflow
def test_another_shard_size_makes_other_files_with_the_same_models(finished):
    finished.configure(models_per_shard=3)
    finished.run("results/twins/fmnist_mini_random/mp/0000-0002.safetensors")
    finished.configure()
    folder = finished.root / "results/twins/fmnist_mini_random/mp"
    whole = tensors(folder / "0000-0002.safetensors")
    parts = [tensors(folder / f"{name}.safetensors") for name in ("0000-0001", "0002-0002")]
    for name in whole:
        joined = torch.cat([part[name] for part in parts])
        assert torch.equal(whole[name].nan_to_num(-1), joined.nan_to_num(-1)), name


def test_more_models_mean_more_shards_and_none_rebuilt(tabulated):
    tabulated.configure(max_models=6)
    planned = tabulated.planned("twins")
    tabulated.configure()
    # 0000-0001 is kept; of three models the last block was 0002-0002, of six 0002-0003 and 0004-0005 are new
    assert planned["magnitude_pruning"] == planned["variational_dropout"] == 2
    assert "import_zoo" not in planned


@pytest.mark.workflow
def test_export_and_import_give_identical_tensors(finished):
    finished.run("results/exports/fmnist_mini_random/originals.zip", "results/exports/fmnist_mini_random/vd.zip")
    catalogue = finished.root / "config/again.yaml"
    catalogue.write_text(
        "zoos:\n  again:\n    source: {archive: {path: results/exports/fmnist_mini_random/originals.zip}}\n"
        "    dataset: archive\n    architecture: cnn_s\n    models: 16\n",
        encoding="utf-8",
    )
    finished.configure(catalogue="config/again.yaml", zoos=["again"])
    finished.run("results/zoos/again/originals.safetensors", "results/zoos/again/dataset.safetensors")
    finished.configure()
    zoos = finished.root / "results/zoos"
    for file in ("originals", "predictions", "dataset"):
        assert_equal(
            tensors(zoos / f"again/{file}.safetensors"), tensors(zoos / f"fmnist_mini_random/{file}.safetensors")
        )


@pytest.mark.workflow
def test_figure_1_shows_the_configured_zoos(finished):
    """Other zoos can mean other rules."""
    finished.configure(zoos=["fmnist_mini_seed"])
    planned = finished.planned("results/figures/figure1.svg")
    finished.configure()
    assert planned == {"draw_workflow": 1}

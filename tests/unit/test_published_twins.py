"""Published twins: ours, written as the authors wrote theirs, come back as the same trajectories."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from raw_zoos import PARAMS, state, torch_bytes, twin_files, write_zip
from test_exporting import ARCHITECTURE, DATA, ENGINE, FACTORS, NAMES, ORIGINALS
from zootwins.run.errors import InputError
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.published import import_twins, match_twins, select_originals
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.sparsifiers.variational_dropout import Settings, VariationalDropout
from zootwins.storage.shards import Trajectory, read_shard, write_trajectory
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo
from zootwins.zoos.originals import Originals

SETTINGS = Settings(epochs=2, threshold=2.0, lr=0.3)
MODELS = pd.DataFrame(
    {
        "model": [NAMES[0], "NN_broken", NAMES[1]],
        "index": [0, 1, 2],
        "status": ["ok", "excluded", "ok"],
        "reason": ["", "NaN", ""],
        "seed": [4, None, 9],
        "batch_size": [10, None, 10],
        "epoch": [50, None, 50],
        "test_accuracy": [0.5, None, 0.6],
    }
)
TWINS = ["NN_tune_trainable_0_twin", "NN_tune_trainable_1_twin"]  # of the originals in reverse


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Trajectory]:
    trajectory = sparsify(ENGINE, VariationalDropout(), SETTINGS, SparsifierInputs("zoo", ORIGINALS), DATA)
    path = tmp_path_factory.mktemp("shard") / "0000-0002.safetensors"
    write_trajectory(path, "vd", trajectory, NAMES, [0, 2])
    return path, trajectory


@pytest.fixture
def files(trained) -> dict[str, bytes]:
    shard = read_shard(trained[0])
    return twin_files(shard, 1, NAMES[1], TWINS[0], dropout=0.5) | twin_files(shard, 0, NAMES[0], TWINS[1])


def match(tmp_path: Path, files: dict[str, bytes], expected: int = 2, max_broken_share: float = 1) -> pd.DataFrame:
    write_zip(tmp_path / "twins.zip", {f"zoo/{name}": content for name, content in files.items()})
    return match_twins(tmp_path / "twins.zip", ARCHITECTURE, SETTINGS.epochs, expected, MODELS, max_broken_share)


def originals_of(table: pd.DataFrame) -> Originals:
    """The originals as load_originals gives them: under the twins' names, those excluded left out."""
    kept = table[table.status == "ok"]
    rows = [NAMES.index(name) for name in kept.original]
    parameters = {name: tensor[rows] for name, tensor in ORIGINALS.parameters.items()}
    return Originals(ARCHITECTURE, list(kept.model), list(kept["index"]), [FACTORS[r] for r in rows], parameters)


def test_twins_in_the_authors_layout_come_back_as_they_were_trained(trained, files, tmp_path):
    table = match(tmp_path, files)
    back = import_twins(tmp_path / "twins.zip", originals_of(table), SETTINGS, ENGINE, DATA, [0, 2])
    assert (back.states, back.weight_states, back.prediction_states) == ([0, 1, 2], [0, 2], [0, 1, 2])
    assert back.tensors.keys() == trained[1].tensors.keys()
    assert (back.tensors["sparsity"] > 0.01).any()
    for name, tensor in trained[1].tensors.items():
        expected = tensor.flip(0)  # the twins' names are in the reverse order
        if name == "train_loss":
            assert back.tensors[name].isnan().all()
        elif "." in name:
            assert torch.equal(back.tensors[name], expected[:, [0, 2]])
        else:
            torch.testing.assert_close(back.tensors[name], expected, rtol=0, atol=0, equal_nan=True, msg=name)


def test_a_twin_has_its_originals_row_under_its_own_name_and_number(files, tmp_path):
    table = match(tmp_path, files)
    assert list(table.model) == TWINS
    assert list(table["index"]) == [0, 1]
    assert list(table.original) == [NAMES[1], NAMES[0]]
    assert list(table.test_accuracy) == [0.6, 0.5]
    assert list(table.seed) == [9, 4]


def test_what_there_is_of_the_originals_follows_their_twins(files, tmp_path):
    predictions = torch.tensor([[1, 1], [2, 2]], dtype=torch.uint8)
    history = pd.DataFrame({"model": [NAMES[0], NAMES[1]], "index": [0, 2], "epoch": [7, 8]})
    index, parameters, predicted, trained = select_originals(
        match(tmp_path, files), ORIGINALS, torch.tensor([0, 2]), predictions, history
    )
    assert index.tolist() == [0, 1]
    assert predicted.tolist() == [[2, 2], [1, 1]]
    assert torch.equal(parameters["fc1.bias"], ORIGINALS.parameters["fc1.bias"].flip(0))
    assert trained.to_dict("list") == {"model": TWINS, "index": [0, 1], "epoch": [8, 7]}


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("checkpoint_000001/checkpoints", None, "missing checkpoint of epoch 1"),
        ("checkpoint_000001/checkpoints", b"no zip", "unreadable file"),
        ("params.json", json.dumps(PARAMS).encode(), "init_checkpoint_path is None"),
        ("params.json", json.dumps({"training::init_checkpoint_path": "/zoo/NN_x"}).encode(), "'NN_x' is not in"),
        ("params.json", json.dumps({"training::init_checkpoint_path": "NN_broken/"}).encode(), "is excluded: NaN"),
        ("params.json", json.dumps({"training::init_checkpoint_path": NAMES[1]}).encode(), "another twin has the same"),
    ],
)
def test_a_twin_that_cannot_be_used_is_excluded_and_the_others_come_in(files, tmp_path, file, content, reason):
    name = f"{TWINS[1]}/{file}"
    changed = {key: value for key, value in files.items() if key != name}
    table = match(tmp_path, changed | ({name: content} if content else {}))
    assert list(table.status) == ["ok", "excluded"]
    assert reason in table.reason[1]
    assert len(originals_of(table)) == 1


def test_dense_models_are_no_twins(files, tmp_path):
    dense = torch_bytes(state(dropout=0.5))
    files = {key: dense if key.endswith("checkpoints") else content for key, content in files.items()}
    with pytest.raises(InputError, match=r"every twin is excluded.*conv1\.log_sigma2 is missing"):
        match(tmp_path, files)


def test_twins_are_no_dense_models(files, tmp_path):
    write_zip(tmp_path / "twins.zip", files | {f"{name}/params.json": json.dumps(PARAMS).encode() for name in TWINS})
    with open_members(tmp_path / "twins.zip") as members:
        reasons = [model.reason for model in open_zoo(members).models(ARCHITECTURE, None)]
    assert all(".log_sigma2', which cnn_s has not" in reason for reason in reasons)


def test_too_many_broken_twins_are_refused(files, tmp_path):
    del files[f"{TWINS[0]}/params.json"]
    with pytest.raises(
        InputError, match=r"1 of 2 models are excluded.*missing params\.json; .*max_broken_share = 0\.1"
    ):
        match(tmp_path, files, max_broken_share=0.1)


def test_another_number_of_twins_is_refused(files, tmp_path):
    with pytest.raises(InputError, match="holds 2 twins, but the catalogue says 3"):
        match(tmp_path, files, expected=3)


@pytest.mark.parametrize(("key", "what"), [("test_acc", "test accuracies"), ("sparsity_ratio", "sparsities")])
def test_other_recorded_numbers_are_refused(files, tmp_path, key, what):
    for name in TWINS:
        rows = [json.loads(line) for line in files[f"{name}/result.json"].splitlines()]
        changed = [row | {key: row[key] + 0.02 if row[key] < 0.5 else row[key] - 0.02} for row in rows]
        files[f"{name}/result.json"] = "".join(json.dumps(row) + "\n" for row in changed).encode()
    table = match(tmp_path, files)
    with pytest.raises(InputError, match=f"{what} differ from the recorded ones by 2.0 points"):
        import_twins(tmp_path / "twins.zip", originals_of(table), SETTINGS, ENGINE, DATA, [2])


def test_one_wrong_twin_is_named_whatever_the_mean(files, tmp_path):
    name = f"{TWINS[1]}/result.json"
    rows = [json.loads(line) for line in files[name].splitlines()]
    changed = [row | {"test_acc": row["test_acc"] + (0.008 if row["test_acc"] < 0.5 else -0.008)} for row in rows]
    files[name] = "".join(json.dumps(row) + "\n" for row in changed).encode()
    with pytest.raises(InputError, match=rf"by 0\.8 points in the mean for {TWINS[1]} \(1 of 2 twins differ\)"):
        import_twins(tmp_path / "twins.zip", originals_of(match(tmp_path, files)), SETTINGS, ENGINE, DATA, [2])


@pytest.mark.parametrize(("key", "what"), [("test_acc", "test accuracies"), ("sparsity_ratio", "sparsities")])
def test_the_log_says_what_was_not_recorded_and_so_not_compared(files, tmp_path, caplog, key, what):
    for name in TWINS:
        rows = [json.loads(line) for line in files[f"{name}/result.json"].splitlines()]
        without = [{k: value for k, value in row.items() if k != key} for row in rows]
        files[f"{name}/result.json"] = "".join(json.dumps(row) + "\n" for row in without).encode()
    table = match(tmp_path, files)
    import_twins(tmp_path / "twins.zip", originals_of(table), SETTINGS, ENGINE, DATA, [2])
    assert [record.message for record in caplog.records if "unchecked" in record.message] == [
        f"{tmp_path / 'twins.zip'}: no {what} are recorded of 2 of 2 twins: unchecked"
    ]


def test_a_shard_all_of_whose_twins_are_excluded_is_empty(files, tmp_path):
    table = match(tmp_path, files).assign(status="excluded")
    back = import_twins(tmp_path / "twins.zip", originals_of(table), SETTINGS, ENGINE, DATA, [2])
    assert back.tensors["test_accuracy"].shape == (0, 3)
    assert back.tensors["conv1.log_sigma2"].shape == (0, 1, 8, 1, 5, 5)

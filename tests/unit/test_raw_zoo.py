"""The raw ModelZoo layout: every layout of keys, every way a model can be broken, and the round trip."""

import json
import logging
import math
import os
import re
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from plain_networks import Network
from raw_zoos import (
    CNN_S,
    HYPERPARAMETER,
    PARAMS,
    UNIFORM,
    code_pickles,
    model_files,
    results,
    state,
    torch_bytes,
    write_folder,
    write_zip,
)
from zootwins.architectures.architecture import Architecture, get_architecture
from zootwins.population import Factors
from zootwins.population.initialisation import initial_parameters
from zootwins.run.errors import InputError
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo
from zootwins.zoos.dialects.base import RawModel
from zootwins.zoos.dialects.ray import dataset_file
from zootwins.zoos.raw_texts import METRICS
from zootwins.zoos.raw_zoo import write_raw_zoo

CNN_L = get_architecture("cnn_l", 3)


def read(path: Path, architecture: Architecture = CNN_S, epoch: int | None = None) -> list[RawModel]:
    with open_members(path) as members:
        return list(open_zoo(members).models(architecture, epoch))


def read_files(tmp_path: Path, *files: dict[str, bytes], architecture=CNN_S, epoch=None) -> list[RawModel]:
    return read(write_zip(tmp_path / "zoo.zip", {k: v for some in files for k, v in some.items()}), architecture, epoch)


def reason(tmp_path: Path, **changes) -> str:
    """Why a model with these files is excluded, beside a good one."""
    good, broken = read_files(tmp_path, model_files("NN_0"), model_files("NN_1", **changes))
    assert not good.reason
    assert "\n" not in broken.reason
    return broken.reason


@pytest.mark.parametrize("path", [UNIFORM, HYPERPARAMETER], ids=lambda path: path.stem)
def test_genuine_zoos_are_read_whole(path):
    models = read(path)
    assert not any(model.reason for model in models)
    assert [len(model.history) for model in models] == [51] * 2 if path == UNIFORM else [31] * 4
    for model in models:
        assert model.history[0]["epoch"] == 0
        assert list(model.checkpoints) == [model.history[-1]["epoch"]]


@pytest.mark.parametrize("path", [UNIFORM, HYPERPARAMETER], ids=lambda path: path.stem)
def test_initial_weights_equal_the_first_checkpoints_of_genuine_zoos(path):
    for model in read(path, epoch=0):
        expected = initial_parameters(CNN_S, model.factors)
        assert all(torch.equal(model.checkpoints[0][name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("architecture", "dropout", "indices"),
    [(CNN_S, 0.0, (0, 3, 6, 9, 11)), (CNN_S, 0.5, (0, 4, 8, 11, 14)), (CNN_L, 0.0, (0, 4, 8, 13, 16))],
    ids=["cnn_s", "cnn_s with dropout", "cnn_l"],
)
@pytest.mark.parametrize("prefix", ["", "zoo/"])
@pytest.mark.parametrize("write", [write_zip, write_folder])
def test_every_layout_is_read_from_zips_and_folders(tmp_path, architecture, dropout, indices, prefix, write):
    """Whatever params.json says: here it says nothing of dropout or channels."""
    whole = state(architecture, dropout)
    files = model_files("NN_0", last=torch_bytes(whole))
    (model,) = read(write(tmp_path / "zoo", {prefix + name: text for name, text in files.items()}), architecture)
    assert model.reason == ""
    assert list(model.checkpoints[1]) == list(architecture.parameter_shapes)
    for layer, index in zip(architecture.layers, indices, strict=True):
        assert torch.equal(model.checkpoints[1][f"{layer.name}.weight"], whole[f"module_list.{index}.weight"])
        assert torch.equal(model.checkpoints[1][f"{layer.name}.bias"], whole[f"module_list.{index}.bias"])


def test_models_come_by_name_with_the_zoos_last_checkpoint_or_the_one_asked_for(tmp_path):
    first, last = state(seed=1), state(seed=2)
    whole = model_files("NN_1", first=torch_bytes(first), last=torch_bytes(last))
    stopped = model_files("NN_0", last=None)
    assert [(m.name, m.reason) for m in read_files(tmp_path, whole, stopped)] == [
        ("NN_0", "missing checkpoint of epoch 1 (its last is 0)"),
        ("NN_1", ""),
    ]
    models = read_files(tmp_path, whole, stopped, epoch=0)
    assert [model.reason for model in models] == ["", ""]
    assert torch.equal(models[1].checkpoints[0]["fc2.bias"], first["module_list.11.bias"])
    assert read_files(tmp_path, whole, epoch=7)[0].reason == "missing checkpoint of epoch 7 (its last is 1)"


def test_checkpoints_are_known_by_number_with_or_without_leading_zeros(tmp_path):
    files = {name.replace("checkpoint_00000", "checkpoint_"): text for name, text in model_files("NN_0").items()}
    assert list(read_files(tmp_path, files)[0].checkpoints) == [1]


def rows(*epochs: int, **saved: int) -> bytes:
    """A result.json of Ray 2.7 or later: `saved` are epochs by the numbers of checkpoints, as in c4=25."""
    names = {epoch: f"checkpoint_{int(number[1:]):06d}" for number, epoch in saved.items()}
    lines = [{"test_acc": 0.25, "training_iteration": e, "checkpoint_dir_name": names.get(e)} for e in epochs]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@pytest.mark.parametrize("prefix", ["", "/remote/trial/"])
def test_checkpoints_are_of_the_rows_that_result_json_says(tmp_path, prefix):
    """Every fifth epoch is saved, as checkpoint 0, 1, …; one that no row names is not read."""
    text = rows(*range(1, 26), c0=5, c1=10, c4=25).replace(b'"checkpoint_0', f'"{prefix}checkpoint_0'.encode())
    files = {f"NN_0/checkpoint_{n:06d}/checkpoints": torch_bytes(state(seed=n)) for n in (0, 1, 4, 9)}
    files |= model_files("NN_0", result=text, first=None, last=None)
    for epoch, number in ((None, 4), (25, 4), (10, 1), (5, 0)):
        (model,) = read_files(tmp_path, files, epoch=epoch)
        assert list(model.checkpoints) == [epoch or 25]
        assert torch.equal(
            next(iter(model.checkpoints.values()))["fc2.bias"], state(seed=number)["module_list.11.bias"]
        )
    assert read_files(tmp_path, files, epoch=4)[0].reason == "missing checkpoint of epoch 4 (its last is 25)"


def trial(name: str, rows: int, *checkpoints: int) -> dict[str, bytes]:
    files = {f"{name}/checkpoint_{n:06d}/checkpoints": torch_bytes(state()) for n in checkpoints}
    return files | model_files(name, result=results(range(1, rows + 1)), first=None, last=None)


def test_trials_that_were_stopped_early_are_kept_each_with_its_own_last_checkpoint(tmp_path):
    models = read_files(tmp_path, trial("NN_0", 30, 25, 30), trial("NN_1", 25, 25), trial("NN_2", 8, 8))
    assert [(model.reason, *model.checkpoints) for model in models] == [("", 30), ("", 25), ("", 8)]


def test_checkpoints_of_every_few_epochs_may_end_before_the_rows(tmp_path):
    models = read_files(tmp_path, trial("NN_0", 25, 20, 25), trial("NN_1", 23, 15, 20), trial("NN_2", 30, 15, 20))
    assert [(model.reason, *model.checkpoints) for model in models] == [
        ("", 25),
        ("", 20),
        ("missing checkpoint of epoch 30 (its last is 20)",),
    ]
    models = read_files(tmp_path, trial("NN_0", 25, 20), trial("NN_1", 23, 20))  # so that the zoo's are
    assert [list(model.checkpoints) for model in models] == [[20], [20]]


def test_a_result_json_that_is_cut_after_the_epoch_still_has_it(tmp_path):
    text = results(range(6))
    (model,) = read_files(tmp_path, model_files("NN_0", result=text[:-9]), epoch=1)
    assert model.reason == ""
    assert model.notes == ["result.json is cut off in its last line"]
    (model,) = read_files(tmp_path, model_files("NN_0", result=text[:90]), epoch=1)
    assert model.reason.startswith("truncated result.json")


@pytest.mark.parametrize(
    "strays",
    [
        {"zoo/result.json": b"{}\n"},
        {"result.json": b"{}", "params.json": b"{}"},
        {"zoo/result.json": b"{}", "zoo/params.json": b"{}", "experiment_state.json": b"{}"},
        {"zoo/summary/result.json": b"{}"},
        {"zoo/lr_sweep/NN_tune_trainable_9/params.json": b"{}", "zoo/lr_sweep/NN_tune_trainable_9/result.json": b"{}"},
        {"zoo/NN_tune_trainable_0/backup/result.json": b"{}", "zoo/NN_tune_trainable_0/backup/params.json": b"{}"},
        {"notes/params.json": b"{}"},
    ],
)
def test_texts_beside_the_models_are_no_models(tmp_path, strays, caplog):
    caplog.set_level(logging.INFO)
    models = read_files(
        tmp_path, model_files("zoo/NN_tune_trainable_0"), model_files("zoo/NN_tune_trainable_1"), strays
    )
    assert [(model.name, model.reason) for model in models] == [
        ("NN_tune_trainable_0", ""),
        ("NN_tune_trainable_1", ""),
    ]


def test_an_archive_in_an_archive_is_named(tmp_path):
    for name in ("zoo/inner.zip", "zoo.tar.gz"):
        with pytest.raises(InputError, match=rf"holds another archive, {name}: unpack it, and give"):
            read_files(tmp_path, {name: b"PK", "readme.md": b""})


def changed(**changes) -> bytes:
    """A checkpoint with some entries of its state dict replaced (None: left out)."""
    whole = state() | {key.replace("__", "."): value for key, value in changes.items()}
    return torch_bytes({key: value for key, value in whole.items() if value is not None})


BIAS = "module_list__9__bias"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"params": None}, "missing params.json"),
        ({"params": b"{"}, "unreadable file: params.json is not JSON"),
        ({"params": b" " * (2 << 20)}, "unreadable file: .* more than the"),
        ({"result": None}, "missing result.json"),
        ({"result": results()[:-9]}, "truncated result.json"),
        ({"result": results([0])}, "truncated result.json: it has no training_iteration 1"),
        ({"result": b"x" * (17 << 20)}, "unreadable file: .* more than the"),
        ({"last": None}, "missing checkpoint of epoch 1"),
        ({"first": None, "last": None}, "missing checkpoint of epoch 1"),
        ({"last": b""}, "unreadable file: the checkpoint is refused"),
        ({"last": torch_bytes(state())[:5000]}, "unreadable file: the checkpoint is refused"),
        ({"last": torch_bytes([1, 2])}, "unreadable file: the checkpoint holds no state dict"),
        ({"last": torch_bytes({})}, "wrong shapes"),
        ({"last": changed(**{BIAS: torch.full((20,), torch.nan)})}, "NaN or infinite numbers in fc1.bias"),
        ({"last": changed(**{BIAS: torch.full((20,), -torch.inf)})}, "NaN or infinite numbers in fc1.bias"),
        ({"last": changed(**{BIAS: torch.zeros(21)})}, r"wrong shapes: fc1.bias is \[21\], not \[20\]"),
        ({"last": changed(**{BIAS: None})}, "wrong shapes: fc1.bias is missing"),
        ({"last": changed(**{BIAS: "text"})}, "a str where a tensor belongs in fc1.bias"),
        ({"last": changed(**{BIAS: torch.zeros(1).expand(20)})}, ".* repeats fewer numbers in fc1.bias"),
        ({"last": changed(extra=torch.zeros(1))}, "wrong shapes: the checkpoint holds 'extra', which cnn_s has not"),
        ({"last": changed(**{"module_list." + "9" * 5000 + ".bias": torch.zeros(1)})}, "wrong shapes"),
        ({"last": torch_bytes({7: torch.zeros(1)})}, "wrong shapes: the checkpoint holds of type int"),
        (
            {"last": torch_bytes(state(CNN_L))},
            r"wrong shapes: the checkpoint holds 'module_list.13.weight', which cnn_s has not \(it is of cnn_l\)",
        ),
        ({"last": torch_bytes(state(get_architecture("cnn_s", 3)))}, "wrong shapes: conv1.weight is"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_broken_model_is_excluded_with_its_reason_and_stops_nothing(tmp_path, changes, expected):
    found = reason(tmp_path, **changes)
    assert re.match(expected, found), found
    assert len(found) < 200


def test_a_model_of_which_only_the_folder_is_left_does_not_vanish(tmp_path):
    models = read_files(tmp_path, model_files("NN_tune_trainable_0"), {"NN_tune_trainable_1/": b"", "notes/": b""})
    assert [(model.name, model.reason) for model in models] == [
        ("NN_tune_trainable_0", ""),
        ("NN_tune_trainable_1", "missing params.json"),
    ]


@pytest.mark.parametrize("member", ["checkpoint_000001", "checkpoint_1x/checkpoints", "checkpoint_/checkpoints"])
def test_members_that_only_look_like_checkpoints_are_none(tmp_path, member):
    (model,) = read_files(tmp_path, model_files("NN_0", last=None), {f"NN_0/{member}": b"x"})
    assert list(model.checkpoints) == [0]


def test_a_damaged_member_excludes_its_model_alone(tmp_path):
    path = write_zip(tmp_path / "zoo.zip", model_files("NN_0") | model_files("NN_1"))
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("NN_1/checkpoint_000001/checkpoints").header_offset
    content = bytearray(path.read_bytes())
    content[offset + 2000] ^= 1
    path.write_bytes(content)
    good, damaged = read(path)
    assert good.reason == ""
    assert damaged.reason.startswith("unreadable file: NN_1/checkpoint_000001/checkpoints is damaged (")
    assert damaged.reason.endswith(f"the archive is damaged: fetch it again: snakemake --cores 4 --force {path}")
    link = tmp_path / "raw.zip"  # what fetch_zoo leaves of an archive on this machine
    link.symlink_to(path)
    assert read(link)[1].reason.endswith(f"the archive is damaged: replace {os.path.relpath(path)} by a whole copy")


def test_no_checkpoint_runs_code_and_optimizer_states_are_not_even_read(tmp_path):
    marker = tmp_path / "executed"
    for kind, content in code_pickles(marker).items():
        found = reason(tmp_path, last=content)
        assert found.startswith("unreadable file: the checkpoint is refused"), kind
        optimizer = {"NN_0/checkpoint_000001/optimizer": content}
        assert read_files(tmp_path, model_files("NN_0"), optimizer)[0].reason == "", kind
        assert not marker.exists(), kind


def test_archives_without_models_or_with_two_zoos_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no models .*, but 2 other files; correct the zoo's source"):
        read_files(tmp_path, {"readme.md": b"", "zoo/dataset.pt": b""})
    with pytest.raises(InputError, match=r"holds no models .*, but no other files; correct the zoo's source"):
        read(write_zip(tmp_path / "empty.zip", {}))
    with pytest.raises(InputError, match="more than one folder"):
        read_files(tmp_path, model_files("a/NN_0"), model_files("b/NN_0"))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("dataset.pt",), "dataset.pt"),
        (("a/zoo/dataset.pt",), "a/zoo/dataset.pt"),
        (("dataset.pt", "a/zoo/dataset.pt"), "a/zoo/dataset.pt"),
        (("a/zoo/NN_0/dataset.pt", "a/zoo/other/dataset.pt", "b/dataset.pt"), None),
    ],
)
def test_the_data_set_is_found_beside_the_models_or_above_alone(tmp_path, files, expected):
    path = write_zip(tmp_path / "zoo.zip", model_files("a/zoo/NN_0") | {name: name.encode() for name in files})
    with open_members(path) as members:
        assert dataset_file(members, open_zoo(members).folders[0]) == expected


def test_a_data_set_beside_models_at_the_top_is_found(tmp_path):
    with open_members(write_zip(tmp_path / "zoo.zip", model_files("NN_0") | {"dataset.pt": b"x"})) as members:
        assert dataset_file(members, open_zoo(members).folders[0]) == "dataset.pt"


def factors(**changes) -> Factors:
    return Factors(**{**vars(Factors(1, "relu", "normal", "sgd", 1e-3, 1e-4, 0.9, 0.0, 10)), **changes})


def history(*epochs: int) -> list[dict[str, float]]:
    return [{"epoch": e} | dict.fromkeys(METRICS, math.nan) | {"test_accuracy": e / 7} for e in epochs]


def parameters(architecture: Architecture) -> st.SearchStrategy[dict[str, torch.Tensor]]:
    """Weights of any finite kind: zeros of both signs, subnormal, huge."""
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    return st.fixed_dictionaries(
        {
            name: arrays("float32", shape, elements=numbers, fill=numbers).map(torch.from_numpy)
            for name, shape in architecture.parameter_shapes.items()
        }
    )


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_exported_is_imported_bit_for_bit(tmp_path, data):
    architecture = data.draw(st.sampled_from([CNN_S, CNN_L]))
    dropout = data.draw(st.sampled_from([0.0, 0.5]))
    weights = data.draw(parameters(architecture))
    model = RawModel("NN_a,sparsity=0.5", factors(dropout=dropout), {0: weights, 3: weights}, history(0, 3))
    write_raw_zoo(tmp_path / "zoo.zip", "zoo", {}, [model], architecture)
    for epoch in (0, 3):
        (back,) = read(tmp_path / "zoo.zip", architecture, epoch)
        assert (back.name, back.reason, back.factors) == (model.name, "", model.factors)
        assert str(back.history) == str(model.history)  # as text: NaN does not equal itself
        for name, tensor in weights.items():
            assert torch.equal(back.checkpoints[epoch][name].view(torch.int32), tensor.view(torch.int32))


def test_equal_zoos_make_equal_archives(tmp_path):
    model = RawModel("NN_0", factors(), {0: initial_parameters(CNN_S, factors())}, history(0))
    for name in ("a.zip", "b.zip"):
        write_raw_zoo(tmp_path / name, "zoo", {"seed": 1}, [model], CNN_S, {"dataset_seed": 42})
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_the_authors_own_way_of_loading_reads_an_export(tmp_path):
    """Unpacked, `torch.load` on `checkpoint_{epoch:06d}/checkpoints` gives a state dict that their network takes."""
    weights = initial_parameters(CNN_S, factors(dropout=0.5))
    model = RawModel("NN_0", factors(dropout=0.5), {7: weights}, history(7))
    write_raw_zoo(tmp_path / "zoo.zip", "zoo", {}, [model], CNN_S)
    with zipfile.ZipFile(tmp_path / "zoo.zip") as archive:
        archive.extractall(tmp_path)
    loaded = torch.load(tmp_path / "zoo/NN_0/checkpoint_000007/checkpoints", weights_only=True)
    network = Network(CNN_S, "relu", 0.5)
    network.load_state_dict(loaded)
    assert torch.equal(network.module_list[4].weight, weights["conv2.weight"])
    assert PARAMS.keys() <= json.loads((tmp_path / "zoo/NN_0/params.json").read_text(encoding="utf-8")).keys()


def test_no_archive_is_left_if_writing_fails(tmp_path):
    def models():
        yield RawModel("NN_0", factors(), {0: initial_parameters(CNN_S, factors())}, history(0))
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_raw_zoo(tmp_path / "zoo.zip", "zoo", {}, models(), CNN_S)
    assert list(tmp_path.iterdir()) == []

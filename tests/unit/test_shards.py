"""Shards on disk: what is written is read (what is damaged or lies: see test_verification)."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zootwins.run.errors import InputError
from zootwins.storage.shards import (
    Axis,
    Trajectory,
    cut_model,
    read_shard,
    shard_ranges,
    shard_slice,
    warn_of_mixture,
    write_trajectory,
)


def write(path, method="mp", models=3):
    shape = (models, 2, 3) if method == "mp" else (models, 3)
    tensors = {
        "fc1.weight": torch.randn(*shape, 4, 5),
        "test_accuracy": torch.rand(*shape),
        "predictions": torch.randint(10, (*shape, 7), dtype=torch.uint8),
        "mask.fc1.weight": torch.rand(*shape[:2], 4, 5) > 0.5,
    }
    names = [f"model_{index}" for index in range(models)]
    axes = (Axis("ratio", (0.0, 0.5)),) if method == "mp" else ()
    trajectory = Trajectory([0, 1, 2], [0, 1, 2], [0, 1, 2], tensors)
    write_trajectory(path, method, trajectory, names, range(4, 4 + models), axes=axes, metadata={"engine": "torch"})
    return tensors


@pytest.mark.parametrize("method", ["mp", "vd"])
def test_what_is_written_is_read(tmp_path, method):
    tensors = write(tmp_path / "a.safetensors", method)
    shard = read_shard(tmp_path / "a.safetensors")
    assert shard.models == ["model_0", "model_1", "model_2"]
    assert shard.index == [4, 5, 6]
    assert shard.metadata["engine"] == "torch"
    for name, tensor in tensors.items():
        assert torch.equal(shard.tensor(name), tensor)
        assert torch.equal(shard.tensor(name, 1), tensor[1])
        assert torch.equal(shard.twins(name), tensor if method == "mp" else tensor.unsqueeze(1))
        assert torch.equal(shard.twins(name, 1), tensor[1] if method == "mp" else tensor[1:2])
    assert shard.coordinates == ([{"ratio": 0.0}, {"ratio": 0.5}] if method == "mp" else [{}])


def test_twins_on_two_axes_have_the_last_fastest(tmp_path):
    axes = (Axis("penalty", (1.0, 10.0)), Axis("threshold", (0.0, 1.0, 2.0)))
    tensor = torch.randn(4, 2, 3, 5)
    trajectory = Trajectory([0, 1, 2, 3, 4], [], [], {"test_accuracy": tensor})
    write_trajectory(tmp_path / "a.safetensors", "any", trajectory, list("abcd"), range(4), axes=axes)
    shard = read_shard(tmp_path / "a.safetensors")
    assert list(shard.axes) == list(axes)
    for twin, place in enumerate(shard.coordinates):
        at = tensor[:, axes[0].values.index(place["penalty"]), axes[1].values.index(place["threshold"])]
        assert torch.equal(shard.twins("test_accuracy")[:, twin], at)


def test_one_model_is_cut_out(tmp_path):
    tensors = write(tmp_path / "a.safetensors")
    shards = [read_shard(tmp_path / "a.safetensors")]
    for model in ("model_1", "5", "0005"):
        cut_model(tmp_path / "cut.safetensors", shards, model)
        cut = read_shard(tmp_path / "cut.safetensors")
        assert (cut.models, cut.index, cut.method) == (["model_1"], [5], "mp")
        assert cut.metadata["engine"] == "torch"
        assert torch.equal(cut.tensor("fc1.weight"), tensors["fc1.weight"][1:2])
    with pytest.raises(InputError, match="model_9 is not among"):
        cut_model(tmp_path / "none.safetensors", shards, "model_9")
    assert not (tmp_path / "none.safetensors").exists()


def test_names_that_are_numbers_come_before_indices(tmp_path):
    names = sorted(map(str, range(20)))  # 0, 1, 10, 11, …
    shards = []
    for part in (slice(0, 16), slice(16, 20)):
        trajectory = Trajectory([0], [], [], {"test_accuracy": torch.tensor([[float(n)] for n in names[part]])})
        path = tmp_path / f"{part.start}.safetensors"
        write_trajectory(path, "vd", trajectory, names[part], range(20)[part])
        shards.append(read_shard(path))
    for model in names:
        cut_model(tmp_path / "cut.safetensors", shards, model)
        cut = read_shard(tmp_path / "cut.safetensors")
        assert (cut.models, cut.tensor("test_accuracy").item()) == ([model], float(model))
    cut_model(tmp_path / "cut.safetensors", shards, "0002")  # nobody's name
    assert read_shard(tmp_path / "cut.safetensors").models == ["10"]


@given(st.integers(1, 5000), st.integers(1, 200))
def test_shards_cover_every_model_once(models, per_shard):
    names = shard_ranges(models, per_shard)
    covered = [index for name in names for index in range(*shard_slice(name))]
    assert covered == list(range(models))


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 64))
def test_more_models_keep_the_full_shards(fewer, more, per_shard):
    fewer, more = sorted((fewer, more))
    full = [name for name in shard_ranges(fewer, per_shard) if (shard_slice(name)[1]) % per_shard == 0]
    assert set(full) <= set(shard_ranges(more, per_shard))


def test_shards_of_two_engines_are_told(tmp_path, caplog):
    paths = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for path in paths:
        write(path)
    shards = [read_shard(path) for path in paths]
    warn_of_mixture(shards)
    assert not caplog.records
    shards[1] = replace(shards[1], metadata={**shards[1].metadata, "engine": "native"})
    warn_of_mixture(shards)
    (record,) = caplog.records
    assert f"{paths[2]} by torch, {paths[1]} by native" in record.getMessage()


def test_a_tensor_of_the_previous_version_is_read_under_its_new_name(tmp_path, caplog):
    score = torch.rand(2, 3)
    names, states = ["a", "b"], [0, 1, 2]
    trajectory = Trajectory(states, states, states, {"clean_train_accuracy": score})
    write_trajectory(tmp_path / "a.safetensors", "vd", trajectory, names, [0, 1])
    assert torch.equal(read_shard(tmp_path / "a.safetensors").tensor("eval_mode_train_accuracy"), score)
    (record,) = caplog.records
    assert record.getMessage().endswith("its clean_train_accuracy is now eval_mode_train_accuracy")

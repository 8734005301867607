"""Initial weights: what genuine zoos' checkpoints 0 hold is what their factors make; what is unknown is refused."""

import json

import pytest
import torch

from raw_zoos import CNN_S, HYPERPARAMETER, UNIFORM, model_files, write_zip
from zootwins.run.errors import InputError
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo
from zootwins.zoos.initial import load_initial, read_checkpoints, rebuilt
from zootwins.zoos.originals import Originals, write_rows


def originals_of(path) -> Originals:
    with open_members(path) as members:
        raw = list(open_zoo(members).models(CNN_S, None))
    parameters = {
        name: torch.stack([next(iter(model.checkpoints.values()))[name] for model in raw])
        for name in CNN_S.parameter_shapes
    }
    return Originals(CNN_S, [m.name for m in raw], list(range(len(raw))), [m.factors for m in raw], parameters)


@pytest.mark.parametrize("path", [UNIFORM, HYPERPARAMETER])
def test_factors_make_the_checkpoints_0_of_genuine_zoos(path):
    """Bit for bit, with and without dropout; in the originals' order, whatever that is."""
    originals = originals_of(path)
    backwards = Originals(
        CNN_S, originals.models[::-1], originals.index[::-1], originals.factors[::-1], originals.parameters
    )
    for of in (originals, backwards):
        read, made = read_checkpoints(path, "a_zoo", of), rebuilt(of)
        assert list(read) == list(made) == list(CNN_S.parameter_shapes)
        for name, tensor in made.items():
            assert torch.equal(read[name], tensor), name
            assert not torch.equal(tensor, originals.parameters[name])


@pytest.mark.parametrize("changes", [{"first": None}, {"first": b"no checkpoint"}])
def test_a_model_without_a_checkpoint_0_is_refused(tmp_path, changes):
    path = write_zip(tmp_path / "zoo.zip", model_files() | model_files("NN_tune_trainable_1", **changes))
    message = r"my_zoo's weights before training are unknown \(NN_tune_trainable_1: .* initial_weights: factors"
    with pytest.raises(InputError, match=message) as error:
        read_checkpoints(path, "my_zoo", originals_of(path))
    assert "\n" not in str(error.value)


def test_a_checkpoint_0_needs_no_row_of_result_json(tmp_path):
    """Zoos of others count their epochs from 1."""
    files = model_files()
    name = next(name for name in files if name.endswith("result.json"))
    rows = files[name].splitlines(keepends=True)
    files[name] = b"".join(row for row in rows if json.loads(row)["training_iteration"] > 0)
    assert len(files[name].splitlines()) < len(rows)
    path = write_zip(tmp_path / "zoo.zip", files)
    assert read_checkpoints(path, "my_zoo", originals_of(path))["conv1.weight"].shape == (1, 8, 1, 5, 5)


def test_rows_are_found_by_the_models_indices(tmp_path):
    originals, path = originals_of(HYPERPARAMETER), tmp_path / "initial.safetensors"
    made = rebuilt(originals)
    write_rows(path, "initial", torch.tensor(originals.index), made, {})
    some = Originals(
        CNN_S, originals.models[2:0:-1], [2, 1], originals.factors[2:0:-1], {n: p[[2, 1]] for n, p in made.items()}
    )
    for name, tensor in load_initial(path, some).items():
        assert torch.equal(tensor, made[name][[2, 1]])
    write_rows(path, "initial", torch.tensor([0, 1]), {name: tensor[:2] for name, tensor in made.items()}, {})
    with pytest.raises(InputError, match="not those of the zoo's originals; make it again: snakemake"):
        load_initial(path, some)


def test_a_shard_without_models_has_no_weights():
    none = Originals(
        CNN_S, [], [], [], {name: torch.empty(0, *shape) for name, shape in CNN_S.parameter_shapes.items()}
    )
    assert {name: tuple(tensor.shape[1:]) for name, tensor in rebuilt(none).items()} == CNN_S.parameter_shapes

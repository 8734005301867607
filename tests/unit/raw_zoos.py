"""Raw zoos for the tests: two genuine ones (tests/data), and small ones made file by file, whole, broken or hostile."""

import json
import pickle
import zipfile
from collections import OrderedDict
from io import BytesIO
from pathlib import Path

import torch
from torch.utils.data import TensorDataset

from plain_networks import Network, module_indices
from zootwins.architectures.architecture import Architecture, get_architecture
from zootwins.storage.shards import TwinShard

DATA = Path(__file__).parents[1] / "data"
UNIFORM, HYPERPARAMETER = DATA / "fmnist_uniform_raw.zip", DATA / "fmnist_hyperparameter_raw.zip"
CNN_S = get_architecture("cnn_s", 1)
PARAMS = {
    "seed": 3,
    "model::nlin": "tanh",
    "model::init_type": "uniform",
    "model::dropout": 0.0,
    "optim::optimizer": "adam",
    "optim::lr": 3e-4,
    "optim::wd": 0.0,
    "training::batchsize": 10,
}


def torch_bytes(value) -> bytes:
    buffer = BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def state(architecture: Architecture = CNN_S, dropout: float = 0.0, seed: int = 0) -> OrderedDict:
    """A state dict in the authors' layout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(architecture, "tanh", dropout).state_dict()


def results(epochs=(0, 1), **more) -> bytes:
    rows = [{"train_acc": 0.5, "test_acc": 0.25, "test_loss": None, "training_iteration": e} | more for e in epochs]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def model_files(name: str = "NN_tune_trainable_0", **changes: bytes | None) -> dict[str, bytes]:
    """Files of a good model; `changes` replace some (None: leave out) of params, result, first, last."""
    files = {
        "params": ("params.json", json.dumps(PARAMS).encode()),
        "result": ("result.json", results()),
        "first": ("checkpoint_000000/checkpoints", torch_bytes(state())),
        "last": ("checkpoint_000001/checkpoints", torch_bytes(state())),
    }
    contents = {key: changes.get(key, content) for key, (_, content) in files.items()}
    return {f"{name}/{files[key][0]}": content for key, content in contents.items() if content is not None}


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def image_tensors(samples: int = 12, channels: int = 1, size: int = 28, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Pixels normalised by mean and deviation .5, as in the authors' Fashion-MNIST, and labels."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (samples, channels, size, size), generator=generator, dtype=torch.uint8)
    return pixels.float().div(255).sub(0.5).div(0.5), torch.randint(10, (samples,), generator=generator)


def dataset(**changes) -> dict:
    """Content of a dataset.pt."""
    parts = {
        key: TensorDataset(*image_tensors(seed=seed)) for seed, key in enumerate(("trainset", "valset", "testset"))
    }
    return parts | {"dataset_seed": 42} | changes


class Touch:
    """Unpickled, it would run code that leaves a file behind."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def code_pickles(marker: Path) -> dict[str, bytes]:
    """Files that run code in a trusting reader, in every format that torch has had."""
    evil = Touch(marker)
    legacy = BytesIO()
    torch.save({"a": evil}, legacy, _use_new_zipfile_serialization=False)
    return {
        "value in a torch file": torch_bytes({"module_list.0.weight": evil}),
        "torch file": torch_bytes(evil),
        "key in a torch file": torch_bytes({(evil,): torch.zeros(1)}),
        "attribute of an allowed class": torch_bytes(_with_attribute(evil)),
        "legacy torch file": legacy.getvalue(),
        "pickle": pickle.dumps(evil),
        "pickle of protocol 0": pickle.dumps({"a": evil}, protocol=0),
    }


def _with_attribute(evil) -> TensorDataset:
    part = TensorDataset(torch.zeros(1))
    part.extra = evil
    return part


def twin_files(shard: TwinShard, position: int, original: str, name: str, dropout: float = 0.0) -> dict[str, bytes]:
    """A variational twin of a shard as the authors' code would have left it.

    Their linear layers have a `log_sigma2_bias` that nothing sets or uses: here NaN, as uninitialised memory may be.
    """
    tensors = {key: shard.tensor(key, position) for key in shard.shapes}
    indices = module_indices(CNN_S, dropout > 0)
    weights = torch.tensor([float(layer.weights) for layer in CNN_S.layers])
    path = f"/zoos/FMNIST/tune_zoo_fmnist_uniform/{original}"
    files = {"params.json": json.dumps(PARAMS | {"training::init_checkpoint_path": path}).encode()}
    rows = []
    for epoch in shard.states:
        checkpoint = OrderedDict()
        for layer in CNN_S.layers:
            key = f"module_list.{indices[layer.name]}"
            bias = tensors[f"{layer.name}.bias"][epoch].clone()
            noise = tensors.get(f"{layer.name}.bias_log_sigma2")
            checkpoint[f"{key}.weight"] = tensors[f"{layer.name}.weight"][epoch].clone()
            checkpoint[f"{key}.bias"] = bias
            checkpoint[f"{key}.log_sigma2"] = tensors[f"{layer.name}.log_sigma2"][epoch].clone()
            checkpoint[f"{key}.log_sigma2_bias"] = bias * torch.nan if noise is None else noise[epoch].clone()
        files[f"checkpoint_{epoch:06d}/checkpoints"] = torch_bytes(checkpoint)
        rows.append(
            {
                "train_acc": tensors["train_accuracy"][epoch].item(),
                "train_loss": 9.0,  # the KL term is in there
                "test_acc": tensors["test_accuracy"][epoch].item(),
                "sparsity_ratio": (tensors["sparsity"][epoch] @ (weights / weights.sum())).item(),
                "training_iteration": epoch,
            }
        )
    files["result.json"] = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return {f"{name}/{file}": content for file, content in files.items()}

"""Dialects of public populations: small zoos written as their authors' code does, with losses by plain PyTorch."""

import gzip
import json
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from raw_zoos import PARAMS, model_files, torch_bytes, write_folder, write_zip
from zootwins.architectures.architecture import get_architecture, to_state_dict
from zootwins.catalogue.entries import load_run
from zootwins.images.datasets import load_dataset, save_dataset
from zootwins.images.entries import DatasetEntry
from zootwins.images.reading import read_data
from zootwins.population import ImageSet, Population
from zootwins.population.torch_engine import TorchEngine
from zootwins.run.errors import InputError
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import DIALECTS, open_zoo, small_cnn_zoo
from zootwins.zoos.importing import ImportedZoo, import_zoo, remarks
from zootwins.zoos.originals import model_factors

ROUNDING = 1e-6  # of float32 losses


def random_images(samples: int, channels: int, size: int, classes: int) -> ImageSet:
    generator = torch.Generator().manual_seed(5)
    images = torch.randint(256, (samples, channels, size, size), generator=generator).float().div(255).sub(0.5).div(0.5)
    return ImageSet(images, torch.randint(classes, (samples,), generator=generator), classes)


def scores(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean loss and accuracy."""
    return F.cross_entropy(logits.double(), labels).item(), (logits.argmax(1) == labels).double().mean().item()


# --- WeightCLIP -------------------------------------------------------------------------------------------------------

WEIGHTCLIP_BATCH = 8  # losses are means of batches of 16


class CachedDataset:
    """As WeightCLIP's training script defines it, in `__main__`."""

    def __init__(self, data: Tensor, targets: Tensor):
        self.transform, self.data, self.targets = None, data, targets


CachedDataset.__module__ = "__main__"


def cnn3(classes: int, nlin: nn.Module) -> nn.Sequential:
    """WeightCLIP's CNN3, keys 0, 4, 8, 13 and 16: activations after pooling."""
    convolutions = [
        module
        for inputs, outputs in ((3, 16), (16, 32), (32, 15))
        for module in (nn.Conv2d(inputs, outputs, 3), nn.MaxPool2d(2), nlin, nn.Dropout(0.0))
    ]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(60, 20), nlin, nn.Dropout(0.0), nn.Linear(20, classes))


def weightclip_files(monkeypatch, test: ImageSet, models: int = 2, nlin: str = "leakyrelu") -> dict[str, bytes]:
    monkeypatch.setattr("__main__.CachedDataset", CachedDataset, raising=False)
    root = "four/cnn3/tune_zoo_four_cnn3"
    data = {key: CachedDataset(test.images, test.labels) for key in ("trainset", "valset", "testset")}
    files = {f"{root}/dataset.pt": torch_bytes(data), f"{root}/lr_sweep/NN_tune_trainable_lr=1/params.json": b"{}"}
    for seed in range(1, models + 1):
        torch.manual_seed(seed)
        network = cnn3(test.classes, {"leakyrelu": nn.LeakyReLU(0.01), "gelu": nn.GELU()}[nlin]).eval()
        with torch.no_grad():
            logits = network(test.images)
        batches = zip(logits.split(2 * WEIGHTCLIP_BATCH), test.labels.split(2 * WEIGHTCLIP_BATCH), strict=True)
        loss = float(np.mean([scores(*batch)[0] for batch in batches]))
        row = {
            "train_loss": 1.0,
            "train_acc": 50.0,
            "test_loss": loss,
            "test_acc": 100 * scores(logits, test.labels)[1],
        }
        params = {
            "seed": seed, "num_epochs": 3, "batch_size": WEIGHTCLIP_BATCH, "lr": 3e-3, "weight_decay": 3e-3,
            "best_test_acc": 99.0, "model::type": "CNN3", "model::channels_in": 3, "model::o_dim": test.classes,
            "model::nlin": nlin, "model::dropout": 0.1, "model::init_type": "normal",
        }  # fmt: skip
        model = f"{root}/NN_tune_trainable_seed={seed}"
        rows = [{"epoch": epoch, "test_acc": 25.0} for epoch in (0, 1)] + [{"epoch": 2} | row]
        state = {f"module_list.{key}": tensor for key, tensor in network.state_dict().items()}
        files |= {
            f"{model}/params.json": json.dumps(params).encode(),
            f"{model}/result.json": "".join(json.dumps(one) + "\n" for one in rows).encode(),
            f"{model}/progress.csv": b"x",
            f"{model}/checkpoint_000001/checkpoints": torch_bytes({}),
            f"{model}/checkpoint_000002/checkpoints": torch_bytes(state),
            f"{model}/checkpoint_000002/scheduler": b"x",
        }
    return files


@pytest.fixture
def four() -> ImageSet:
    return random_images(50, 3, 32, 4)


def test_weightclip_is_read_with_its_percentages_batches_and_classes(tmp_path, four, monkeypatch):
    """50 images are three batches of 16 and one of 2, whose mean counts as much."""
    path = write_zip(tmp_path / "zoo.zip", weightclip_files(monkeypatch, four))
    monkeypatch.delattr("__main__.CachedDataset")  # nobody has the class when the file is read
    with open_members(path) as members:
        data = open_zoo(members).dataset()
    assert (data.classes, data.mean) == (4, (0.5,) * 3)
    save_dataset(tmp_path / "dataset.safetensors", data, {})
    test = load_dataset(tmp_path / "dataset.safetensors").test
    assert torch.equal(test.images, four.images)
    zoo = import_zoo(path, "cnn_l", None, 2, TorchEngine(), test)
    assert set(zoo.models.dialect) == {"weightclip"}
    assert list(zoo.models.status) == ["ok", "ok"]
    assert list(zoo.models.recorded_test_accuracy) == pytest.approx(list(zoo.models.test_accuracy))
    assert set(zoo.models.activation) == {"leaky_relu"}
    assert set(zoo.models.optimizer) == {"adam"}
    assert set(zoo.models.epoch) == {2}
    assert zoo.architecture.classes == 4


def test_a_wrong_activation_is_found_by_the_loss_alone(tmp_path, four, monkeypatch):
    files = weightclip_files(monkeypatch, four, nlin="gelu")
    files = {name: text.replace(b'"gelu"', b'"relu"') for name, text in files.items()}
    for name in [name for name in files if name.endswith("result.json")]:
        rows = [json.loads(line) for line in files[name].splitlines()]
        del rows[-1]["test_acc"]  # which a wrong activation need not change
        files[name] = "".join(json.dumps(row) + "\n" for row in rows).encode()
    with pytest.raises(InputError, match=r"test losses differ from the recorded ones by .* activation"):
        import_zoo(write_zip(tmp_path / "zoo.zip", files), "cnn_l", None, 2, TorchEngine(), four)


def test_weightclip_has_no_weights_before_training():
    by_id = {dialect.id: dialect.initial_epoch for dialect in DIALECTS}
    assert by_id["weightclip"] is None
    assert by_id["modelzoo"] == by_id["small_cnn_zoo"] == 0


# --- Small CNN Zoo ----------------------------------------------------------------------------------------------------

STEPS = (0, 1, 20, 3)  # sorted as text, as in the archives


def keras_logits(tensors: dict[str, Tensor], images: Tensor, activation) -> Tensor:
    """The network of the Small CNN Zoo, from tensors in Keras' order."""
    for layer in ("conv2d", "conv2d_1", "conv2d_2"):
        kernel = tensors[f"{layer}/kernel"].permute(3, 2, 0, 1)
        images = activation(F.conv2d(images, kernel, tensors[f"{layer}/bias"], stride=2))
    return images.mean((2, 3)) @ tensors["dense/kernel"] + tensors["dense/bias"]


SHAPES = {
    "conv2d/bias": (16,), "conv2d/kernel": (3, 3, 1, 16), "conv2d_1/bias": (16,), "conv2d_1/kernel": (3, 3, 16, 16),
    "conv2d_2/bias": (16,), "conv2d_2/kernel": (3, 3, 16, 16), "dense/bias": (10,), "dense/kernel": (16, 10),
}  # fmt: skip


def small_cnn_files(
    test: ImageSet, runs: int = 4, *, readme_columns: bool = False, folder: str = ""
) -> dict[str, bytes]:
    """A Small CNN Zoo whose last run but one has NaN weights and whose last predicts one class."""
    generator = torch.Generator().manual_seed(1)
    rows, weights = [], []
    for run in range(runs):
        activation, l2reg = ("relu", "tanh")[run % 2], (0.0, 0.01)[run % 2]
        for step in STEPS:
            tensors = {name: torch.randn(shape, generator=generator) / 3 for name, shape in SHAPES.items()}
            if run == runs - 1:
                tensors["dense/kernel"] *= 0
            broken = run == runs - 2 and step == 20
            logits = keras_logits(tensors, test.images, getattr(torch, activation))
            loss, accuracy = scores(logits, test.labels)
            loss += l2reg * sum(t.double().square().sum().item() for n, t in tensors.items() if n.endswith("kernel"))
            row = torch.cat([tensor.flatten() for tensor in tensors.values()])
            weights.append(row * torch.nan if broken else row)
            rows.append({
                "config.activation": activation, "config.b_init": "zeros", "config.dropout": 0.0,
                "config.l2reg": l2reg, "config.learning_rate": 0.01, "config.optimizer": ("adam", "rmsprop")[run % 2],
                "config.random_seed": 42, "config.train_fraction": 1.0, "config.w_init": "he_normal",
                "modeldir": f"runs/fashion_mnist/{run}", "step": step,
                "test_accuracy": 0.1 if broken else accuracy, "test_loss": None if broken else loss,
                "train_accuracy": 0.5, "train_loss": 1.0,
            })  # fmt: skip
    table = pd.DataFrame(rows)
    starts = np.cumsum([0, *(int(np.prod(shape)) for shape in SHAPES.values())])
    layout = pd.DataFrame(
        {
            "varname": [f"sequential/{name}:0" for name in SHAPES],
            "start_idx": starts[:-1],
            "end_idx": starts[1:],
            "shape": [str(shape) for shape in SHAPES.values()],
        }
    )
    if not readme_columns:
        table.index = table.modeldir + "/permanent_ckpt-" + table.step.astype(str)
        table["laststep"] = table.step == 20
        layout.insert(3, "size", np.diff(starts))
    array = BytesIO()
    np.save(array, torch.stack(weights).numpy())
    return {
        f"{folder}weights.npy": array.getvalue(),
        f"{folder}metrics.csv.gz": gzip.compress(table.to_csv(index=not readme_columns).encode()),
        f"{folder}layout.csv": layout.to_csv(index=False).encode(),
    }


@pytest.fixture(scope="module")
def grey() -> ImageSet:
    return random_images(60, 1, 28, 10)


def write_tar_xz(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:xz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
    return path


def import_small_cnns(path: Path, test: ImageSet, epoch: int | None = None, models: int = 4, **more) -> ImportedZoo:
    return import_zoo(path, "small_cnn", epoch, models, TorchEngine(), test, max_broken_share=0.5, **more)


@pytest.mark.parametrize("readme_columns", [False, True])
@pytest.mark.parametrize("folder", ["", "fashion_mnist/"])
@pytest.mark.parametrize("write", [write_folder, write_zip, write_tar_xz])
def test_the_small_cnn_zoo_is_read_in_both_conventions(tmp_path, grey, monkeypatch, readme_columns, folder, write):
    """The last step is the largest number, not the last row; losses hold the penalty."""
    monkeypatch.setattr(small_cnn_zoo, "MAPPED", 2)  # models
    path = write(tmp_path / "zoo", small_cnn_files(grey, readme_columns=readme_columns, folder=folder))
    zoo = import_small_cnns(path, grey)
    assert list(zoo.models.model) == ["0", "1", "2", "3"]
    assert set(zoo.models.dialect) == {"small_cnn_zoo"}
    assert set(zoo.models.epoch) == {20}
    assert list(zoo.models.reason) == ["", "", "NaN or infinite numbers in conv1.weight", ""]
    assert list(zoo.models.collapsed) == [False, False, False, True]
    assert any("1 of 4 models are collapsed" in remark for remark in remarks(zoo.models))
    assert list(zoo.models.optimizer)[:2] == ["adam", "rmsprop"]
    assert list(zoo.models.weight_decay)[:2] == [0.0, 0.0]
    assert list(zoo.models.l2)[:2] == [0.0, 0.01]
    assert list(zoo.history[zoo.history.model == "1"].epoch) == sorted(STEPS)


def test_a_step_of_the_small_cnn_zoo(tmp_path, grey):
    path = write_zip(tmp_path / "zoo.zip", small_cnn_files(grey))
    assert set(import_small_cnns(path, grey, epoch=1).models.status) == {"ok"}
    with pytest.raises(InputError, match=r"missing checkpoint of epoch 2 \(its last is 20\)"):
        import_small_cnns(path, grey, epoch=2)


def test_a_larger_sample_begins_with_a_smaller_one(tmp_path, grey):
    path = write_zip(tmp_path / "zoo.zip", small_cnn_files(grey))
    whole = import_small_cnns(path, grey, epoch=1)
    orders = [list(import_small_cnns(path, grey, epoch=1, sample=number).models.model) for number in (1, 2, 4)]
    assert orders[2][:2] == orders[1] == [orders[0][0], orders[1][1]]
    assert sorted(orders[2]) == sorted(whole.models.model) != orders[2]
    some = import_small_cnns(path, grey, epoch=1, sample=2)
    rows = [list(whole.models.model).index(name) for name in some.models.model]
    assert list(some.models["index"]) == [0, 1]
    assert torch.equal(some.parameters["conv3.weight"], whole.parameters["conv3.weight"][rows])


def test_losses_without_the_penalty_are_others(tmp_path, grey):
    files = small_cnn_files(grey, 2, readme_columns=True)
    table = pd.read_csv(BytesIO(gzip.decompress(files["metrics.csv.gz"])))
    table.test_loss -= 1e-3
    files["metrics.csv.gz"] = gzip.compress(table.to_csv(index=False).encode())
    with pytest.raises(InputError, match="test losses differ"):
        import_small_cnns(write_zip(tmp_path / "zoo.zip", files), grey, epoch=1, models=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics.csv.gz": b"x"}, "metrics.csv.gz: cannot be read"),
        ({"metrics.csv.gz": gzip.compress(b"a,b\n1,2\n")}, "metrics.csv.gz: has no column modeldir"),
        ({"layout.csv": b"a\n1\n"}, "layout.csv: cannot be read"),
        ({"layout.csv": b"varname,start_idx,end_idx,shape\nx/dense/bias:0,0,10,__import__('os')\n"}, "cannot be read"),
        ({"weights.npy": b"x"}, "weights.npy is damaged"),
    ],
)
def test_broken_files_of_the_small_cnn_zoo_are_one_line(tmp_path, grey, changes, message):
    path = write_zip(tmp_path / "zoo.zip", small_cnn_files(grey) | changes)
    with pytest.raises(InputError, match=message) as caught:
        import_small_cnns(path, grey)
    assert "\n" not in str(caught.value)


def test_fewer_weights_than_rows_are_refused(tmp_path, grey):
    files = small_cnn_files(grey) | {"weights.npy": small_cnn_files(grey, 3)["weights.npy"]}
    with pytest.raises(InputError, match=r"weights.npy is float32 \[12, 4970\], but metrics.csv.gz has 16 rows"):
        import_small_cnns(write_zip(tmp_path / "zoo.zip", files), grey)


def test_models_of_the_small_cnn_zoo_are_trained_on_by_their_own_optimiser(tmp_path, grey):
    zoo = import_small_cnns(write_zip(tmp_path / "zoo.zip", small_cnn_files(grey)), grey, epoch=1)
    factors = list(model_factors(zoo.models).values())
    population = Population(zoo.architecture, factors, torch.zeros(4, dtype=torch.int64), zoo.parameters)
    assert "rmsprop" in {one.optimizer for one in factors}
    TorchEngine().train_epoch(population, grey, 1)
    assert all(tensor.isfinite().all() for tensor in population.parameters.values())


def test_a_dialect_that_is_given_goes_before_what_is_recognised(tmp_path, grey):
    path = write_zip(tmp_path / "zoo.zip", small_cnn_files(grey))
    with open_members(path) as members:
        assert open_zoo(members).id == "small_cnn_zoo"
        with pytest.raises(InputError, match="holds no models"):
            open_zoo(members, "modelzoo").names  # noqa: B018


# --- open_lth ---------------------------------------------------------------------------------------------------------

HPARAMS = """Dataset Hyperparameters
    * dataset_name => mnist
    * batch_size => 128
Model Hyperparameters
    * model_name => mnist_lenet_300_100
    * model_init => kaiming_normal
Training Hyperparameters
    * optimizer_name => sgd
    * lr => 0.1
    * training_steps => 2ep
"""


def open_lth_files(test: ImageSet, trainings: int = 2) -> dict[str, bytes]:
    """Trainings of LeNet-300-100, and a pruned level of a lottery ticket, which is no model."""
    files = {"lottery_1/replicate_1/level_1/main/hparams.log": HPARAMS.encode()}
    for number in range(1, trainings + 1):
        torch.manual_seed(number)
        layers = {"fc_layers.0": nn.Linear(784, 300), "fc_layers.1": nn.Linear(300, 100), "fc": nn.Linear(100, 10)}
        hidden = test.images.flatten(1)
        with torch.no_grad():
            for name in ("fc_layers.0", "fc_layers.1"):
                hidden = F.relu(layers[name](hidden))
            loss, accuracy = scores(layers["fc"](hidden), test.labels)
        state = {
            f"{name}.{key}": tensor for name, layer in layers.items() for key, tensor in layer.state_dict().items()
        }
        folder = f"train_abc/replicate_{number}/main"
        lines = ["test_loss,0,2.5", "test_accuracy,0,0.1", f"test_loss,938,{loss}", f"test_accuracy,938,{accuracy}"]
        files |= {
            f"{folder}/hparams.log": HPARAMS.encode(),
            f"{folder}/logger": "\n".join(lines).encode(),
            f"{folder}/model_ep0_it0.pth": torch_bytes(state),
            f"{folder}/model_ep1_it30.pth": b"x",
            f"{folder}/model_ep2_it0.pth": torch_bytes(state),
            f"{folder}/checkpoint.pth": b"x",
        }
    return files


def test_trainings_of_open_lth_are_read(tmp_path, grey):
    """938 iterations are two epochs of 60,000 images in batches of 128."""
    path = write_folder(tmp_path / "zoo", open_lth_files(grey))
    zoo = import_zoo(path, "lenet_300_100", None, 2, TorchEngine(), grey)
    assert list(zoo.models.model) == ["train_abc_replicate_1", "train_abc_replicate_2"]
    assert list(zoo.models.reason) == ["", ""]
    assert set(zoo.models.dialect) == {"open_lth"}
    assert set(zoo.models.epoch) == {2}
    assert zoo.models.recorded_test_accuracy.notna().all()
    assert (zoo.models.momentum.iloc[0], zoo.models.lr.iloc[0], zoo.models.batch_size.iloc[0]) == (0.0, 0.1, 128)
    files = open_lth_files(grey, 3)
    del files["train_abc/replicate_3/main/model_ep2_it0.pth"]
    files["train_abc/replicate_2/main/logger"] = b"x"
    with open_members(write_zip(tmp_path / "zoo.zip", files)) as members:
        reasons = [model.reason for model in open_zoo(members).models(zoo.architecture, 2)]
    assert reasons[0] == ""
    assert "logger has a line that is not name,iteration,value" in reasons[1]
    assert reasons[2] == "missing checkpoint of epoch 2 (its last is 0)"


def test_an_epoch_of_open_lth_that_was_not_logged_is_read_where_no_record_is_needed(tmp_path, grey):
    """As rewinding reads it, of trainings that are evaluated at their start and end only."""
    files = open_lth_files(grey, 1)
    files["train_abc/replicate_1/main/model_ep1_it0.pth"] = files["train_abc/replicate_1/main/model_ep2_it0.pth"]
    with open_members(write_zip(tmp_path / "zoo.zip", files)) as members:
        models = [
            next(open_zoo(members).models(get_architecture("lenet_300_100", 1), 1, recorded=recorded))
            for recorded in (False, True)
        ]
    assert [model.reason for model in models] == ["", "truncated logger: it has nothing of epoch 1"]
    assert list(models[0].checkpoints) == [1]


@pytest.mark.parametrize(
    ("written", "schedule"),
    [
        ("", "constant"),
        ("milestone_steps => 80ep,120ep\n    * gamma => 0.1", "times 0.1 at 80ep,120ep"),
        (
            "milestone_steps => 80ep\n    * gamma => 0.1\n    * warmup_steps => 400it",
            "times 0.1 at 80ep, warm-up 400it",
        ),
        ("warmup_steps => 1ep", "constant, warm-up 1ep"),
        ("milestone_steps => 80ep", None),
    ],
)
def test_milestones_and_warm_up_of_open_lth_are_the_schedule(tmp_path, grey, written, schedule):
    files = open_lth_files(grey, 1)
    files["train_abc/replicate_1/main/hparams.log"] = f"{HPARAMS}    * {written}\n".encode()
    with open_members(write_zip(tmp_path / "zoo.zip", files)) as members:
        (model,) = open_zoo(members).models(get_architecture("lenet_300_100"), 2)
    if schedule is None:
        assert model.reason == "hparams.log: milestone_steps is '80ep', and gamma is missing"
    else:
        assert (model.reason, model.factors.schedule) == ("", schedule)


@pytest.mark.parametrize(("conv_nlin", "own"), [("relu", True), ("none", False), (None, False)])
def test_lenet_5_with_and_without_activations_after_convolutions_is_told_apart_by_params_json(tmp_path, conv_nlin, own):
    network = get_architecture({"id": "lenet_5", "convolution_activation": own})
    state = to_state_dict(network.module("relu").state_dict(), network, 0.0)
    params = json.dumps(PARAMS | {"model::nlin": "relu", "model::conv_nlin": conv_nlin}).encode()
    path = write_zip(tmp_path / "zoo.zip", model_files("NN_0", last=torch_bytes(state), params=params))
    for convolution_activation in (True, False):
        architecture = get_architecture({"id": "lenet_5", "convolution_activation": convolution_activation})
        with open_members(path) as members:
            (model,) = open_zoo(members).models(architecture, 1)
        assert ("model::conv_nlin is" in model.reason) == (convolution_activation != own)


def test_pickles_of_torchvision_with_subsets_and_transforms_are_read_as_pixels():
    """As ModelZooDataset's ResNets have them: subsets of one set, normalised when they are loaded."""
    from torch.utils.data import Subset

    from zootwins.images.datasets import import_torchvision
    from zootwins.zoos.dataset_files import read_dataset_pt

    torchvision = import_torchvision()
    steps = torchvision.transforms
    mean, std = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    exact = [steps.ToTensor(), steps.Normalize(mean, std)]
    whole = torchvision.datasets.CIFAR10.__new__(torchvision.datasets.CIFAR10)
    whole.data = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    whole.targets = [index % 10 for index in range(20)]
    whole.transform = steps.Compose([steps.RandomCrop(32, padding=4), steps.RandomHorizontalFlip(), *exact])
    test = torchvision.datasets.CIFAR10.__new__(torchvision.datasets.CIFAR10)
    test.data, test.targets, test.transform = whole.data[:6], whole.targets[:6], steps.Compose(exact)
    content = {"trainset": Subset(whole, [3, 1, 7]), "valset": Subset(whole, [0, 2]), "testset": test}
    data = read_dataset_pt(torch_bytes(content), "zoo: dataset.pt")
    assert data.mean == pytest.approx(mean)
    assert data.std == pytest.approx(std)
    assert np.array_equal(data.images["train"].permute(0, 2, 3, 1).numpy(), whole.data[[3, 1, 7]])
    assert data.labels["train"].tolist() == [3, 1, 7]
    assert len(data.labels["test"]) == 6
    content["testset"].transform = steps.Compose([steps.Grayscale(), *exact])
    with pytest.raises(InputError, match="refused, not executed"):
        read_dataset_pt(torch_bytes(content), "zoo: dataset.pt")
    part = TensorDataset(torch.zeros(2, 3, 32, 32), torch.tensor([0, 300]))
    data = read_dataset_pt(torch_bytes(dict.fromkeys(("trainset", "valset", "testset"), part)), "zoo: dataset.pt", 301)
    assert (data.classes, data.labels["test"].tolist()) == (301, [0, 300])


def test_grey_images_as_means_of_channels_are_not_rounded(tmp_path):
    """x/255 → [−1, 1] → mean over channels, as the Small CNN Zoo has CIFAR-10 and SVHN."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(8)
    np.savez(
        tmp_path / "own.npz", train_images=pixels, train_labels=labels, test_images=pixels[:4], test_labels=labels[:4]
    )
    entry = DatasetEntry(npz="own.npz", channels="mean", normalisation=[-1, 1], split={"validation": 2})
    save_dataset(tmp_path / "data.safetensors", read_data("own", entry, tmp_path, tmp_path / "own.npz"), {})
    expected = (pixels[:4].astype(np.float64) / 255 * 2 - 1).mean(-1)[:, None]
    found = load_dataset(tmp_path / "data.safetensors").test.images
    np.testing.assert_allclose(found.numpy(), expected, atol=ROUNDING)


def test_the_public_populations_are_a_catalogue_that_can_be_planned():
    """config/populations.yaml: every entry is valid, and a sample of 30,000 networks is planned by its shards."""
    root = Path(__file__).parents[2]
    defaults = yaml.safe_load((root / "config.yaml").read_text(encoding="utf-8"))
    populations = yaml.safe_load((root / "config/populations.yaml").read_text(encoding="utf-8"))["zoos"]
    run = load_run(defaults | {"catalogue": "config/populations.yaml", "zoos": list(populations)}, root)
    assert run.models("small_cnn_mnist") == 1024
    assert run.catalogue["small_cnn_mnist"].held == 30_000
    assert len(run.shards("small_cnn_mnist")) == 64

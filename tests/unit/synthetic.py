"""A small made-up zoo with twins: shards as the sparsifiers write them, and results as the tables read them.

Accuracies fall with sparsity and follow the originals', so that figures made of it look like a population's.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from zootwins.analyses.metrics import collect_metrics
from zootwins.analyses.predictability import weight_statistics
from zootwins.analyses.response import rank_changes, twin_predictions
from zootwins.analyses.results import ZooResults
from zootwins.architectures.architecture import get_architecture
from zootwins.catalogue.experiments import figures, tables
from zootwins.catalogue.zoos import Zoo
from zootwins.experiments.representations import Settings
from zootwins.experiments.representations.model import AutoEncoder
from zootwins.experiments.representations.storage import Representation
from zootwins.experiments.representations.tokens import Tokens
from zootwins.images.corruptions import PARAMETERS
from zootwins.population.trajectory import Trajectory
from zootwins.sparsifiers import magnitude_pruning, variational_dropout
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.shards import TwinShard, read_shard, write_trajectory

ARCHITECTURE = get_architecture("cnn_s", 1)
SAMPLES = 50
PERCENTS = (50, 70, 80, 90)
MP_EPOCHS = 3
VD_EPOCHS = 5
SETTINGS = Settings(
    name="test",
    dimension=32,
    heads=2,
    feed_forward=64,
    blocks=1,
    latent=16,
    largest=0,
    dropout=0.1,
    projection_hidden=16,
    projection=8,
    contrastive_weight=0.1,
    temperature=0.1,
    weights_factor=1.0,
    alpha_scale=5.0,
    magnitudes=True,
    align=False,
    permutations=True,
    erasing=0.2,
    lr=1e-3,
    weight_decay=1e-9,
    batch_size=16,
    epochs=2,
)

SETTINGS_OF = {
    "mp": magnitude_pruning.Settings(sparsities=PERCENTS, epochs=MP_EPOCHS, lr=1e-3),
    "vd": variational_dropout.Settings(epochs=VD_EPOCHS, threshold=3.0, lr=1e-2),
}


def twins_by(*methods: str) -> dict[str, dict[str, str]]:
    """Return the configuration's `twins` of sparsifiers under their ids, with the settings of their sections."""
    return {method: {"sparsifier": get_sparsifier(method).section} for method in methods}


def make_zoo(zoo: str = "mini", **changes) -> Zoo:
    """A catalogue entry for the made-up zoo."""
    settings = {
        "id": zoo,
        "title": f"Made-up ({zoo})",
        "dataset": "fashion_mnist_mini",
        "architecture": "cnn_s",
        "models": 14,  # more than 13: SciPy enumerates the signs of fewer in Python where values tie
        "epoch": None,
        "methods": SETTINGS_OF,
        "points": {name: {"mp": 80, "vd": VD_EPOCHS} for name in ("agreement", "correlation")},
    }
    return Zoo(**settings | changes)


def make_models(models: int = 14, excluded: tuple[int, ...] = (), seed: int = 0) -> pd.DataFrame:
    """models.csv of the made-up zoo."""
    rng = np.random.default_rng(seed)
    index = np.arange(models)
    accuracy = rng.normal(0.7, 0.04, models).round(2)
    return pd.DataFrame(
        {
            "model": [f"NN_{i:04d}" for i in index],
            "index": index,
            "status": np.where(np.isin(index, excluded), "excluded", "ok"),
            "reason": np.where(np.isin(index, excluded), "missing checkpoint", ""),
            "seed": index,
            "activation": np.array(["tanh", "relu"])[index % 2],
            "init": "uniform",
            "optimizer": np.array(["adam", "sgd"])[index // 2 % 2],
            "lr": 3e-4,
            "weight_decay": 0.0,
            "momentum": 0.9,
            "dropout": np.array([0.0, 0.5])[index // 4 % 2],
            "batch_size": 10,
            "epoch": 50,
            "recorded_test_accuracy": accuracy,
            "test_accuracy": accuracy,
        }
    )


def make_shard(path: Path, method: str, models: pd.DataFrame, seed: int = 0) -> TwinShard:
    """Write and open a shard for rows of `make_models`; VD's weights and variances are drawn, not trained."""
    rng = np.random.default_rng([seed, int(models["index"].iloc[0]), method == "mp"])
    ratios = (0.0, *(percent / 100 for percent in PERCENTS)) if method == "mp" else ()
    epochs = MP_EPOCHS if method == "mp" else VD_EPOCHS
    grid = (len(models), len(ratios), epochs + 1) if method == "mp" else (len(models), epochs + 1)
    layers = len(ARCHITECTURE.layers)
    if method == "mp":
        nominal = np.broadcast_to(np.array(ratios)[:, None], grid)
    else:
        nominal = np.broadcast_to(0.8 * np.arange(epochs + 1) / epochs, grid)
    sparsity = np.clip(
        nominal[..., None] * rng.uniform(0.8, 1.1, (len(models),) + (1,) * (len(grid) - 1) + (layers,)), 0, 1
    )
    original = models["test_accuracy"].to_numpy().reshape((-1,) + (1,) * (len(grid) - 1))
    test = (original * (1 - 0.3 * nominal**3) + rng.normal(0, 0.01, grid)).clip(0.1, 1)
    scores = {
        **{f"{split}_accuracy": test for split in ("test", "validation")},
        **{f"{split}_loss": 1 - test for split in ("train", "validation", "test")},
        **{f"{kind}train_accuracy": test + 0.02 for kind in ("", "clean_")},
    }
    tensors = {name: torch.tensor(values, dtype=torch.float64) for name, values in scores.items()}
    tensors["sparsity"] = torch.tensor(sparsity, dtype=torch.float32)
    states = list(range(epochs + 1))
    prediction_states = [0, epochs] if method == "mp" else states
    shape = (*grid[:-1], len(prediction_states), SAMPLES)
    tensors["predictions"] = torch.tensor(rng.integers(0, 3, shape), dtype=torch.uint8)
    for name, weight_shape in ARCHITECTURE.parameter_shapes.items():
        weights = torch.tensor(rng.normal(0, 0.3, (*grid, *weight_shape)), dtype=torch.float32)
        tensors[name] = weights
        if method == "vd" and name.endswith("weight"):
            growth = torch.linspace(-6, 2, epochs + 1).reshape(-1, *(1,) * len(weight_shape))
            tensors[name.replace("weight", "log_sigma2")] = growth.expand_as(weights).clone()
        if method == "mp" and name.endswith("weight"):
            kept = rng.random((*grid[:2], *weight_shape)) >= np.array(ratios).reshape(-1, *(1,) * len(weight_shape))
            tensors[f"mask.{name}"] = torch.tensor(kept)
            tensors[name] = weights * torch.tensor(kept)[:, :, None]
    trajectory = Trajectory(states, states, prediction_states, tensors)
    axes = get_sparsifier(method).axes(SETTINGS_OF[method])
    metadata = {"configuration": json.dumps({"settings": SETTINGS_OF[method].model_dump()})}
    index = models["index"].tolist()
    write_trajectory(path, method, trajectory, models["model"], index, axes=axes, metadata=metadata)
    return read_shard(path)


def make_predictions(models: pd.DataFrame, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The originals' predicted classes `[originals, samples]` and their indices."""
    rng = np.random.default_rng(seed)
    index = models.loc[models["status"] == "ok", "index"].to_numpy()
    return rng.integers(0, 3, (len(index), SAMPLES)).astype(np.uint8), index


def make_labels(seed: int = 0) -> np.ndarray:
    """The right classes of the test images, `[samples]`."""
    return np.random.default_rng([seed, 1]).integers(0, 3, SAMPLES).astype(np.uint8)


def draw(name: str, zoos: Sequence[ZooResults], of_tables: Sequence[ZooResults] | None = None) -> Figure:
    """Draw a figure of zoos and, where it is drawn of tables, of theirs or of those of other results."""
    figure = figures()[name]
    made = [source.removeprefix("tables/") for source in figure.sources if source.startswith("tables/")]
    return figure.draw(zoos, *(tables()[table].make(of_tables or zoos) for table in made))


def make_results(folder: Path, zoo: Zoo | None = None, seed: int = 0) -> ZooResults:
    """Everything that tables and figures read, by way of shards in a folder."""
    zoo = zoo or make_zoo()
    models = make_models(zoo.models, seed=seed)
    tables = {}
    for method in zoo.methods:
        shard = make_shard(folder / f"{zoo.id}-{method}-0000.safetensors", method, models, seed)
        metrics = collect_metrics([shard], *make_predictions(models, seed), ARCHITECTURE, zoo.curve(method))
        twins, index = twin_predictions([shard], zoo.point(method, {"mp": 80, "vd": VD_EPOCHS}[method]))
        originals, labels = make_predictions(models, seed)[0], make_labels(seed)
        changes = rank_changes(originals == labels, twins == labels).assign(index=index)
        if (control := get_sparsifier(method).dense_control(SETTINGS_OF[method])) is not None:
            unpruned, _ = twin_predictions([shard], control)
            bounds = rank_changes(originals == labels, unpruned == labels)[["low", "high"]]
            changes = changes.join(bounds.add_prefix("control_"))
        tables[f"{method}/response"] = changes
        tables |= {f"{method}/{name}": table for name, table in vars(metrics).items()}
    tables["transfer"] = make_transfer(models, tuple(zoo.methods), seed=seed)
    weights = np.random.default_rng(seed).normal(size=(len(models), 20, 36))
    tables["weight_statistics"] = weight_statistics({"fc1.weight": weights}).assign(index=models["index"])
    tables["benchmark"] = make_benchmark()
    tables |= make_soups(models, seed) | make_pruning_soups("gmp", models["index"])
    return ZooResults(zoo, models, tables)


def make_benchmark() -> pd.DataFrame:
    """Scores of two baselines on a task, on three splits."""
    rows = [
        {"task": "accuracy", "baseline": baseline, "metric": metric, "value": 0.5 + 0.1 * split, "split": split}
        for baseline in ("mean", "statistics")
        for metric in ("kendall_tau", "kendall_tau_ceiling")
        for split in range(3)
    ]
    return pd.DataFrame(rows).assign(items=20, originals=2)


def make_soups(models: pd.DataFrame, seed: int = 0) -> dict[str, pd.DataFrame]:
    """The long tables of soups: three candidates a soup, which is half a point better than they are."""
    rng = np.random.default_rng([seed, 2])
    scores, pairs, shifted, noise = [], [], [], []
    variants = {"seed": (1, 2), "lr": (1, 2), "constant": (1,), "dense": (1,), "unrelated_models": (1,)}
    for variant, phases in variants.items():
        for goal in (0.0,) if variant == "dense" else (0.8, 0.95):
            cell = {"variant": variant, "members": 3, "goal": goal}
            for index, accuracy in zip(models["index"], models["test_accuracy"], strict=True):
                place = cell | {"index": index, "norm_drop": goal * rng.uniform(0.5, 1)}
                for phase in phases:
                    cooked = place | {"phase": phase, "sparsity": goal * phase / phases[-1]}
                    scores += [cooked | row for row in _soup_rows(variant, accuracy - 0.05 * goal * phase, rng)]
                kinds = ["members of one model"]
                if variant == "unrelated_models":
                    kinds = ["unrelated models, own masks", "unrelated models, one mask"]
                for kind in kinds:
                    dip = 0.005 if kind == "members of one model" else 0.4
                    line = {f"line_{n}": accuracy - dip * n * (10 - n) / 25 * rng.uniform(0.9, 1) for n in range(11)}
                    apart = {"distance": rng.uniform(1, 5), "agreement": rng.uniform(0.8, 0.9), "barrier": dip}
                    pairs += [
                        {**place, "phase": phase, "kind": kind, "member": other, **apart, **line}
                        for phase in phases
                        for other in (2, 3)
                    ]
                if variant in ("seed", "lr"):
                    shifted += [
                        {**cell, "index": index, "set": name, "severity": severity, "arm": arm}
                        | {"accuracy": accuracy - 0.05 * severity + 0.01 * (arm == "soup") + rng.normal(0, 0.002)}
                        for name in PARAMETERS
                        for severity in (1, 2, 3, 4, 5)
                        for arm in ("soup", "mean_member", "imp_long", "ensemble")
                    ]
            if variant != "unrelated_models":
                noise.append(
                    {**cell, "phase": phases[-1], "against": "mean_member", "models": 14, "noise_variance": 1e-6}
                )
    frames = {"soups": scores, "soup_pairs": pairs, "soup_shifted": shifted, "soup_noise": noise}
    return {name: pd.DataFrame(rows) for name, rows in frames.items()}


PRUNING_SOUPS = {
    "single": 0.70,
    "restarted": 0.69,
    "long": 0.74,
    "mean_member": 0.71,
    "best_member": 0.715,
    "soup": 0.72,
}


def make_pruning_soups(
    method: str,
    models: Iterable[int],
    goal: float = 0.9,
    arms: Mapping[str, float] = PRUNING_SOUPS,
    collapsed: Collection[int] = (),
) -> dict[str, pd.DataFrame]:
    """The long tables of soups while pruning trains, of some accuracies by arm."""
    rng = np.random.default_rng(3)
    scores = pd.DataFrame(
        {"method": method, "members": 3, "goal": goal, "index": index, "arm": arm, "sparsity": goal}
        | {"test_accuracy": accuracy + rng.normal(0, 0.004), "collapsed": index in collapsed}
        for index in models
        for arm, accuracy in arms.items()
    )
    pairs = scores[scores["arm"] == "soup"].assign(distance=1.0, agreement=0.9, barrier=0.02)
    return {"pruning_soups": scores, "pruning_soup_pairs": pairs}


def _soup_rows(variant: str, accuracy: float, rng: np.random.Generator) -> list[dict[str, object]]:
    """The arms of a model in a phase, with what is measured of them."""
    members = accuracy + rng.normal(0, 0.002, 3)
    if variant == "unrelated_models":
        values = {("own_masks", 0): 0.1, ("one_mask", 0): 0.12}
        values |= {
            (f"{kind}_part", n + 1): value for kind in ("own_masks", "one_mask") for n, value in enumerate(members)
        }
    else:
        values = {("member", n + 1): value for n, value in enumerate(members)}
        values |= {("soup", 0): members.mean() + 0.005 + rng.normal(0, 0.001), ("ensemble", 0): members.mean() + 0.006}
        values |= {
            ("mean_member", 0): members.mean(),
            ("best_member", 1): members[0],
            ("best_by_test", 1): members.max(),
        }
        if variant in ("seed", "dense"):
            values |= {("imp_long", 0): accuracy + 0.002, ("swa", 0): accuracy + 0.003}
        if variant == "seed":
            values |= {("imp", n + 1): value - 0.001 for n, value in enumerate(members)}
            values |= {
                ("reprune", 0): accuracy - 0.02,
                ("average", 0): accuracy - 0.01,
                ("greedy", 0): accuracy + 0.001,
            }
    measured = lambda value: {"test_accuracy": value, "worst_class": value - 0.3, "recall_spread": 0.5, "ece": 0.1}  # noqa: E731
    return [
        {"arm": arm, "member": member, "validation_accuracy": value, "collapsed": False, **measured(value)}
        for (arm, member), value in values.items()
    ]


def make_transfer(models: pd.DataFrame, methods=("mp", "vd"), tasks=("digits", "digits-shuffled"), seed: int = 0):
    """A long table of transfer: two restarts, full transfer of two epochs; the sparser, the worse on the task.

    Of 80 % of MP's weights, twins lose 2 points in linear transfer and 4 in full transfer, VD's 1 and 5.
    """
    rng = np.random.default_rng([seed, 5])
    twins = [("original", 0.0, 0.0)] + [("mp", point, point / 100) for point in (0.0, 50.0, 80.0)]
    twins += [("vd", 5.0, 0.7)] if "vd" in methods else []
    twins += [("mp_random", 80.0, 0.8), ("mp_scratch", 0.0, 0.0), ("mp_scratch", 80.0, 0.8), ("untrained", 0.0, 0.0)]
    loss = {
        "linear": {"vd": 0.01, "mp_random": 0.1, "untrained": 0.2},
        "full": {"vd": 0.05, "mp_random": 0.1, "mp_scratch": 0.15},
    }
    places = {"linear": [("fc1", "sgd"), ("fc1", "exact"), ("conv3", "sgd")], "full": [(None, None)]}
    rows = []
    for task in tasks:
        for mode, missing in (("linear", "mp_scratch"), ("full", "untrained")):
            base = models["test_accuracy"].to_numpy() + {"linear": 0.0, "full": 0.1}[mode]
            for (layer, solver), (method, point, sparsity) in product(places[mode], twins):
                if method == missing:
                    continue
                lost = loss[mode].get(method, {"linear": 0.02, "full": 0.04}[mode] * sparsity / 0.8)
                lost *= not task.endswith("shuffled")
                for restart, epoch in product((0, 1), (1, 2) if mode == "full" else (150,)):
                    accuracy = (base - lost - 0.05 * (epoch == 1) + rng.normal(0, 0.002, len(models))).clip(0.1, 1)
                    frame = {"index": models["index"], "method": method, "point": point, "source_state": 3}
                    lost_upstream = 0.1 * sparsity * np.linspace(0.99, 1.01, len(models))  # by no two the same
                    known = np.nan if method in ("mp_scratch", "untrained") else models["test_accuracy"] - lost_upstream
                    frame |= {"upstream_accuracy": known, "sparsity": sparsity, "restart": restart, "epoch": epoch}
                    frame |= {"lr": 0.01, "validation_accuracy": accuracy, "accuracy": accuracy}
                    frame |= {"class_accuracy": accuracy, "task": task, "mode": mode}
                    rows.append(pd.DataFrame(frame).assign(layer=layer, solver=solver))
    return pd.concat(rows, ignore_index=True)


def make_representation() -> Representation:
    """An auto-encoder that was not trained."""
    split = {"train": ["NN_0000"], "validation": ["NN_0001"], "test": ["NN_0002"]}
    return Representation(AutoEncoder(Tokens(ARCHITECTURE), SETTINGS), SETTINGS, 3.0, split)

"""Networks of a zoo as rows: dense originals and the twins at every point of every method's trade-off curve."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zootwins.population import layer_sparsity
from zootwins.sparsifiers.base import Settings
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.twins import evaluated_parameters
from zootwins.storage.shards import TwinShard
from zootwins.zoos.originals import Originals

ORIGINAL = "original"  # the method of a dense model
SPLITS = {"train": 0.7, "validation": 0.15, "test": 0.15}  # shares of the originals
SCORES = ("train_accuracy", "validation_accuracy", "validation_loss", "test_accuracy", "test_loss")
FACTORS = ("seed", "activation", "init", "optimizer", "lr", "weight_decay", "momentum", "dropout")


@dataclass(frozen=True)
class Networks:
    """Some networks of one architecture: a row of the index each, and their weights.

    Attributes:
        rows: without the columns of the place in the release (`file`, `row`) and of the split.
        parameters: weights and biases as they were evaluated, pruned weights being 0, by name, `[rows, …]`.
    """

    rows: pd.DataFrame
    parameters: Mapping[str, Tensor]


def dense_networks(originals: Originals, models: pd.DataFrame) -> Networks:
    """Return the dense originals of a zoo as networks.

    Args:
        originals: weights of the models that were not excluded.
        models: models.csv.
    """
    table = models.set_index("index").loc[list(originals.index)]
    rows = pd.DataFrame(
        {
            "original": list(originals.models),
            "original_index": list(originals.index),
            "method": ORIGINAL,
            "settings": "{}",
            "point": np.nan,
            "epoch": table["epoch"].to_numpy(),
            "test_accuracy": table["test_accuracy"].to_numpy(),
        }
    )
    return _described(rows, originals.parameters, originals.architecture)


def twin_networks(shard: TwinShard, settings: Settings, architecture) -> Iterator[Networks]:
    """Yield the twins of a shard's models at each point of the method's trade-off curve, its dense control included.

    Raises:
        InputError: if the weights of a point's epoch were not kept (`keep_states`).
    """
    sparsifier = get_sparsifier(shard.method)
    weights = evaluated_parameters(shard)
    leading = (len(shard.models), len(shard.coordinates))
    weights = {name: tensor.reshape(*leading, *tensor.shape[1 + len(shard.axes) :]) for name, tensor in weights.items()}
    scores = {name: shard.twins(name) for name in SCORES}
    points = list(sparsifier.curve(settings))
    control = sparsifier.dense_control(settings)
    for point in [*([control] if control and control not in points else []), *points]:
        twin, state = shard.twin(point.at), list(shard.states).index(point.epoch)
        rows = pd.DataFrame(
            {
                "original": list(shard.models),
                "original_index": list(shard.index),
                "method": shard.method,
                "settings": settings.model_dump_json(),
                "point": point.value,
                "epoch": point.epoch,
                **{axis.name: shard.coordinates[twin][axis.name] for axis in shard.axes},
                **{name: scores[name][:, twin, state].numpy() for name in SCORES},
            }
        )
        kept = shard.weight_state(point.epoch)
        parameters = {name: tensor[:, twin, kept] for name, tensor in weights.items()}
        yield _described(rows, parameters, architecture)


def _described(rows: pd.DataFrame, parameters: Mapping[str, Tensor], architecture) -> Networks:
    """Add what the weights themselves show: sparsity, and whether all of them are finite."""
    finite = torch.stack([tensor.flatten(1).isfinite().all(1) for tensor in parameters.values()]).all(0).numpy()
    sparsity = layer_sparsity(parameters, architecture).double() @ architecture.weight_shares
    rows = rows.assign(sparsity=np.where(finite, sparsity.numpy(), np.nan), status=np.where(finite, "ok", "diverged"))
    return Networks(rows, parameters)


def split_of_originals(zoo: str, originals: Iterable[str]) -> dict[str, str]:
    """Assign every original to train, validation or test: 70, 15 and 15 %, ordered by a hash of zoo and model.

    The split is by original, so that no twin of a test model has a sibling in training. It depends on the names alone
    and is stored with the release, which is what freezes it.
    """
    names = sorted(dict.fromkeys(originals), key=lambda model: sha256(f"{zoo}/{model}".encode()).digest())
    ends = np.round(np.cumsum(list(SPLITS.values())) * len(names)).astype(int)
    places = np.searchsorted(ends, np.arange(len(names)), side="right")
    return {name: list(SPLITS)[place] for name, place in zip(names, places, strict=True)}


def index_of(zoo: str, networks: Iterable[pd.DataFrame], models: pd.DataFrame) -> pd.DataFrame:
    """Join the rows of all networks with the factors of their originals and the split.

    Returns:
        One row per network: id, zoo, original, original_index, method, settings (JSON), the sweep parameter `point`,
        the method's axes (such as ratio), epoch, status, sparsity, accuracies (fractions), losses,
        generalization_gap, the originals' generating factors and test accuracy, split; then the rest.
    """
    table = pd.concat(list(networks), ignore_index=True)
    factors = models.set_index("index")[[name for name in FACTORS if name in models]]
    table = table.join(factors, on="original_index")
    table["original_test_accuracy"] = table["original_index"].map(models.set_index("index")["test_accuracy"])
    table["split"] = table["original"].map(split_of_originals(zoo, table["original"]))
    table["zoo"] = zoo
    if "train_accuracy" in table:
        table["generalization_gap"] = table["train_accuracy"] - table["test_accuracy"]
    table.insert(0, "id", [f"{zoo}/{number:06d}" for number in range(len(table))])
    first = ("id", "zoo", "original", "original_index", "method", "point", "epoch", "status", "sparsity")
    return table[[*first, *(name for name in table if name not in first)]]

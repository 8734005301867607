"""Networks of a zoo as rows: dense originals and the twins at every point of every method's trade-off curve."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zootwins.analyses.status import COLLAPSED, DIVERGED, OK
from zootwins.population import layer_sparsity
from zootwins.publishing.splits import ORIGINAL, split_of_originals
from zootwins.sparsifiers.base import Settings
from zootwins.sparsifiers.twins import evaluated_parameters
from zootwins.storage.shards import SCORES, TwinShard
from zootwins.zoos.originals import Originals

FACTORS = (
    "seed",
    "activation",
    "init",
    "optimizer",
    "lr",
    "weight_decay",
    "momentum",
    "dropout",
    "batch_size",
    "l2",
    "schedule",
)


@dataclass(frozen=True)
class Networks:
    """Some networks of one architecture: a row of the index each, and their weights.

    Attributes:
        rows: without the columns of the place in the release (`file`, `row`) and of the split.
        tensors: parameters and buffers as they were evaluated, pruned weights being 0, by name, `[rows, …]`.
    """

    rows: pd.DataFrame
    tensors: Mapping[str, Tensor]


def dense_networks(originals: Originals, models: pd.DataFrame) -> Networks:
    """Return the dense originals of a zoo as networks.

    Args:
        originals: weights of the models that were not excluded.
        models: models.csv.
    """
    table = models.set_index("index").loc[list(originals.index)]
    tensors, architecture = originals.parameters, originals.architecture
    finite = torch.stack([tensor.flatten(1).isfinite().all(1) for tensor in tensors.values()]).all(0).numpy()
    sparsity = layer_sparsity(tensors, architecture).double() @ architecture.weight_shares
    collapsed = table["collapsed"].to_numpy(dtype=bool) if "collapsed" in table else False
    rows = pd.DataFrame(
        {
            "original": list(originals.models),
            "original_index": list(originals.index),
            "method": ORIGINAL,
            "settings": "{}",
            "point": np.nan,
            "epoch": table["epoch"].to_numpy(),
            "status": np.where(finite, np.where(collapsed, COLLAPSED, OK), DIVERGED),
            "sparsity": np.where(finite, sparsity.numpy(), np.nan),
            "test_accuracy": table["test_accuracy"].to_numpy(),
        }
    )
    return Networks(rows, {name: tensors[name] for name in architecture.tensor_shapes})


def twin_networks(shard: TwinShard, scores: pd.DataFrame, settings: Settings) -> Iterator[Networks]:
    """Yield the twins of a shard's models, a point of the method's trade-off curve at a time.

    Args:
        shard: twins by one method.
        scores: the method's long table (results/metrics/{zoo}/{method}/scores.parquet).
        settings: of the method.

    Raises:
        InputError: if the weights of a point's epoch were not kept (`keep_states`).
    """
    weights = evaluated_parameters(shard)
    leading = (len(shard.models), len(shard.coordinates))
    weights = {name: tensor.reshape(*leading, *tensor.shape[1 + len(shard.axes) :]) for name, tensor in weights.items()}
    position = {index: row for row, index in enumerate(shard.index)}
    axes = [axis.name for axis in shard.axes]
    points = scores[scores["point"].notna() & scores["index"].isin(position)]
    for (epoch, *place), part in points.groupby(["epoch", *axes], sort=False):
        twin, state = shard.twin(dict(zip(axes, place, strict=True))), shard.weight_state(int(epoch))
        models = [position[index] for index in part["index"]]
        rows = part.drop(columns=["model", "index"]).assign(
            original=part["model"] if "model" in part else [shard.models[row] for row in models],
            original_index=part["index"],
            method=shard.method,
            settings=settings.model_dump_json(),
            status=part["status"].astype(object),
        )
        yield Networks(
            rows.reset_index(drop=True), {name: tensor[models, twin, state] for name, tensor in weights.items()}
        )


def index_of(zoo: str, networks: Iterable[pd.DataFrame], models: pd.DataFrame) -> pd.DataFrame:
    """Join the rows of all networks with the factors of their originals and the split.

    Returns:
        One row per network: id, zoo, original, original_index, method, the sweep parameter `point`, epoch, status,
        sparsity, the method's axes (such as ratio), accuracies (fractions) and losses, settings (JSON), the originals'
        generating factors and test accuracy, split, and the place of the weights.
    """
    table = pd.concat(list(networks), ignore_index=True)
    factors = models.set_index("index")[[name for name in FACTORS if name in models]]
    table = table.join(factors, on="original_index")
    table["original_test_accuracy"] = table["original_index"].map(models.set_index("index")["test_accuracy"])
    table["split"] = table["original"].map(split_of_originals(zoo, table["original"]))
    table["zoo"] = zoo
    table.insert(0, "id", [f"{zoo}/{number:06d}" for number in range(len(table))])
    first = ("id", "zoo", "original", "original_index", "method", "point", "epoch", "status", "sparsity")
    scores = [name for name in (*SCORES, "generalization_gap") if name in table]
    last = (*scores, "settings", *factors.columns, "original_test_accuracy", "split", "file", "row")
    axes = [name for name in table if name not in (*first, *last)]
    return table[[*first, *axes, *last]]

"""Is a pruned twin's accuracy its model's own, or chance of the batch order? Magnitude pruning a second time.

    python benchmarks/retest.py fmnist_s_seed_trained mnist_s_seed_trained --sparsity 80 --models 128 --output again

The same models are pruned alike and trained with the settings of the twins under results/twins, with other batches:
their random streams are keyed by another zoo's name. Accuracies on the test images after the last epoch are correlated
between the two runs, and those of the originals with the first, and with the mean of both. Shards of the second run go
to the output's folder, and are made again if the twins' settings are others; the zoos' rows go to retest.csv there,
where those of others stay.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from zootwins.analyses.statistics import kendall, pearson
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.run.provenance import digest
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.storage.resume import Resume
from zootwins.storage.shards import TwinShard, read_shard, write_trajectory
from zootwins.zoos.originals import load_originals, read_models

METHOD = "mp"
ENDS = {"": "value", "_low": "low", "_high": "high"}


def second_run(first: TwinShard, zoo: Path, sparsity: float, path: Path) -> TwinShard:
    """The models of a shard again, pruned at one sparsity and at none, with other batches."""
    sparsifier = get_sparsifier(METHOD)
    configuration = json.loads(first.metadata["configuration"])
    settings = sparsifier.Settings(**configuration["settings"] | {"sparsities": [sparsity]})
    own = digest([configuration, settings.model_dump(), list(first.models)])
    if not path.exists() or read_shard(path).metadata.get("second_run") != own:
        models = load_originals(
            zoo / "originals.safetensors",
            zoo / "models.csv",
            configuration["architecture"],
            min(first.index),
            max(first.index) + 1,
        )
        resume = Resume(path.with_suffix(".resume"), own)
        twins = sparsify(
            get_engine("auto", "auto", threads=2),
            sparsifier,
            settings,
            SparsifierInputs(f"{zoo.name}, again", models),
            load_dataset(zoo / "dataset.safetensors"),
            [settings.epochs],
            resume,
        )
        axes, metadata = sparsifier.axes(settings), {"second_run": own}
        write_trajectory(path, METHOD, twins, models.models, models.index, axes=axes, metadata=metadata)
        resume.discard()
    return read_shard(path)


def accuracies(shard: TwinShard, ratio: float) -> pd.Series:
    """Test accuracy after the last epoch of the twins at a ratio, by the model's index."""
    (place,) = np.flatnonzero(np.isclose(shard.axes[0].values, ratio))
    return pd.Series(shard.tensor("test_accuracy")[:, place, -1].numpy(), shard.index)


def correlated(first: pd.Series, second: pd.Series, originals: pd.Series) -> dict[str, float]:
    """Percent: both runs' means and standard deviations, r and tau between them and of the originals."""
    row: dict[str, float] = {"models": len(first)}
    for name, run in (("first", first), ("second", second)):
        row |= {f"{name}_mean": 100 * run.mean(), f"{name}_std": 100 * run.std()}
    pairs = {"both": (first, second), "original_first": (originals, first)}
    pairs["original_mean"] = (originals, ((first + second) / 2).round(9))
    for name, (x, y) in pairs.items():
        for label, statistic in (("r", pearson), ("tau", kendall)):
            found = statistic(x.to_numpy(), y.to_numpy())
            row |= {f"{name}_{label}{end}": 100 * getattr(found, key) for end, key in ENDS.items()}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoos", nargs="+")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--sparsity", type=float, required=True, help="percent, one of those of the twins")
    parser.add_argument("--models", type=int, required=True, help="the first so many; whole shards")
    parser.add_argument("--output", type=Path, required=True, help="folder")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.zoos:
        zoo, folder = arguments.results / "zoos" / name, arguments.output / name / f"{arguments.sparsity:g}"
        folder.mkdir(parents=True, exist_ok=True)
        paths = sorted((arguments.results / "twins" / name / METHOD).glob("*.safetensors"))
        firsts = [shard for shard in map(read_shard, paths) if max(shard.index) < arguments.models]
        if not firsts:
            parser.error(f"{name}: no shard of twins under {arguments.results} ends before model {arguments.models}")
        runs = [(first, second_run(first, zoo, arguments.sparsity, folder / first.path.name)) for first in firsts]
        originals = read_models(zoo / "models.csv").set_index("index")["test_accuracy"]
        for percent in (0.0, arguments.sparsity):
            first, second = (pd.concat([accuracies(run[i], percent / 100) for run in runs]) for i in (0, 1))
            row = correlated(first, second.reindex(first.index), originals.reindex(first.index))
            rows.append({"zoo": name, "sparsity": percent, **row})
    path, table = arguments.output / "retest.csv", pd.DataFrame(rows)
    if path.exists():
        kept = pd.read_csv(path)
        table = pd.concat([kept[~kept["zoo"].isin(arguments.zoos)], table])
    table.to_csv(path, index=False, float_format="%.6g")
    print(table.round(1).to_string(index=False))


if __name__ == "__main__":
    main()

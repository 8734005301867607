"""What limits a hyper-representation: one setting changed at a time, on the VD twins of a zoo.

    python benchmarks/representations.py results/twins/fmnist_mini_seeds/vd/*.safetensors --epochs 4 --models 96
    python benchmarks/representations.py SHARDS … --architecture cnn_s --variants base largest_0 --seeds 2
    python benchmarks/representations.py SHARDS … --told 800 1200 1600

Trains an auto-encoder for each variant and seed, with the settings of config.yaml but for what the variant changes, and
writes the R² of the split's validation models to representations.csv, a line a variant and seed as it is made. Lines
that are there are not made again, so that a killed run goes on. `--told` says instead how much of log α boosted trees
tell from epoch, layer and magnitude of a weight, as it is and as the largest in so many numbers tell it. One thread.
"""

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score
from torch import Tensor

from zootwins.experiments.representations import TARGETS, Settings, probes
from zootwins.experiments.representations.alignment import arrange, mean_reference
from zootwins.experiments.representations.baselines import principal_components
from zootwins.experiments.representations.evaluation import contexts, reconstruct, reconstruction_r2
from zootwins.experiments.representations.largest import LargestWeights
from zootwins.experiments.representations.model import normalise_alpha
from zootwins.experiments.representations.representation_training import layer_scale, train
from zootwins.experiments.representations.states import VdStates, load_states, split_models
from zootwins.experiments.representations.storage import Representation
from zootwins.storage.shards import read_shard

TOLD_TRAIN, TOLD_TEST, TOLD_WEIGHTS = 10, 5, 60_000
VARIANTS = {
    "base": {},
    "largest_0": {"largest": 0},
    "largest_0_latent_700": {"largest": 0, "latent": 700},
    "largest_400": {"largest": 400},
    "largest_800": {"largest": 800},
    "largest_1600": {"largest": 1600},
    "latent_16": {"latent": 16},
    "aligned": {"align": True, "permutations": False},
    "no_permutations": {"permutations": False},
    "no_contrast": {"contrastive_weight": 0.0},
    "more_contrast": {"contrastive_weight": 0.1},
    "no_magnitudes": {"magnitudes": False},
    "wide": {"dimension": 128, "feed_forward": 256},
    "lr_low": {"lr": 5e-4},
    "lr_high": {"lr": 6e-3},
}


def measure(states: VdStates, settings: Settings, threshold: float, seed: int) -> dict[str, float]:
    """R² of one auto-encoder and of the principal components as many as its latent numbers, and processor time.

    On the validation models, which take the place of the tested ones, so that settings are not chosen by these.
    """
    split = split_models({model: model for model in states.models}, "ablation", seed)
    splits = {name: states.of(models) for name, models in split.items()}
    splits["test"] = splits["validation"]
    reference = mean_reference(splits["train"].first_states().weights, states.tokens) if settings.align else None
    started = time.process_time()
    model, _ = train(arrange(splits["train"], reference).states, settings, threshold, ("ablation", seed), "cpu")
    row = {"seconds": time.process_time() - started, "train_models": len(split["train"])}
    representation = Representation(model, settings, threshold, split, reference)
    _, components = principal_components(splits, representation)
    for suffix, found in (("", reconstruct(representation, splits["test"])), ("_pca", components)):
        r2 = reconstruction_r2(found, splits, representation)
        row |= {f"{line.quantity}{suffix}": line.r2 for line in r2[r2["layer"] == "all"].itertuples()}
    features = {name: contexts(representation, part) for name, part in splits.items()}
    targets = {name: part.table[list(TARGETS)].to_numpy() for name, part in splits.items()}
    r2 = r2_score(targets["test"], probes.ridge(features, targets), multioutput="raw_values")
    return row | dict(zip(TARGETS, r2, strict=True))


def told(states: VdStates, settings: Settings, threshold: float, sizes: list[int]) -> None:
    """Print R² of log α told from epoch, layer and magnitude of each weight, of few models: there are many weights."""
    split = split_models({model: model for model in states.models}, "ablation", 0)
    parts = states.of(split["train"][:TOLD_TRAIN]), states.of(split["validation"][:TOLD_TEST])
    scale, noisy = layer_scale(parts[0].weights, states.tokens), states.tokens.noisy
    train_alphas, alphas = (
        normalise_alpha(part.alphas[:, noisy], threshold, settings.alpha_scale).numpy() for part in parts
    )
    of_mean = ((alphas - train_alphas.mean(0)) ** 2).sum()
    chosen = np.random.default_rng(0).choice(train_alphas.size, min(TOLD_WEIGHTS, train_alphas.size), replace=False)
    for size in (None, *sizes):
        train_rows, rows = (_known(part, scale, size)[:, noisy].flatten(0, 1).numpy() for part in parts)
        trees = HistGradientBoostingRegressor(max_iter=60, early_stopping=False)
        predicted = trees.fit(train_rows[chosen], train_alphas.ravel()[chosen]).predict(rows).reshape(alphas.shape)
        r2 = 1 - ((predicted - alphas) ** 2).sum() / of_mean
        print(
            "weights themselves" if size is None else f"largest in {size} numbers", f"R² of log α {r2:.3f}", flush=True
        )


def _known(states: VdStates, scale: Tensor, size: int | None) -> Tensor:
    """Epoch, layer, log magnitude or its bound, and which of them it is of every weight, `[rows, parameters, 4]`."""
    values = states.weights / scale
    bounds, known = values.abs(), torch.ones_like(values)
    if size is not None:
        code = LargestWeights(states.tokens, size)
        values, bounds = code.recover(code(values))
        known = (values != 0).float()
    epoch = torch.tensor(states.table["epoch"].to_numpy(), dtype=torch.float32)[:, None].expand_as(values)
    layer = states.tokens.layer_of.float().expand_as(values)
    return torch.stack((epoch, layer, (bounds + 1e-3).log(), known), dim=-1)


def ablate(states: VdStates, defaults: dict[str, object], arguments: argparse.Namespace) -> None:
    """Measure every variant and seed that the output does not have yet."""
    rows = pd.read_csv(arguments.output).to_dict("records") if arguments.output.exists() else []
    done = {(row["variant"], row["seed"]) for row in rows}
    for seed, variant in product(range(arguments.seeds), arguments.variants):
        if (variant, seed) not in done:
            settings = Settings(**defaults | VARIANTS[variant])
            rows.append({"variant": variant, "seed": seed, **measure(states, settings, arguments.threshold, seed)})
            pd.DataFrame(rows).to_csv(arguments.output, index=False)
            print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", nargs="+", help="shards of VD twins, with all states")
    parser.add_argument("--architecture", default="cnn_s")
    parser.add_argument("--models", type=int, help="only the first n models")
    parser.add_argument("--epochs", type=int, help="of each training; those of config.yaml if not given")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threshold", type=float, default=3.0, help="of log α")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--told", nargs="*", type=int, metavar="NUMBERS", help="no training: what tells log α")
    parser.add_argument("--output", type=Path, default=Path("representations.csv"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    section = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text(encoding="utf-8"))["representations"]
    defaults = {key: value for key, value in section.items() if key in Settings.model_fields}
    if arguments.epochs:
        defaults["epochs"] = arguments.epochs
    states = load_states([read_shard(path) for path in arguments.shards], arguments.architecture)
    states = states.of(states.models[: arguments.models])
    if arguments.told is not None:
        told(states, Settings(**defaults), arguments.threshold, arguments.told)
    else:
        ablate(states, defaults, arguments)


if __name__ == "__main__":
    main()

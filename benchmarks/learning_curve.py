"""What is told of unseen models by an auto-encoder trained on more and more of a zoo's VD twins, or for longer.

    python benchmarks/learning_curve.py fmnist_s_seed_trained results/twins/fmnist_s_seed_trained/vd/*.safetensors \
        --training-models 11 22 45 90 --epochs 30

Splits, initial weights and settings are those of the workflow, config.yaml's but for the epochs. The test models are
the same whatever is trained on; fewer training models are the first of more. Beside the auto-encoder stand the epoch
alone and weight statistics, with the same training models. Writes R² of each property by predictor to
learning_curve.csv, and that of accuracy to learning_curve.svg. What is in the table is not made again, so that a killed
run goes on, and further numbers of models or epochs add to it. One thread.
"""

import argparse
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
import yaml

from zootwins.experiments.representations import Settings
from zootwins.experiments.representations.evaluation import contexts, layer_statistics, probe_all
from zootwins.experiments.representations.representation_tables import PREDICTORS
from zootwins.experiments.representations.representation_training import train
from zootwins.experiments.representations.states import VdStates, load_states, split_models
from zootwins.experiments.representations.storage import Representation
from zootwins.storage.shards import read_shard

KEY = ["training_models", "epochs", "seed"]
SHOWN = ("representation", "weight_statistics", "epoch")
LOOKS = (("#CC79A7", 1.0), ("#0072B2", 1.03), ("#555555", 0.97))  # colour, and the place beside a number, of each


def measure(
    states: VdStates, settings: Settings, threshold: float, zoo: str, training_models: int, seed: int
) -> pd.DataFrame:
    """R² of the properties of the test models, a row a predictor and property."""
    split = split_models({model: model for model in states.models}, zoo, seed)
    if training_models > len(split["train"]):
        raise SystemExit(
            f"--training-models {training_models}: of {len(states.models)} models {len(split['train'])} train"
        )
    split["train"] = split["train"][:training_models]
    splits = {name: states.of(models) for name, models in split.items()}
    model, _ = train(splits["train"], settings, threshold, (zoo, seed), "cpu")
    representation = Representation(model, settings, threshold, split, reference=None)
    features = {
        "representation": {name: contexts(representation, part) for name, part in splits.items()},
        "weight_statistics": {name: layer_statistics(part) for name, part in splits.items()},
    }
    scores, _ = probe_all(features, {name: part.table for name, part in splits.items()})
    return scores[["predictor", "quantity", "r2"]]


def draw(table: pd.DataFrame) -> plt.Figure:
    """R² of accuracy, a thin line a seed and their mean: by training models, and by epochs of training.

    What is not varied is what most of the other was tried with. What not all seeds were tried with is left out.
    """
    table = table[(table["quantity"] == "accuracy") & table["predictor"].isin(SHOWN)]
    seeds = table.groupby(KEY[:2])["seed"].transform("nunique")
    table = table[seeds == table["seed"].nunique()]
    table = table.assign(r2=100 * table["r2"], predictor=table["predictor"].map(PREDICTORS))
    figure, panels = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True, layout="constrained")
    for axes, (by, other) in zip(panels, (KEY[:2], KEY[1::-1]), strict=True):
        tried = table.groupby(other)[by].nunique()
        part = table[table[other] == tried.index[tried == tried.max()].max()]
        for (colour, shift), (predictor, rows) in zip(LOOKS, part.groupby("predictor", sort=False), strict=True):
            of_seeds = rows.pivot_table(index=by, columns="seed", values="r2")
            x = of_seeds.index * shift  # so that points do not cover each other
            axes.plot(x, of_seeds, marker=".", markersize=4, linewidth=0.4, color=colour)
            axes.plot(x, of_seeds.mean(axis=1), linewidth=1.6, color=colour, label=predictor)
        axes.set(xscale="log", xlabel=by.capitalize().replace("_", " "), ylabel="R² of accuracy, %", ylim=(0, 100))
        axes.set_xticks(sorted(set(part[by])), sorted(set(part[by])))
        axes.minorticks_off()
        axes.set_title(f"{part[other].max()} {other.replace('_', ' ')}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zoo", help="its name, which decides the splits")
    parser.add_argument("shards", nargs="+", help="shards of VD twins, with all states")
    parser.add_argument("--architecture", default="cnn_s")
    parser.add_argument("--training-models", nargs="+", type=int, required=True)
    parser.add_argument("--epochs", nargs="+", type=int, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threshold", type=float, default=3.0, help="of log α")
    parser.add_argument("--output", type=Path, default=Path(), help="folder")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    section = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text(encoding="utf-8"))["representations"]
    defaults = Settings(**{key: value for key, value in section.items() if key in Settings.model_fields})
    states = load_states([read_shard(path) for path in arguments.shards], arguments.architecture)
    path = arguments.output / "learning_curve.csv"
    parts = [pd.read_csv(path)] if path.exists() else []
    done = {key for part in parts for key in part[KEY].itertuples(index=False, name=None)}
    for key in product(arguments.training_models, arguments.epochs, range(arguments.seeds)):
        if key not in done:
            training_models, epochs, seed = key
            settings = defaults.model_copy(update={"epochs": epochs})
            scores = measure(states, settings, arguments.threshold, arguments.zoo, training_models, seed)
            parts.append(scores.assign(**dict(zip(KEY, key, strict=True))))
            pd.concat(parts).to_csv(path, index=False, float_format="%.6g")
            print(parts[-1].query("quantity == 'accuracy'").to_string(index=False), flush=True)
    with plt.style.context("zootwins.reporting.figures.zootwins"):
        draw(pd.concat(parts)).savefig(arguments.output / "learning_curve.svg")


if __name__ == "__main__":
    main()

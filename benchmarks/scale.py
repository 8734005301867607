"""Everything but training at the paper's scale, without its data: time and peak memory of each rule.

    python benchmarks/scale.py --fractions 0.05 0.1 --folder scale

Makes up the fourteen zoos of config/paper.yaml in the catalogue's proportions: originals with random weights, twins
whose tensors are drawn, not trained. Every zoo is called `synthetic_…`, in every table, figure and file. The workflow
then imports them and makes metrics, tables and figures; Snakemake's benchmark files tell what that took.
"""

import argparse
import json
import shutil
import subprocess
from collections.abc import Iterator
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from snakemake.utils import update_config

from zootwins.architectures.architecture import CLASSES, Architecture, get_architecture
from zootwins.catalogue.entries import Run, load_run
from zootwins.images.datasets import StoredData, as_trained_on
from zootwins.population import Factors
from zootwins.population.trajectory import kept_states
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.shards import Trajectory, shard_slice, write_trajectory
from zootwins.zoos.dialects.base import RawModel
from zootwins.zoos.raw_texts import METRICS
from zootwins.zoos.raw_zoo import write_raw_zoo

ROOT = Path(__file__).parents[1]
# What the workflow may not run: the drawn twins are taken as they lie there.
TRAINING = {"train_zoo", "magnitude_pruning", "variational_dropout"}
TRAIN_IMAGES, EPOCHS = 20, 50


def configure(folder: Path, fraction: float, keep_states: str) -> Run:
    """Write a configuration and a catalogue of synthetic zoos with a share of the paper's models."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8")))
    published = yaml.safe_load((ROOT / "config/zoos.yaml").read_text(encoding="utf-8"))["zoos"]
    zoos = {}
    for id_ in config["zoos"]:
        synthetic = f"synthetic_{id_}"
        zoos[synthetic] = published[id_] | {
            "title": f"SYNTHETIC {published[id_].get('title', id_)}",
            "source": {"archive": {"path": str(folder / f"archives/{synthetic}.zip")}},
            "dataset": "archive",
            "soups": False,
            "models": ceil(fraction * published[id_]["models"]),
        }
    config["representations"]["zoos"] = []
    config |= {"zoos": list(zoos), "catalogue": str(folder / "zoos.yaml"), "keep_states": keep_states}
    (folder / "archives").mkdir(parents=True)
    (folder / "zoos.yaml").write_text(yaml.safe_dump({"zoos": zoos}, sort_keys=False), encoding="utf-8")
    (folder / "scale.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return load_run(config, ROOT)


def draw_zoo(run: Run, id_: str, folder: Path, test_images: int) -> None:
    """Write a synthetic zoo's archive and the shards of its twins."""
    zoo, models = run.catalogue[id_], run.models(id_)
    random = np.random.default_rng(len(id_) + models)
    shape = get_architecture(zoo.architecture, 3 if "cifar" in id_ or "stl" in id_ else 1)
    labels = random.choice(CLASSES, test_images, p=np.arange(1, CLASSES + 1) / 55).astype(np.uint8)
    write_raw_zoo(
        zoo.archive.path,
        id_,
        {"synthetic": True},
        _originals(shape, models, labels, random),
        shape,
        _data(shape, labels, random),
    )
    for method in zoo.methods:
        sparsifier, settings = get_sparsifier(method), zoo.methods[method]
        ratios = settings.ratios if method == "mp" else ()
        for shard in run.shards(id_):
            index = range(*shard_slice(shard))
            trajectory = _twins(shape, len(index), ratios, settings.epochs, test_images, run.config.keep_states, random)
            write_trajectory(
                folder / f"results/twins/{id_}/{method}/{shard}.safetensors",
                method, trajectory, [_name(i) for i in index], index,
                axes=sparsifier.axes(settings), metadata={"synthetic": "true"},
            )  # fmt: skip


def _name(index: int) -> str:
    """As long as the names in the authors' archives, since they take most of a long table's memory."""
    return f"synthetic_{index:05d},model_dropout=0.0000,model_nlin=tanh,optim_optimizer=adam_2022-01-01_00-00-00"


def _data(shape: Architecture, labels: np.ndarray, random: np.random.Generator) -> dict:
    images, classes = {}, {}
    for split, count in (("train", TRAIN_IMAGES), ("validation", TRAIN_IMAGES), ("test", len(labels))):
        pixels = random.integers(0, 256, (count, shape.channels, shape.image_size, shape.image_size), dtype=np.uint8)
        images[split] = torch.from_numpy(pixels)
        classes[split] = torch.from_numpy(
            labels if split == "test" else random.integers(0, CLASSES, count).astype(np.uint8)
        )
    return as_trained_on(StoredData(images, classes, (0.5,) * shape.channels, (0.5,) * shape.channels))


def _originals(shape: Architecture, models: int, labels: np.ndarray, random: np.random.Generator) -> Iterator[RawModel]:
    """Random models whose last layer is its bias alone: they say one class, so their accuracy is known."""
    shares = np.bincount(labels, minlength=CLASSES) / len(labels)
    for index in range(models):
        parameters = {
            name: torch.from_numpy(random.normal(0, 0.1, size).astype(np.float32))
            for name, size in shape.parameter_shapes.items()
        }
        parameters["fc2.weight"].zero_()
        accuracy = float(shares[parameters["fc2.bias"].argmax()])
        row = dict.fromkeys(METRICS, accuracy)
        history = [{"epoch": epoch, **row} for epoch in range(EPOCHS + 1)]
        factors = Factors(index, "tanh", "uniform", "adam", 1e-3, 0.0, 0.0, 0.0, 10)
        yield RawModel(_name(index), factors, {EPOCHS: parameters}, history)


def _twins(
    shape: Architecture,
    models: int,
    ratios: tuple[float, ...],
    epochs: int,
    images: int,
    keep: str,
    random: np.random.Generator,
) -> Trajectory:
    """Tensors of a shard's shapes and of plausible values; accuracies fall with sparsity."""
    states, kept = list(range(epochs + 1)), kept_states(keep, epochs)
    predicted = [0, epochs] if ratios else states
    lead = (models, len(ratios)) if ratios else (models,)
    sparsity = random.uniform(0.0, 0.2, (*lead, len(states), len(shape.layers))).astype(np.float32)
    sparsity += np.array(ratios)[:, None, None] * 0.8 if ratios else np.linspace(0, 0.75, len(states))[:, None]
    accuracy = (0.9 - 0.5 * sparsity.mean(-1) ** 3 + random.normal(0, 0.02, sparsity.shape[:-1])).clip(0, 1)
    tensors = {
        "sparsity": sparsity,
        "test_accuracy": accuracy,
        "train_accuracy": accuracy + 0.02,
        "test_loss": 1 - accuracy,
        "train_loss": 1 - accuracy,
        "validation_accuracy": accuracy - 0.01,
        "eval_mode_train_accuracy": accuracy + 0.01,
        "validation_loss": 1 - accuracy,
        "predictions": random.integers(0, CLASSES, (*lead, len(predicted), images), dtype=np.uint8),
    }
    for name, size in shape.parameter_shapes.items():
        tensors[name] = random.standard_normal((*lead, len(kept), *size), dtype=np.float32)
        if ratios and name.endswith("weight"):
            tensors[f"mask.{name}"] = random.random((*lead, *size), dtype=np.float32) > 0.5
        elif not ratios and (name.endswith("weight") or name.startswith("conv")):
            noise = name.replace("weight", "log_sigma2").replace("bias", "bias_log_sigma2")
            tensors[noise] = random.standard_normal((*lead, len(kept), *size), dtype=np.float32) * 4
    return Trajectory(
        states, kept, predicted, {name: torch.from_numpy(np.array(values)) for name, values in tensors.items()}
    )


def run_workflow(folder: Path, cores: int) -> pd.DataFrame:
    """Import, metrics, tables and figures; processor seconds and peak MB of each job."""
    snakemake = ["snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    snakemake += ["--configfile", folder / "scale.yaml", "--quiet", "all"]
    listed = subprocess.run([*snakemake, "--list-rules"], check=True, capture_output=True, text=True).stdout
    rules = sorted({line.split()[0] for line in listed.splitlines() if line.strip()} - TRAINING)
    subprocess.run([*snakemake, "--cores", str(cores), "--allowed-rules", *rules, "--", "all"], check=True)
    records = []
    for path in sorted(folder.glob("results/benchmarks/**/*.tsv")):
        measured = pd.read_csv(path, sep="\t").iloc[0]
        job = path.relative_to(folder / "results/benchmarks").with_suffix("")
        megabytes = pd.to_numeric(measured["max_rss"], "coerce")
        records.append({"rule": job.parts[0], "job": str(job), "seconds": measured["cpu_time"], "megabytes": megabytes})
    return pd.DataFrame(records)


def summary(measured: dict[float, pd.DataFrame], models: dict[float, int]) -> str:
    """Markdown: for each rule its jobs, and total processor time and highest peak memory at each scale."""
    heads = [f"{models[fraction]:,} twins: s | MB" for fraction in measured]
    lines = ["| rule | jobs | " + " | ".join(heads) + " |", "|---|--:|" + "--:|--:|" * len(measured)]
    for rule in sorted(set().union(*(frame["rule"] for frame in measured.values()))):
        rows = [frame[frame["rule"] == rule] for frame in measured.values()]
        cells = [f"{part['seconds'].sum():.0f} | {part['megabytes'].max():.0f}" for part in rows]
        lines.append(f"| {rule} | {len(rows[-1])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.05, 0.1], help="shares of the paper's models")
    parser.add_argument("--folder", type=Path, required=True, help="where to work; emptied at the end")
    parser.add_argument("--test-images", type=int, default=500, help="of every zoo (default: %(default)s)")
    parser.add_argument("--keep-states", choices=["all", "final"], default="final")
    parser.add_argument("--cores", type=int, default=1)
    arguments = parser.parse_args()
    measured, models = {}, {}
    for fraction in arguments.fractions:
        folder = arguments.folder.resolve() / f"{fraction:g}"
        run = configure(folder, fraction, arguments.keep_states)
        for zoo in run.zoos:
            draw_zoo(run, zoo, folder, arguments.test_images)
        models[fraction] = sum(run.models(zoo) * len(run.catalogue[zoo].methods) for zoo in run.zoos)
        measured[fraction] = run_workflow(folder, arguments.cores)
        (arguments.folder / f"{fraction:g}.json").write_text(
            json.dumps(measured[fraction].to_dict("records")), encoding="utf-8"
        )
        shutil.rmtree(folder)
    print(summary(measured, models))

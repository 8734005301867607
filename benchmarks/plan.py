"""What a run will cost: training jobs, core-hours, disk and download of every zoo, as a Markdown table.

    python benchmarks/plan.py --configfile config/paper.yaml
    python benchmarks/plan.py --measure native        # prints the costs of this machine, for benchmarks/costs.yaml

Core-hours are counts of images, from the catalogue, times measured costs of one image; disk is the sizes of the
tensors that the rules write. Evaluations of the originals, metrics, tables and figures are left out: minutes.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import torch
import yaml
from snakemake.utils import update_config

from zootwins.architectures.architecture import Architecture, get_architecture
from zootwins.catalogue.entries import Run, load_run
from zootwins.catalogue.zoos import Zoo
from zootwins.images.entries import built_in
from zootwins.population import Factors, ImageSet, Population
from zootwins.population.engines import get_engine
from zootwins.population.initialisation import initial_parameters
from zootwins.population.trajectory import kept_states
from zootwins.population.variational import GaussianNoise

ROOT = Path(__file__).parents[1]
COSTS = ROOT / "benchmarks/costs.yaml"
# Compressed bytes in the authors' archives: of cnn_s and Fashion-MNIST as in genuine ones, of cnn_l in proportion.
STATES_PUBLISHED = 51
CHECKPOINT, OPTIMIZER, HISTORY = {"cnn_s": 10_500, "cnn_l": 46_000}, {"cnn_s": 21_000, "cnn_l": 92_000}, 5_000
DATASET_COMPRESSION = 0.22  # of float32 images
GB = 1e9


@dataclass(frozen=True)
class Cost:
    """A zoo's part of a run: jobs that train, core-hours, and bytes; on disk for the two values of keep_states."""

    jobs: int
    mp_hours: float
    vd_hours: float
    disk_all: float
    disk_final: float
    download_full: float
    download_selective: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def shape_of(zoo: Zoo) -> Architecture:
    return get_architecture(zoo.architecture, 3 if zoo.dataset.startswith(("cifar", "stl")) else 1)


def plan(run: Run, id_: str, costs: Mapping[str, Any]) -> Cost:
    """What a zoo of a run costs, given microseconds a model and image on one core (`costs.yaml`)."""
    zoo, models = run.catalogue[id_], run.models(id_)
    shape, source = shape_of(zoo), built_in()[zoo.dataset].split
    training, test = source.train, source.test
    micro = costs["microseconds"][f"{shape.name}_{shape.channels}"]
    pruning, dropout = zoo.methods.get("mp"), zoo.methods.get("vd")

    def hours(epochs: int, kind: str) -> float:
        evaluated = (epochs + 1) * test + training  # the test images after every epoch; training images at state 0
        return models * (epochs * training * micro[kind] + evaluated * micro["evaluation"]) / 3.6e9

    parameters = sum(torch.Size(s).numel() for s in shape.parameter_shapes.values())
    if zoo.twins_of:  # imported: evaluated alone
        vd_hours = models * (dropout.epochs + 1) * test * micro["evaluation"] / 3.6e9
    else:
        vd_hours = hours(dropout.epochs, "variational") if dropout else 0
    disk = {}
    for keep in ("all", "final"):
        disk[keep] = 4 * parameters * models  # the originals
        if pruning:
            ratios, states = len(pruning.ratios), len(kept_states(keep, pruning.epochs))
            disk[keep] += models * ratios * (4 * parameters * states + shape.weights + 2 * test)
        if dropout:
            noisy = shape.weights + sum(layer.outputs for layer in shape.layers if layer.is_conv)
            states = len(kept_states(keep, dropout.epochs))
            disk[keep] += models * (4 * (parameters + noisy) * states + (dropout.epochs + 1) * test)
    dataset = DATASET_COMPRESSION * 4 * shape.channels * shape.image_size**2 * (training + source.validation + test)
    state = CHECKPOINT[zoo.architecture] + OPTIMIZER[zoo.architecture]
    if zoo.twins_of:  # weights with their noise, at every epoch
        published = dataset + models * ((dropout.epochs + 1) * 2 * state + HISTORY)
        fetched = published
    else:
        published = dataset + models * (STATES_PUBLISHED * state + HISTORY)
        # the last checkpoint, the optimiser state beside it, which is not worth a request, and the history
        fetched = dataset + models * (state + HISTORY)
    remote = bool(zoo.archive and not zoo.archive.path)
    shards = ceil(models / run.config.models_per_shard)
    return Cost(
        jobs=shards * len(zoo.methods),
        mp_hours=len(pruning.ratios) * hours(pruning.epochs, "training") if pruning else 0,
        vd_hours=vd_hours,
        disk_all=disk["all"],
        disk_final=disk["final"],
        download_full=remote * published,
        download_selective=remote * fetched,
    )


def table(run: Run, costs: Mapping[str, Any]) -> str:
    """The plan of a run as Markdown."""
    rows = {zoo: plan(run, zoo, costs) for zoo in run.zoos}
    total = sum(rows.values(), Cost(0, 0, 0, 0, 0, 0, 0))
    lines = [
        "| zoo | models | shard jobs | MP core-h | VD core-h | disk, all states (GB) | disk, final (GB) "
        "| download, selective (GB) | download, full (GB) |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, cost in [*rows.items(), ("total", total)]:
        models = run.models(name) if name in rows else sum(run.models(zoo) for zoo in rows)
        numbers = (
            f"{models:,}",
            f"{cost.jobs:,}",
            f"{cost.mp_hours:,.0f}",
            f"{cost.vd_hours:,.0f}",
            *(
                f"{value / GB:.1f}"
                for value in (cost.disk_all, cost.disk_final, cost.download_selective, cost.download_full)
            ),
        )
        lines.append(f"| {name} | " + " | ".join(numbers) + " |")
    return "\n".join(lines)


def measure(engine_name: str, models: int = 32, images: int = 200) -> dict[str, Any]:
    """Microseconds a model and image on one core, per architecture, in each of the engine's three modes."""
    engine = get_engine(engine_name, "cpu", threads=1)
    factors = [Factors(seed, "tanh", "uniform", "adam", 1e-3, 0.0, 0.0, 0.0, 10) for seed in range(models)]
    penalty = torch.full((models,), 1e-3, dtype=torch.float64)
    microseconds = {}
    for name, channels in (("cnn_s", 1), ("cnn_s", 3), ("cnn_l", 3)):
        shape = get_architecture(name, channels)
        initial = [initial_parameters(shape, each) for each in factors]
        parameters = {key: torch.stack([each[key] for each in initial]) for key in shape.parameter_shapes}
        plain, noise = Population(shape, factors, torch.arange(models), dict(parameters)), GaussianNoise()
        noisy = Population(shape, factors, torch.arange(models), noise.start(parameters), weights=noise)
        data = ImageSet(torch.randn(images, channels, shape.image_size, shape.image_size), torch.arange(images) % 10)
        modes: dict[str, Callable[[], object]] = {
            "training": lambda plain=plain, data=data: engine.train_epoch(plain, data, 1),
            "variational": lambda noisy=noisy, data=data: engine.train_epoch(noisy, data, 1, penalty=penalty),
            "evaluation": lambda plain=plain, data=data: engine.evaluate(plain, data),
        }
        microseconds[f"{name}_{channels}"] = {
            mode: round(_seconds(work) * 1e6 / (models * images), 2) for mode, work in modes.items()
        }
    return {"engine": engine.name, "microseconds": microseconds}


def _seconds(work: Callable[[], object]) -> float:
    """Processor time of the shortest of three runs after one to warm up: of use on a busy machine, too."""
    times = []
    for _ in range(4):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times[1:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--configfile", type=Path, help="laid over config.yaml, as by snakemake")
    parser.add_argument("--costs", type=Path, default=COSTS, help="measured costs (default: %(default)s)")
    parser.add_argument("--measure", metavar="ENGINE", help="measure the costs of torch or native instead")
    arguments = parser.parse_args()
    if arguments.measure:
        print(yaml.safe_dump(measure(arguments.measure), sort_keys=False), end="")
    else:
        config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
        if arguments.configfile:
            update_config(config, yaml.safe_load(arguments.configfile.read_text(encoding="utf-8")))
        print(table(load_run(config, ROOT), yaml.safe_load(arguments.costs.read_text(encoding="utf-8"))))

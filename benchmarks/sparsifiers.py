"""What sparsifiers cost beside magnitude pruning: per model and sample of training, and once before it.

    python benchmarks/sparsifiers.py
    python benchmarks/sparsifiers.py rigl set --models 32 --samples 5000

Twins at 80 % and their unpruned controls, of random models on random images, are trained by every method in one process
by turns; the CPU time of one thread counts, and the median of the turns. Whatever a method does to masks and weights
while it trains is in its training; what it does before (scores, updates, rounds of SynFlow) is on its own, in the
epochs of training that would take as long, on as many images as a zoo trains on (`--full`). A method is compared with
magnitude pruning of the same turn.
Writes sparsifiers.csv.
"""

import argparse
import time
from operator import itemgetter
from pathlib import Path

import pandas as pd
import torch

from zootwins.architectures.architecture import get_architecture
from zootwins.population import Factors, ImageData, ImageSet
from zootwins.population.native_engine import NativeEngine, is_available
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.trajectory import Training
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.zoos.originals import Originals

FACTORS = Factors(1, "tanh", "uniform", "adam", 3e-4, 0.0, 0.9, 0.0, 10)
EPOCHS = 4
# What the methods cannot do without; else their own defaults.
SETTINGS = {
    "mp": {},
    "gmp": {"ends": (2,)},
    "acdc": {"phase_epochs": 1, "last_epochs": 1},
    "imp": {"rounds": 2},
    "nm": {"patterns": ("1:4",), "sparsities": None},
    "rigl": {},
    "set": {},
    "snip": {},
    "grasp": {},
    "synflow": {},
    "taylor": {},
    "wanda": {},
    "obc": {},
    "woodfisher": {},
    "channels": {"sparsities": (50,)},
    "dpf": {"end": 2},
    "str": {"sparsities": None, "penalties": (20_000,), "ramp": 2},
}


def originals_of(models: int) -> Originals:
    """Return models with random weights."""
    architecture = get_architecture("cnn_s", 1)
    shapes = architecture.parameter_shapes.items()
    parameters = {name: 0.1 * torch.randn(models, *shape) for name, shape in shapes}
    return Originals(architecture, list(map(str, range(models))), list(range(models)), [FACTORS] * models, parameters)


def images(samples: int) -> ImageSet:
    """Return random images."""
    return ImageSet(torch.randn(samples, 1, 28, 28), torch.randint(10, (samples,)))


def costs(method: str, inputs: SparsifierInputs) -> tuple[float, float]:
    """Return the CPU seconds of a method: once before training, and of training a model on a sample."""
    sparsifier = get_sparsifier(method)
    given = {"sparsities": (80,), "epochs": EPOCHS} | SETTINGS[method]
    settings = sparsifier.Settings(**{name: value for name, value in given.items() if value is not None})
    began = time.process_time()
    population = sparsifier.population(inputs, settings)
    before, began = time.process_time() - began, time.process_time()
    training = Training(inputs.engine, population, inputs.data.train, sparsifier.plan(inputs, settings))
    for _ in range(EPOCHS):
        training.next_epoch()
    return before, (time.process_time() - began) / (EPOCHS * len(population) * len(inputs.data.train))


def measured(methods: list[str], inputs: SparsifierInputs, turns: int, full: int) -> pd.DataFrame:
    """Return the costs of methods, a row each."""
    found = {method: [] for method in methods}
    for _ in range(turns):
        for method in methods:
            found[method].append(costs(method, inputs))
            print(method, *(f"{seconds:.3g}" for seconds in found[method][-1]), flush=True)
    before, training = (pd.DataFrame(found).map(itemgetter(part)) for part in (0, 1))  # [turns, methods]
    before, over_mp = before / (2 * len(inputs.originals)), training.div(training["mp"], axis=0)
    columns = {"training": training, "before": before, "over_mp": over_mp}
    table = pd.DataFrame({name: values.median() for name, values in columns.items()})
    table["over_mp_low"], table["over_mp_high"] = over_mp.min(), over_mp.max()
    table["epochs_before"] = table["before"] / (table.loc["mp", "training"] * full)
    return table.rename_axis("method").reset_index()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help=f"mp is always among them; {', '.join(SETTINGS)}")
    parser.add_argument("--models", type=int, default=8, help="originals, with two twins each")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--full", type=int, default=50_000, help="images of an epoch that `epochs_before` counts in")
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    engine = NativeEngine(1, otherwise=TorchEngine("cpu", 1)) if is_available() else TorchEngine("cpu", 1)
    originals, data = originals_of(args.models), images(args.samples)
    inputs = SparsifierInputs(
        "benchmark", originals, {}, {0: originals.parameters}, ImageData(data, data, data), engine
    )
    methods = list(dict.fromkeys(["mp", *(args.methods or SETTINGS)]))
    table = measured(methods, inputs, args.turns, args.full)
    print(table.to_string(index=False, float_format="{:.3g}".format))
    args.output.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.output / "sparsifiers.csv", index=False, float_format="%.4g")


if __name__ == "__main__":
    main()

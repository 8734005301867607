"""Speed of the ways to train a population, side by side in one run: the per-model loop, and the engines.

    python benchmarks/engines.py --threads 1
    python benchmarks/engines.py --threads 1 --ways native --populations 64 256 1024 2048
    python benchmarks/engines.py --device cuda --populations 16 256 1024
    python benchmarks/engines.py --clock cpu --architectures small_cnn:1 lenet_5:1 resnet20:3 --populations 64

For magnitude pruning (MP), variational dropout (VD) and L0 gates (L0), on networks of the registry, batches of 10, with
Adam: what one model costs for one sample (forward, backward, optimiser step), the speed-up over the loop, the share of
the machine's multiply-add peak, and the most memory that was in use. All ways of a case are measured by turns. Images
are random: the arithmetic does not depend on them. GRID trains the models of a grid zoo from their initial weights:
activations, initialisers, optimisers and dropout differ, and units saturate; its loop is MP's. `resnet20` is a quarter
as wide as the registry's.
`--clock cpu` counts the process's CPU time instead of the wall's: the same for one thread on a quiet machine, and
still true on a busy one. Writes engines-{device}.csv and engines-{device}.svg.

Ways: `loop`, one model after the other in plain PyTorch, as the reference code trains, without the masks that MP
adds; `processes`, that loop in as many processes as threads are given; `torch` and `native`, this package's engines,
the latter for networks that it has kernels for. What other sparsifiers cost beside MP: benchmarks/sparsifiers.py.
"""

import argparse
import contextlib
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from zootwins.architectures.architecture import Architecture, get_architecture
from zootwins.population import Engine, Factors, ImageSet, Population
from zootwins.population.hard_concrete import HardConcrete, open_probability, sampled_gate
from zootwins.population.initialisation import INITIALISERS, initial_parameters
from zootwins.population.masks import pruning_masks
from zootwins.population.native_engine import ACTIVATION_CODES, NativeEngine, _native, is_available, why_not
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.variational import EPSILON, GaussianNoise, kl_divergence, log_alpha

FACTORS = Factors(
    seed=1,
    activation="tanh",
    init="uniform",
    optimizer="adam",
    lr=3e-4,
    weight_decay=0.0,
    momentum=0.9,
    dropout=0.0,
    batch_size=10,
)
GRID = [
    replace(FACTORS, activation=activation, init=init, optimizer=optimizer, dropout=dropout)
    for activation in ACTIVATION_CODES
    for init in INITIALISERS
    for optimizer in ("adam", "sgd")
    for dropout in (0.0, 0.5)
]
SPECS = {"resnet20": {"id": "resnet20", "width": 0.25}}  # of networks that are measured with settings of their own
PENALTY = 0.001
WEIGHTS = {"vd": GaussianNoise(), "l0": HardConcrete()}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
REPEATS = 3  # the fastest counts: everything else on the machine only ever adds time
PEAK_ROUNDS = 10_000_000  # some tenths of a second
PILOT = 20  # samples that tell how many are needed to fill the time asked for


@dataclass(frozen=True)
class Case:
    """What is trained: `mp`, `vd`, `l0` or `grid` on an architecture."""

    method: str
    architecture: Architecture

    def __str__(self) -> str:
        return f"{self.method.upper()}, {self.architecture.name}, {self.architecture.channels} channels"


@dataclass(frozen=True)
class Measurement:
    """One way in one case: seconds and multiply-adds of one sample and one model, peak memory in MiB."""

    case: str
    way: str
    device: str
    threads: int
    population: int
    samples: int
    seconds: float
    multiply_adds: int
    memory: float


def training_images(architecture: Architecture, samples: int) -> ImageSet:
    shape = (samples, architecture.channels, architecture.image_size, architecture.image_size)
    return ImageSet(torch.randn(shape), torch.randint(10, (samples,)))


def grid_population(architecture: Architecture, models: int) -> Population:
    """Models of a grid zoo in random order, before training."""
    drawn = torch.randint(len(GRID), (models,), generator=torch.Generator().manual_seed(0)).tolist()
    factors = [replace(GRID[place], seed=seed) for seed, place in enumerate(drawn)]
    initial = [initial_parameters(architecture, one) for one in factors]
    parameters = {name: torch.stack([one[name] for one in initial]) for name in initial[0]}
    return Population(architecture, factors, torch.arange(models), parameters)


def make_population(case: Case, models: int) -> Population:
    """Models with random weights; MP at 80 % sparsity."""
    if case.method == "grid":
        return grid_population(case.architecture, models)
    shapes = case.architecture.parameter_shapes
    parameters = {name: 0.1 * torch.randn(models, *shape) for name, shape in shapes.items()}
    population = Population(case.architecture, [FACTORS] * models, torch.arange(models), parameters)
    if case.method in WEIGHTS:
        population.weights = WEIGHTS[case.method]
        population.parameters = population.weights.start(parameters)
    else:
        weights = {name: parameters[name] for name in case.architecture.weight_names}
        population.set_masks(pruning_masks(weights, 0.8, "global"))
    return population


def plain_loss(case: Case, device: str) -> tuple[list[torch.Tensor], Callable]:
    """Parameters of one model and its loss, a function of images and labels: an ordinary network."""
    network = case.architecture.module(FACTORS.activation).to(device)
    return list(network.parameters()), lambda images, labels: F.cross_entropy(network(images), labels)


class NoisyLayer(nn.Module):
    """A layer with variational dropout: two products, noise on their sum, and the KL term of its weights."""

    def __init__(self, layer: nn.Conv2d | nn.Linear):
        super().__init__()
        plain = {f"layer.{name}": parameter[None] for name, parameter in layer.named_parameters()}
        started = GaussianNoise().start(plain)
        self.numbers = nn.ParameterDict({name.removeprefix("layer."): value[0] for name, value in started.items()})
        self.is_conv, self.apply_to, self.penalty = isinstance(layer, nn.Conv2d), applied(layer), 0.0

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        variances, self.penalty = {}, 0.0
        for name, partner in (("weight", "log_sigma2"), ("bias", "bias_log_sigma2")):
            if partner in self.numbers:
                alpha = log_alpha(self.numbers[name], self.numbers[partner], is_conv=self.is_conv)
                self.penalty = self.penalty + kl_divergence(alpha).sum()
                variances[name] = alpha.exp() * self.numbers[name] ** 2
        variance = self.apply_to(hidden**2, variances["weight"], variances.get("bias"))
        mean = self.apply_to(hidden, self.numbers["weight"], self.numbers.get("bias"))
        return mean + (variance + EPSILON).sqrt() * torch.randn_like(mean)


class GatedLayer(nn.Module):
    """A layer with a gate for each weight, drawn for the batch, and the penalty of the gates."""

    def __init__(self, layer: nn.Conv2d | nn.Linear):
        super().__init__()
        self.weight, self.bias, self.apply_to, self.penalty = layer.weight, layer.bias, applied(layer), 0.0
        self.log_alpha = nn.Parameter(torch.full_like(layer.weight, HardConcrete().initial_log_alpha))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        self.penalty = open_probability(self.log_alpha).sum()
        weight = self.weight * sampled_gate(self.log_alpha, torch.rand_like(self.log_alpha))
        return self.apply_to(hidden, weight, self.bias)


def applied(layer: nn.Conv2d | nn.Linear) -> Callable:
    """Return the function that applies weights and biases of a layer's kind."""
    if isinstance(layer, nn.Conv2d):
        return partial(F.conv2d, stride=layer.stride, padding=layer.padding)
    return F.linear


def penalised_loss(
    kind: type[NoisyLayer] | type[GatedLayer], case: Case, device: str
) -> tuple[list[torch.Tensor], Callable]:
    """Return the same for a network whose layers are of another kind and have a penalty."""
    network = case.architecture.module(FACTORS.activation)
    for name in [layer.name for layer in case.architecture.layers]:
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, kind(network.get_submodule(name)))
    layers = [module for module in network.to(device).modules() if isinstance(module, kind)]

    def loss(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(network(images), labels) + PENALTY * sum(layer.penalty for layer in layers)

    return list(network.parameters()), loss


LOSSES = {
    "mp": plain_loss,
    "vd": partial(penalised_loss, NoisyLayer),
    "l0": partial(penalised_loss, GatedLayer),
    "grid": plain_loss,
}


def loop_samples(case: Case, device: str, clock: str, seconds: float) -> tuple[int, float]:
    """Train one model for some seconds; samples seen and time taken."""
    now = CLOCKS[clock]
    data = training_images(case.architecture, 2000).to(torch.device(device), torch.float32)
    parameters, loss = LOSSES[case.method](case, device)
    optimizer = torch.optim.Adam(parameters, lr=FACTORS.lr)
    order = torch.randperm(len(data), device=device).split(FACTORS.batch_size)

    def train(steps: int) -> float:
        began = now()
        for step in range(steps):
            chosen = order[step % len(order)]
            optimizer.zero_grad()
            loss(data.images[chosen], data.labels[chosen]).backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        return now() - began

    train(10)
    steps = max(1, round(seconds / (train(PILOT) / PILOT)))
    return steps * FACTORS.batch_size, train(steps)


def _process(case: Case, seconds: float, barrier, results) -> None:
    torch.set_num_threads(1)
    loop_samples(case, "cpu", "wall", 0.1)
    barrier.wait()
    results.put(loop_samples(case, "cpu", "wall", seconds))


def processes_samples(case: Case, processes: int, seconds: float) -> tuple[int, float]:
    """The loop in several processes side by side; samples of all, and the time of the slowest."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    workers = [context.Process(target=_process, args=(case, seconds, barrier, results)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    finished = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    return sum(samples for samples, _ in finished), max(taken for _, taken in finished)


def epoch_samples(
    engine: Engine, population: Population, data: ImageSet, clock: str, seconds: float
) -> tuple[int, float]:
    """Train a population for an epoch that takes about some seconds; samples a model and time taken."""
    now = CLOCKS[clock]
    penalty = torch.full((len(population),), PENALTY, dtype=torch.float64)

    def train(samples: int) -> float:
        began = now()
        chosen = ImageSet(data.images[:samples], data.labels[:samples])
        engine.train_epoch(population, chosen, 1, penalty=penalty)
        return now() - began

    train(PILOT)
    samples = min(len(data), max(PILOT, round(seconds / (train(PILOT) / PILOT))))
    return samples, train(samples)


def multiply_adds(case: Case, *, skip_zeros: bool) -> int:
    """Multiply-adds of one training step for one sample: forward, and both gradients (not the images').

    With `skip_zeros`, those that the native engine does: outputs that pooling drops are not computed, nor the three
    zeros in four of the gradient behind a pooling window, in the gradient of the weights.
    """
    total = 0
    after = {name: following for (name, _), (_, following) in pairwise(case.architecture.chain)}
    for position, layer in enumerate(case.architecture.layers):
        computed = layer.sites // layer.outputs
        pools = skip_zeros and isinstance(after.get(layer.name), nn.MaxPool2d)
        pooled = (math.isqrt(computed) // 2) ** 2 if pools else computed
        outputs = 4 * pooled if pools else computed
        total += layer.weights * (outputs + pooled + (outputs if position else 0))
    return 2 * total if case.method == "vd" else total


def forget_peak_memory() -> None:
    """From now on `peak_memory` starts anew (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def peak_memory() -> float:
    """The most memory this process held, in MiB; NaN where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), float("nan"))


def ways_of(case: Case, args: argparse.Namespace) -> Iterator[tuple[str, int, str, Callable[[], tuple[int, float]]]]:
    """Yield every way asked for: name, population, device, and what measures it; loops once, for one model."""
    if "loop" in args.ways:
        for device in sorted({"cpu", args.device}):
            yield "loop", 1, device, partial(loop_samples, case, device, args.clock, args.seconds)
    if "processes" in args.ways and args.threads > 1:
        yield "processes", 1, "cpu", partial(processes_samples, case, args.threads, args.seconds)
    engines: dict[str, Engine] = {"torch": TorchEngine(args.device, args.threads)}
    if args.device == "cpu" and is_available():
        engines["native"] = NativeEngine(args.threads)
    data = training_images(case.architecture, args.samples)
    for way, engine in engines.items():
        for size in args.populations if way in args.ways else ():
            population = make_population(case, size)
            if way != "native" or not why_not(population):
                yield way, size, args.device, partial(epoch_samples, engine, population, data, args.clock, args.seconds)


def measure_case(case: Case, args: argparse.Namespace) -> list[Measurement]:
    """Return the fastest of some runs of each way, which take turns."""
    ways = list(ways_of(case, args))
    fastest, memory = [(0, float("inf"))] * len(ways), [0.0] * len(ways)
    for _ in range(REPEATS):
        for place, (*_, run) in enumerate(ways):
            forget_peak_memory()
            fastest[place] = min(fastest[place], run(), key=lambda one: one[1] / max(1, one[0]))
            memory[place] = max(memory[place], peak_memory())
    return [
        Measurement(
            *(str(case), way, device, args.threads, size, samples, taken / samples / size),
            *(multiply_adds(case, skip_zeros=way == "native"), memory[place]),
        )
        for place, ((way, size, device, _), (samples, taken)) in enumerate(zip(ways, fastest, strict=True))
    ]


def peak_multiply_adds(threads: int, clock: str) -> float:
    """Multiply-adds a second that the machine reaches in registers, NaN without the native engine."""
    if not is_available():
        return float("nan")
    rates = []
    for level, _ in _native.levels() * REPEATS:
        began = CLOCKS[clock]()
        rates.append(_native.multiply_adds(level, threads, PEAK_ROUNDS) / (CLOCKS[clock]() - began))
    return max(rates)


def add_comparisons(table: pd.DataFrame, peak: float) -> pd.DataFrame:
    """Throughput, speed-up over the CPU loop of the same case, and share of the CPU's multiply-add peak."""
    cpu = table["device"] == "cpu"
    loop = table[cpu & (table["way"] == "loop")].set_index("case")["seconds"]
    return table.assign(
        models_samples_per_second=1 / table["seconds"],
        speedup=table["case"].map(loop) / table["seconds"],
        share_of_peak=(table["multiply_adds"] / table["seconds"] / peak).where(cpu),
    )


def draw(table: pd.DataFrame) -> plt.Figure:
    """Microseconds a model and sample against the population, a panel a case; loops as level lines."""
    panels = table.groupby("case", sort=False)
    figure, axes = plt.subplots(1, len(panels), figsize=(1.9 * len(panels), 2.2), sharey=True, squeeze=False)
    colors = {"loop": "#4d4d4d", "processes": "#999999", "torch": "#de8f05", "native": "#0173b2"}
    for axis, (case, rows) in zip(axes[0], panels, strict=True):
        for (way, device), group in rows.groupby(["way", "device"], sort=False):
            look = {"color": colors[way], "linestyle": "-" if device == "cpu" else "--", "label": f"{way}, {device}"}
            if way in ("loop", "processes"):
                axis.axhline(group["seconds"].iloc[0] * 1e6, **look)
            else:
                axis.plot(group["population"], group["seconds"] * 1e6, marker="o", **look)
        axis.set(xscale="log", yscale="log", xlabel="models in the population", title=case)
    axes[0, 0].set_ylabel("µs a model and sample")
    axes[0, -1].legend()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--methods", nargs="+", choices=list(LOSSES), default=list(LOSSES))
    parser.add_argument("--architectures", nargs="+", default=["cnn_s:1", "cnn_l:3"], metavar="NAME:CHANNELS")
    parser.add_argument("--populations", nargs="+", type=int, default=[1, 16, 64, 256])
    parser.add_argument("--ways", nargs="+", default=["loop", "processes", "torch", "native"])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement, of which there are three")
    parser.add_argument("--samples", type=int, default=5000, help="images, and the longest epoch that is measured")
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder")
    args = parser.parse_args()
    if args.clock == "cpu" and (args.threads > 1 or args.device != "cpu"):
        parser.error("--clock cpu tells the time of one thread on the CPU: leave out --threads and --device")
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    names = [name.split(":") for name in args.architectures]
    architectures = [get_architecture(SPECS.get(name, name), int(channels)) for name, channels in names]
    cases = [Case(method, architecture) for architecture in architectures for method in args.methods]
    peak = peak_multiply_adds(args.threads, args.clock)
    print(f"multiply-add peak of {args.threads} threads: {2e-9 * peak:.0f} GFLOP/s")
    measurements = []
    for case in cases:
        for measurement in measure_case(case, args):
            measurements.append(measurement)
            print(measurement, flush=True)
    table = add_comparisons(pd.DataFrame(map(asdict, measurements)), peak)
    print(table.to_string(index=False, float_format="{:.3g}".format))
    args.output.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.output / f"engines-{args.device}.csv", index=False, float_format="%.6g")
    with plt.style.context("zootwins.reporting.figures.zootwins"):
        draw(table).savefig(args.output / f"engines-{args.device}.svg")


if __name__ == "__main__":
    main()

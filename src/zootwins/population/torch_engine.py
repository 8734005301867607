"""The `torch` engine: a population as one batched PyTorch program, on CPU or CUDA.

Small models are trained as blocks, large ones one after the other on a CPU. While an epoch runs, their parameters are
held by `zootwins.population.optimizers`; the forward pass is that of `zootwins.population.batched_network`.
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn import functional as F

from zootwins.architectures.architecture import Architecture
from zootwins.population import Evaluation, ImageSet, Population, Scores, new_evaluation
from zootwins.population.batched_network import Draws, activation_runs, draw, forward, goes_alone, is_small_chain
from zootwins.population.derivatives import Derivatives
from zootwins.population.hard_concrete import HardConcrete
from zootwins.population.optimizers import FlatModels, OneModel
from zootwins.population.randomness import data_order, gate_uniforms
from zootwins.population.threads import one_thread
from zootwins.population.variational import FC_CLAMP, GaussianNoise

_CPU_BLOCK = 16  # models of a small chain that are trained together on a CPU: their temporaries stay in the cache
_GPU_NUMBERS = 1 << 30  # activations of the models trained together on a GPU
_EVALUATED_AT_ONCE = {"cpu": 1 << 20, "cuda": 1 << 28}  # numbers in the largest temporary of an evaluation


class TorchEngine(Derivatives):
    """Trains and evaluates populations with batched operations on one device.

    On a CPU the population is worked off in blocks whose temporaries stay in the cache, as many side by side as
    there are threads; a GPU takes it whole.
    """

    def __init__(self, device: str | torch.device = "cpu", threads: int = 1):
        self.device = torch.device(device)
        self.threads = threads
        self.name = "torch" if self.device.type == "cpu" else f"torch on {self.device.type}"

    def train_epoch(
        self,
        population: Population,
        data: ImageSet,
        epoch: int,
        *,
        penalty: Tensor | None = None,
        lr_factors: Tensor | None = None,
        batches: range | None = None,
    ) -> Scores:
        """Train an epoch as `Engine.train_epoch` does; works in the parameters' own dtype."""
        population.start_optimizer()
        batches = population.batches(data) if batches is None else batches
        data = data.to(self.device, next(iter(population.parameters.values())).dtype)
        scores = Scores(*torch.zeros(2, len(population), dtype=torch.float64))

        def train_block(models: Tensor) -> None:
            run = _EpochRun(population, models, self.device, epoch, penalty, lr_factors)
            block = run.train(data, batches)
            scores.loss[models], scores.accuracy[models] = block.loss, block.accuracy

        self._each_block(population, train_block)
        population.count_steps(batches, lr_factors)
        return scores

    def evaluate(self, population: Population, data: ImageSet, outputs: Collection[str] = ()) -> Evaluation:
        """Evaluate as `Engine.evaluate` does."""
        population = population.deterministic()
        data = data.to(self.device, next(iter(population.parameters.values())).dtype)
        evaluation = new_evaluation(population, data, outputs)
        architecture, last = population.architecture, population.architecture.head.name
        loss, tensors = torch.zeros(len(population), dtype=torch.float64), population.tensors

        @torch.inference_mode()  # holds for one thread only
        def evaluate_block(models: Tensor) -> None:
            own = {name: tensor[models].to(self.device) for name, tensor in tensors.items()}
            runs = activation_runs(population, models)
            at_once = max(1, _EVALUATED_AT_ONCE[self.device.type] // _largest_temporary(architecture, len(models)))
            taken_by = (last,) if evaluation.features is not None else ()
            for first in range(0, len(data), at_once):
                chunk = slice(first, first + at_once)
                logits, inputs = forward(architecture, runs, own, data.images[None, chunk], taken_by=taken_by)
                labels = data.labels[chunk].expand(len(models), -1)
                loss[models] += F.cross_entropy(logits, labels, reduction="none").double().sum(1).cpu()
                evaluation.predictions[models, chunk] = logits.argmax(1).to(evaluation.predictions.dtype).cpu()
                if evaluation.probabilities is not None:
                    evaluation.probabilities[models, chunk] = logits.softmax(1).transpose(1, 2).float().cpu()
                if evaluation.features is not None:
                    evaluation.features[models, chunk] = inputs[last].float().cpu()

        self._each_block(population, evaluate_block)
        evaluation.loss.copy_(loss / len(data))
        evaluation.accuracy.copy_((evaluation.predictions == data.labels.cpu()).double().mean(1))
        return evaluation

    def _each_block(self, population: Population, work: Callable[[Tensor], None]) -> None:
        """Call `work` with the indices of each block of models, those of one activation standing together."""
        if not len(population):
            return
        names = [factors.activation for factors in population.factors]
        order = torch.tensor(sorted(range(len(names)), key=names.__getitem__))
        block = _block_size(population, self.device)
        if self.device.type != "cpu":
            for models in order.split(block):
                work(models)
            return
        with one_thread(), ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(work, order.split(block)))


def _block_size(population: Population, device: torch.device) -> int:
    """Return how many models are computed together: on a CPU one of networks that are no small chains, the fastest."""
    architecture = population.architecture
    if device.type == "cpu":
        return _CPU_BLOCK if is_small_chain(architecture) else 1
    if architecture.chain:
        return len(population)
    passed = sum(layer.sites for layer in architecture.layers) * population.batch_size
    return max(1, _GPU_NUMBERS // passed)


def _largest_temporary(architecture: Architecture, models: int) -> int:
    """Return the size of the largest temporary of evaluating one image by so many models: outputs, or patches."""
    return max(
        max(models * layer.outputs, layer.weights // layer.outputs) * (layer.sites // layer.outputs)
        for layer in architecture.layers
    )


class _EpochRun:
    """One epoch of a block of models: its parameters with their optimiser, and the random numbers of each step."""

    def __init__(
        self,
        population: Population,
        models: Tensor,
        device: torch.device,
        epoch: int,
        penalty: Tensor | None,
        lr_factors: Tensor | None,
    ):
        self.population, self.models, self.device, self.epoch = population, models, device, epoch
        self.keys = population.keys[models].to(device)
        self.activations = activation_runs(population, models)
        self.alone = goes_alone(population.architecture, len(models))
        self.trained = (OneModel if self.alone else FlatModels)(population, models, device, lr_factors)
        self.dtype = next(iter(population.parameters.values())).dtype
        self.buffers = {name: tensor[models].to(device) for name, tensor in population.buffers.items()}
        self.moves_all = lr_factors is None
        dropout = [population.factors[model].dropout for model in models.tolist()]
        self.dropout = torch.tensor(dropout, dtype=self.dtype, device=device)[:, None] if any(dropout) else None
        self.penalty = penalty[models].to(device, self.dtype) if penalty is not None and penalty.any() else None

    def train(self, data: ImageSet, batches: range) -> Scores:
        """Train batches of the epoch and give parameters and optimiser state back to the population."""
        order = data_order(self.keys, self.epoch, len(data))
        loss = torch.zeros(len(self.models), dtype=torch.float64, device=self.device)
        correct = torch.zeros_like(loss)
        batch_size, seen = self.population.batch_size, 0
        for batch in batches:
            first = batch * batch_size
            chosen = order[:, first : first + batch_size]
            labels = data.labels[chosen]
            logits, losses = self._step(data.images[chosen], labels, first, batch)
            loss += losses.double().sum(1)
            correct += (logits.argmax(1) == labels).double().sum(1)
            seen += chosen.shape[1]
        self._give_back()
        return Scores((loss / seen).cpu(), (correct / seen).cpu())

    def _step(self, images: Tensor, labels: Tensor, first: int, batch: int) -> tuple[Tensor, Tensor]:
        """Train on the epoch's batch of that number, `[models, batch, …]`; logits and losses from before the step."""
        parameters, weights = self.trained.parameters, self.population.weights
        if self.alone and isinstance(weights, GaussianNoise):
            parameters = weights.with_log_alpha(parameters)
        tensors = {**self._gated(parameters, first), **self.buffers}
        draws = self._draws(first, images.shape[1])
        before = {} if self.moves_all else {name: tensor.clone() for name, tensor in self.buffers.items()}
        logits, _ = forward(self.population.architecture, self.activations, tensors, images, draws)
        losses = self._losses(logits, labels)
        objective = losses.mean(1).sum()
        if self.penalty is not None:
            objective = objective + (self.penalty * weights.penalty(parameters)).sum()
        moves = self.trained.step(objective, batch)
        if moves is not None:
            _put_back(self.buffers, before, moves)
        return logits.detach(), losses.detach()

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy of logits `[models, classes, batch]`, `[models, batch]`."""
        if self.alone:  # the same in less time
            return F.cross_entropy(logits[0].mT, labels[0], reduction="none")[None]
        return F.cross_entropy(logits, labels, reduction="none")

    def _give_back(self) -> None:
        self.trained.give_back()
        for name, tensor in self.buffers.items():
            self.population.buffers[name][self.models] = tensor.cpu()

    def _gated(self, parameters: Mapping[str, Tensor], first: int) -> Mapping[str, Tensor]:
        """Return the weights of the batch that begins at a position of the epoch."""
        if not isinstance(self.population.weights, HardConcrete):
            return self.population.weights.trained(parameters)
        layers, offsets = self.population.architecture.layers, self.population.architecture.gate_offsets
        numbers = gate_uniforms(self.keys, self.epoch, first, offsets[-1]).to(self.dtype)
        sites = {
            f"{layer.name}.weight": numbers[:, offset : offset + layer.weights].unflatten(1, layer.weight_shape)
            for layer, offset in zip(layers, offsets[:-1], strict=True)
        }
        return self.population.weights.sampled(parameters, sites)

    def _draws(self, first: int, batch: int) -> Draws:
        """Return the random numbers of the batch that begins at a position of the epoch."""
        return draw(
            self.population.architecture,
            self.keys,
            self.epoch,
            first,
            batch,
            self.dtype,
            dropout=self.dropout,
            noise=isinstance(self.population.weights, GaussianNoise),
            linear_clamp=getattr(self.population.weights, "linear_clamp", FC_CLAMP),
        )


def _put_back(buffers: Mapping[str, Tensor], before: Mapping[str, Tensor], moves: Tensor) -> None:
    """Give the models that stood still, where `moves` `[models, 1]` is false, their buffers of before, in place."""
    for name, tensor in buffers.items():
        stood = ~moves.view(-1, *[1] * (tensor.ndim - 1))
        tensor.copy_(torch.where(stood, before[name], tensor))

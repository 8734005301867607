"""The `torch` engine: a population as one batched PyTorch program, on CPU or CUDA.

All parameters live in one flat `[models, numbers]` tensor while an epoch runs, so that an optimiser step is a handful
of operations whatever the number of layers. The forward pass is `zootwins.population.batched_network`'s.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import prod

import torch
from torch import Tensor
from torch.nn import functional as F

from zootwins.architectures.architecture import Architecture
from zootwins.population import MOMENTS, Evaluation, Factors, ImageSet, Population, Scores, new_evaluation
from zootwins.population.batched_network import Draws, activation_runs, draw, forward
from zootwins.population.derivatives import Derivatives
from zootwins.population.hard_concrete import HardConcrete
from zootwins.population.randomness import data_order, gate_uniforms
from zootwins.population.threads import one_thread
from zootwins.population.variational import FC_CLAMP, GaussianNoise

OPTIMIZERS = ("adam", "sgd", "nesterov", "adamw", "rmsprop")  # as in torch.optim; nesterov: SGD's
RMSPROP_ALPHA, RMSPROP_EPSILON = 0.99, 1e-8  # torch.optim.RMSprop's defaults
ADAM_BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8  # torch.optim.Adam's defaults, which the authors use
_CPU_BLOCK = 16  # models of a chain trained together on a CPU, at most: their temporaries stay in the cache
_CPU_NUMBERS = 1 << 20  # weights and biases of the models of a chain trained together on a CPU, at most
_MOVED_AT_ONCE = 1 << 15  # parameters of each model that a step moves together on a CPU, likewise
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
    """Return how many models are computed together: on a CPU one of networks that are no chains, the fastest there."""
    architecture = population.architecture
    if device.type == "cpu":
        numbers = sum(prod(shape) for shape in architecture.parameter_shapes.values())
        return max(1, min(_CPU_BLOCK, _CPU_NUMBERS // numbers)) if architecture.chain else 1
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
    """One epoch of a block of models: flat parameters, their optimiser, and the random numbers of each step."""

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
        self.flat = self._flatten(population.parameters).requires_grad_()
        state = population.optimizer_state
        self.buffers = {name: tensor[models].to(device) for name, tensor in population.buffers.items()}
        self.moments = [self._flatten({n: state[f"{moment}.{n}"] for n in population.parameters}) for moment in MOMENTS]
        kept = {name: torch.ones_like(tensor) for name, tensor in population.parameters.items()} | population.masks
        self.pruned = self._flatten(kept) == 0 if population.masks else None
        self.dropout = self._column("dropout")
        self.has_dropout = any(population.factors[model].dropout > 0 for model in models.tolist())
        self.penalty = penalty[models].to(device, self.flat.dtype) if penalty is not None and penalty.any() else None
        self.optimizer = _Optimizer(
            [population.factors[model] for model in models.tolist()],
            self._column,
            self._row(population.weights.decays),
            self._row(lambda name: population.weights.own_lr(name) or 0),
            self._row(lambda name: name in population.architecture.weight_names),
            state["steps"][models].to(device),
            None if lr_factors is None else lr_factors[models].to(device, self.flat.dtype),
        )

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
        parameters = self._views(self.flat)
        tensors = {**self._gated(parameters, first), **self.buffers}
        draws = self._draws(first, images.shape[1])
        before = {name: tensor.clone() for name, tensor in self.buffers.items()}
        logits, _ = forward(self.population.architecture, self.activations, tensors, images, draws)
        losses = F.cross_entropy(logits, labels, reduction="none")
        objective = losses.mean(1).sum()
        if self.penalty is not None:
            objective = objective + (self.penalty * self.population.weights.penalty(parameters)).sum()
        (gradient,) = torch.autograd.grad(objective, self.flat)
        with torch.no_grad():
            moves = self.optimizer.step(self.flat, gradient, self.moments, batch, self.pruned)
            if moves is not None:
                _put_back(self.buffers, before, moves)
        return logits.detach(), losses.detach()

    def _give_back(self) -> None:
        state = self.population.optimizer_state
        for name, tensor in self.buffers.items():
            self.population.buffers[name][self.models] = tensor.cpu()
        for name, tensor in self._views(self.flat.detach()).items():
            self.population.parameters[name][self.models] = tensor.cpu()
        for moment, numbers in zip(MOMENTS, self.moments, strict=True):
            for name, tensor in self._views(numbers).items():
                state[f"{moment}.{name}"][self.models] = tensor.cpu()

    def _flatten(self, tensors: Mapping[str, Tensor]) -> Tensor:
        parts = [tensors[name][self.models].flatten(1) for name in self.population.parameters]
        return torch.cat(parts, dim=1).to(self.device)

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        shapes = {name: tensor.shape[1:] for name, tensor in self.population.parameters.items()}
        parts = flat.split([prod(shape) for shape in shapes.values()], dim=1)
        return {name: part.unflatten(1, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

    def _column(self, factor: str) -> Tensor:
        values = [getattr(self.population.factors[model], factor) for model in self.models.tolist()]
        return torch.tensor(values, dtype=self.flat.dtype, device=self.device)[:, None]

    def _row(self, value: Callable[[str], float]) -> Tensor:
        """Repeat a number of each parameter, by its name, for all that it holds: `[numbers]`."""
        parameters = self.population.parameters.items()
        numbers = [torch.full((tensor[0].numel(),), value(name), dtype=self.flat.dtype) for name, tensor in parameters]
        return torch.cat(numbers).to(self.device)

    def _gated(self, parameters: Mapping[str, Tensor], first: int) -> Mapping[str, Tensor]:
        """Return the weights of the batch that begins at a position of the epoch."""
        if not isinstance(self.population.weights, HardConcrete):
            return self.population.weights.trained(parameters)
        layers, offsets = self.population.architecture.layers, self.population.architecture.gate_offsets
        numbers = gate_uniforms(self.keys, self.epoch, first, offsets[-1]).to(self.flat.dtype)
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
            self.flat.dtype,
            dropout=self.dropout if self.has_dropout else None,
            noise=isinstance(self.population.weights, GaussianNoise),
            linear_clamp=getattr(self.population.weights, "linear_clamp", FC_CLAMP),
        )


def _put_back(buffers: Mapping[str, Tensor], before: Mapping[str, Tensor], moves: Tensor) -> None:
    """Give the models that stood still, where `moves` `[models, 1]` is false, their buffers of before, in place."""
    for name, tensor in buffers.items():
        stood = ~moves.view(-1, *[1] * (tensor.ndim - 1))
        tensor.copy_(torch.where(stood, before[name], tensor))


class _Optimizer:
    """The `OPTIMIZERS` as `torch.optim` computes them, one formula with coefficients for each model.

    All keep a running sum of gradients (Adam's first moment, SGD's momentum buffer) and step along it; Adam also
    divides by the root of the second moment, RMSprop before it sums.
    """

    def __init__(
        self,
        factors: Sequence[Factors],
        column: Callable[[str], Tensor],
        decays: Tensor,
        own_lr: Tensor,
        kernels: Tensor,
        steps: Tensor,
        lr_factors: Tensor | None,
    ):
        """Prepare an epoch of models `[models]` that have taken `steps`, with `lr_factors` `[models, batches]`.

        Args:
            decays: 1 where weight decay acts, `[numbers]`.
            own_lr: the learning rate of what has an Adam of its own, else 0, `[numbers]`.
            kernels: 1 where a penalty of squares acts, `[numbers]`.
        """
        self.lr, self.weight_decay, momentum = column("lr"), column("weight_decay") * decays, column("momentum")
        own = own_lr > 0

        def are(*names: str) -> Tensor:
            return torch.tensor([f.optimizer in names for f in factors], device=self.lr.device)[:, None]

        self.adam, self.momentum = are("adam", "adamw"), momentum
        self.nesterov, self.rmsprop, decoupled = (_where_any(are(name), own) for name in OPTIMIZERS_BESIDE)
        self.decoupled_decay = None if decoupled is None else torch.where(decoupled, self.weight_decay, 0)
        if decoupled is not None:
            self.weight_decay = torch.where(decoupled, 0, self.weight_decay)
        if any(f.l2 for f in factors):
            self.weight_decay = self.weight_decay + 2 * column("l2") * kernels
        if own_lr.any():
            self.adam, self.lr = self.adam | own, torch.where(own, own_lr, self.lr)
        self.decay = torch.where(self.adam, ADAM_BETAS[0], momentum)
        self.share = torch.where(self.adam, 1 - ADAM_BETAS[0], torch.ones_like(momentum))
        self.steps, self.lr_factors = steps[:, None], lr_factors

    def step(
        self, flat: Tensor, gradient: Tensor, moments: Sequence[Tensor], batch: int, pruned: Tensor | None
    ) -> Tensor | None:
        """Take one step, in place, of the flat parameters `[models, numbers]`; those that are pruned stay as they are.

        Returns:
            Which models moved, bool `[models, 1]`; None if all did.
        """
        if self.lr_factors is None:
            self.steps += 1
            self._move(flat, gradient, moments, self.lr, pruned)
            return None
        factor = self.lr_factors[:, batch : batch + 1]
        moves = factor > 0
        before = [tensor.clone() for tensor in (flat, *moments)]
        self.steps += moves
        self._move(flat, gradient, moments, self.lr * factor, pruned)
        for tensor, old in zip((flat, *moments), before, strict=True):
            tensor.copy_(torch.where(moves, tensor, old))
        return moves

    def _move(
        self, flat: Tensor, gradient: Tensor, moments: Sequence[Tensor], lr: Tensor, pruned: Tensor | None
    ) -> None:
        at_once = _MOVED_AT_ONCE if flat.device.type == "cpu" else flat.shape[1]
        corrections = [(1 - beta ** self.steps.double()).to(flat.dtype) for beta in ADAM_BETAS]
        for first in range(0, flat.shape[1], at_once):
            part = partial(_columns, slice(first, first + at_once))
            parts = [part(tensor) for tensor in (flat, gradient, *moments, lr, pruned)]
            self._move_part(*parts, corrections, part)

    def _move_part(
        self,
        flat: Tensor,
        gradient: Tensor,
        exp_avg: Tensor,
        exp_avg_sq: Tensor,
        lr: Tensor,
        pruned: Tensor | None,
        corrections: Sequence[Tensor],
        part: Callable[[Tensor | None], Tensor | None],
    ) -> None:
        adam, rmsprop, nesterov = part(self.adam), part(self.rmsprop), part(self.nesterov)
        gradient = gradient.addcmul(flat, part(self.weight_decay))
        if (decoupled_decay := part(self.decoupled_decay)) is not None:
            flat.mul_(1 - lr * decoupled_decay)
        if pruned is not None:
            gradient = gradient.masked_fill(pruned, 0)  # not a product: it may be infinite
        squares = None if rmsprop is None else exp_avg_sq * RMSPROP_ALPHA + gradient.square() * (1 - RMSPROP_ALPHA)
        exp_avg_sq.mul_(ADAM_BETAS[1]).addcmul_(gradient, gradient, value=1 - ADAM_BETAS[1]).mul_(adam)
        if squares is not None:
            exp_avg_sq.copy_(torch.where(rmsprop, squares, exp_avg_sq))
            gradient = torch.where(rmsprop, gradient / (squares.sqrt() + RMSPROP_EPSILON), gradient)
        exp_avg.mul_(part(self.decay)).addcmul_(gradient, part(self.share))
        direction = exp_avg
        if nesterov is not None:
            direction = torch.where(nesterov, gradient + self.momentum * exp_avg, exp_avg)
        denominator = torch.where(adam, (exp_avg_sq / corrections[1]).sqrt() + ADAM_EPSILON, 1)
        step_size = torch.where(adam, lr / corrections[0], lr)
        flat.sub_(step_size * direction / denominator)


def _columns(columns: slice, tensor: Tensor | None) -> Tensor | None:
    """Return the columns of `[models, numbers]`; what is one number per model, or None, as it is."""
    return tensor if tensor is None or tensor.shape[1] == 1 else tensor[:, columns]


OPTIMIZERS_BESIDE = ("nesterov", "rmsprop", "adamw")  # those that need operations of their own


def _where_any(models: Tensor, own: Tensor) -> Tensor | None:
    """Return where an optimiser of models `[models, 1]` acts, without what has an Adam of its own; None if nowhere."""
    return models & ~own if models.any() else None

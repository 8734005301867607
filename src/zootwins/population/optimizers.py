"""Parameters of some models while an epoch trains them, and the optimisers that move them.

Many small models are one flat tensor, so that a step is a handful of operations whatever the number of layers. A large
model has its own `torch.optim` optimiser: its tensors stay where they are, and one fused operation moves each.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Protocol

import torch
from torch import Tensor

from zootwins.population import MOMENTS, Factors, Population

OPTIMIZERS = ("adam", "sgd", "nesterov", "adamw", "rmsprop")  # as in torch.optim; nesterov: SGD's; enum Optimizer
RMSPROP_ALPHA, RMSPROP_EPSILON = 0.99, 1e-8  # torch.optim.RMSprop's defaults
ADAM_BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8  # torch.optim.Adam's defaults, which the authors use
_MOVED_AT_ONCE = 1 << 15  # parameters of each model that a step moves together on a CPU: temporaries stay in the cache


class Trained(Protocol):
    """Parameters that an epoch trains."""

    parameters: Mapping[str, Tensor]  # `[models, *shape]`; gradients go to them

    def step(self, objective: Tensor, batch: int) -> Tensor | None:
        """Take a step down the gradient of an objective, on the epoch's batch of that number.

        Returns:
            Which models moved, bool `[models, 1]`; None if all did.
        """
        ...

    def give_back(self) -> None:
        """Write parameters and optimiser state to the population."""
        ...


class FlatModels:
    """Some models as one flat tensor `[models, numbers]`."""

    def __init__(self, population: Population, models: Tensor, device: torch.device, lr_factors: Tensor | None):
        self._population, self._models, self._device = population, models, device
        state, weights = population.optimizer_state, population.weights
        self._flat = self._flatten(population.parameters).requires_grad_()
        self._moments = [
            self._flatten({n: state[f"{moment}.{n}"] for n in population.parameters}) for moment in MOMENTS
        ]
        kept = {name: torch.ones_like(tensor) for name, tensor in population.parameters.items()} | population.masks
        self._pruned = self._flatten(kept) == 0 if population.masks else None
        self._optimizer = _Optimizer(
            [population.factors[model] for model in models.tolist()],
            self._column,
            self._row(weights.decays),
            self._row(lambda name: weights.own_lr(name) or 0),
            self._row(lambda name: name in population.architecture.weight_names),
            state["steps"][models].to(device),
            None if lr_factors is None else lr_factors[models].to(device, self._flat.dtype),
        )

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The models' parameters, `[models, *shape]`."""
        return self._views(self._flat)

    def step(self, objective: Tensor, batch: int) -> Tensor | None:
        """Take a step as `Trained.step` does."""
        (gradient,) = torch.autograd.grad(objective, self._flat)
        with torch.no_grad():
            return self._optimizer.step(self._flat, gradient, self._moments, batch, self._pruned)

    def give_back(self) -> None:
        """Write parameters and moments to the population."""
        state = self._population.optimizer_state
        for name, tensor in self._views(self._flat.detach()).items():
            self._population.parameters[name][self._models] = tensor.cpu()
        for moment, numbers in zip(MOMENTS, self._moments, strict=True):
            for name, tensor in self._views(numbers).items():
                state[f"{moment}.{name}"][self._models] = tensor.cpu()

    def _flatten(self, tensors: Mapping[str, Tensor]) -> Tensor:
        parts = [tensors[name][self._models].flatten(1) for name in self._population.parameters]
        return torch.cat(parts, dim=1).to(self._device)

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        shapes = {name: tensor.shape[1:] for name, tensor in self._population.parameters.items()}
        parts = flat.split([prod(shape) for shape in shapes.values()], dim=1)
        return {name: part.unflatten(1, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

    def _column(self, factor: str) -> Tensor:
        values = [getattr(self._population.factors[model], factor) for model in self._models.tolist()]
        return torch.tensor(values, dtype=self._flat.dtype, device=self._device)[:, None]

    def _row(self, value: Callable[[str], float]) -> Tensor:
        """Repeat a number of each parameter, by its name, for all that it holds: `[numbers]`."""
        parameters = self._population.parameters.items()
        numbers = [torch.full((tensor[0].numel(),), value(name), dtype=self._flat.dtype) for name, tensor in parameters]
        return torch.cat(numbers).to(self._device)


class OneModel:
    """One model, whose tensors are the population's own on a CPU, with optimisers of `torch.optim`."""

    def __init__(self, population: Population, models: Tensor, device: torch.device, lr_factors: Tensor | None):
        self._model = int(models)
        self._factors, state = population.factors[self._model], population.optimizer_state
        self._rates = None if lr_factors is None else lr_factors[self._model].tolist()
        self._copies = []  # on another device: the population's tensors, and those that are trained
        self.parameters = {name: self._own(t, device).requires_grad_() for name, t in population.parameters.items()}
        self._kept = {
            name: _bits(mask[self._model].to(device), self.parameters[name]) for name, mask in population.masks.items()
        }
        self._penalised = [p for name, p in self.parameters.items() if name in population.architecture.weight_names]
        weights = population.weights
        groups: dict[tuple, list[str]] = {}
        for name in self.parameters:
            groups.setdefault((weights.own_lr(name), weights.decays(name)), []).append(name)
        self._optimizers = [
            _of_torch(self._factors, [self.parameters[name] for name in names], own_lr, decays)
            for (own_lr, decays), names in groups.items()
        ]
        self._lrs = [optimizer.param_groups[0]["lr"] for optimizer in self._optimizers]
        for optimizer, names in zip(self._optimizers, groups.values(), strict=True):
            for name in names:
                moments = [self._own(state[f"{moment}.{name}"], device) for moment in MOMENTS]
                steps = state["steps"][self._model].to(device, torch.float32)
                optimizer.state[self.parameters[name]] = _torch_state(optimizer, moments, steps)

    def _own(self, tensor: Tensor, device: torch.device) -> Tensor:
        """Return the model's part of a population's tensor, `[1, …]`.

        Not by way of `detach`: autograd would take what other threads do to other models for changes of this one.
        """
        part = tensor.data[self._model : self._model + 1]
        own = part.to(device)
        if own.device != part.device:
            self._copies.append((part, own))
        return own

    def step(self, objective: Tensor, batch: int) -> Tensor | None:
        """Take a step as `Trained.step` does."""
        factor = 1.0 if self._rates is None else self._rates[batch]
        if factor <= 0:
            return torch.zeros(1, 1, dtype=torch.bool, device=objective.device)
        objective.backward(inputs=list(self.parameters.values()))
        with torch.no_grad():
            if self._factors.l2:
                for kernel in self._penalised:
                    kernel.grad.add_(kernel, alpha=2 * self._factors.l2)
            for name, bits in self._kept.items():
                gradient = self.parameters[name].grad
                gradient.view(bits.dtype).bitwise_and_(bits)  # not a product: it may be infinite
        for optimizer, lr in zip(self._optimizers, self._lrs, strict=True):
            optimizer.param_groups[0]["lr"] = lr * factor
            optimizer.step()
            optimizer.zero_grad()
        return None

    def give_back(self) -> None:
        """Write parameters and moments to the population, where they are not its own."""
        for theirs, own in self._copies:
            theirs.copy_(own.detach())


def _bits(mask: Tensor, parameter: Tensor) -> Tensor:
    """Return a mask `[*shape]` as integers of the parameter's width, `[1, *shape]`: all bits set, or none."""
    return -mask[None].to({2: torch.int16, 4: torch.int32, 8: torch.int64}[parameter.itemsize])


def _of_torch(factors: Factors, parameters: list[Tensor], own_lr: float | None, decays: bool) -> torch.optim.Optimizer:
    """Return the optimiser of parameters that are treated alike; an Adam where they have a rate of their own."""
    name, momentum = factors.optimizer, factors.momentum
    settings = {"lr": own_lr or factors.lr, "weight_decay": factors.weight_decay * decays}
    if own_lr or name == "adam":
        return torch.optim.Adam(parameters, fused=True, **settings)
    if name == "adamw":
        return torch.optim.AdamW(parameters, fused=True, **settings)
    if name == "rmsprop":
        return torch.optim.RMSprop(parameters, momentum=momentum, **settings)
    nesterov = name == "nesterov" and momentum > 0
    return torch.optim.SGD(parameters, momentum=momentum, nesterov=nesterov, fused=True, **settings)


def _torch_state(optimizer: torch.optim.Optimizer, moments: Sequence[Tensor], steps: Tensor) -> dict[str, Tensor]:
    """Return the state of a parameter's optimiser from its moments."""
    first, second = moments
    if isinstance(optimizer, torch.optim.SGD):
        return {"momentum_buffer": first}
    if isinstance(optimizer, torch.optim.RMSprop):
        return {"step": steps, "square_avg": second, "momentum_buffer": first}
    return {"step": steps, "exp_avg": first, "exp_avg_sq": second}


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

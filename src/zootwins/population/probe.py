"""Linear classifiers on features, many at once: by SGD, or as the exact optimum of the same regularised loss.

A classifier is a matrix `[classes, features + 1]` whose last column holds the biases, on features with a 1 after them
(`with_ones`). The loss is the mean cross-entropy plus half the weight decay times the sum of squares, biases among
them: what `torch.optim.SGD` minimises when weight decay acts on all parameters.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from torch import Tensor
from torch.nn import functional as F

from zootwins.population.architectures import CLASSES
from zootwins.population.randomness import data_order, to_uniform, weight_words

_GRADIENT = 1e-8  # norm of the gradient where the exact solver ends, in units of the features' spread
_MOST_ITERATIONS = 500  # some 20 are needed


def initial_heads(keys: Tensor, features: int) -> Tensor:
    """Classifiers before training, distributed as `nn.Linear` draws them: float32 `[keys, classes, features + 1]`.

    Weights and biases are uniform between ±1/√features; the same key has the same head.
    """
    numbers = (features + 1) * CLASSES
    uniform = to_uniform(weight_words(keys, -(-numbers // 4) * 4)[:, :numbers])
    return ((2 * uniform - 1) * features**-0.5).unflatten(1, (CLASSES, features + 1))


def with_ones(features: Tensor) -> Tensor:
    """Features `[…, features]` with a 1 after them, which the biases are the weights of."""
    return F.pad(features, (0, 1), value=1.0)


def train_heads(
    features: Tensor,
    labels: Tensor,
    keys: Tensor,
    lrs: Sequence[float],
    *,
    batch_size: int,
    momentum: float,
    weight_decay: float,
) -> Tensor:
    """Classifiers of several twins of each model, trained by SGD; twins share initial head and order of the samples.

    Args:
        features: `[models, twins, samples, features + 1]`, as `with_ones` makes them.
        labels: int64 `[samples]`.
        keys: int64 `[models]`, the models' random streams, by which `data_order` goes.
        lrs: the learning rate of each epoch.
        batch_size: the last batch of an epoch may be smaller.
        momentum: as in `torch.optim.SGD`.
        weight_decay: likewise.

    Returns:
        `[models, twins, classes, features + 1]`.
    """
    models, twins, samples, width = features.shape
    heads = initial_heads(keys, width - 1).to(features.dtype).repeat_interleave(twins, dim=0)
    velocity = torch.zeros_like(heads)
    targets = F.one_hot(labels, CLASSES).to(features.dtype)
    rows = features.reshape(-1, width)
    first = samples * torch.arange(models * twins).view(models, twins, 1)
    for epoch, lr in enumerate(lrs, 1):
        for chosen in data_order(keys, epoch, samples).split(batch_size, dim=1):
            places = (first + chosen[:, None]).flatten()
            batch = rows[places].view(models * twins, -1, width)
            shares = (heads @ batch.mT).softmax(1)  # classes before samples: several times as fast as after
            errors = shares.unflatten(0, (models, twins)).sub_(targets[chosen].mT[:, None]).flatten(0, 1)
            gradient = (errors @ batch).div_(chosen.shape[1])
            velocity.mul_(momentum).add_(gradient.add_(heads, alpha=weight_decay))
            heads.sub_(velocity, alpha=lr)
    return heads.unflatten(0, (models, twins))


def exact_head(features: Tensor, labels: Tensor, weight_decay: float) -> Tensor:
    """The classifier of least regularised loss, float64 `[classes, features + 1]`; there is one if the decay is not 0.

    By Newton's method in a trust region with conjugate gradients (`scipy.optimize`, trust-ncg), on features scaled to
    a mean square of 1. L-BFGS needs thousands of steps where features are large or nearly collinear, as those of
    networks that were not trained.

    Args:
        features: `[samples, features + 1]`, as `with_ones` makes them.
        labels: int64 `[samples]`.
        weight_decay: > 0.
    """
    x, y = features.double().numpy(), F.one_hot(labels, CLASSES).T.double().numpy()
    scale = np.sqrt(np.square(x).mean(0))
    scale[scale == 0] = 1.0
    x, decay = x / scale, weight_decay / scale**2

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        head = flat.reshape(CLASSES, -1)
        logits, shares = _logits_and_shares(head, x)
        loss = (logsumexp(logits, axis=0) - (logits * y).sum(0)).mean() + (decay * head * head).sum() / 2
        return loss, ((shares - y) @ x / len(x) + decay * head).ravel()

    def hessian_times(flat: np.ndarray, direction: np.ndarray) -> np.ndarray:
        _, shares = _logits_and_shares(flat.reshape(CLASSES, -1), x)
        direction = direction.reshape(CLASSES, -1)
        moved = direction @ x.T
        moved = shares * (moved - (shares * moved).sum(0))
        return (moved @ x / len(x) + decay * direction).ravel()

    found = minimize(
        loss_and_gradient,
        np.zeros(CLASSES * len(scale)),
        jac=True,
        hessp=hessian_times,
        method="trust-ncg",
        options={"gtol": _GRADIENT, "maxiter": _MOST_ITERATIONS},
    )
    return torch.from_numpy(found.x.reshape(CLASSES, -1) / scale)


def _logits_and_shares(head: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and their softmax, `[classes, samples]`."""
    logits = head @ x.T
    shares = np.exp(logits - logits.max(0))
    return logits, shares / shares.sum(0)


def regularised_loss(features: Tensor, labels: Tensor, heads: Tensor, weight_decay: float) -> Tensor:
    """What both ways minimise, float64 `[…]`, of features `[…, samples, features + 1]` and their classifiers."""
    logits = (heads.to(features.dtype) @ features.mT).double()
    chosen = labels.expand(logits.shape[:-2] + labels.shape)[..., None, :]
    cross_entropy = (logits.logsumexp(-2) - logits.gather(-2, chosen)[..., 0, :]).mean(-1)
    return cross_entropy + weight_decay / 2 * heads.double().square().sum((-2, -1))


def predicted_classes(features: Tensor, heads: Tensor) -> Tensor:
    """The likeliest class of each sample, uint8 `[…, samples]`; ties go to the lower class."""
    return (heads.to(features.dtype) @ features.mT).argmax(-2).to(torch.uint8)

"""Linear classifiers on features, many at once: by SGD, or as the exact optimum of the same regularised loss.

A classifier is a matrix `[classes, features + 1]` whose last column holds the biases, on features with a 1 after them
(`with_ones`). The loss is the mean cross-entropy plus half the weight decay times the sum of squares, biases among
them: what `torch.optim.SGD` minimises when weight decay acts on all parameters.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.linalg import block_diag
from scipy.optimize import minimize
from scipy.special import logsumexp
from torch import Tensor
from torch.nn import functional as F

from zootwins.architectures.architecture import CLASSES
from zootwins.population import class_dtype
from zootwins.population.randomness import data_order, to_uniform, weight_words

_GRADIENT = 1e-8  # norm of the gradient where the exact solver ends
_MOST_ITERATIONS = 500  # some 10 to 50 are needed
_SAMPLES_AT_ONCE = 500


def initial_heads(keys: Tensor, features: int, classes: int = CLASSES) -> Tensor:
    """Draw classifiers as `nn.Linear` does: float32 `[keys, classes, features + 1]`.

    Weights and biases are uniform between ±1/√features; the same key has the same head.
    """
    numbers = (features + 1) * classes
    uniform = to_uniform(weight_words(keys, -(-numbers // 4) * 4)[:, :numbers])
    return ((2 * uniform - 1) * features**-0.5).unflatten(1, (classes, features + 1))


def with_ones(features: Tensor) -> Tensor:
    """Append a 1 to features `[…, features]`, whose weights are the biases."""
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
    classes: int = CLASSES,
) -> Tensor:
    """Train classifiers of several twins per model by SGD; twins share initial head and order of the samples.

    Args:
        features: `[models, twins, samples, features + 1]`, as `with_ones` makes them.
        labels: int64 `[samples]`.
        keys: int64 `[models]`, the models' random streams, of `data_order`.
        lrs: the learning rate of each epoch.
        batch_size: the last batch of an epoch may be smaller.
        momentum: as in `torch.optim.SGD`.
        weight_decay: likewise.
        classes: that there are.

    Returns:
        `[models, twins, classes, features + 1]`.
    """
    models, twins, samples, width = features.shape
    heads = initial_heads(keys, width - 1, classes).to(features.dtype).repeat_interleave(twins, dim=0)
    velocity = torch.zeros_like(heads)
    targets = F.one_hot(labels, classes).to(features.dtype)
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


def exact_head(features: Tensor, labels: Tensor, weight_decay: float, classes: int = CLASSES) -> Tensor:
    """Return the classifier of least regularised loss, float64 `[classes, features + 1]`.

    By Newton's method in a trust region (`scipy.optimize`, trust-exact), on principal components of unit size, in which
    the weight decay stays diagonal. Features of networks, above all of those that were not trained, are large or nearly
    collinear: L-BFGS and conjugate gradients then need thousands of steps, and may not arrive, and scikit-learn's
    Newton solver, which does not whiten, gives up.

    Args:
        features: `[samples, features + 1]`, as `with_ones` makes them.
        labels: int64 `[samples]`.
        weight_decay: > 0.
        classes: that there are, also where a class has no samples.

    Raises:
        ArithmeticError: if features are not finite, or the gradient does not vanish.
    """
    if not features.isfinite().all():
        raise ArithmeticError("no exact classifier: of features that are NaN or infinite")
    x, y = features.double().numpy(), F.one_hot(labels, classes).T.double().numpy()
    sizes, directions = np.linalg.eigh(x.T @ x / len(x))
    sizes = np.maximum(sizes, 0) + weight_decay
    components = directions / np.sqrt(sizes)
    x, decay = x @ components, weight_decay / sizes

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        head = flat.reshape(classes, -1)
        logits, shares = _logits_and_shares(head, x)
        loss = (logsumexp(logits, axis=0) - (logits * y).sum(0)).mean() + (decay * head * head).sum() / 2
        return loss, ((shares - y) @ x / len(x) + decay * head).ravel()

    def hessian(flat: np.ndarray) -> np.ndarray:
        _, shares = _logits_and_shares(flat.reshape(classes, -1), x)
        return _cross_entropy_hessian(x, shares) + np.diag(np.tile(decay, classes))

    found = minimize(
        loss_and_gradient,
        np.zeros(classes * len(sizes)),
        jac=True,
        hess=hessian,
        method="trust-exact",
        options={"gtol": _GRADIENT, "maxiter": _MOST_ITERATIONS},
    )
    if not found.success:
        raise ArithmeticError(f"no exact classifier: {found.message}")
    return torch.from_numpy(found.x.reshape(classes, -1) @ components.T)


def _cross_entropy_hessian(x: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return second derivatives of the mean cross-entropy, `[classes · features, classes · features]`.

    Those of classes k, l are the mean of (p_k δ_kl − p_k p_l) x xᵀ over the samples, of which as many are taken at once
    as fit a cache.
    """
    classes, features = len(shares), x.shape[1]
    within, between = np.zeros((classes * features, features)), np.zeros((classes * features,) * 2)
    for first in range(0, len(x), _SAMPLES_AT_ONCE):
        part = x[first : first + _SAMPLES_AT_ONCE]
        weighted = (shares.T[first : first + _SAMPLES_AT_ONCE, :, None] * part[:, None]).reshape(len(part), -1)
        within += weighted.T @ part
        between += weighted.T @ weighted
    return (block_diag(*within.reshape(classes, features, features)) - between) / len(x)


def _logits_and_shares(head: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return logits and their softmax, `[classes, samples]`."""
    logits = head @ x.T
    shares = np.exp(logits - logits.max(0))
    return logits, shares / shares.sum(0)


def regularised_loss(features: Tensor, labels: Tensor, heads: Tensor, weight_decay: float) -> Tensor:
    """Return the loss of both solvers, float64 `[…]`, of features `[…, samples, features + 1]` and classifiers."""
    logits = (heads.to(features.dtype) @ features.mT).double()
    chosen = labels.expand(logits.shape[:-2] + labels.shape)[..., None, :]
    cross_entropy = (logits.logsumexp(-2) - logits.gather(-2, chosen)[..., 0, :]).mean(-1)
    return cross_entropy + weight_decay / 2 * heads.double().square().sum((-2, -1))


def predicted_classes(features: Tensor, heads: Tensor) -> Tensor:
    """Predict the likeliest class of each sample, `[…, samples]` of `class_dtype`; ties go to the lower class."""
    return (heads.to(features.dtype) @ features.mT).argmax(-2).to(class_dtype(heads.shape[-2]))

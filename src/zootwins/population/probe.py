"""Linear classifiers on features, many at once: by SGD, or as the exact optimum of the same regularised loss.

A classifier is a matrix `[classes, features + 1]` whose last column holds the biases, on features with a 1 after them
(`with_ones`). The loss is the mean cross-entropy plus half the weight decay times the sum of squares, biases among
them: what `torch.optim.SGD` minimises when weight decay acts on all parameters.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from zootwins.architectures.architecture import CLASSES
from zootwins.population import class_dtype
from zootwins.population.randomness import data_order, to_uniform, weight_words
from zootwins.run.errors import one_line

_GRADIENT = 1e-10  # largest entry of the gradient where the exact solver ends
_MOST_ITERATIONS = 500  # some 10 to 50 are needed


def initial_heads(keys: Tensor, features: int, classes: int = CLASSES) -> Tensor:
    """Classifiers before training, distributed as `nn.Linear` draws them: float32 `[keys, classes, features + 1]`.

    Weights and biases are uniform between ±1/√features; the same key has the same head.
    """
    numbers = (features + 1) * classes
    uniform = to_uniform(weight_words(keys, -(-numbers // 4) * 4)[:, :numbers])
    return ((2 * uniform - 1) * features**-0.5).unflatten(1, (classes, features + 1))


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
    classes: int = CLASSES,
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
    """Return the classifier of least regularised loss, float64 `[classes, features + 1]`, by Newton's method.

    Features of networks, above all of those that were not trained, are large or nearly collinear: L-BFGS and conjugate
    gradients then need thousands of steps, and may not arrive.

    Args:
        features: `[samples, features + 1]`, as `with_ones` makes them.
        labels: int64 `[samples]`.
        weight_decay: > 0.
        classes: that there are, also where a class has no samples.

    Raises:
        ArithmeticError: if features are not finite, or the solver does not converge.
    """
    if not features.isfinite().all():
        raise ArithmeticError("no exact classifier: of features that are NaN or infinite")
    x, y = features.double().numpy(), labels.numpy()
    absent = np.setdiff1d(np.arange(classes), y)  # scikit-learn knows a class by its samples: give it one of no weight
    weights = np.concatenate((np.ones(len(y)), np.zeros(len(absent))))
    # of two classes it has one row, the difference of both, whose penalty is twice that of two rows of half its size
    penalty = weight_decay / 2 if classes == 2 else weight_decay
    settings = {"C": 1 / (len(y) * penalty), "tol": _GRADIENT, "max_iter": _MOST_ITERATIONS}
    model = LogisticRegression(solver="newton-cholesky", fit_intercept=False, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            model.fit(np.pad(x, ((0, len(absent)), (0, 0))), np.concatenate((y, absent)), weights)
        except Warning as problem:
            raise ArithmeticError(f"no exact classifier: {one_line(problem)}") from None
    rows = np.concatenate((-model.coef_ / 2, model.coef_ / 2)) if classes == 2 else model.coef_
    return torch.from_numpy(rows)


def regularised_loss(features: Tensor, labels: Tensor, heads: Tensor, weight_decay: float) -> Tensor:
    """What both ways minimise, float64 `[…]`, of features `[…, samples, features + 1]` and their classifiers."""
    logits = (heads.to(features.dtype) @ features.mT).double()
    chosen = labels.expand(logits.shape[:-2] + labels.shape)[..., None, :]
    cross_entropy = (logits.logsumexp(-2) - logits.gather(-2, chosen)[..., 0, :]).mean(-1)
    return cross_entropy + weight_decay / 2 * heads.double().square().sum((-2, -1))


def predicted_classes(features: Tensor, heads: Tensor) -> Tensor:
    """The likeliest class of each sample, `[…, samples]` of `class_dtype`; ties go to the lower class."""
    return (heads.to(features.dtype) @ features.mT).argmax(-2).to(class_dtype(heads.shape[-2]))

"""Baselines of the benchmark: simple predictors that a method has to beat.

Weight statistics are those of Unterthiner et al. (2020): mean, variance and five percentiles of each tensor.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zootwins.benchmark.tasks import Task, prunable
from zootwins.publishing.loading import PublishedZoo

PERCENTILES = (0, 25, 50, 75, 100)
COMPONENTS = 50
_PENALTIES = np.logspace(-3, 5, 17)  # ridge's, in units of standardised features
_MASK_WEIGHTS = 200_000  # that a predictor of masks learns from, at most
_SEED = 0


def weight_statistics(zoo: PublishedZoo, networks: np.ndarray) -> np.ndarray:
    """Return mean, variance and percentiles 0, 25, 50, 75, 100 of each tensor, `[networks, 7 · tensors]`."""
    vectors, columns, start = zoo.vectors(networks).double().numpy(), [], 0
    for shape in zoo.about["parameters"].values():
        part = vectors[:, start : start + int(np.prod(shape))]
        start += part.shape[1]
        columns += [part.mean(1), part.var(1), *np.percentile(part, PERCENTILES, axis=1)]
    return np.stack(columns, axis=1)


def _statistics(task: Task, items: np.ndarray) -> np.ndarray:
    return weight_statistics(task.zoo, task.inputs[items])


def _zeros(task: Task, items: np.ndarray) -> np.ndarray:
    """Return the share of zeros in each tensor."""
    vectors = task.zoo.vectors(task.inputs[items]).numpy() == 0
    sizes = [int(np.prod(shape)) for shape in task.zoo.about["parameters"].values()]
    return np.stack([part.mean(1) for part in np.split(vectors, np.cumsum(sizes)[:-1], axis=1)], axis=1)


def _components(task: Task, items: np.ndarray) -> np.ndarray:
    return _pca(task.zoo, tuple(task.inputs[task.train])).transform(task.zoo.vectors(task.inputs[items]).numpy())


@lru_cache(maxsize=4)
def _pca(zoo: PublishedZoo, networks: tuple[int, ...]) -> PCA:
    vectors = zoo.vectors(sorted(set(networks))).numpy()
    components = min(COMPONENTS, len(vectors) - 1, vectors.shape[1])  # further ones would be noise
    return PCA(components, random_state=_SEED).fit(vectors)


def _epoch(task: Task, items: np.ndarray) -> np.ndarray:
    return task.zoo.index["epoch"].to_numpy()[task.inputs[items]][:, None]


def _latent(task: Task, items: np.ndarray) -> np.ndarray:
    from zootwins.benchmark.hyper_representation import latent_vectors

    return latent_vectors(task.zoo, task.inputs[task.train], task.inputs[items])


def _nothing(task: Task, items: np.ndarray) -> np.ndarray:
    return np.zeros((len(items), 1))


FEATURES: dict[str, Callable[[Task, np.ndarray], np.ndarray]] = {
    "mean": _nothing,
    "epoch": _epoch,
    "zeros": _zeros,
    "statistics": _statistics,
    "pca": _components,
    "latent": _latent,
}


def _with_condition(task: Task, items: np.ndarray, features: np.ndarray, *, crossed: bool) -> np.ndarray:
    """Append which twin is asked for, one column each; for linear models also its products with the features."""
    conditions = np.unique(task.conditions[task.train])
    if len(conditions) < 2:
        return features
    asked = (task.conditions[items][:, None] == conditions).astype(float)
    if not crossed:
        return np.concatenate([features, asked], axis=1)
    return np.concatenate([asked, (asked[:, :, None] * features[:, None]).reshape(len(items), -1)], axis=1)


def _inputs(task: Task, features: str, *, crossed: bool = False) -> list[np.ndarray]:
    """Return the standardised features of the training and of the test items."""
    own = FEATURES[features]
    scaler = StandardScaler().fit(own(task, task.train))
    return [
        _with_condition(task, items, scaler.transform(own(task, items)), crossed=crossed)
        for items in (task.train, task.test)
    ]


def _regression(task: Task, model, inputs: list[np.ndarray]) -> np.ndarray:
    """Predict the mean of the twins of the same kind, and by the model what differs from it."""
    targets = pd.Series(task.targets[task.train].astype(float))
    means = targets.groupby(task.conditions[task.train]).mean()
    usual = means.reindex(task.conditions[task.train]).to_numpy()
    fitted = model.fit(inputs[0], targets.to_numpy() - usual)
    return means.reindex(task.conditions[task.test]).fillna(targets.mean()).to_numpy() + fitted.predict(inputs[1])


def _ridge(task: Task, features: str) -> np.ndarray:
    return _regression(task, RidgeCV(_PENALTIES), _inputs(task, features, crossed=True))


def _trees(task: Task, features: str) -> np.ndarray:
    return _regression(task, HistGradientBoostingRegressor(random_state=_SEED), _inputs(task, features))


def _logistic(task: Task, features: str) -> np.ndarray:
    train, test = _inputs(task, features)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return model.fit(train, task.targets[task.train]).predict(test)


def _tree_classes(task: Task, features: str) -> np.ndarray:
    train, test = _inputs(task, features)
    model = HistGradientBoostingClassifier(random_state=_SEED)
    return model.fit(train, task.targets[task.train]).predict(test)


def _tree_probability(task: Task, features: str) -> np.ndarray:
    targets = task.targets[task.train]
    if len(np.unique(targets)) < 2:
        return np.full(len(task.test), float(np.mean(targets)))
    train, test = _inputs(task, features)
    model = HistGradientBoostingClassifier(random_state=_SEED).fit(train, targets)
    return model.predict_proba(test)[:, list(model.classes_).index(True)]


def _nearest(task: Task, features: str) -> np.ndarray:
    """Return the cosine similarity of a twin's vector with each dense original's."""
    candidates = np.unique(task.targets[task.test])
    twins = task.zoo.vectors(task.inputs[task.test]).double()
    dense = task.zoo.vectors(candidates).double()
    norms = twins.norm(dim=1)[:, None] * dense.norm(dim=1)
    return (twins @ dense.T / norms.clamp(min=1e-12)).numpy()


def _random_order(task: Task, features: str) -> np.ndarray:
    candidates = np.unique(task.targets[task.test])
    return np.random.default_rng(_SEED).random((len(task.test), len(candidates)))


def _magnitude(task: Task, features: str) -> np.ndarray:
    """Score small weights highest."""
    return -task.zoo.vectors(task.inputs[task.test])[:, prunable(task.zoo)].abs().numpy()


def _prior(task: Task, features: str) -> np.ndarray:
    """Score by how often the training models' twins of the same kind are pruned at each weight."""
    return _prior_of_items(task, task.test)


def _mask_trees(task: Task, features: str) -> np.ndarray:
    """Fit boosted trees per weight: its magnitude, rank and place, and the prior, over the requested twins."""
    rng = np.random.default_rng(_SEED)
    weights = prunable(task.zoo)
    per_item = max(1, _MASK_WEIGHTS // len(task.train))
    inputs, targets = [], []
    prior = _prior_of_items(task, task.train)
    masks = task.zoo.vectors(task.targets[task.train])[:, weights].numpy() == 0
    for item, of_weights in enumerate(_weight_features(task, task.train, prior)):
        chosen = rng.choice(len(of_weights), min(per_item, len(of_weights)), replace=False)
        inputs.append(of_weights[chosen])
        targets.append(masks[item][chosen])
    model = HistGradientBoostingClassifier(random_state=_SEED).fit(np.concatenate(inputs), np.concatenate(targets))
    tested = _weight_features(task, task.test, _prior_of_items(task, task.test))
    return np.stack([model.predict_proba(of_weights)[:, 1] for of_weights in tested])


def _prior_of_items(task: Task, items: np.ndarray) -> np.ndarray:
    """Return the mean mask of the other training originals' twins of the same kind, float32 `[items, weights]`.

    Where there are no others, it is the mean mask of all training items.
    """
    masks = task.zoo.vectors(task.targets[task.train])[:, prunable(task.zoo)].numpy() == 0
    places = np.full(len(task.inputs), -1)
    places[task.train] = np.arange(len(task.train))  # of an item among the masks, if it is there
    priors, of_all = np.empty((len(items), masks.shape[1]), np.float32), masks.mean(0)
    for condition in np.unique(task.conditions[items]):
        alike = masks[task.conditions[task.train] == condition]
        pruned = alike.sum(0, dtype=np.int32)
        for row in np.flatnonzero(task.conditions[items] == condition):
            place = places[items[row]]
            own, others = (0, len(alike)) if place < 0 else (masks[place], len(alike) - 1)
            priors[row] = (pruned - own) / others if others else of_all
    return priors


def _weight_features(task: Task, items: np.ndarray, prior: np.ndarray):
    weights = prunable(task.zoo)
    shapes = [shape for shape in task.zoo.about["parameters"].values() if len(shape) > 1]
    layer = np.repeat(np.arange(len(shapes)), [int(np.prod(shape)) for shape in shapes])
    magnitudes = task.zoo.vectors(task.inputs[items])[:, weights].abs().numpy()
    sparsity = task.zoo.index["point"].to_numpy()[task.targets[items]]
    for row, magnitude in enumerate(magnitudes):
        rank = np.empty(len(magnitude))
        rank[magnitude.argsort()] = np.linspace(0, 1, len(magnitude))
        yield np.stack([magnitude, rank, layer, prior[row], np.full(len(magnitude), sparsity[row])], axis=1)


_REGRESSION = {
    "mean": (_ridge, "mean"),
    "epoch": (_ridge, "epoch"),
    "statistics": (_ridge, "statistics"),
    "boosted trees": (_trees, "statistics"),
    "PCA": (_ridge, "pca"),
    "hyper-representation": (_ridge, "latent"),
}
BASELINES = {
    "accuracy": _REGRESSION,
    "sparsity": {"mean": (_ridge, "mean"), "statistics": (_ridge, "statistics"), "zeros": (_ridge, "zeros")},
    "method": {
        "zeros": (_logistic, "zeros"),
        "statistics": (_logistic, "statistics"),
        "boosted trees": (_tree_classes, "statistics"),
    },
    "twin_accuracy": {
        "condition": (_ridge, "mean"),
        "statistics": (_ridge, "statistics"),
        "boosted trees": (_trees, "statistics"),
        "PCA": (_ridge, "pca"),
        "hyper-representation": (_ridge, "latent"),
    },
    "twin_collapse": {"condition": (_tree_probability, "mean"), "boosted trees": (_tree_probability, "statistics")},
    "original": {"chance": (_random_order, ""), "cosine similarity": (_nearest, "")},
    "mask": {"magnitude": (_magnitude, ""), "prior": (_prior, ""), "boosted trees": (_mask_trees, "")},
}


def predict(task: Task, baseline: str) -> np.ndarray:
    """Return a baseline's predictions for the test items of a task; it learns from the training items alone."""
    predictor, features = BASELINES[task.id][baseline]
    return predictor(task, features)

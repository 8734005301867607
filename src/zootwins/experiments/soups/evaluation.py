"""What the networks of a shard come to on test images: how good, how fair, how calibrated, and on shifted images.

Only here are test images looked at in other ways than the shards' scores; nothing is chosen on them but `best_by_test`,
which the reference has and which is named for it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from zootwins.experiments.soups.gains import OF_CANDIDATES
from zootwins.experiments.soups.measures import quality
from zootwins.experiments.soups.phases import Dense, evaluated_lanes, pruned
from zootwins.images.corruptions import PARAMETERS, ShiftedSet
from zootwins.population import Engine, ImageSet
from zootwins.storage.shards import TwinShard
from zootwins.zoos.originals import Originals

CANDIDATES = "candidate"
MEASURES = ("test_accuracy", "test_loss", "worst_class", "recall_spread", "ece")


@dataclass(frozen=True)
class Shelf:
    """The shards of a variant for some models, arm by arm, and the models' dense originals.

    Attributes:
        arms: shards by arm, all of the same models.
        originals: these models, in the shards' order.
    """

    arms: Mapping[str, TwinShard]
    originals: Originals

    @property
    def first(self) -> TwinShard:
        return next(iter(self.arms.values()))

    @property
    def goals(self) -> Sequence[float]:
        return self.first.axes[0].values

    @property
    def phases(self) -> Sequence[int]:
        return self.first.states

    def tensor(self, arm: str, name: str, phase: int) -> Tensor:
        """A tensor of an arm in a phase, `[models, goals, runs, …]`."""
        tensor = self.arms[arm].tensor(name)
        tensor = tensor if len(self.arms[arm].axes) == 2 else tensor.unsqueeze(2)
        return tensor.select(3, self.phases.index(phase))

    def networks(self, arm: str, phase: int) -> dict[str, Tensor]:
        """The weights and biases of an arm in a phase, each `[models, goals, runs, …]`."""
        return {name: self.tensor(arm, name, phase) for name in self.originals.parameters}


@dataclass(frozen=True)
class Looked:
    """What networks say of a set of images: classes `[models, goals, runs, samples]` and probabilities of classes."""

    predictions: np.ndarray
    probabilities: np.ndarray

    def ensemble(self) -> "Looked":
        """The mean of the runs' probabilities, as one run."""
        mean = self.probabilities.mean(2, keepdims=True, dtype=np.float64)
        return Looked(mean.argmax(-1).astype(np.uint8), mean)


def look(engine: Engine, shelf: Shelf, arm: str, phase: int, images: ImageSet) -> Looked:
    """What an arm's networks of a phase say of a set of images."""
    networks = shelf.networks(arm, phase)
    grid = networks["fc2.bias"].shape[:3]
    found = engine.evaluate(evaluated_lanes(shelf.originals, networks), images, ("probabilities",))
    return Looked(found.predictions.unflatten(0, grid).numpy(), found.probabilities.unflatten(0, grid).numpy())


def scores(engine: Engine, shelf: Shelf, test: ImageSet) -> pd.DataFrame:
    """A row a model, goal, arm, member and phase.

    Columns: model, index, goal, norm_drop (what pruning the dense model to the goal at once would take of the norm of
    its parameters), arm, member (0 where there is one network of a kind), phase, sparsity, validation_accuracy and
    those of `measures.quality`. Beside the arms' networks stand the candidates' mean, the best one on validation
    images, the best one on test images (as the reference has it) and their ensemble.
    """
    labels = test.labels.numpy()
    parts = []
    for arm in shelf.arms:
        for phase in shelf.phases:
            looked = look(engine, shelf, arm, phase, test)
            sparsity = shelf.tensor(arm, "sparsity", phase).double() @ shelf.originals.architecture.weight_shares
            known = {
                "sparsity": sparsity.numpy(),
                "validation_accuracy": shelf.tensor(arm, "validation_accuracy", phase).double().numpy(),
            }
            rows = _rows(shelf, known | quality(looked.predictions, looked.probabilities, labels))
            rows = rows.assign(arm=arm, phase=phase)
            parts.append(rows)
            if arm == CANDIDATES:
                mixed = looked.ensemble()
                together = quality(mixed.predictions, mixed.probabilities, labels)
                alone = {
                    "sparsity": known["sparsity"][:, :, :1],
                    "validation_accuracy": np.full(mixed.predictions.shape[:3], np.nan),
                }
                parts.append(_rows(shelf, alone | together).assign(arm="ensemble", phase=phase))
                parts.append(_derived(rows))
    return pd.concat(parts, ignore_index=True).merge(_norm_drops(shelf), on=["index", "goal"])


def _norm_drops(shelf: Shelf) -> pd.DataFrame:
    originals, goals = shelf.originals, shelf.goals
    dense = Dense("", originals, ()).networks(len(goals))
    _, taken = pruned(dense, originals.architecture.weight_names, goals)
    return _rows(shelf, {"norm_drop": taken.numpy()})[["index", "goal", "norm_drop"]]


def _rows(shelf: Shelf, values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """A row for every place of arrays `[models, goals, runs]`; a run alone has the member 0."""
    shape = next(iter(values.values())).shape
    models, goals, runs = np.indices(shape).reshape(3, -1)
    return pd.DataFrame(
        {
            "model": np.array(shelf.originals.models, dtype=object)[models],
            "index": np.array(shelf.originals.index, dtype=np.int64)[models],
            "goal": np.array(shelf.goals)[goals],
            "member": runs + 1 if shape[2] > 1 else runs,
            **{name: array.ravel() for name, array in values.items()},
        }
    )


def _derived(candidates: pd.DataFrame) -> pd.DataFrame:
    """The mean of a model's candidates and the best ones; of equals, the one with the lower number."""
    keys = ["model", "index", "goal", "phase"]
    groups = candidates.groupby(keys, sort=False)
    mean = groups[["sparsity", "validation_accuracy", *MEASURES]].mean().reset_index()
    mean = mean.assign(one_class=groups["one_class"].all().to_numpy(), arm=OF_CANDIDATES[0], member=0)
    best = [
        candidates.loc[groups[column].idxmax()].assign(arm=arm)
        for arm, column in zip(OF_CANDIDATES[1:3], ("validation_accuracy", "test_accuracy"), strict=True)
    ]
    return pd.concat((mean, *best), ignore_index=True)


def shifted_scores(engine: Engine, shelf: Shelf, sets: Iterable[ShiftedSet], table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on shifted images after the last phase: index, goal, arm, set, severity, accuracy.

    Of several runs of an arm the mean; of the candidates their mean, the one that `table` (made by `scores`) has as the
    best on validation images, and their ensemble.
    """
    parts = [
        _rows(shelf, {"accuracy": accuracy}).assign(arm=arm, set=shifted.name, severity=shifted.severity)
        for shifted in sets
        for arm, accuracy in _shifted(engine, shelf, shifted.images, _best_runs(shelf, table))
    ]
    columns = ["index", "goal", "arm", "set", "severity", "accuracy"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _best_runs(shelf: Shelf, table: pd.DataFrame) -> np.ndarray:
    """The run of the best candidate on validation images after the last phase, `[models, goals, 1]`."""
    last = table[(table["arm"] == OF_CANDIDATES[1]) & (table["phase"] == shelf.phases[-1])]
    runs = last.pivot_table(index="index", columns="goal", values="member")
    found = runs.reindex(index=list(shelf.originals.index), columns=list(shelf.goals))  # also where there is no model
    return found.to_numpy(dtype=np.int64)[..., None] - 1


def _shifted(engine: Engine, shelf: Shelf, images: ImageSet, best: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Each arm's accuracy `[models, goals, 1]`."""
    labels = images.labels.numpy()
    for arm in shelf.arms:
        looked = look(engine, shelf, arm, shelf.phases[-1], images)
        accuracy = (looked.predictions == labels).mean(-1)
        if arm != CANDIDATES:
            yield arm, accuracy.mean(2, keepdims=True)
            continue
        yield OF_CANDIDATES[0], accuracy.mean(2, keepdims=True)
        yield OF_CANDIDATES[1], np.take_along_axis(accuracy, best, axis=2)
        yield OF_CANDIDATES[3], (looked.ensemble().predictions == labels).mean(-1)


def with_shifted(table: pd.DataFrame, shifted: pd.DataFrame) -> pd.DataFrame:
    """The scores with `shifted_accuracy`: the mean over all corruptions and severities; NaN where there is none."""
    keys = ["index", "goal", "arm"]
    corrupted = shifted[shifted["set"].isin(PARAMETERS)]
    means = corrupted.groupby(keys)["accuracy"].mean().rename("shifted_accuracy").reset_index()
    joined = table.merge(means.assign(phase=table["phase"].max()), how="left", on=[*keys, "phase"])
    return joined.astype({"shifted_accuracy": np.float64})

"""Evaluation of a shard's networks: accuracy, fairness and calibration on test and on shifted images, and pairs.

Only this module uses test images beyond the shards' scores; nothing is chosen on them but `best_by_test`,
which the reference has and which is named for it.

Pairs are the parts of an average: the first of each mixture with each of the others. Their barrier is how far accuracy
on the straight line between them falls, at most, below the straight line between their own accuracies, at eleven points
(as Entezari et al. 2022 have it of the loss): 0 where it falls nowhere. Statistics of batch normalisation are those
that training images give to a network in between; a second barrier is with the statistics on the line, as the weights
are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zootwins.analyses.status import DIVERGED, split_diverged, status_of
from zootwins.experiments.soups.gains import OF_MEMBERS, PARTS, POINTS, UNRECOMPUTED, quality
from zootwins.experiments.soups.merging import Networks, merge
from zootwins.experiments.soups.phases import (
    Dense,
    evaluated_lanes,
    grid_of,
    pruned,
    trained_tensors,
    with_own_statistics,
)
from zootwins.images.corruptions import PARAMETERS, ShiftedSet
from zootwins.population import Engine, ImageData, ImageSet
from zootwins.storage.shards import TwinShard
from zootwins.zoos.originals import Originals

MEMBER = "member"
MEASURES = ("test_accuracy", "test_loss", "worst_class", "recall_spread", "ece")


@dataclass(frozen=True)
class ArmShards:
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
        """Return a tensor of an arm in a phase, `[models, goals, runs, …]`."""
        tensor = self.arms[arm].tensor(name)
        tensor = tensor if len(self.arms[arm].axes) == 2 else tensor.unsqueeze(2)
        return tensor.select(3, self.phases.index(phase))

    def networks(self, arm: str, phase: int) -> dict[str, Tensor]:
        """Return the weights and biases of an arm in a phase, each `[models, goals, runs, …]`."""
        return {name: self.tensor(arm, name, phase) for name in self.originals.parameters}


@dataclass(frozen=True)
class Predictions:
    """Predictions for a set of images: classes `[models, goals, runs, samples]` and their probabilities."""

    predictions: np.ndarray
    probabilities: np.ndarray

    def ensemble(self) -> "Predictions":
        """Return the mean of the runs' probabilities, as one run."""
        mean = self.probabilities.mean(2, keepdims=True, dtype=np.float64)
        return Predictions(mean.argmax(-1).astype(self.predictions.dtype), mean)


def look(engine: Engine, arm_shards: ArmShards, arm: str, phase: int, images: ImageSet) -> Predictions:
    """Predict a set of images with an arm's networks of a phase."""
    return _evaluated(engine, arm_shards, arm_shards.networks(arm, phase), images)


def _evaluated(engine: Engine, arm_shards: ArmShards, networks: Networks, images: ImageSet) -> Predictions:
    grid = grid_of(networks)
    found = engine.evaluate(evaluated_lanes(arm_shards.originals, networks), images, ("probabilities",))
    return Predictions(found.predictions.unflatten(0, grid).numpy(), found.probabilities.unflatten(0, grid).numpy())


def scores(engine: Engine, arm_shards: ArmShards, test: ImageSet) -> pd.DataFrame:
    """Return one row per model, goal, arm, member and phase.

    Columns: model, index, goal, norm_drop (what pruning the dense model to the goal at once would take of the norm of
    its parameters), arm, member (0 where there is one network of a kind), phase, sparsity, validation_accuracy, status
    (`zootwins.analyses.status`) and those of `gains.quality`. Beside the arms' networks stand the members' mean, the
    best one on validation images, the best one on test images (as the reference has it) and their ensemble; in networks
    with batch normalisation also the soup whose statistics are the members' mean, not recomputed (`UNRECOMPUTED`).
    """
    labels = test.labels.numpy()
    parts = []
    for arm in arm_shards.arms:
        for phase in arm_shards.phases:
            predicted = look(engine, arm_shards, arm, phase, test)
            sparsity = (
                arm_shards.tensor(arm, "sparsity", phase).double() @ arm_shards.originals.architecture.weight_shares
            )
            known = {
                "sparsity": sparsity.numpy(),
                "validation_accuracy": arm_shards.tensor(arm, "validation_accuracy", phase).double().numpy(),
            }
            measured = quality(predicted.predictions, predicted.probabilities, labels)
            diverged = ~arm_shards.tensor(arm, "test_loss", phase).isfinite().numpy()
            status = status_of(diverged, measured["collapsed"])
            rows = _rows(arm_shards, known | measured).assign(arm=arm, phase=phase, status=status)
            parts.append(rows)
            if arm == MEMBER:
                mixed = predicted.ensemble()
                together = quality(mixed.predictions, mixed.probabilities, labels)
                alone = {
                    "sparsity": known["sparsity"][:, :, :1],
                    "validation_accuracy": np.full(mixed.predictions.shape[:3], np.nan),
                }
                status = status_of(diverged.any(2, keepdims=True), together["collapsed"])
                parts.append(_rows(arm_shards, alone | together).assign(arm="ensemble", phase=phase, status=status))
                parts.append(_derived(rows))
                if arm_shards.originals.architecture.buffer_shapes:
                    parts.append(_unrecomputed(engine, arm_shards, phase, test))
    return pd.concat(parts, ignore_index=True).merge(_norm_drops(arm_shards), on=["index", "goal"])


def _unrecomputed(engine: Engine, arm_shards: ArmShards, phase: int, test: ImageSet) -> pd.DataFrame:
    """Return the rows of the members' average with the average of their statistics of batch normalisation."""
    merged = merge(arm_shards.networks(MEMBER, phase))
    predicted = _evaluated(engine, arm_shards, merged, test)
    measured = quality(predicted.predictions, predicted.probabilities, test.labels.numpy())
    sparsity = arm_shards.tensor(MEMBER, "sparsity", phase).double() @ arm_shards.originals.architecture.weight_shares
    known = {"sparsity": sparsity[:, :, :1].numpy(), "validation_accuracy": np.full(sparsity[:, :, :1].shape, np.nan)}
    diverged = ~arm_shards.tensor(MEMBER, "test_loss", phase).isfinite().numpy().all(2, keepdims=True)
    status = status_of(diverged, measured["collapsed"])
    return _rows(arm_shards, known | measured).assign(arm=UNRECOMPUTED, phase=phase, status=status)


def _norm_drops(arm_shards: ArmShards) -> pd.DataFrame:
    originals, goals = arm_shards.originals, arm_shards.goals
    dense = Dense("", originals, ()).networks(len(goals))
    _, taken = pruned(dense, originals.architecture.weight_names, goals)
    return _rows(arm_shards, {"norm_drop": taken.numpy()})[["index", "goal", "norm_drop"]]


def _rows(arm_shards: ArmShards, values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return a row for every place of arrays `[models, goals, runs]`; a single run has member 0."""
    shape = next(iter(values.values())).shape
    models, goals, runs = np.indices(shape).reshape(3, -1)
    return pd.DataFrame(
        {
            "model": np.array(arm_shards.originals.models, dtype=object)[models],
            "index": np.array(arm_shards.originals.index, dtype=np.int64)[models],
            "goal": np.array(arm_shards.goals)[goals],
            "member": runs + 1 if shape[2] > 1 else runs,
            **{name: array.ravel() for name, array in values.items()},
        }
    )


def _derived(members: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of a model's members and the best ones; of ties, the one with the lower number."""
    keys = ["model", "index", "goal", "phase"]
    groups = members.groupby(keys, sort=False)
    mean = groups[["sparsity", "validation_accuracy", *MEASURES]].mean().reset_index()
    lost, collapsed = members["status"] == DIVERGED, groups["collapsed"].all().to_numpy()
    diverged = lost.groupby([members[key] for key in keys], sort=False).any().to_numpy()
    mean = mean.assign(collapsed=collapsed, status=status_of(diverged, collapsed), arm=OF_MEMBERS[0], member=0)
    chosen_by = {"best_member": "validation_accuracy", "best_by_test": "test_accuracy"}
    finite = members.assign(**{column: members[column].where(~lost, -1) for column in chosen_by.values()})
    groups = finite.groupby(keys, sort=False)
    best = [members.loc[groups[column].idxmax()].assign(arm=arm) for arm, column in chosen_by.items()]
    return pd.concat((mean, *best), ignore_index=True)


def shifted_scores(
    engine: Engine, arm_shards: ArmShards, sets: Iterable[ShiftedSet], table: pd.DataFrame
) -> pd.DataFrame:
    """Return accuracy on shifted images after the last phase: index, goal, arm, set, severity, accuracy, status.

    Of several runs of an arm the mean; of the members their mean, the one that `table` (made by `scores`) has as the
    best on validation images, and their ensemble. The status says whether one of their networks diverged, no more.
    """
    parts = [
        _rows(arm_shards, {"accuracy": accuracy}).assign(arm=arm, set=shifted.name, severity=shifted.severity)
        for shifted in sets
        for arm, accuracy in _shifted(engine, arm_shards, shifted.images, _best_runs(arm_shards, table))
    ]
    columns = ["index", "goal", "arm", "set", "severity", "accuracy", "status"]
    if not parts:  # as they would be of images, so that tables of them can be joined
        return table.assign(set="", severity=0, accuracy=np.nan)[columns].iloc[:0]
    found, keys = pd.concat(parts, ignore_index=True), ["index", "goal", "arm"]
    _, lost = split_diverged(table[table["phase"] == arm_shards.phases[-1]])
    diverged = pd.MultiIndex.from_frame(found[keys]).isin(pd.MultiIndex.from_frame(lost[keys]))
    return found.assign(status=status_of(diverged, diverged, known=False))[columns]


def _best_runs(arm_shards: ArmShards, table: pd.DataFrame) -> np.ndarray:
    """Return the run of the best member on validation images after the last phase, `[models, goals, 1]`."""
    last = table[(table["arm"] == OF_MEMBERS[1]) & (table["phase"] == arm_shards.phases[-1])]
    runs = last.pivot_table(index="index", columns="goal", values="member")
    found = runs.reindex(
        index=list(arm_shards.originals.index), columns=list(arm_shards.goals)
    )  # also where there is no model
    return found.to_numpy(dtype=np.int64)[..., None] - 1


def _shifted(
    engine: Engine, arm_shards: ArmShards, images: ImageSet, best: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Return each arm's accuracy `[models, goals, 1]`."""
    labels = images.labels.numpy()
    for arm in arm_shards.arms:
        predicted = look(engine, arm_shards, arm, arm_shards.phases[-1], images)
        accuracy = (predicted.predictions == labels).mean(-1)
        if arm != MEMBER:
            yield arm, accuracy.mean(2, keepdims=True)
            continue
        yield OF_MEMBERS[0], accuracy.mean(2, keepdims=True)
        yield OF_MEMBERS[1], np.take_along_axis(accuracy, best, axis=2)
        yield OF_MEMBERS[3], (predicted.ensemble().predictions == labels).mean(-1)


def with_shifted(table: pd.DataFrame, shifted: pd.DataFrame) -> pd.DataFrame:
    """Add `shifted_accuracy` to the scores: the mean over corruptions and severities; NaN where there is none."""
    keys = ["index", "goal", "arm"]
    corrupted = shifted[shifted["set"].isin(PARAMETERS)]
    means = corrupted.groupby(keys)["accuracy"].mean().rename("shifted_accuracy").reset_index()
    joined = table.merge(means.assign(phase=table["phase"].max()), how="left", on=[*keys, "phase"])
    return joined.astype({"shifted_accuracy": np.float64})


def pair_scores(engine: Engine, arm_shards: ArmShards, data: ImageData) -> pd.DataFrame:
    """Return one row per model, goal, phase and pair of parts.

    Columns: index, goal, phase, kind, member (the second part's), status (whether one of the two diverged), distance
    (L2, of all weights and biases), agreement (the share of test images that both put into the same class), barrier,
    barrier_unrecomputed (with statistics of batch normalisation on the line; NaN without such), and the accuracies on
    the line, `line_0` (the first part) to `line_10`.
    """
    parts = [
        _pairs(engine, arm_shards, arm, phase, data).assign(phase=phase, kind=PARTS[arm])
        for arm in arm_shards.arms
        if arm in PARTS
        for phase in arm_shards.phases
    ]
    return pd.concat(parts, ignore_index=True)


def _pairs(engine: Engine, arm_shards: ArmShards, arm: str, phase: int, data: ImageData) -> pd.DataFrame:
    networks = arm_shards.networks(arm, phase)
    ends = arm_shards.tensor(arm, "test_accuracy", phase).double().numpy()
    predictions = arm_shards.tensor(arm, "predictions", phase)
    differences = {
        name: (tensor[:, :, 1:] - tensor[:, :, :1]).double() for name, tensor in trained_tensors(networks).items()
    }
    squares = sum(tensor.flatten(3).square().sum(3) for tensor in differences.values())
    own = _between(arm_shards, networks)
    line = _line(
        engine, arm_shards, ends, [with_own_statistics(arm_shards.originals, one, data.train) for one in own], data
    )
    unrecomputed = np.full(line.shape[1:], np.nan)
    if arm_shards.originals.architecture.buffer_shapes:
        unrecomputed = barrier(_line(engine, arm_shards, ends, own, data))
    models, goals, others = np.indices(line.shape[1:]).reshape(3, -1)
    diverged = ~arm_shards.tensor(arm, "test_loss", phase).isfinite().numpy()
    either = diverged[:, :, :1] | diverged[:, :, 1:]
    values = {
        "distance": squares.sqrt().numpy(),
        "agreement": (predictions[:, :, 1:] == predictions[:, :, :1]).double().mean(-1).numpy(),
        "barrier": barrier(line),
        "barrier_unrecomputed": unrecomputed,
        **{f"line_{point}": accuracy for point, accuracy in enumerate(line)},
    }
    return pd.DataFrame(
        {
            "index": np.array(arm_shards.originals.index, dtype=np.int64)[models],
            "goal": np.array(arm_shards.goals)[goals],
            "member": others + 2,
            "status": status_of(either, either, known=False),
            **{name: array.ravel() for name, array in values.items()},
        }
    )


def barrier(line: np.ndarray) -> np.ndarray:
    """Return the barrier of accuracies on a line, `[points, …]`, at equal distances with both ends."""
    share = np.linspace(0, 1, len(line)).reshape(-1, *[1] * (line.ndim - 1))
    return ((1 - share) * line[0] + share * line[-1] - line).max(0)


def _between(arm_shards: ArmShards, networks: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return the networks between the first run and each other, `[models, goals, runs − 1, …]`, without the ends."""
    others = {name: tensor[:, :, 1:] for name, tensor in networks.items()}
    return [
        {
            name: torch.lerp(networks[name][:, :, :1].expand_as(tensor), tensor, point / (POINTS - 1))
            if tensor.is_floating_point()  # else a count of batches
            else tensor
            for name, tensor in others.items()
        }
        for point in range(1, POINTS - 1)
    ]


def _line(
    engine: Engine,
    arm_shards: ArmShards,
    ends: np.ndarray,
    between: list[dict[str, Tensor]],
    data: ImageData,
) -> np.ndarray:
    """Return accuracies on the line, `[points, models, goals, runs − 1]`; the ends' are known."""
    found = [engine.evaluate(evaluated_lanes(arm_shards.originals, one), data.test).accuracy for one in between]
    accuracies = [accuracy.unflatten(0, grid_of(between[0])).numpy() for accuracy in found]
    return np.stack([ends[:, :, :1] + np.zeros_like(ends[:, :, 1:]), *accuracies, ends[:, :, 1:]])

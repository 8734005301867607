"""Variational twins that others trained: matched with their originals, evaluated again, and recorded as ours are.

The layout is that of the authors' twins of MNIST and SVHN (Zenodo 7023335 and 7027566): a raw zoo whose checkpoints
hold μ and log σ² of every epoch, and whose params.json names the original.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture
from zootwins.population import Engine, ImageData, Population
from zootwins.population.trajectory import evaluate_state
from zootwins.population.variational import GaussianNoise
from zootwins.run.errors import InputError
from zootwins.sparsifiers.variational_dropout import Settings
from zootwins.storage.shards import Trajectory
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects.base import RawModel
from zootwins.zoos.dialects.modelzoo import ModelZoo
from zootwins.zoos.importing import ACCEPTED_DIFFERENCE, MAX_BROKEN_SHARE, refuse_too_many_excluded
from zootwins.zoos.originals import Originals

log = logging.getLogger(__name__)


def match_twins(
    path: str | Path,
    architecture: Architecture,
    epochs: int,
    expected: int,
    originals: pd.DataFrame,
    max_broken_share: float = MAX_BROKEN_SHARE,
) -> pd.DataFrame:
    """Match published twins with originals: models.csv, a row per twin, and why it is excluded.

    Args:
        path: the zip or folder of the twins.
        epochs: the last epoch; each twin has to have checkpoints 0 … epochs.
        expected: how many twins there are, the broken ones counted.
        originals: models.csv of the originals.
        max_broken_share: the share of the twins that may be excluded, 0 … 1.

    Returns:
        The originals' columns, with `model`, `index`, `status` and `reason` of the twin; and `original`, the name.

    Raises:
        InputError: if there is another number of twins, too many are excluded, or none has an original.
    """
    with open_members(path) as members:
        # one twin at a time: the checkpoints are looked at and not kept
        read = [(t.name, t.original, t.reason) for t in ModelZoo(members).twins(architecture, range(epochs + 1))]
    if len(read) != expected:
        raise InputError(f"{path}: holds {len(read)} twins, but the catalogue says {expected}; correct its key models")
    known = originals.set_index("model")
    names = [original for _, original, _ in read]
    reasons = _reasons(read, known)
    if all(reasons):
        raise InputError(
            f"{path}: every twin is excluded, {read[0][0]} because: {reasons[0]}; correct twins_of or architecture in "
            "the catalogue if the archive is whole"
        )
    table = known.reindex(names).reset_index(names="original")
    table = table.assign(
        model=[name for name, _, _ in read],
        index=range(len(read)),
        status=["excluded" if reason else "ok" for reason in reasons],
        reason=reasons,
    )
    refuse_too_many_excluded(path, table, max_broken_share)
    integers = {"seed": "Int64", "batch_size": "Int64", "epoch": "Int64"}
    return table[[*originals.columns, "original"]].astype(integers)


def _reasons(read: Sequence[tuple[str, str, str]], known: pd.DataFrame) -> list[str]:
    """Return why each twin (its name, its original's, problems of its files) is excluded; empty if it is not."""
    taken: set[str] = set()
    reasons = []
    for name, original, broken in read:
        reasons.append(reason := broken or _mismatch(original, known, taken))
        if reason:
            log.warning("excluded %s: %s", name, reason)
        else:
            taken.add(original)
    return reasons


def _mismatch(original: str, known: pd.DataFrame, taken: set[str]) -> str:
    """Return why a twin does not match the original that it names, or nothing."""
    if original not in known.index:
        return f"its original {original!r} is not in the zoo"
    if known.status[original] != "ok":
        return f"its original {original} is excluded: {known.reason[original]}"
    return f"another twin has the same original, {original}" if original in taken else ""


def select_originals(
    table: pd.DataFrame, originals: Originals, index: Tensor, predictions: Tensor, history: pd.DataFrame
) -> tuple[Tensor, dict[str, Tensor], Tensor, pd.DataFrame]:
    """Select the originals, renumbered for the twins of `match_twins` that are not excluded.

    Args:
        index: the originals' indices, `[originals]`, of `predictions`, `[originals, samples]`.
        history: the originals' training.

    Returns:
        The twins' indices `[rows]`, their originals' parameters and predictions `[rows, …]`, and history.
    """
    twins = table[table.status == "ok"]
    numbers = dict(zip(originals.models, originals.index, strict=True))
    positions = {name: row for row, name in enumerate(originals.models)}
    predicted = {number: row for row, number in enumerate(index.tolist())}
    rows = [positions[name] for name in twins.original]
    trained = twins[["model", "index", "original"]].merge(
        history.drop(columns="index"), left_on="original", right_on="model", suffixes=("", "_of_original")
    )
    return (
        torch.tensor(twins["index"].tolist()),
        {name: tensor[rows] for name, tensor in originals.parameters.items()},
        predictions[[predicted[numbers[name]] for name in twins.original]],
        trained[history.columns.tolist()],
    )


def import_twins(
    path: str | Path,
    originals: Originals,
    settings: Settings,
    engine: Engine,
    data: ImageData,
    weight_states: Sequence[int],
) -> Trajectory:
    """Import twins as variational dropout would have recorded them, evaluated again here.

    Train accuracies are those that their authors recorded: evaluated for state 0, in noisy training mode after it, as
    ours. Train losses are NaN, since the recorded ones hold the KL term.

    Args:
        path: the zip or folder of the twins.
        originals: the originals, under their twins' names.
        weight_states: the states whose parameters are kept.

    Raises:
        InputError: if test accuracies or sparsities are not those recorded, or a twin is no longer there.
    """
    states = range(settings.epochs + 1)
    twins = _read(path, originals, states)
    weights = GaussianNoise(threshold=settings.threshold)
    parameters = _parameters(twins, states, weights.start(originals.parameters))
    keys = torch.zeros(len(twins), dtype=torch.int64)  # an evaluation draws no random numbers
    population = Population(originals.architecture, originals.factors, keys, {}, weights=weights)
    scores = [
        _evaluate(replace(population, parameters=_at(parameters, s)), engine, data, at_end=s in (0, settings.epochs))
        for s in states
    ]
    tensors = {name: torch.stack([of_state[name] for of_state in scores], dim=1) for name in scores[0]}
    recorded = _recorded(twins, states)
    sparsity = tensors["sparsity"].double() @ originals.architecture.weight_shares
    _compare(path, "test accuracies", originals.models, recorded["test_accuracy"] - tensors["test_accuracy"])
    _compare(path, "sparsities", originals.models, recorded["sparsity"] - sparsity)
    tensors["train_accuracy"] = recorded["train_accuracy"]
    tensors["train_loss"] = torch.full_like(tensors["train_accuracy"], torch.nan)
    tensors |= {name: tensor[:, list(weight_states)] for name, tensor in parameters.items()}
    return Trajectory(list(states), list(weight_states), list(states), tensors)


def _read(path: str | Path, originals: Originals, states: Sequence[int]) -> list[RawModel]:
    """Read the twins of the originals, none of them broken."""
    with open_members(path) as members:
        twins = list(ModelZoo(members).twins(originals.architecture, states, originals.models))
    if any(twin.reason for twin in twins) or [twin.name for twin in twins] != list(originals.models):
        raise InputError(f"{path}: its twins are not those of models.csv; delete the zoo's models.csv")
    return twins


def _parameters(twins: Sequence[RawModel], states: Sequence[int], like: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the twins' parameters, `[twins, states, …]`, of the names and shapes of `like`, `[twins, …]`."""
    parameters = {name: torch.zeros(len(twins), len(states), *tensor.shape[1:]) for name, tensor in like.items()}
    for name, tensor in parameters.items():
        for row, twin in enumerate(twins):
            tensor[row] = torch.stack([twin.checkpoints[state][name] for state in states])
    return parameters


def _recorded(twins: Sequence[RawModel], states: Sequence[int]) -> dict[str, Tensor]:
    """Return what the twins' authors recorded of each state, `[twins, states]`."""
    rows = [row for twin in twins for row in twin.history if row["epoch"] in states]  # by epoch, as history is
    return {
        key: torch.tensor([row[key] for row in rows], dtype=torch.float64).view(len(twins), len(states))
        for key in ("train_accuracy", "test_accuracy", "sparsity")
    }


def _at(parameters: dict[str, Tensor], state: int) -> dict[str, Tensor]:
    return {name: tensor[:, state].contiguous() for name, tensor in parameters.items()}


def _evaluate(population: Population, engine: Engine, data: ImageData, *, at_end: bool) -> dict[str, Tensor]:
    """Return what a shard keeps of one state's evaluation, each `[models, …]`; training images are for both ends."""
    clean = engine.evaluate(population, data.train).accuracy if at_end else torch.full((len(population),), torch.nan)
    return evaluate_state(engine, population, data) | {"eval_mode_train_accuracy": clean.double()}


def _compare(path: str | Path, what: str, names: Sequence[str], differences: Tensor) -> None:
    """Refuse twins whose recorded numbers are not those found here, `[twins, states]`; NaN was not recorded."""
    if unrecorded := int(differences.isnan().all(1).sum()):
        log.warning("%s: no %s are recorded of %d of %d twins: unchecked", path, what, unrecorded, len(names))
    difference = differences.abs().nanmean(1)
    log.info("%s differ from the recorded ones by %.3f points in the mean", what, 100 * difference.nanmean())
    wrong = difference > ACCEPTED_DIFFERENCE
    if wrong.any():
        worst = int(difference.nan_to_num().argmax())
        raise InputError(
            f"{path}: {what} differ from the recorded ones by {100 * difference[worst]:.1f} points in the mean for "
            f"{names[worst]} ({wrong.sum()} of {len(names)} twins differ); correct twins_of, dataset or "
            "variational_dropout.threshold in the catalogue, or fetch the archive again"
        )

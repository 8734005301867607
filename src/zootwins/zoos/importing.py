"""From a raw zoo to stacked tensors and tables, every model checked and evaluated again."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from math import isnan, prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture, Spec, fitting_architecture
from zootwins.population import Engine, Factors, ImageSet, Population, class_dtype
from zootwins.run.errors import InputError
from zootwins.run.keys import stream_key
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo
from zootwins.zoos.dialects.base import RawModel, RawZoo
from zootwins.zoos.mapped_rows import MappedRows, keep_rows
from zootwins.zoos.members import folder_for_copies, users_file
from zootwins.zoos.originals import Originals, model_factors

log = logging.getLogger(__name__)

LOSS_RTOL = 1e-5  # of a recorded loss; a wrong activation changes it by more than 1e-3
LOSS_ATOL = 1e-6  # rounding of float32 log-probabilities, where losses are near 0
MODELS_AT_ONCE, BYTES_AT_ONCE = 512, 256 << 20  # read and evaluated together: memory does not grow with the zoo
ACCEPTED_DIFFERENCE = 0.005  # between a recorded and an evaluated accuracy or sparsity: 0.5 points
MAX_BROKEN_SHARE = 0.1  # of a zoo's models that may be excluded before the zoo itself is in doubt
_ACCEPTED_IMAGES = 1.5  # of a small test split: rounding on another machine may turn one image


@dataclass(frozen=True)
class ImportedZoo:
    """A zoo as the rest of the program reads it.

    Attributes:
        models: models.csv, a row for every model.
        parameters: `{layer}.weight` and `{layer}.bias`, each `[rows, …]`, of the models that are not excluded; in a
            temporary file that is mapped into memory.
        index: int64 `[rows]`, their indices in `models`.
        architecture: of the models.
        predictions: uint8 `[rows, test samples]`.
        history: a row for every model and epoch of result.json.
    """

    models: pd.DataFrame
    parameters: dict[str, Tensor]
    index: Tensor
    architecture: Architecture
    predictions: Tensor
    history: pd.DataFrame

    @property
    def originals(self) -> Originals:
        """The models that are not excluded, as sparsifiers start from them."""
        factors = model_factors(self.models)
        usable = self.models[self.models["status"] == "ok"].set_index("index")
        index = self.index.tolist()
        names = usable.loc[index, "model"].tolist()
        return Originals(self.architecture, names, index, [factors[number] for number in index], self.parameters)


def import_zoo(
    path: str | Path,
    architecture: Spec,
    epoch: int | None,
    expected: int,
    engine: Engine,
    test: ImageSet,
    max_broken_share: float = MAX_BROKEN_SHARE,
    *,
    dialect: str | None = None,
    factors: Mapping[str, Any] | None = None,
    sample: int | None = None,
) -> ImportedZoo:
    """Read a raw zoo from an archive or folder and evaluate its models on the test split.

    Args:
        path: the archive or folder.
        architecture: what the catalogue says the models are.
        epoch: the checkpoint to read; the last of each model if None.
        expected: how many models the zoo has, the broken ones counted.
        engine: what evaluates.
        test: the zoo's test split.
        max_broken_share: the share of its models that may be excluded, 0 … 1.
        dialect: of the zoo's files; recognised from them if None.
        factors: generating factors of all models, where the files do not have them.
        sample: only so many of the models, see `sampled`; all if None.

    Raises:
        InputError: if the archive is refused, has another number of models, too many that are broken, or models
            most of whose accuracies or losses on this data are not those recorded.
    """
    with open_members(path) as members:
        path = users_file(Path(path))  # for messages
        shaped = fitting_architecture(str(path), architecture, test.images, test.classes)
        zoo = open_zoo(members, dialect, factors)
        log.info("%s: %s (dialect %s), %d models", path, zoo.title, zoo.id, len(zoo.names))
        if len(zoo.names) != expected:
            raise InputError(
                f"{path}: holds {len(zoo.names)} models, but the catalogue says {expected}; correct its key models"
            )
        names = zoo.names if sample is None else sampled(zoo.names, sample)
        raw, evaluated = _evaluate_all(zoo, names, shaped, epoch, engine, test)
    _log_notes(raw)
    _exclude_odd_batch_sizes(raw)
    read = [raw[number] for number in evaluated.index]
    _exclude_other_accuracies(path, read, evaluated.accuracy, len(test))
    if evaluated.loss is not None:
        _exclude_other_losses(path, read, evaluated.loss)
    for model in raw:
        if model.reason:
            log.warning("excluded %s: %s", model.name, model.reason)
    if all(model.reason for model in raw):
        elsewhere = raw[0].reason.startswith(("wrong shapes", "missing checkpoint"))
        raise InputError(
            f"{path}: every model is excluded, {raw[0].name} because: {raw[0].reason}; the data set has {test.classes} "
            f"classes and images {list(test.images.shape[1:])}: correct "
            + ("architecture, dataset or epoch" * elsewhere or "the zoo's files, or its entry")
            + " in the catalogue"
        )
    models = _models_table(raw, zoo.id)
    refuse_too_many_excluded(path, models, max_broken_share)
    rows = evaluated.index.tolist()
    models.loc[rows, "test_accuracy"] = evaluated.accuracy.numpy()
    models.loc[rows, "collapsed"] = [bool(row.min() == row.max()) for row in evaluated.predictions]
    good = torch.tensor([not model.reason for model in read])
    index = evaluated.index[good]
    history = [
        {"model": raw[number].name, "index": number, **row} for number in index.tolist() for row in raw[number].history
    ]
    return ImportedZoo(
        models,
        keep_rows(evaluated.parameters, good),
        index,
        shaped,
        evaluated.predictions[good],
        pd.DataFrame(history),
    )


def sampled(names: Sequence[str], number: int) -> list[str]:
    """Return some of the names, by a hash of each: a larger sample begins with a smaller one, in its order."""
    return sorted(names, key=lambda name: (stream_key("sample", name), name))[:number]


@dataclass
class _Evaluated:
    """The models that could be read, evaluated: `[models, …]`, and their places in the zoo."""

    index: Tensor
    parameters: dict[str, Tensor]
    accuracy: Tensor
    loss: Tensor | None
    predictions: Tensor


def _evaluate_all(
    zoo: RawZoo,
    names: Sequence[str],
    architecture: Architecture,
    epoch: int | None,
    engine: Engine,
    test: ImageSet,
) -> tuple[list[RawModel], _Evaluated]:
    """Read and evaluate a zoo, some models at a time; the models come back without their parameters."""
    raw: list[RawModel] = []
    chunks: list[_Evaluated] = []
    rows: MappedRows | None = None
    models = zoo.models(architecture, epoch, names)
    size = 4 * sum(map(prod, architecture.tensor_shapes.values()))
    while some := list(islice(models, max(1, min(MODELS_AT_ONCE, BYTES_AT_ONCE // size)))):
        readable = [number for number, model in enumerate(some) if not model.reason]
        if readable:
            index = torch.tensor(readable) + len(raw)
            chunk = _evaluate(zoo, architecture, [some[number] for number in readable], index, engine, test)
            rows = rows or MappedRows(folder_for_copies(zoo.members.path), len(names), chunk.parameters)
            rows.add(chunk.parameters)
            chunk.parameters.clear()
            chunks.append(chunk)
        raw += some
    if rows is None:
        shapes = architecture.tensor_shapes
        nothing = {name: torch.empty(0, *shape) for name, shape in shapes.items()}
        none = torch.empty(0, dtype=torch.float64)
        return raw, _Evaluated(
            none.long(), nothing, none, none, torch.empty(0, len(test), dtype=class_dtype(architecture.classes))
        )
    losses = [chunk.loss for chunk in chunks]
    return raw, _Evaluated(
        torch.cat([chunk.index for chunk in chunks]),
        rows.tensors,
        torch.cat([chunk.accuracy for chunk in chunks]),
        None if losses[0] is None else torch.cat(losses),
        torch.cat([chunk.predictions for chunk in chunks]),
    )


def _evaluate(
    zoo: RawZoo,
    architecture: Architecture,
    models: Sequence[RawModel],
    index: Tensor,
    engine: Engine,
    test: ImageSet,
) -> _Evaluated:
    checkpoints = [model.checkpoints.popitem() for model in models]
    for model, (epoch, _) in zip(models, checkpoints, strict=True):
        model.epoch = epoch
    parameters = {
        name: torch.stack([weights[name] for _, weights in checkpoints]) for name in architecture.tensor_shapes
    }
    keys = torch.zeros(len(models), dtype=torch.int64)  # an evaluation draws no random numbers
    population = Population(architecture, [model.factors for model in models], keys, parameters)
    evaluation = engine.evaluate(population, test)
    losses = zoo.recorded_losses(engine, population, models, test, evaluation.loss)
    return _Evaluated(index, parameters, evaluation.accuracy, losses, evaluation.predictions)


def _log_notes(raw: Sequence[RawModel]) -> None:
    """Log what was unwrapped or converted when models were read, and of how many."""
    for note, number in Counter(note for model in raw for note in model.notes).items():
        log.info("%d of %d models: %s", number, len(raw), note)


def _exclude_odd_batch_sizes(raw: Sequence[RawModel]) -> None:
    """Keep the models of the most frequent batch size: those that are trained together need the same."""
    sizes = Counter(model.factors.batch_size for model in raw if not model.reason)
    for model in raw:
        if not model.reason and model.factors.batch_size != (usual := sizes.most_common(1)[0][0]):
            model.reason = f"training::batchsize is {model.factors.batch_size}, the zoo's is {usual}"


def _exclude_other_accuracies(path: str | Path, models: Sequence[RawModel], accuracy: Tensor, images: int) -> None:
    """Exclude models whose test accuracy differs from the recorded one, if there is one.

    Raises:
        InputError: if that is most of them, so that it is the data that are wrong.
    """
    recorded = torch.tensor([_recorded(model, "test_accuracy") for model in models], dtype=torch.float64)
    difference = (recorded - accuracy).abs()
    log.info("test accuracies differ from the recorded ones by %.3f points in the mean", 100 * difference.nanmean())
    if unrecorded := int(recorded.isnan().sum()):
        log.warning("%s: no test accuracy is recorded for %d of %d models: unchecked", path, unrecorded, len(models))
    wrong = difference > max(ACCEPTED_DIFFERENCE, _ACCEPTED_IMAGES / images)
    if wrong.sum() > len(models) / 2:
        raise InputError(
            f"{path}: test accuracies differ from the recorded ones by {100 * difference.nanmean():.1f} points in the "
            "mean, so the data and the zoo do not belong together, or its checkpoints are not numbered by epoch; "
            "correct dataset, architecture or epoch in the catalogue"
        )
    for row in wrong.nonzero().flatten().tolist():
        _exclude(models[row], f"another test accuracy than recorded: {accuracy[row]:.4f}, not {recorded[row]:.4f}")


def _exclude_other_losses(path: str | Path, models: Sequence[RawModel], loss: Tensor) -> None:
    """Exclude models whose test loss differs from the recorded one: accuracies may agree with a wrong activation.

    Raises:
        InputError: if that is most of them, so that it is the network or the images that are wrong.
    """
    recorded = torch.tensor([_recorded(model, "test_loss") for model in models], dtype=torch.float64)
    difference = (recorded - loss).abs()
    wrong = difference > LOSS_RTOL * recorded.abs() + LOSS_ATOL
    known = ~recorded.isnan()
    if not known.any():
        return
    relative = (difference / recorded.abs())[known]
    log.info("test losses differ from the recorded ones by at most %.1e of them", relative.max())
    if wrong.sum() > len(models) / 2:
        accuracies = any(not isnan(_recorded(model, "test_accuracy")) for model in models)
        raise InputError(
            f"{path}: test losses differ from the recorded ones by {relative.median():.1e} of them in the median"
            f"{', though accuracies agree' * accuracies}: the network (its activation, say) or the images are not the "
            "recorded ones; correct dataset, architecture or dialect in the catalogue"
        )
    for row in wrong.nonzero().flatten().tolist():
        _exclude(models[row], f"another test loss than recorded: {loss[row]:.6g}, not {recorded[row]:.6g}")


def _exclude(model: RawModel, reason: str) -> None:
    model.reason = model.reason or reason


def _recorded(model: RawModel, column: str) -> float:
    """Return what is recorded of the checkpoint that was read; NaN if nothing."""
    return next((row[column] for row in model.history if row["epoch"] == model.epoch), np.nan)


def _models_table(raw: Sequence[RawModel], dialect: str) -> pd.DataFrame:
    records = []
    for index, model in enumerate(raw):
        factors = asdict(model.factors) if model.factors else {field.name: None for field in fields(Factors)}
        records.append(
            {
                "model": model.name,
                "index": index,
                "status": "excluded" if model.reason else "ok",
                "reason": model.reason,
                **factors,
                "epoch": model.epoch,
                "recorded_test_accuracy": _recorded(model, "test_accuracy"),
                "test_accuracy": np.nan,
                "collapsed": False,
                "dialect": dialect,
            }
        )
    integers = {"seed": "Int64", "batch_size": "Int64", "epoch": "Int64"}
    return pd.DataFrame(records).astype(integers)


def refuse_too_many_excluded(path: str | Path, models: pd.DataFrame, limit: float) -> None:
    """Stop where the share of excluded models of models.csv is above a limit.

    Raises:
        InputError: with the commonest reason.
    """
    if (models["status"] == "excluded").mean() > limit:
        raise InputError(
            f"{path}: {excluded(models)}; that is more than max_broken_share = {limit:g} allows: correct the zoo or "
            "its catalogue entry, or raise max_broken_share in the configuration"
        )


def remarks(models: pd.DataFrame) -> list[str]:
    """Return what people should know of an imported zoo: of models excluded, collapsed, stopped early or unchecked."""
    found = [excluded(models)] if (models["status"] == "excluded").any() else []
    ok = models[models["status"] == "ok"]
    if collapsed := int(ok["collapsed"].astype(bool).sum()):
        found.append(f"{collapsed} of {len(models)} models are collapsed: they predict one class for all test images")
    if len(epochs := sorted(set(ok["epoch"].dropna()))) > 1:
        found.append(f"models stopped at different epochs, {epochs[0]} to {epochs[-1]}: each starts from its last")
    if unchecked := int(ok["recorded_test_accuracy"].isna().sum()):
        found.append(f"no test accuracy is recorded of {unchecked} of {len(models)} models: unchecked")
    return found


def excluded(models: pd.DataFrame) -> str:
    """Return how many models are excluded, and the commonest reason as an example."""
    reasons = models[models["status"] == "excluded"].set_index("model")["reason"]
    kinds = reasons.str.split(r":| \(| in ", n=1, regex=True).str[0]
    kind, number = Counter(kinds).most_common(1)[0]
    example = kinds[kinds == kind].index[0]
    return (
        f"{len(reasons)} of {len(models)} models are excluded; the commonest reason ({number} times, such as for "
        f"{example}): {reasons[example]}"
    )

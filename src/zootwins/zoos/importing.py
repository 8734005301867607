"""From a raw zoo to stacked tensors and tables, every model checked and evaluated again."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture, Spec, fitting_architecture
from zootwins.population import Engine, Factors, ImageSet, Population
from zootwins.run.errors import InputError
from zootwins.zoos.archives import open_members
from zootwins.zoos.raw_zoo import RawModel, read_models

log = logging.getLogger(__name__)

ACCEPTED_DIFFERENCE = 0.005  # between a recorded and an evaluated accuracy or sparsity: 0.5 points
MAX_BROKEN_SHARE = 0.1  # of a zoo's models that may be excluded before the zoo itself is in doubt
_ACCEPTED_IMAGES = 1.5  # of a small test split: rounding on another machine may turn one image


@dataclass(frozen=True)
class ImportedZoo:
    """A zoo as the rest of the program reads it.

    Attributes:
        models: models.csv, a row for every model.
        parameters: `{layer}.weight` and `{layer}.bias`, each `[rows, …]`, of the models that are not excluded.
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


def import_zoo(
    path: str | Path,
    architecture: Spec,
    epoch: int | None,
    expected: int,
    engine: Engine,
    test: ImageSet,
    max_broken_share: float = MAX_BROKEN_SHARE,
) -> ImportedZoo:
    """Read a raw zoo from a zip or folder and evaluate its models on the test split.

    Args:
        path: the zip or folder.
        architecture: what the catalogue says the models are.
        epoch: the checkpoint to read; the last one if None.
        expected: how many models the zoo has, the broken ones counted.
        engine: what evaluates.
        test: the zoo's test split.
        max_broken_share: the share of its models that may be excluded, 0 … 1.

    Raises:
        InputError: if the archive is refused, has another number of models, too many that are broken, or models
            most of whose accuracies on this data are not those recorded.
    """
    shaped = fitting_architecture(str(path), architecture, test.images, test.classes)
    raw = _read(path, shaped, epoch, expected)
    index = torch.tensor([number for number, model in enumerate(raw) if not model.reason])
    read = [raw[number] for number in index]
    checkpoints = [next(iter(model.checkpoints.values())) for model in read]
    parameters = {name: torch.stack([c[name] for c in checkpoints]) for name in shaped.tensor_shapes}
    keys = torch.zeros(len(read), dtype=torch.int64)  # an evaluation draws no random numbers
    evaluation = engine.evaluate(Population(shaped, [model.factors for model in read], keys, parameters), test)
    _exclude_other_accuracies(path, read, evaluation.accuracy, len(test))
    models = _models_table(raw)
    refuse_too_many_excluded(path, models, max_broken_share)
    models.loc[index.tolist(), "test_accuracy"] = evaluation.accuracy.numpy()
    good = torch.tensor([not model.reason for model in read])
    history = [
        {"model": raw[number].name, "index": number, **row}
        for number in index[good].tolist()
        for row in raw[number].history
    ]
    return ImportedZoo(
        models,
        {name: tensor[good] for name, tensor in parameters.items()},
        index[good],
        shaped,
        evaluation.predictions[good],
        pd.DataFrame(history),
    )


def _read(path: str | Path, architecture: Architecture, epoch: int | None, expected: int) -> list[RawModel]:
    """The models, each that is broken with its reason; at least one is not."""
    with open_members(path) as members:
        raw = list(read_models(members, architecture, epoch))
    if len(raw) != expected:
        raise InputError(f"{path}: holds {len(raw)} models, but the catalogue says {expected}; correct its key models")
    _exclude_odd_batch_sizes(raw)
    for model in raw:
        if model.reason:
            log.warning("excluded %s: %s", model.name, model.reason)
    if all(model.reason for model in raw):
        raise InputError(
            f"{path}: every model is excluded, {raw[0].name} because: {raw[0].reason}; "
            "correct architecture, dataset or epoch in the catalogue if the zoo is whole"
        )
    return raw


def _exclude_odd_batch_sizes(raw: Sequence[RawModel]) -> None:
    """Keep the models of the most frequent batch size: those that are trained together need the same."""
    sizes = Counter(model.factors.batch_size for model in raw if not model.reason)
    for model in raw:
        if not model.reason and model.factors.batch_size != (usual := sizes.most_common(1)[0][0]):
            model.reason = f"training::batchsize is {model.factors.batch_size}, the zoo's is {usual}"


def _exclude_other_accuracies(path: str | Path, models: Sequence[RawModel], accuracy: Tensor, images: int) -> None:
    """Exclude models whose test accuracy is not the recorded one, as far as one is recorded.

    Raises:
        InputError: if that is most of them, so that it is the data that are wrong.
    """
    recorded = torch.tensor([_recorded_accuracy(model) for model in models], dtype=torch.float64)
    difference = (recorded - accuracy).abs()
    log.info("test accuracies differ from the recorded ones by %.3f points in the mean", 100 * difference.nanmean())
    if unrecorded := int(recorded.isnan().sum()):
        log.warning("%s: no test accuracy is recorded for %d of %d models: unchecked", path, unrecorded, len(models))
    wrong = difference > max(ACCEPTED_DIFFERENCE, _ACCEPTED_IMAGES / images)
    if wrong.sum() > len(models) / 2:
        raise InputError(
            f"{path}: test accuracies differ from the recorded ones by {100 * difference.nanmean():.1f} points in the "
            "mean, so the data and the zoo do not belong together; correct dataset or architecture in the catalogue"
        )
    for row in wrong.nonzero().flatten().tolist():
        models[row].reason = f"another test accuracy than recorded: {accuracy[row]:.4f}, not {recorded[row]:.4f}"
        log.warning("excluded %s: %s", models[row].name, models[row].reason)


def _recorded_accuracy(model: RawModel) -> float:
    """What result.json says of the checkpoint that was read; NaN if nothing."""
    epoch = next(iter(model.checkpoints), None)
    return next((row["test_accuracy"] for row in model.history if row["epoch"] == epoch), np.nan)


def _models_table(raw: Sequence[RawModel]) -> pd.DataFrame:
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
                "epoch": next(iter(model.checkpoints), None),
                "recorded_test_accuracy": _recorded_accuracy(model),
                "test_accuracy": np.nan,
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
            f"{path}: {excluded(models)}; that is more than max_broken_share = {limit:g} allows: mend the zoo or its "
            "catalogue entry, or raise max_broken_share in the configuration"
        )


def remarks(models: pd.DataFrame) -> list[str]:
    """What people should be told of an imported zoo: of models that are excluded, or that nothing speaks for."""
    found = [excluded(models)] if (models["status"] == "excluded").any() else []
    ok = models[models["status"] == "ok"]
    if unchecked := int(ok["recorded_test_accuracy"].isna().sum()):
        found.append(f"no test accuracy is recorded of {unchecked} of {len(models)} models: unchecked")
    return found


def excluded(models: pd.DataFrame) -> str:
    """How many models are excluded, and the commonest reason by way of an example."""
    reasons = models[models["status"] == "excluded"].set_index("model")["reason"]
    kinds = reasons.str.split(r":| \(| in ", n=1, regex=True).str[0]
    kind, number = Counter(kinds).most_common(1)[0]
    example = kinds[kinds == kind].index[0]
    return (
        f"{len(reasons)} of {len(models)} models are excluded; the commonest reason ({number} times, such as for "
        f"{example}): {reasons[example]}"
    )

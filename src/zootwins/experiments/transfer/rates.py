"""Choice of the learning rate of all networks: the best for dense originals on validation images.

One is chosen for a zoo, task and mode, and in linear transfer for each layer, so that no twin has an advantage; test
images are not used (the reference sets rates by hand, and chooses the epoch by test accuracy).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zootwins.catalogue.candidates import ORIGINAL, Candidate
from zootwins.catalogue.transfer import Full, Linear
from zootwins.experiments.transfer.backbones import Backbones, gather
from zootwins.experiments.transfer.full import transfer_full
from zootwins.experiments.transfer.linear import transfer_linear
from zootwins.population import Engine, ImageData
from zootwins.population.trajectory import ignore
from zootwins.run.keys import sample_by_key
from zootwins.storage.resume import Resume
from zootwins.zoos.originals import Originals

WHOLE = "all"  # stands for the layer in full transfer


@dataclass(frozen=True)
class _Trial:
    """A learning rate at a layer, and the mean validation accuracy it leads to."""

    layer: str
    lr: float
    validation_accuracy: float


def pilots(originals: Originals, zoo: str, count: int) -> Originals:
    """Return so many pilot models of a zoo, by their keys, whatever order the zoo is in."""
    rows = dict(zip(originals.index, range(len(originals)), strict=True))
    return originals.at([rows[index] for index in sample_by_key(rows, count, zoo, "pilot")])


def choose_lrs(
    engine: Engine,
    originals: Originals,
    data: ImageData,
    names: tuple[str, str],
    settings: Linear | Full,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> pd.DataFrame:
    """Try every learning rate on originals, once each; of one alone nothing is tried.

    Args:
        engine: what trains, and extracts features.
        originals: those that choose.
        data: the task.
        names: of zoo and task, for the random streams.
        settings: of the mode.
        resume: where an interrupted run of full transfer continues.
        on_epoch: called after every epoch of full transfer.

    Returns:
        layer (`all` in full transfer), lr, validation_accuracy (NaN where nothing was tried), models, chosen.
    """
    layers = settings.layers if isinstance(settings, Linear) else (WHOLE,)
    if len(settings.lrs) == 1 or not len(originals):
        trials = [_Trial(layer, lr, np.nan) for layer in layers for lr in settings.lrs]
    elif isinstance(settings, Linear):
        trials = _linear(engine, originals, data, names, settings)
    else:
        trials = _full(engine, originals, data, names, settings, resume, on_epoch)
    table = pd.DataFrame(trials)
    ranks = table["validation_accuracy"].fillna(0).groupby(table["layer"]).rank(method="first", ascending=False)
    return table.assign(models=len(originals), chosen=ranks == 1)


def _linear(
    engine: Engine, originals: Originals, data: ImageData, names: tuple[str, str], settings: Linear
) -> list[_Trial]:
    dense, once = _dense(originals, 1), settings.model_copy(update={"restarts": 1, "exact": ()})
    trials = []
    for lr in settings.lrs:
        rows = transfer_linear(engine, dense, data, names, once, dict.fromkeys(settings.layers, lr))
        # a rate at which models diverge is not chosen for those that do not
        means = rows.fillna({"validation_accuracy": 0.0}).groupby("layer")["validation_accuracy"].mean()
        trials += [_Trial(layer, lr, means[layer]) for layer in settings.layers]
    return trials


def _full(
    engine: Engine,
    originals: Originals,
    data: ImageData,
    names: tuple[str, str],
    settings: Full,
    resume: Resume | None,
    on_epoch: Callable[[int, int], None],
) -> list[_Trial]:
    dense, once = _dense(originals, len(settings.lrs)), settings.model_copy(update={"restarts": 1})
    trained = transfer_full(engine, dense, data, names, once, settings.lrs, resume, on_epoch)
    means = trained.tensors["validation_accuracy"][:, :, 0, -1].double().mean(0).tolist()
    return [_Trial(WHOLE, lr, mean) for lr, mean in zip(settings.lrs, means, strict=True)]


def _dense(originals: Originals, times: int) -> Backbones:
    """Return the originals as so many equal candidates."""
    return gather(originals, np.full(len(originals), np.nan), [Candidate(ORIGINAL)] * times, {}, {})


def at_the_end(table: pd.DataFrame, key: str) -> list[str]:
    """Return warnings about a table of `choose_lrs` whose best rate is the largest or smallest tried.

    Args:
        table: of a mode.
        key: which lists the learning rates.
    """
    warnings = []
    for layer, part in table.dropna(subset=["validation_accuracy"]).groupby("layer", sort=False):
        lr, tried = chosen_lrs(part)[layer], part["lr"]
        for end, further in ((tried.max(), "larger"), (tried.min(), "smaller")):
            if lr == end:
                warnings.append(f"{key}: {end:g} is best for {layer}, the optimum may lie beyond; add a {further} one")
    return warnings


def chosen_lrs(table: pd.DataFrame) -> dict[str, float]:
    """Return the learning rate of each layer in a table of `choose_lrs`."""
    return dict(table.loc[table["chosen"], ["layer", "lr"]].itertuples(index=False))

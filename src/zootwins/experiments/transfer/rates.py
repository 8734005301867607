"""Choice of the learning rate of all networks: the best for dense originals on validation images.

One is chosen for a zoo, task and mode, and in linear transfer for each layer, so that no twin has an advantage; test
images are not used (the reference sets rates by hand, and chooses the epoch by test accuracy).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from zootwins.storage.resume import Parts, Resume
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
    """Try every learning rate on originals, and one more where the best is at the edge; a single rate is not tried.

    Args:
        engine: what trains, and extracts features.
        originals: those that choose.
        data: the task.
        names: of zoo and task, for the random streams.
        settings: of the mode.
        resume: where a killed run goes on, in full transfer.
        on_epoch: called after every epoch of full transfer.

    Returns:
        layer (`all` in full transfer), lr, validation_accuracy (NaN where nothing was tried), extended (whether the
        rate is beyond the configured ones), models, chosen.
    """
    layers = settings.layers if isinstance(settings, Linear) else (WHOLE,)
    if len(settings.lrs) == 1 or not len(originals):
        untried = [_Trial(layer, lr, np.nan) for layer in layers for lr in settings.lrs]
        return _table(untried, [], len(originals))

    parts = Parts(resume and resume.of_engine(engine.name))

    def tried(layers: Sequence[str], lrs: Sequence[float]) -> list[_Trial]:
        own = settings.model_copy(update={"lrs": tuple(lrs), "restarts": 1})
        if isinstance(own, Linear):
            return _linear(
                engine, originals, data, names, own.model_copy(update={"layers": tuple(layers), "exact": ()})
            )
        return _full(engine, originals, data, names, own, parts, on_epoch)

    trials = tried(layers, settings.lrs)
    wanted = beyond(chosen_lrs(_table(trials, [], len(originals))), settings.lrs)
    more = [
        trial
        for lr in dict.fromkeys(wanted.values())
        for trial in tried([layer for layer in wanted if wanted[layer] == lr], [lr])
    ]
    return _table(trials, more, len(originals))


def beyond(best: Mapping[str, float], lrs: Iterable[float]) -> dict[str, float]:
    """Return the next rate for each layer whose best one is at an edge of those tried, as far as the last step there.

    Args:
        best: the best rate of each layer.
        lrs: those tried, at least two.
    """
    ordered = sorted(lrs)
    lowest, low, high, highest = *ordered[:2], *ordered[-2:]
    edges = {highest: highest * highest / high, lowest: lowest * lowest / low}
    return {layer: float(f"{edges[lr]:.6g}") for layer, lr in best.items() if lr in edges}


def _table(trials: Sequence[_Trial], more: Sequence[_Trial], models: int) -> pd.DataFrame:
    """Return trials, and those beyond the configured rates, with the best of each layer marked."""
    table = pd.DataFrame([*trials, *more]).assign(extended=[False] * len(trials) + [True] * len(more))
    ranks = table["validation_accuracy"].fillna(0).groupby(table["layer"]).rank(method="first", ascending=False)
    return table.assign(models=models, chosen=ranks == 1)


def _linear(
    engine: Engine, originals: Originals, data: ImageData, names: tuple[str, str], settings: Linear
) -> list[_Trial]:
    dense, trials = _dense(originals, 1), []
    for lr in settings.lrs:
        rows = transfer_linear(engine, dense, data, names, settings, dict.fromkeys(settings.layers, lr))
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
    parts: Parts,
    on_epoch: Callable[[int, int], None],
) -> list[_Trial]:
    name = f"lrs {settings.lrs}"
    if name not in parts.finished:
        dense = _dense(originals, len(settings.lrs))
        trained = transfer_full(engine, dense, data, names, settings, settings.lrs, parts.part(name), on_epoch)
        parts.finish(name, trained.tensors["validation_accuracy"][:, :, 0, -1].double().mean(0).tolist())
    return [_Trial(WHOLE, lr, mean) for lr, mean in zip(settings.lrs, parts.finished[name], strict=True)]


def _dense(originals: Originals, times: int) -> Backbones:
    """Return the originals as so many equal candidates."""
    return gather(originals, np.full(len(originals), np.nan), [Candidate(ORIGINAL)] * times, {}, {})


def messages(table: pd.DataFrame, key: str) -> list[str]:
    """Return lines on a table of `choose_lrs`: where the grid was extended, and where the best is at its edge still.

    Args:
        table: of a mode.
        key: which lists the learning rates.
    """
    found = []
    for layer, part in table.dropna(subset=["validation_accuracy"]).groupby("layer", sort=False):
        chosen, tried = chosen_lrs(part)[layer], part["lr"]
        for lr in part.loc[part["extended"], "lr"]:
            edge = part.loc[~part["extended"], "lr"].agg("max" if lr == tried.max() else "min")
            found.append(f"{key}: {edge:g} was best for {layer} and the last of the list; {lr:g} was tried as well")
        for end, further in ((tried.max(), "larger"), (tried.min(), "smaller")):
            if chosen == end:
                found.append(f"{key}: {end:g} is best for {layer}, the optimum may lie beyond; add a {further} one")
    return found


def chosen_lrs(table: pd.DataFrame) -> dict[str, float]:
    """Return the learning rate of each layer in a table of `choose_lrs`."""
    return dict(table.loc[table["chosen"], ["layer", "lr"]].itertuples(index=False))

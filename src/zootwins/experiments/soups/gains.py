"""Measures of soups: how good and fair predictions are, which models count, and what soups gain, model by model.

Tables, findings and figures of soups share these long frames; fractions. The gains' noise is how far they would differ
by the finite test set alone, if all models gained the same.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from zootwins.analyses.results import ZooResults
from zootwins.catalogue.soups import SEED, UNRELATED
from zootwins.storage.shards import TwinShard

UNRECOMPUTED = "soup_unrecomputed"  # with the mean of its members' statistics of batch normalisation
MERGED = ("soup", "greedy", UNRECOMPUTED)
AGAINST = (
    *("mean_member", "best_member", "best_by_test", "imp", "imp_long", "swa"),
    *("reprune", "average", "greedy", "ensemble", UNRECOMPUTED),
)
OF_MEMBERS = ("mean_member", "best_member", "best_by_test", "ensemble")  # of the uniform soup's own chain
LENT = ("imp", "imp_long", "swa", "reprune", "average")  # what soups of every variant are compared with
NAMES = {
    "mean_member": "mean member",
    "best_member": "best member",
    "best_by_test": "best member by test images",
    "imp": "IMP",
    "imp_long": "IMP, m times as long",
    "swa": "its weights averaged (SWA)",
    "reprune": "IMP runs averaged, pruned back",
    "average": "IMP runs averaged, denser",
    "greedy": "greedy soup",
    "ensemble": "ensemble",
    "soup": "soup",
    UNRECOMPUTED: "soup, statistics not recomputed",
}
VARIANTS = {
    "seed": "batch order",
    "weight_decay": "weight decay",
    "lr": "learning rate",
    "length": "length",
    "constant": "batch order, constant learning rate",
    "dense": "batch order, not pruned",
}
CELL = ["variant", "members", "goal", "phase"]
# The parts of each mixture, and what they are to each other.
OF_ONE_MODEL = "members of one model"
PARTS = {
    "member": OF_ONE_MODEL,
    "own_masks_part": "unrelated models, own masks",
    "one_mask_part": "unrelated models, one mask",
}
POINTS = 11  # on the line between two parts, at which accuracy is measured
FIRST = {"member": 1}  # the part that the others of its mixture are paired with
BINS = 15  # of calibration, as SMS has it
# The arms that gains are measured against, by name.
NOISE_OF = {"mean_member": "member", "imp_long": "imp_long"}


def arms(results: ZooResults, measure: str = "test_accuracy") -> pd.DataFrame:
    """Return a measure with one column per arm, of several networks of a kind their mean.

    Rows are variant, members, goal, phase and index. IMP runs, and what is made of them, are those of the variant
    `seed` where a variant has none of its own.
    """
    table = results.tables["soups"]
    table = table[table["variant"] != UNRELATED]
    wide = table.pivot_table(index=[*CELL, "index"], columns="arm", values=measure, aggfunc="mean", dropna=False)
    wide = wide.dropna(how="all")
    return wide.fillna(_lent(wide))


def more(merged: pd.Series, other: pd.Series) -> pd.Series:
    """Subtract the second from the first, equal fractions giving 0 and not what rounding leaves of them."""
    return (merged - other).round(9)


def _lent(wide: pd.DataFrame) -> pd.DataFrame:
    """Return the arms of `LENT` of variant `seed`, for every row of a frame whose index has the variant."""
    seed = wide[wide.index.get_level_values("variant") == SEED].droplevel("variant")
    lent = seed[[arm for arm in LENT if arm in seed]]
    return lent.reindex(wide.index.droplevel("variant")).set_axis(wide.index)


def gains(results: ZooResults, measure: str = "test_accuracy", merged: Sequence[str] = MERGED) -> pd.DataFrame:
    """Subtract a measure of what soups are compared with from that of the soups, one row per model.

    Members are those of the uniform soup, which the greedy soup shares in phase 1 alone; later it has others.

    Columns: variant, members, goal, phase, index, arm, against, value (of the soup), gain.
    """
    wide = arms(results, measure)
    parts = [
        pd.DataFrame({"arm": arm, "against": other, "value": wide[arm], "gain": more(wide[arm], wide[other])})
        for arm in merged
        if arm in wide
        for other in AGAINST
        if other in wide and other != arm
    ]
    table = pd.concat(parts).dropna(subset="gain").reset_index()
    return table[(table["arm"] != "greedy") | (table["phase"] == 1) | ~table["against"].isin(OF_MEMBERS)]


def last_phase(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each variant's last phase."""
    return table[table["phase"] == table.groupby("variant")["phase"].transform("max")]


def unrelated_models(results: ZooResults) -> pd.DataFrame:
    """Return accuracies of averages of unrelated models and of members after phase 1, one row per model.

    Mixtures of which a part puts all images into one class are left out: the worst part is then no bound to fall below.

    Columns: kind (members of one model, own masks, one mask), members, goal, index, merged, parts (their mean), worst
    (the lowest), sparsity (of what is merged).
    """
    table = results.tables["soups"]
    first = table[table["phase"] == 1]
    kinds = {
        OF_ONE_MODEL: (SEED, "soup", "member"),
        "own masks": (UNRELATED, "own_masks", "own_masks_part"),
        "one mask": (UNRELATED, "one_mask", "one_mask_part"),
    }
    keys = ["members", "goal", "index"]
    found = []
    for kind, (variant, merged, part) in kinds.items():
        of_kind = first[first["variant"] == variant]
        groups = of_kind[of_kind["arm"] == part].groupby(keys)
        parts = groups["test_accuracy"].agg(["mean", "min"])[~groups["collapsed"].any()]
        mixture = of_kind[of_kind["arm"] == merged].set_index(keys)[["test_accuracy", "sparsity"]]
        frame = mixture.rename(columns={"test_accuracy": "merged"}).join(parts, how="inner")
        found.append(frame.rename(columns={"mean": "parts", "min": "worst"}).reset_index().assign(kind=kind))
    return pd.concat(found, ignore_index=True)


def shifted_gains(results: ZooResults, against: Sequence[str]) -> pd.DataFrame:
    """Return the uniform soup's gains on shifted images after the last phase: `gains` by set and severity."""
    table = results.tables["soup_shifted"]
    keys = ["variant", "members", "goal", "set", "severity", "index"]
    wide = table.pivot_table(index=keys, columns="arm", values="accuracy")
    if wide.empty:
        return pd.DataFrame(columns=[*keys, "against", "gain"])
    wide = wide.fillna(_lent(wide))
    parts = [
        pd.DataFrame({"against": other, "gain": more(wide["soup"], wide[other])}) for other in against if other in wide
    ]
    return pd.concat(parts).dropna(subset="gain").reset_index()


def distances(results: ZooResults) -> pd.DataFrame:
    """Return the members' distance after the last phase, mean over pairs: variant, members, goal, index first."""
    pairs = last_phase(results.tables["soup_pairs"])
    members = pairs[pairs["kind"] == OF_ONE_MODEL]
    keys = ["variant", "members", "goal", "index"]
    means = members.groupby(keys)[["distance", "agreement", "barrier"]].mean().reset_index()
    return means.assign(disagreement=(1 - means["agreement"]).round(9))


def one_number(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the largest soups, where several numbers of members were run."""
    return table[table["members"] == table["members"].max()] if len(table) else table


def percent(fraction: float) -> float:
    """Convert to percent, without what rounding adds."""
    return float(np.round(100 * fraction, 6))


def with_soups(zoos: Sequence[ZooResults]) -> list[ZooResults]:
    """Return the zoos with soups, their tables restricted to models, and pairs of models, that are not collapsed."""
    usable = [_without(results) for results in zoos if "soups" in results.tables]
    return [results for results in usable if len(results.tables["soups"])]


def non_collapsed(soups: pd.DataFrame) -> set[int]:
    """Return the models that have a network of the first phase with more than one class, by index.

    Of a model that puts all images into one class whatever is made is as good, and no gain of it says anything.
    """
    first = soups[(soups["phase"] == 1) & (soups["variant"] == SEED)]
    return set(first.loc[~first["collapsed"], "index"])


def _without(results: ZooResults) -> ZooResults:
    soups = results.tables["soups"]
    usable = non_collapsed(soups)
    tables = {
        name: table[table["index"].isin(usable)] if "index" in table else table
        for name, table in results.tables.items()
    }
    if "soup_pairs" in tables:
        tables["soup_pairs"] = tables["soup_pairs"][_neither_collapsed(tables["soup_pairs"], soups)]
    return replace(results, tables=tables)


def _neither_collapsed(pairs: pd.DataFrame, soups: pd.DataFrame) -> np.ndarray:
    """Return whether neither part of a pair is collapsed; of unrelated models the second is another model's."""
    keys = [*CELL, "kind", "index", "member"]
    parts = soups[soups["arm"].isin(PARTS)]
    parts = parts.assign(kind=parts["arm"].map(PARTS))[[*keys, "collapsed"]]
    second, first = (pairs[keys].assign(**of).merge(parts, how="left", on=keys)["collapsed"] for of in ({}, FIRST))
    return ~(second.to_numpy(dtype=bool) | first.to_numpy(dtype=bool))


def quality(predictions: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return measures of predictions, each float64 `[…]` unless stated otherwise.

    Args:
        predictions: classes, `[…, samples]`.
        probabilities: of the classes, `[…, samples, classes]`.
        labels: the right classes, `[samples]`.

    Returns:
        test_accuracy; test_loss, the mean cross-entropy; worst_class, the lowest recall of a class; recall_spread, the
        highest less the lowest; ece, the expected calibration error; collapsed, whether all images are put into one
        class, bool.
    """
    recalls = class_recalls(predictions, labels)
    right = np.take_along_axis(probabilities, np.broadcast_to(labels[:, None], (*predictions.shape, 1)), axis=-1)
    return {
        "test_accuracy": (predictions == labels).mean(-1),
        "test_loss": -np.log(right[..., 0].astype(np.float64).clip(1e-38)).mean(-1),
        "worst_class": recalls.min(-1),
        "recall_spread": np.ptp(recalls, axis=-1),
        "ece": calibration_error(probabilities.max(-1), predictions == labels),
        "collapsed": (predictions == predictions[..., :1]).all(-1),
    }


def class_recalls(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return recall per class, `[…, classes that there are images of]`."""
    classes = np.unique(labels)
    return np.stack([(predictions[..., labels == one] == one).mean(-1) for one in classes], axis=-1)


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the expected calibration error: mean |accuracy − confidence| over 15 equal bins of confidence.

    Args:
        confidence: of the predictions, `[…, samples]`, in 0 … 1; a bin holds its upper bound.
        right: whether each is right, bool `[…, samples]`.
    """
    samples = confidence.shape[-1]
    flat = confidence.reshape(-1, samples).astype(np.float64)
    bins = np.clip(np.ceil(flat * BINS).astype(np.int64) - 1, 0, BINS - 1)
    cells = bins + BINS * np.arange(len(flat))[:, None]
    excess = np.bincount(
        cells.ravel(), (right.reshape(-1, samples) - flat).ravel(), minlength=BINS * len(flat)
    ).reshape(-1, BINS)
    return (np.abs(excess).sum(1) / samples).reshape(confidence.shape[:-1])


def noise_of_gains(differences: np.ndarray) -> float:
    """Return the variance over models (ddof 1) of mean differences that resampled test images explain.

    The closed form of resampling the images, with the same draw for all models: models share their images, so
    that what an image does to all of them alike does not count.

    Args:
        differences: of two networks' being right, image by image, `[models, samples]`.
    """
    models, samples = differences.shape
    if models < 2:
        return np.nan
    centred = differences - differences.mean(1, keepdims=True)
    return float(centred.var(axis=0, ddof=1).sum() / samples**2)


def noise_table(arms: dict[str, Sequence[TwinShard]], labels: np.ndarray, models: Collection[int]) -> pd.DataFrame:
    """Return the noise of the soup's gain after the last phase: goal, phase, against, models, noise_variance.

    Args:
        arms: a variant's shards of all models, by arm.
        labels: the right classes of the test images.
        models: the indices of those that count.
    """
    counts = np.isin(np.concatenate([shard.index for shard in arms["soup"]]), list(models))
    soup, goals = _right(arms["soup"], labels), arms["soup"][0].axes[0].values
    rows = []
    for against, arm in NOISE_OF.items():
        if arm not in arms:
            continue
        differences, finite = soup - _right(arms[arm], labels), _finite(arms["soup"]) & _finite(arms[arm])
        for place, goal in enumerate(goals):
            chosen = differences[counts & finite[:, place], place]
            row = {"goal": goal, "phase": arms["soup"][0].states[-1], "against": against, "models": len(chosen)}
            rows.append(row | {"noise_variance": noise_of_gains(chosen)})
    return pd.DataFrame(rows)


def noise_of_soups(
    shards: Iterable[TwinShard], kinds: Iterable[tuple[str, int]], labels: np.ndarray, models: Collection[int]
) -> pd.DataFrame:
    """Return `noise_table` of several soups, with their variant and number of members.

    Args:
        shards: of all of them, each in the folder `{variant}-{members}-{arm}`.
        kinds: variants and numbers of members.
        labels: the right classes of the test images.
        models: the indices of those that count.
    """
    by_folder: dict[str, list[TwinShard]] = {}
    for shard in shards:
        by_folder.setdefault(shard.path.parent.name, []).append(shard)
    tables = []
    for variant, members in kinds:
        prefix = f"{variant}-{members}-"
        arms = {name.removeprefix(prefix): own for name, own in by_folder.items() if name.startswith(prefix)}
        tables.append(noise_table(arms, labels, models).assign(variant=variant, members=members))
    return pd.concat(tables, ignore_index=True)


def _right(shards: Sequence[TwinShard], labels: np.ndarray) -> np.ndarray:
    """Whether the networks of the last phase are right, the mean over members, float32 `[models, goals, samples]`."""
    parts = []
    for shard in shards:
        predictions = shard.tensor("predictions").numpy()[..., -1, :]
        right = (predictions == labels).astype(np.float32)
        parts.append(right.mean(2) if len(shard.axes) == 2 else right)
    return np.concatenate(parts)


def _finite(shards: Sequence[TwinShard]) -> np.ndarray:
    """Return whether none of the networks of the last phase has diverged, bool `[models, goals]`."""
    parts = [shard.tensor("test_loss")[..., -1].isfinite().numpy() for shard in shards]
    return np.concatenate([part.all(2) if part.ndim == 3 else part for part in parts])

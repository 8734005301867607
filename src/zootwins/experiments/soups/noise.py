"""Spread of gains that is due to the finite test set: how they would differ if all models gained the same."""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pandas as pd

from zootwins.experiments.soups.evaluation import MEMBER
from zootwins.storage.shards import TwinShard

# The arms that gains are measured against, by name.
NOISE_OF = {"mean_member": MEMBER, "imp_long": "imp_long"}


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

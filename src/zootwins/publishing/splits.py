"""Splits of a population into training, validation and test networks, by original."""

from collections.abc import Iterable
from hashlib import sha256

import numpy as np

ORIGINAL = "original"  # the method of a dense model
SPLITS = {"train": 0.7, "validation": 0.15, "test": 0.15}  # shares of the originals


def split_of_originals(zoo: str, originals: Iterable[str]) -> dict[str, str]:
    """Assign every original to train, validation or test: 70, 15 and 15 %, ordered by a hash of zoo and model.

    The split is by original, so that no twin of a test model has a sibling in training. It depends on the names alone
    and is stored with the release, which is what freezes it.
    """
    names = sorted(dict.fromkeys(originals), key=lambda model: sha256(f"{zoo}/{model}".encode()).digest())
    ends = np.round(np.cumsum(list(SPLITS.values())) * len(names)).astype(int)
    places = np.searchsorted(ends, np.arange(len(names)), side="right")
    return {name: list(SPLITS)[place] for name, place in zip(names, places, strict=True)}

"""Keys of random streams: a draw depends on what it is for, never on what was drawn before it."""

from collections.abc import Iterable
from hashlib import blake2b


def stream_key(*name: object) -> int:
    """Return a 64-bit key (as a signed integer) for the random stream of, say, (zoo, model, method, ratio)."""
    text = "\x1f".join(str(part) for part in name)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


def sample_by_key(numbers: Iterable[int], count: int, *name: object) -> list[int]:
    """Sample so many of the numbers by lowest key, in order; a larger sample contains a smaller one."""
    return sorted(sorted(numbers, key=lambda number: stream_key(*name, number))[:count])

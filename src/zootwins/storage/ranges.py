"""Names of shards: fixed blocks of model indices, such as `0000-0031`."""


def shard_ranges(models: int, models_per_shard: int) -> list[str]:
    """Names of a zoo's shards: fixed blocks of model indices, such as `0000-0031`; the last may be shorter."""
    starts = range(0, models, models_per_shard)
    return [f"{start:04d}-{min(start + models_per_shard, models) - 1:04d}" for start in starts]


def shard_slice(shard: str) -> tuple[int, int]:
    """First model index of a shard and the index after its last."""
    first, last = shard.split("-")
    return int(first), int(last) + 1

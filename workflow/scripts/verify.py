"""Read all shards again and compare them with their records."""

from pathlib import Path

from zootwins.errors import InputError
from zootwins.job import job, log
from zootwins.shards import read_shard

with job(snakemake):
    damaged = []
    for path in snakemake.params.shards:
        try:
            if Path(path).exists():
                read_shard(path)
                log.info("%s: as written", path)
            else:
                log.info("%s: not made yet", path)
        except InputError as error:
            log.error("%s", error)
            damaged.append(path)
    if damaged:
        raise InputError(f"{', '.join(damaged)}: damaged; delete them, and the next run rebuilds them")

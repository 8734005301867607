"""Every table that is made of results, by the name of its file."""

from collections.abc import Callable, Sequence

import pandas as pd

from zootwins.compression import compression_table
from zootwins.findings import findings_table
from zootwins.pairing import paired_table
from zootwins.predictability import predictability_table
from zootwins.response import factor_table, rank_change_table
from zootwins.results import ZooResults
from zootwins.tables import PAPER_TABLES

TABLES: dict[str, Callable[[Sequence[ZooResults]], pd.DataFrame]] = {
    **PAPER_TABLES,
    "rank_changes": rank_change_table,
    "rank_change_factors": factor_table,
    "predictability": predictability_table,
    "paired_difference": paired_table,
    "compression": compression_table,
    "findings": findings_table,
}

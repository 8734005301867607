"""Every table that is made of results, by the name of its file."""

from collections.abc import Callable, Sequence

import pandas as pd

from zootwins.analyses.compression import compression_table
from zootwins.analyses.findings import findings_table
from zootwins.analyses.pairing import paired_table
from zootwins.analyses.predictability import predictability_table
from zootwins.analyses.response import factor_table, rank_change_table
from zootwins.analyses.results import ZooResults
from zootwins.analyses.tables import PAPER_TABLES

TABLES: dict[str, Callable[[Sequence[ZooResults]], pd.DataFrame]] = {
    **PAPER_TABLES,
    "rank_changes": rank_change_table,
    "rank_change_factors": factor_table,
    "predictability": predictability_table,
    "paired_difference": paired_table,
    "compression": compression_table,
    "findings": findings_table,
}

"""Every table, by the name of its file."""

from zootwins.reporting.gallery import representations, soups, state_of_sparsity, transfer, twins
from zootwins.reporting.gallery.table import Table

_PARTS = (twins, state_of_sparsity, representations, soups, transfer)
TABLES: dict[str, Table] = {table.name: table for part in _PARTS for table in part.TABLES}

"""What a table is: what it is made of, by which functions, and what people are told of it.

The Snakefile reads this, so that nothing is imported before a table is made: functions go by their names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table of the results.

    Attributes:
        name: its files' name.
        module: where its functions are, by its full name: what its rule's digest of code has to cover.
        maker: makes it; the arguments are what its `rule` reads (`make_table`: the results of each zoo).
        arranger: turns it into text in rows and columns (`zootwins.analyses.cells`).
        sources: what it is made of, by `rule`. `make_table`: long tables of each zoo, `*/` standing for every method;
            `make_soup_table` the same; `make_representation_table`: those of each representation;
            `compare_with_paper`, `derive_table`: other tables.
        title: what stands above it.
        note: what its numbers are.
        label: what the report's menu says of it.
        order: the paper's table whose order of zoos it takes.
        rule: the rule that makes it.
        target: the target that it is a part of.
    """

    name: str
    module: str
    maker: str
    arranger: str
    sources: tuple[str, ...]
    title: str
    note: str
    label: str
    order: str = "table6"
    rule: str = "make_table"
    target: str = "tables"

    def make(self, *inputs: Any) -> "pd.DataFrame":
        """The table, long and with ids, numbers in full."""
        return self._function(self.maker)(*inputs)

    def arrange(self, table: "pd.DataFrame", titles: Mapping[str, str]) -> "pd.DataFrame":
        """The table's text for people, arranged.

        Args:
            table: as `make` made it.
            titles: how people call the zoos, by id.
        """
        return self._function(self.arranger)(table).rename(index=titles, level="Zoo")

    def _function(self, name: str) -> Any:
        return getattr(import_module(self.module), name)

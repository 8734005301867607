"""Whether statistics can be made of a network: ok, collapsed or diverged, a status for each of its states.

A *diverged* network has weights or a loss that are not finite. Its accuracy and sparsity mean nothing, so that tables,
figures and findings leave it out and report how many they left out. A *collapsed* network puts all test images into one
class, which is a legitimate result of pruning: it is kept, flagged and counted.
"""

import numpy as np
import pandas as pd

OK, COLLAPSED, DIVERGED = "ok", "collapsed", "diverged"
STATUS = pd.CategoricalDtype([OK, COLLAPSED, DIVERGED])


def status_of(diverged: np.ndarray, collapsed: np.ndarray, known: np.ndarray | bool = True) -> pd.Categorical:
    """Return the status of networks as a column, missing where predictions are not known and nothing else is wrong.

    Args:
        diverged: bool `[…]`; comes before collapsed.
        collapsed: bool `[…]`.
        known: whether a network's predictions are known, bool `[…]`.
    """
    codes = np.where(diverged, 2, np.where(collapsed, 1, np.where(known, 0, -1)))
    return pd.Categorical.from_codes(codes.ravel(), dtype=STATUS)


def split_diverged(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that count, and those of diverged networks; a table without `status` has none of these."""
    if "status" not in table:
        return table, table.iloc[:0]
    diverged = table["status"] == DIVERGED
    return table[~diverged], table[diverged]


def models_with(table: pd.DataFrame, status: str) -> list[int]:
    """Return the indices of the models that have a network of that status, ascending."""
    return sorted(table.loc[table["status"] == status, "index"].unique().tolist())


CONSEQUENCES = {
    DIVERGED: "have networks that diverged (weights or loss not finite), left out of tables, figures and findings",
    COLLAPSED: "have networks that put all test images into one class, kept",
}


def announcement(table: pd.DataFrame) -> str:
    """Return a line on the models of a long table whose networks are not all ok; empty if they are."""
    models = table["index"].nunique()
    found = {text: len(models_with(table, status)) for status, text in CONSEQUENCES.items()}
    return "; ".join(f"{count} of {models} models {text}" for text, count in found.items() if count)


def details(table: pd.DataFrame) -> list[str]:
    """Return a line for each model whose networks are not all ok: its name, and how many of its rows are what."""
    name = "model" if "model" in table else "index"
    counts = pd.crosstab(table[name], table["status"]).reindex(columns=STATUS.categories, fill_value=0)
    rows = counts[(counts[DIVERGED] > 0) | (counts[COLLAPSED] > 0)].iterrows()
    return [
        f"{model}: rows of the long table {', '.join(f'{n} {s}' for s, n in row.items() if n)}" for model, row in rows
    ]

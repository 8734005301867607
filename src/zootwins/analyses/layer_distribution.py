"""Sparsity of each layer by a method, at the same sparsity of the whole network."""

from collections.abc import Sequence

import pandas as pd

from zootwins.analyses.cells import shorts, summaries, texts
from zootwins.analyses.pairing import at_sparsity
from zootwins.analyses.paper_tables import summary
from zootwins.analyses.results import ZooResults
from zootwins.analyses.state_of_sparsity import SPARSITIES
from zootwins.analyses.tradeoff import out_of_range

_KEYS = ["zoo", "method", "sparsity", "layer"]
COLUMNS = [*_KEYS, "weights", "mean", "std", "models", "low", "high", "less_than_overall", "reason"]


def layers_at_sparsity(results: ZooResults, method: str, sparsities: Sequence[float]) -> dict[str, pd.DataFrame]:
    """Return by layer, in order, each model's sparsity of the layer where the network has a given one.

    Between operating points a layer's sparsity is interpolated as accuracies are: `[models, sparsities]`.
    """
    whole = results.curve(method)[["index", "point", "sparsity"]]
    parts = results.curve(method, "layers")[["index", "point", "layer", "sparsity"]]
    joined = parts.merge(whole, on=["index", "point"], suffixes=("_layer", ""))
    return {
        layer: at_sparsity(joined[joined["layer"] == layer], sparsities, "sparsity_layer")
        for layer in parts["layer"].unique()
    }


def layer_distribution_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return one row per zoo, method, sparsity and layer, in percent.

    `less_than_overall` is the share of models that spare the layer: it keeps more of its weights than the network, by
    at least one weight, less than which is the rounding of uniform pruning.
    """
    rows = []
    for results in zoos:
        for method in results.zoo.methods:
            sizes = results.curve(method, "layers").drop_duplicates("layer").set_index("layer")["weights"]
            reason = out_of_range(results.curve(method))
            layers = layers_at_sparsity(results, method, SPARSITIES)
            for sparsity in SPARSITIES:
                for layer, values in layers.items():
                    there = values[sparsity].dropna()
                    row = dict(zip(_KEYS, (results.zoo.id, method, 100 * sparsity, layer), strict=True))
                    row |= {"weights": sizes[layer]} | summary(there)
                    row["less_than_overall"] = 100 * (there <= sparsity - 1 / sizes[layer]).mean()
                    rows.append(row | {"reason": "" if len(there) else reason})
    return pd.DataFrame(rows, columns=COLUMNS)


def arrange_layer_distribution(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, method and sparsity, layers from left to right."""
    readable = table.assign(at=texts(table["sparsity"], "{:g} %"), short=shorts(table["method"]))
    keys = {"zoo": "Zoo", "short": "Method", "at": "Sparsity", "models": "n"}
    return summaries(readable, keys, [table["layer"]])

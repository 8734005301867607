"""The paper's tables, from long tables: the paper's columns first, in percent; then n, intervals and p-values.

A cell is the mean over a zoo's models and its standard deviation (ddof 1); `_low` and `_high` are the bounds of the
mean's 95 % bootstrap interval. Rows come in the order of the zoos given.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from zootwins.analyses.cells import QUANTITIES, lines, mean_std, numbers, summaries, texts, value_interval
from zootwins.analyses.correlation import kendall, pearson
from zootwins.analyses.intervals import mean_interval
from zootwins.analyses.results import ZooResults
from zootwins.sparsifiers.base import Point, Settings
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.variational_dropout import MILESTONES as TABLE6_EPOCHS
from zootwins.zoos.sources import FACTORS

METHODS = {method: get_sparsifier(method).title for method in ("mp", "vd")}  # the paper's

# The paper's choices of rows.
TABLE5_PERCENTS = (0, 50, 60, 70, 80, 90)
TABLE7_EPOCHS = (0, 5, 10, 15, 20, 25)
TABLE8_PERCENTS = (50, 70, 90)


def agreement_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Make Tables 1 and 9: accuracy, sparsity and agreement with the original, MP beside VD, one row per zoo."""
    rows = []
    for results in zoos:
        points = _paper_points(results, "agreement")
        if not points:
            continue
        row = {"zoo": results.zoo.id, "models": 0, "vd_epoch": _vd_epoch(points)}
        for method, point in points.items():
            cells = _agreement_cells(results.at(method, point), results.at(method, point, "agreement"))
            row["models"] = max(row["models"], cells.pop("models"))
            row |= {f"{method}_{name}": value for name, value in cells.items()}
        rows.append(row)
    quantities = [f"{method}_{quantity}" for method in METHODS for quantity in ("accuracy", "sparsity", "agreement")]
    columns = ["zoo", *_suffixed(quantities, ("mean", "std")), "models", "vd_epoch"]
    return _frame(rows, columns + _suffixed(quantities, ("low", "high")))


def _paper_points(results: ZooResults, comparison: str) -> dict[str, Point]:
    """Return where a comparison looks at the twins of the paper's two methods."""
    points = results.operating_points(comparison)
    return {method: points[method] for method in METHODS if method in points}


def _vd_epoch(points: dict[str, Point]) -> int | None:
    return points["vd"].epoch if "vd" in points else None


def _agreement_cells(scores: pd.DataFrame, agreements: pd.DataFrame) -> dict[str, float]:
    cells = {"models": len(scores)}
    for quantity, values in (
        ("accuracy", scores["test_accuracy"]),
        ("sparsity", scores["sparsity"]),
        ("agreement", agreements["agreement"]),
    ):
        cells |= {f"{quantity}_{name}": value for name, value in summary(values).items() if name != "models"}
    return cells


def correlation_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Make Table 2: Pearson's r and Kendall's tau-b of original and twin test accuracy, one row per zoo."""
    rows = []
    for results in zoos:
        points = _paper_points(results, "correlation")
        if not points:
            continue
        row = {"zoo": results.zoo.id, "vd_epoch": _vd_epoch(points), "models": 0}
        for method, point in points.items():
            scores = results.at(method, point)
            original = results.originals["test_accuracy"].reindex(scores.index).to_numpy()
            row["models"] = max(row["models"], len(scores))
            row[f"{method}_sparsity"] = 100 * scores["sparsity"].mean()
            for name, statistic in (("pearson_r", pearson), ("kendall_tau", kendall)):
                coefficient = statistic(original, scores["test_accuracy"].to_numpy())
                row[f"{method}_{name}"] = 100 * coefficient.value
                row[f"{method}_{name}_low"] = 100 * coefficient.low
                row[f"{method}_{name}_high"] = 100 * coefficient.high
                row[f"{method}_{name}_p"] = coefficient.p
        rows.append(row)
    coefficients = [f"{method}_{name}" for method in METHODS for name in ("pearson_r", "kendall_tau")]
    columns = ["zoo", "mp_sparsity", *coefficients[:2], "vd_sparsity", *coefficients[2:], "models", "vd_epoch"]
    return _frame(rows, columns + _suffixed(coefficients, ("low", "high", "p")))


def _frame(rows: list[dict[str, object]], columns: list[str]) -> pd.DataFrame:
    """Return rows as a table with all of the columns; a method that a zoo lacks leaves its cells undefined."""
    return pd.DataFrame(rows).reindex(columns=columns).astype({"vd_epoch": "Int64"})


def configuration_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Make Table 4: how each zoo was trained and sparsified; factors that vary within a zoo list their values.

    `models` counts them all, as the paper does; `twinned` are those without the excluded ones. A twin's learning rate
    is `source` where each model keeps its own, and empty where the zoo lacks the method.
    """
    return pd.DataFrame([_configuration(results) for results in zoos])


def _configuration(results: ZooResults) -> dict[str, object]:
    zoo, models, originals = results.zoo, results.models, results.originals
    factors = {name: ", ".join(_text(value) for value in sorted(originals[name].dropna().unique())) for name in FACTORS}
    layers = next((table for name, table in results.tables.items() if name.endswith("/layers")), None)
    return {
        "zoo": zoo.id,
        "data": zoo.dataset,
        "architecture": zoo.architecture,
        "weights": None if layers is None else layers.drop_duplicates("layer")["weights"].sum(),
        **factors,
        "models": len(models),
        "lr_vd": _learning_rate(zoo.methods.get("vd")),
        "lr_mp": _learning_rate(zoo.methods.get("mp")),
        "twinned": len(originals),
        "seeds": originals["seed"].nunique(),
        **{f"accuracy_{k}": v for k, v in summary(originals["test_accuracy"]).items() if k != "models"},
    }


def _learning_rate(method: Settings | None) -> str | None:
    if method is None:
        return None
    return "source" if method.lr is None else f"{method.lr:g}"


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def mp_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Make Table 5: accuracy and generalization gap right after pruning and after fine-tuning, by sparsity."""
    return _long(
        ["zoo", "sparsity_percent", "epoch", "metric"],
        (
            ((results.zoo.id, percent, epoch, metric), results.at("mp", percent, epoch=epoch)[column])
            for results in zoos
            for metric, column in (("accuracy", "test_accuracy"), ("generalization_gap", "generalization_gap"))
            for percent in TABLE5_PERCENTS
            if percent in results.values("mp")
            for epoch in (0, results.zoo.methods["mp"].epochs)
        ),
    )


def vd_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Make Table 6: accuracy, sparsity and generalization gap over the epochs of variational dropout."""
    columns = {"accuracy": "test_accuracy", "sparsity": "sparsity", "generalization_gap": "generalization_gap"}
    return _long(
        ["zoo", "epoch", "metric"],
        (
            ((results.zoo.id, epoch, metric), results.at("vd", epoch)[column])
            for results in zoos
            for metric, column in columns.items()
            for epoch in TABLE6_EPOCHS
            if epoch in results.values("vd")
        ),
    )


def vd_layers_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Make Table 7: layer sparsity, accuracy and generalization gap over the epochs of variational dropout."""
    return _long(
        ["zoo", "epoch", "quantity"],
        (
            ((results.zoo.id, epoch, quantity), values)
            for results in zoos
            for epoch in TABLE7_EPOCHS
            if epoch in results.values("vd")
            for quantity, values in _layer_quantities(results.at("vd", epoch, "layers"), results.at("vd", epoch))
        ),
    )


def mp_layers_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Make Table 8: layer sparsity, accuracy and generalization gap after magnitude pruning and fine-tuning."""
    return _long(
        ["zoo", "sparsity_percent", "quantity"],
        (
            ((results.zoo.id, percent, quantity), values)
            for results in zoos
            for percent in TABLE8_PERCENTS
            if percent in results.values("mp")
            for quantity, values in _layer_quantities(results.at("mp", percent, "layers"), results.at("mp", percent))
        ),
    )


def _layer_quantities(layers: pd.DataFrame, scores: pd.DataFrame) -> Iterable[tuple[str, pd.Series]]:
    for layer in layers["layer"].unique():
        yield layer, layers.loc[layers["layer"] == layer, "sparsity"]
    yield "accuracy", scores["test_accuracy"]
    yield "generalization_gap", scores["generalization_gap"]


def _long(keys: list[str], cells: Iterable[tuple[tuple, pd.Series]]) -> pd.DataFrame:
    """Return a table with one summary per row."""
    rows = [dict(zip(keys, key, strict=True)) | summary(values) for key, values in cells]
    return pd.DataFrame(rows, columns=[*keys, "mean", "std", "models", "low", "high"])


def summary(fractions: pd.Series) -> dict[str, float]:
    """Mean, standard deviation and the mean's interval in percent, and the number of models."""
    values = 100 * fractions.to_numpy(dtype=np.float64)
    low, high = mean_interval(values)
    mean = values.mean() if len(values) else np.nan
    deviation = values.std(ddof=1) if len(values) > 1 else np.nan
    return {"mean": mean, "std": deviation, "models": len(values), "low": low, "high": high}


def _suffixed(names: Iterable[str], suffixes: Sequence[str]) -> list[str]:
    return [f"{name}_{suffix}" for name in names for suffix in suffixes]


def arrange_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, the methods beside each other."""
    cells = {
        (name, QUANTITIES[quantity]): mean_std(table[f"{method}_{quantity}_mean"], table[f"{method}_{quantity}_std"])
        for method, name in METHODS.items()
        for quantity in ("accuracy", "sparsity", "agreement")
    }
    return lines({"Zoo": table["zoo"], "n": table["models"]}, cells)


def arrange_correlation(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, the methods beside each other."""
    cells = {}
    for method, name in METHODS.items():
        cells[name, "Sparsity"] = texts(table[f"{method}_sparsity"], "{:.1f}")
        for column, heading in (("pearson_r", "Pearson r"), ("kendall_tau", "Kendall τ")):
            bounds = (table[f"{method}_{column}{end}"] for end in ("", "_low", "_high"))
            cells[name, heading] = value_interval(*bounds)
    return lines({"Zoo": table["zoo"], "n": table["models"]}, cells)


def arrange_configuration(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo."""
    headings = {
        "data": "Data",
        "architecture": "Architecture",
        "weights": "W",
        "activation": "Activation",
        "init": "Initialisation",
        "optimizer": "Optimiser",
        "lr": "lr",
        "weight_decay": "wd",
        "dropout": "Dropout",
        "models": "n",
        "twinned": "Twinned",
        "lr_vd": "lr VD",
        "lr_mp": "lr MP",
    }
    return lines({"Zoo": table["zoo"]}, {heading: numbers(table[column]) for column, heading in headings.items()})


def arrange_mp(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange requested sparsities from left to right, each before and after fine-tuning."""
    columns = [texts(table["sparsity_percent"], "{:g} %"), texts(table["epoch"], "epoch {}")]
    return summaries(table, {"zoo": "Zoo", "models": "n", "metric": ""}, columns)


def arrange_vd(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange epochs from left to right."""
    columns = [pd.Series("Epoch", table.index), texts(table["epoch"])]
    return summaries(table, {"zoo": "Zoo", "models": "n", "metric": ""}, columns)


def arrange_vd_layers(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange epochs from top to bottom, layers from left to right."""
    columns = [table["quantity"].replace(QUANTITIES)]
    return summaries(table, {"zoo": "Zoo", "models": "n", "epoch": "Epoch"}, columns)


def arrange_mp_layers(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange requested sparsities from top to bottom, layers from left to right."""
    columns = [table["quantity"].replace(QUANTITIES)]
    return summaries(table, {"zoo": "Zoo", "models": "n", "sparsity_percent": "Pruned, %"}, columns)

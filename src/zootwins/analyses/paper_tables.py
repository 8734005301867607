"""The paper's tables, from long tables: the paper's columns first, in percent; then n, intervals and p-values.

A cell is the mean over a zoo's models and its standard deviation (ddof 1); `_low` and `_high` are the bounds of the
mean's 95 % bootstrap interval. Rows come in the order of the zoos given.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from zootwins.analyses.cells import QUANTITIES, lines, mean_std, numbers, shorts, summaries, texts, value_interval
from zootwins.analyses.intervals import mean_interval
from zootwins.analyses.results import ZooResults
from zootwins.sparsifiers.base import Point, Settings
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.variational_dropout import MILESTONES as TABLE6_EPOCHS
from zootwins.zoos.sources import FACTORS

METHODS = {method: get_sparsifier(method).title for method in ("mp", "vd")}  # the paper's

QUARTILES = ("median", "lower_quartile", "upper_quartile")

# The paper's choices of rows.
TABLE5_PERCENTS = (0, 50, 60, 70, 80, 90)
TABLE7_EPOCHS = (0, 5, 10, 15, 20, 25)
TABLE8_PERCENTS = (50, 70, 90)


def agreement_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Make Tables 1 and 9: accuracy, sparsity and agreement with the original, one row per zoo, MP and VD first."""
    points = {results.zoo.id: results.operating_points("agreement") for results in zoos}
    methods = methods_at(points.values())
    rows = []
    for results in zoos:
        if not points[results.zoo.id]:
            continue
        row = {"zoo": results.zoo.id, "models": 0, "vd_epoch": vd_epoch(points[results.zoo.id])}
        for method, point in points[results.zoo.id].items():
            cells = _agreement_cells(results.at(method, point), results.at(method, point, "agreement"))
            row["models"] = max(row["models"], cells.pop("models"))
            row |= {f"{method}_{name}": value for name, value in cells.items()} | {f"{method}_point": point.value}
        rows.append(row)
    printed, others = (
        [f"{method}_{quantity}" for method in part for quantity in ("accuracy", "sparsity", "agreement")]
        for part in (METHODS, methods[len(METHODS) :])
    )
    columns = ["zoo", *suffixed(printed, ("mean", "std")), "models", "vd_epoch", *suffixed(printed, ("low", "high"))]
    columns += suffixed(others, ("mean", "std", "low", "high")) + suffixed(methods[len(METHODS) :], ("point",))
    return frame_of(rows, columns + suffixed(printed + others, QUARTILES))


def methods_at(points: Iterable[Mapping[str, Point]]) -> list[str]:
    """Return the paper's methods and then all others that there are operating points of."""
    return list(dict.fromkeys((*METHODS, *(method for own in points for method in own))))


def vd_epoch(points: dict[str, Point]) -> int | None:
    return points["vd"].epoch if "vd" in points else None


def _agreement_cells(scores: pd.DataFrame, agreements: pd.DataFrame) -> dict[str, float]:
    cells = {"models": len(scores)}
    for quantity, values in (
        ("accuracy", scores["test_accuracy"]),
        ("sparsity", scores["sparsity"]),
        ("agreement", agreements["agreement"]),
    ):
        numbers = summary(values) | quartiles(values)
        cells |= {f"{quantity}_{name}": value for name, value in numbers.items() if name != "models"}
    return cells


def frame_of(rows: list[dict[str, object]], columns: list[str]) -> pd.DataFrame:
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
    """Make Table 5: accuracy and generalisation gap of MP right after pruning and after fine-tuning, by sparsity.

    The paper's sparsities come first, then all others. Other methods that are asked for sparsities follow MP, after
    their last epoch alone.
    """
    cells = (
        ((results.zoo.id, point.value, epoch, metric, method), results.at(method, point, epoch=epoch)[column])
        for results in zoos
        for method in sorted(_by_sparsity(results), key=lambda method: method != "mp")
        for metric, column in (("accuracy", "test_accuracy"), ("generalization_gap", "generalization_gap"))
        for point in sorted(results.zoo.curve(method), key=_paper_first)
        for epoch in ((0, point.epoch) if _is_pruned_at_once(method) else (point.epoch,))
    )
    keys = ["zoo", "sparsity_percent", "epoch", "metric", "method"]
    table = _long(keys, cells)
    return table[[*(column for column in table if column != "method"), "method"]]


def _by_sparsity(results: ZooResults) -> list[str]:
    """Return the methods of a zoo whose operating points are requested sparsities of all weights, percent."""
    return [method for method in results.zoo.methods if get_sparsifier(method).sweep == get_sparsifier("mp").sweep]


def _is_pruned_at_once(method: str) -> bool:
    """Whether a method is magnitude pruning, under its id or as a named twin."""
    return get_sparsifier(method).section == get_sparsifier("mp").section


def _paper_first(point: Point) -> tuple[int, float]:
    """Sort the sparsities of the paper's Table 5 before others."""
    printed = point.value in TABLE5_PERCENTS
    return (TABLE5_PERCENTS.index(point.value) if printed else len(TABLE5_PERCENTS)), point.value


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
    return _by_layer(zoos, "vd", "epoch", TABLE7_EPOCHS)


def mp_layers_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Make Table 8: layer sparsity, accuracy and generalization gap after magnitude pruning and fine-tuning."""
    return _by_layer(zoos, "mp", "sparsity_percent", TABLE8_PERCENTS)


def _by_layer(zoos: Sequence[ZooResults], method: str, key: str, points: Sequence[int]) -> pd.DataFrame:
    cells = (
        ((results.zoo.id, point, quantity), values)
        for results in zoos
        for point in points
        if point in results.values(method)
        for quantity, values in _layer_quantities(results.at(method, point, "layers"), results.at(method, point))
    )
    return _long(["zoo", key, "quantity"], cells)


def _layer_quantities(layers: pd.DataFrame, scores: pd.DataFrame) -> Iterable[tuple[str, pd.Series]]:
    for layer in layers["layer"].unique():
        yield layer, layers.loc[layers["layer"] == layer, "sparsity"]
    yield "accuracy", scores["test_accuracy"]
    yield "generalization_gap", scores["generalization_gap"]


def _long(keys: list[str], cells: Iterable[tuple[tuple, pd.Series]]) -> pd.DataFrame:
    """Return a table with one summary per row."""
    rows = [dict(zip(keys, key, strict=True)) | summary(values) | quartiles(values) for key, values in cells]
    return pd.DataFrame(rows, columns=[*keys, "mean", "std", "models", "low", "high", *QUARTILES])


def summary(fractions: pd.Series) -> dict[str, float]:
    """Return mean, standard deviation and the mean's interval in percent, and the number of models."""
    values = 100 * fractions.to_numpy(dtype=np.float64)
    low, high = mean_interval(values)
    mean = values.mean() if len(values) else np.nan
    deviation = values.std(ddof=1) if len(values) > 1 else np.nan
    return {"mean": mean, "std": deviation, "models": len(values), "low": low, "high": high}


def quartiles(fractions: pd.Series) -> dict[str, float]:
    """Return median and quartiles in percent: where models collapse, mean and standard deviation say little."""
    values = 100 * fractions.to_numpy(dtype=np.float64)
    found = np.quantile(values, (0.5, 0.25, 0.75)) if len(values) else np.full(3, np.nan)
    return dict(zip(QUARTILES, map(float, found), strict=True))


def suffixed(names: Iterable[str], suffixes: Sequence[str]) -> list[str]:
    return [f"{name}_{suffix}".removesuffix("_") for name in names for suffix in suffixes]


def arrange_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo with MP beside VD, or one per zoo and method where there are others."""
    parts = {}
    for method in methods_with(table, "_accuracy_mean"):
        cells = {
            QUANTITIES[quantity]: mean_std(table[f"{method}_{quantity}_mean"], table[f"{method}_{quantity}_std"])
            for quantity in ("accuracy", "sparsity", "agreement")
        }
        bounds = (table[f"{method}_accuracy_{name}"] for name in QUARTILES)
        parts[method] = cells | {"Median accuracy": value_interval(*bounds)}
    return methods_beside_or_below(table, parts)


def methods_with(table: pd.DataFrame, suffix: str) -> list[str]:
    """Return the methods that have columns in a table, the paper's first."""
    return [column.removesuffix(suffix) for column in table if column.endswith(suffix)]


def methods_beside_or_below(table: pd.DataFrame, parts: Mapping[str, Mapping[str, pd.Series]]) -> pd.DataFrame:
    """Put the cells of the paper's methods beside each other, those of more methods below each other.

    Args:
        table: with a row per zoo.
        parts: by method, texts by heading.
    """
    if set(parts) == set(METHODS):
        cells = {(METHODS[method], title): text for method, own in parts.items() for title, text in own.items()}
        return lines({"Zoo": table["zoo"], "n": table["models"]}, cells)
    names = pd.Series(list(parts), list(parts))
    below = [
        lines({"Zoo": table["zoo"], "Method": shorts(names[[method] * len(table)]).set_axis(table.index)}, own)
        for method, own in parts.items()
    ]
    long = pd.concat(below)
    known = (long != "–").any(axis=1)
    order = {zoo: place for place, zoo in enumerate(table["zoo"])}
    return long[known].sort_index(level="Zoo", key=lambda zoos: zoos.map(order), sort_remaining=False, kind="stable")


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
    several = len(set(table["method"])) > 1
    keys = {"zoo": "Zoo"} | ({"short": "Method"} if several else {}) | {"models": "n", "metric": ""}
    return summaries(table.assign(short=shorts(table["method"])), keys, columns)


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

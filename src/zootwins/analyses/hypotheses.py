"""Hypotheses on the paper's numbers that ours do not meet, each computed on our twins.

What the paper leaves unexplained: the correlation of magnitude-pruned twins with their originals (Table 2), agreement
(Table 1), accuracy and generalisation gap after fine-tuning (Table 5), and the standard deviations of layers'
sparsities (Tables 7 and 8).
Nothing is fitted: a hypothesis is a quantity that a table could hold by another reading of its caption.

A hypothesis fits where the paper's number, with its rounding, lies in its 95 % interval, widened by the paper's own
sampling error, which is as much smaller as its zoo is larger. Many hypotheses are tested and 5 % of true
ones are excluded by chance, so that one number says little; the same reading has to fit in every zoo and row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, shorts, texts, value_interval
from zootwins.analyses.intervals import interval, mean_interval
from zootwins.analyses.layer_spread import SPREADS, Pruned
from zootwins.analyses.paper_comparison import RESOLUTION, long_numbers
from zootwins.analyses.results import ZooResults
from zootwins.analyses.statistics import kendall_tau, pearson_r
from zootwins.sparsifiers.base import Point

COLUMNS = ["number", "method", "at", "hypothesis", "quantity", "value", "low", "high", "models"]
CAPTION, ANOTHER = "with its own original (the caption)", "with another model's original"
NOISY = "with its own original, in training mode: noise, nothing pruned"
CORRELATION, AGREEMENT, SPREAD = "correlation", "agreement", "layer_std"
ACCURACY, GAP, TRAIN = "finetuned_accuracy", "finetuned_gap", "finetuned_train_accuracy"
NUMBERS = {
    CORRELATION: "Correlation (Table 2)",
    AGREEMENT: "Agreement (Table 1)",
    ACCURACY: "Accuracy after fine-tuning (Table 5)",
    GAP: "Generalisation gap after fine-tuning (Table 5)",
    TRAIN: "Train accuracy after fine-tuning (Table 5: the sum of both)",
    SPREAD: "Standard deviation of a layer's sparsity (Tables 7, 8)",
}
FITS, EXCLUDED, OPEN = "fits", "excluded", "inconclusive"
TABLE_COLUMNS = ["zoo", *COLUMNS, "paper", "verdict"]


@dataclass(frozen=True)
class Evidence:
    """What the hypotheses on a zoo are computed from.

    Attributes:
        results: with the tables `{method}/scores` and `{method}/agreement` of the methods looked at.
        originals: the originals' predicted classes on the test images, `[models, samples]`.
        twins: the twins' at the operating point of Table 1, by method, the same models in the same order.
        noisy: the same of twins in training mode, which have noise then, by the methods that have any.
        labels: the right classes, `[samples]`.
        pruned: which weights each method prunes, by method and operating point.
    """

    results: ZooResults
    originals: np.ndarray
    twins: Mapping[str, np.ndarray]
    noisy: Mapping[str, np.ndarray]
    labels: np.ndarray
    pruned: Mapping[str, Mapping[float, Pruned]]


def hypotheses(evidence: Evidence, paper_models: int) -> pd.DataFrame:
    """Evaluate every hypothesis on a zoo's numbers, percent, with its 95 % interval over the models.

    Args:
        paper_models: the size of the paper's zoo, which the standard deviation over weights depends on.
    """
    results = evidence.results
    rows = [
        row
        for method in evidence.pruned
        for row in (
            *_correlations(results, method),
            *_agreements(evidence, method),
            *((*_gaps(results), *_epochs(results)) if method == "mp" else ()),
            *_layer_spreads(evidence.pruned[method], method, paper_models),
        )
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _correlations(results: ZooResults, method: str) -> Iterator[dict[str, object]]:
    point = results.operating_points("correlation").get(method)
    if point is None:
        return
    for at, name, x, y in _pairs(results, method, point):
        draw = np.arange(len(x))
        for quantity, statistic, corrected in (("pearson_r", pearson_r, True), ("kendall_tau", kendall_tau, False)):
            drawn = partial(_of_models, statistic, x, y)
            bounds = interval((draw,), drawn, vectorized=False, corrected=corrected)
            yield _row(CORRELATION, method, at, name, quantity, drawn(draw), bounds, len(x))


def _of_models(statistic, x: np.ndarray, y: np.ndarray, drawn: np.ndarray) -> float:
    """Return a correlation over all observations of the drawn models, pooled."""
    return statistic(x[drawn].ravel(), y[drawn].ravel())


def _pairs(results: ZooResults, method: str, point: Point) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Return pairs of quantities, each `[models]` or, to be pooled, `[models, observations]`, with name and place."""
    at = f"{point.value:g}"
    twin = results.at(method, point)
    accuracy = twin["test_accuracy"].to_numpy()
    original = results.originals["test_accuracy"].reindex(twin.index).to_numpy()
    states = [results.at(method, point, epoch=epoch) for epoch in range(point.epoch + 1)]
    tests, trains = (
        np.stack([state[column].to_numpy() for state in states], axis=1)
        for column in ("test_accuracy", "train_accuracy")
    )
    agreement = results.at(method, point, "agreement")["agreement"].to_numpy()

    yield at, "original and twin (the caption)", original, accuracy
    sweep = [value for value in results.values(method) if value != point.value]
    if point.at:  # twins of their own at every value; of variational dropout the states below are the same
        for value in sweep:
            other = results.at(method, value)["test_accuracy"].to_numpy()
            yield f"{value:g}", "original and twin, at other operating points", original, other
        control = results.at(method, results.values(method)[0])["test_accuracy"].to_numpy()
        yield at, "fine-tuned original and twin", control, accuracy
        below = max((value for value in sweep if value < point.value), default=sweep[0])
        neighbour = results.at(method, below)["test_accuracy"].to_numpy()
        yield at, f"twin and that at {below:g}", neighbour, accuracy
        curve = np.stack([results.at(method, value)["test_accuracy"] for value in results.values(method)], axis=1)
        yield "all", "original and twin, all operating points pooled", _repeated(original, curve), curve
    for epoch in range(point.epoch):
        yield at, f"twin after {epoch} and after {point.epoch} epochs", tests[:, epoch], accuracy
    yield at, "original and twin, all epochs pooled", _repeated(original, tests), tests
    yield at, "twin's train and test accuracy", trains[:, -1], accuracy
    yield at, "twin's train and test accuracy, all epochs pooled", trains, tests
    yield at, "twin's validation and test accuracy", twin["validation_accuracy"].to_numpy(), accuracy
    yield at, "twin's test loss and test accuracy, its sign turned", -twin["test_loss"].to_numpy(), accuracy
    yield at, "twin's agreement and accuracy", agreement, accuracy


def _repeated(original: np.ndarray, observations: np.ndarray) -> np.ndarray:
    """Repeat each model's value for all of its observations."""
    return np.broadcast_to(original[:, None], observations.shape)


def _agreements(evidence: Evidence, method: str) -> Iterator[dict[str, object]]:
    results, originals = evidence.results, evidence.originals
    point = results.operating_points("agreement").get(method)
    if point is None:
        return
    twins = evidence.twins[method]
    same = np.stack([(twin == originals).mean(axis=1) for twin in twins])  # [twins, originals]
    own, models = np.diagonal(same), len(same)
    right = (twins == evidence.labels) & (originals == evidence.labels)
    with np.errstate(invalid="ignore"):  # undefined where an original is right nowhere
        where_right = right.sum(axis=1) / (originals == evidence.labels).sum(axis=1)
    shares = {
        CAPTION: own,
        ANOTHER: (same.sum(axis=1) - own) / max(models - 1, 1),
        "both right": right.mean(axis=1),
        "twin right (its accuracy)": (twins == evidence.labels).mean(axis=1),
        "where the original is right": where_right,
    } | {
        f"with the same model's twin by {other}": (twins == others).mean(axis=1)
        for other, others in evidence.twins.items()
        if other != method
    }
    noisy = {NOISY: (evidence.noisy[method] == originals).mean(axis=1)} if method in evidence.noisy else {}
    at = f"{point.value:g}"
    for name, share in (shares | noisy).items():
        yield _mean_row(AGREEMENT, method, at, name, share)
    for name, share in {CAPTION: own, ANOTHER: np.diagonal(np.roll(same, 1, axis=1)), **noisy}.items():
        bounds = interval((share,), partial(np.std, ddof=1))
        yield _row(AGREEMENT, method, at, name, "std", share.std(ddof=1), bounds, models)
    for value in results.values(method):
        if value != point.value:
            share = results.at(method, value, "agreement")["agreement"].to_numpy()
            yield _mean_row(AGREEMENT, method, f"{value:g}", "at other operating points", share)


def _gaps(results: ZooResults) -> Iterator[dict[str, object]]:
    """Evaluate the gap after fine-tuning, and the train accuracy alone, which distinguishes training from testing."""
    for value in results.values("mp"):
        twin = results.at("mp", value)
        for accuracy, train in (
            ("running mean of the last epoch", twin["train_accuracy"]),
            ("the final weights on the training images", twin["eval_mode_train_accuracy"]),
        ):
            yield _mean_row(TRAIN, "mp", f"{value:g}", accuracy, train.to_numpy())
            for split in ("test", "validation"):
                gap = (train - twin[f"{split}_accuracy"]).to_numpy()
                yield _mean_row(GAP, "mp", f"{value:g}", f"{accuracy}, less {split} accuracy", gap)


def _epochs(results: ZooResults) -> Iterator[dict[str, object]]:
    """Evaluate accuracy and gap after fewer epochs of fine-tuning."""
    for value in results.values("mp"):
        for epoch in range(1, results.zoo.methods["mp"].epochs + 1):
            twin = results.at("mp", value, epoch=epoch)
            for number, column in ((ACCURACY, "test_accuracy"), (GAP, "generalization_gap")):
                yield _mean_row(number, "mp", f"{value:g}", f"after {epoch} epochs", twin[column].to_numpy())


def _layer_spreads(points: Mapping[float, Pruned], method: str, paper_models: int) -> Iterator[dict[str, object]]:
    for value, layers in points.items():
        for layer, pruned in layers.items():
            for name, spread in SPREADS.items():
                deviation, *bounds = spread(pruned, paper_models)
                yield _row(SPREAD, method, f"{value:g}", name, layer, deviation, bounds, len(pruned))


def _mean_row(number: str, method: str, at: str, hypothesis: str, shares: np.ndarray) -> dict[str, object]:
    return _row(number, method, at, hypothesis, "mean", shares.mean(), mean_interval(shares), len(shares))


def _row(
    number: str,
    method: str,
    at: str,
    hypothesis: str,
    quantity: str,
    value: float,
    bounds: Sequence[float],
    models: int,
) -> dict[str, object]:
    percent = (100 * float(number) for number in (value, *bounds))
    return dict(zip(COLUMNS, (number, method, at, hypothesis, quantity, *percent, models), strict=True))


def beside_paper(
    rows: pd.DataFrame, paper: Mapping[str, pd.DataFrame], paper_zoo: str, paper_models: int
) -> pd.DataFrame:
    """Return the rows of `hypotheses` whose number the paper prints, with that number and a verdict."""
    long = pd.concat([long_numbers(name, table) for name, table in paper.items()], ignore_index=True)
    printed = long[long["zoo"] == paper_zoo].set_index(["table", "at", "quantity"])[["mean", "std"]]
    found = [_printed(row, printed) for row in rows.itertuples(index=False)]
    beside = rows.assign(paper=np.array(found, dtype=float)).dropna(subset="paper")
    return beside.assign(verdict=[_verdict(row, paper_models) for row in beside.itertuples(index=False)])


def _printed(row, printed: pd.DataFrame) -> float:
    """Return the paper's number that a hypothesis is to explain, NaN if there is none.

    Train accuracy it prints as test accuracy and a gap.
    """
    name = row.method.upper()
    if row.number == TRAIN:
        return sum(_printed(row._replace(number=part), printed) for part in (ACCURACY, GAP))
    layers = ("table8", f"{row.at} %") if row.method == "mp" else ("table7", f"epoch {row.at}")
    key, column = {
        CORRELATION: (("table2", name, row.quantity), "mean"),
        AGREEMENT: (("table1", name, "agreement"), row.quantity),
        ACCURACY: (("table5", f"{row.at} %, epoch 15", "accuracy"), "mean"),
        GAP: (("table5", f"{row.at} %, epoch 15", "generalization_gap"), "mean"),
        SPREAD: ((*layers, row.quantity), "std"),
    }[row.number]
    return float(printed.loc[key, column]) if key in printed.index else np.nan


def _verdict(row, paper_models: int) -> str:
    wider, rounding = np.sqrt(1 + row.models / paper_models), RESOLUTION / 2 * (2 if row.number == TRAIN else 1)
    low = row.value - wider * (row.value - row.low) - rounding
    high = row.value + wider * (row.high - row.value) + rounding
    if np.isnan(low) or np.isnan(high):
        return OPEN
    return FITS if low <= row.paper <= high else EXCLUDED


def hypothesis_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return every hypothesis on the zoos that the paper has or that are like one of its own."""
    parts = [
        results.tables["hypotheses"].assign(zoo=results.zoo.id) for results in zoos if "hypotheses" in results.tables
    ]
    return pd.concat(parts, ignore_index=True)[TABLE_COLUMNS] if parts else pd.DataFrame(columns=TABLE_COLUMNS)


def arrange_hypotheses(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per hypothesis."""
    return lines(
        {
            "Zoo": table["zoo"],
            "Number": table["number"].replace(NUMBERS) + ", " + shorts(table["method"]),
            "Quantity": table["quantity"],
            "Candidate": table["hypothesis"],
            "At": table["at"],
        },
        {
            "n": texts(table["models"]),
            "Ours": value_interval(table["value"], table["low"], table["high"]),
            "Paper": texts(table["paper"], "{:.1f}"),
            "Verdict": texts(table["verdict"]),
        },
    )

"""The paper's claims as tests on a zoo: holds, does not hold, or inconclusive (`analyses.paper_findings`).

Claims 3 and 9 are on kinds of pruning (`Sparsifier.kind`). Claim 3 takes MP, which prunes once, for progressive
pruning too: an analogy. Verdicts are not corrected for their number.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.cells import lines
from zootwins.analyses.findings import Finding, mean_finding, verdict_texts
from zootwins.analyses.intervals import interval
from zootwins.analyses.pairing import equal_sparsity_differences
from zootwins.analyses.results import ZooResults
from zootwins.analyses.statistics import UNDEFINED, kendall, pearson
from zootwins.catalogue.candidates import KINDS, MASKS_OF, RANDOM, SCRATCH, UNTRAINED
from zootwins.experiments.transfer.outcomes import main_outcomes, method_name, point_name
from zootwins.experiments.transfer.transfer_tables import kind_findings, kind_of
from zootwins.sparsifiers.base import PROGRESSIVE, REGULARISATION

MARGIN = 1.0  # points: a mean loss below it does not count, nor does a gain on shuffled pixels
# Sparsity below the head up to which twins are said to transfer as well as their controls: of 80 % of all weights,
# magnitude pruning takes up to 84 % of those, since it spares the head.
MODERATE = 0.85
LEAST_TASKS = 6
EVERY = "all"  # stands for the task of what is said of all tasks
SHUFFLED = "-shuffled"
COLUMNS = ["zoo", "claim", "task", "mode", "method", "finding", "statistic", "value", "low", "high", "bound"]
COLUMNS += ["models", "verdict"]
ByClaim = tuple[int, str, str, Finding]  # number of the claim, task, mode


def findings_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Test every claim on every zoo and task where it can be tested; `models` of claim 7 are tasks."""
    rows = []
    for results in zoos:
        table = main_outcomes(results)
        found = [*_difficulty(table), *((9, task, "both", finding) for task, finding in kind_findings(results))]
        for task, part in table.groupby("task", sort=False):
            negative = task.endswith(SHUFFLED)
            tests = (_baselines,) if negative else (_inferiority, _decline, _interaction, _order, _baselines, _restarts)
            found += [(claim, task, mode, finding) for test in tests for claim, mode, finding in test(part, negative)]
        rows += [
            {"zoo": results.zoo.id, "claim": claim, "task": task, "mode": mode, "verdict": one.verdict, **vars(one)}
            for claim, task, mode, one in sorted(found, key=lambda each: each[0])
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _sparse(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Return mode, method and rows of the twins of each method, without controls and other kinds."""
    rows = table[~table["method"].isin(KINDS) & ~table["is_control"]]
    for (mode, method), part in rows.groupby(["mode", "method"], sort=False):
        yield mode, method, part


def _wide(part: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return one column per model and point, `[models, points]`."""
    return part.pivot_table(index="index", columns="point", values=column)


def _inferiority(table: pd.DataFrame, negative: bool) -> Iterator[tuple[int, str, Finding]]:
    """Test claim 1: up to moderate sparsity twins transfer as well as their controls, or better."""
    for mode, method, part in _sparse(table):
        moderate = part.groupby("point")["sparsity"].transform("mean") <= MODERATE
        values = 100 * part[moderate].groupby("index")["change"].mean().to_numpy()
        name, statistic = method_name(method), "accuracy less the control's, points"
        text = f"{name} twins of up to {MODERATE:.0%} sparsity lose less than {MARGIN:g} point"
        yield 1, mode, mean_finding(method, text, statistic, values, -MARGIN)
        yield 1, mode, mean_finding(method, f"{name} twins of up to {MODERATE:.0%} sparsity gain", statistic, values)


def _decline(table: pd.DataFrame, negative: bool) -> Iterator[tuple[int, str, Finding]]:
    """Test claim 2: in full transfer, sparser twins are worse."""
    for mode, method, part in _sparse(table):
        wide = _wide(part, "change")
        if mode == "full" and wide.shape[1] > 1:
            sparsity = part.groupby("point")["sparsity"].mean()
            taus = np.array([stats.kendalltau(sparsity, row).statistic for row in wide.to_numpy()])
            text = f"the sparser {method_name(method)} twins are, the worse they transfer"
            statistic = "mean of Kendall's tau, sparsity against change"
            yield 2, mode, mean_finding(method, text, statistic, taus, above=False)


def _interaction(table: pd.DataFrame, negative: bool) -> Iterator[tuple[int, str, Finding]]:
    """Test claim 3: regularisation is relatively better in linear transfer, progressive pruning in full."""
    present = list(dict.fromkeys(table["method"]))
    regularised = [method for method in present if kind_of(method) == REGULARISATION]
    for regular in regularised:
        for progressive in present:
            if progressive == MASKS_OF or kind_of(progressive) == PROGRESSIVE:
                differences = [
                    _less_at_equal_sparsity(table, mode, regular, progressive) for mode in ("linear", "full")
                ]
                values = (100 * (differences[0] - differences[1])).to_numpy()
                names = f"{method_name(regular)} − {method_name(progressive)}"
                text = f"{names} is larger in linear than in full transfer"
                statistic = "difference of differences at equal sparsity, points"
                yield 3, "both", mean_finding(f"{regular} − {progressive}", text, statistic, values)


def _less_at_equal_sparsity(table: pd.DataFrame, mode: str, method: str, against: str) -> pd.Series:
    """Return each model's mean accuracy of one method's twins less that of another's at equal sparsity, by index.

    The other's accuracy is interpolated; twins that none of the other's is about as sparse as do not count.
    """
    rows = table[table["mode"] == mode]
    own, other = (rows[rows["method"] == one] for one in (method, against))
    differences = equal_sparsity_differences(other, own, "accuracy")
    return -differences.groupby("index")["difference"].mean()


def _order(table: pd.DataFrame, negative: bool) -> Iterator[tuple[int, str, Finding]]:
    """Test claims 4 and 5: models that are good upstream, or friendly to sparsification, are so downstream.

    Of twins those of the point that is nearest to `MODERATE` sparsity.
    """
    controls = table[table["is_control"]]
    for mode, part in controls.groupby("mode", sort=False):
        yield _correlated(4, mode, part["method"].iloc[0], "good controls", part["upstream_accuracy"], part["accuracy"])
    for mode, method, part in _sparse(table):
        defaults = part[part["point"] == nearest_point(part)]
        name = f"{method_name(method)} twins"
        yield _correlated(4, mode, method, f"good {name}", defaults["upstream_accuracy"], defaults["accuracy"])
        changes = [
            defaults[after].rank().to_numpy() - defaults[before].rank().to_numpy()
            for before, after in (("control_upstream", "upstream_accuracy"), ("control", "accuracy"))
        ]
        yield _correlated(5, mode, method, f"rank changes of {name}", *map(pd.Series, changes))


def nearest_point(part: pd.DataFrame) -> float:
    """Return the point whose twins are about as sparse as `MODERATE`."""
    sparsity = part.groupby("point")["sparsity"].mean()
    return float((sparsity - MODERATE).abs().idxmin())


def _correlated(claim: int, mode: str, method: str, who: str, upstream: pd.Series, downstream: pd.Series):
    x, y = upstream.to_numpy(dtype=np.float64), downstream.to_numpy(dtype=np.float64)
    tau = kendall(x, y) if np.isfinite(x).all() else UNDEFINED
    text = f"{who} upstream go with {who} downstream" if claim == 5 else f"{who} upstream are good downstream"
    return claim, mode, Finding(method, text, "Kendall's tau-b", tau.value, tau.low, tau.high, 0.0, len(x))


def _baselines(table: pd.DataFrame, negative: bool) -> Iterator[tuple[int, str, Finding]]:
    """Test claim 6: magnitudes and upstream features help; on shuffled pixels they do not."""
    for mode, part in table.groupby("mode", sort=False):
        wide = part.pivot_table(index="index", columns=["method", "point"], values="accuracy")
        for kind, text in (
            (RANDOM, "places chosen by magnitude are better than random ones"),
            (SCRATCH, "transferred networks are better than those trained from scratch"),
        ):
            for point in (point for method, point in wide.columns if method == kind):
                pruned = wide.get((MASKS_OF, point), pd.Series(np.nan, wide.index))  # all of them diverged
                values = (pruned - wide[kind, point]).to_numpy()
                where = point_name(kind, point) if point else "dense"
                yield _worth(mode, f"{MASKS_OF} − {kind}", f"{text}, {where}", values, negative)
        if (UNTRAINED, 0.0) in wide and (MASKS_OF, 0.0) in wide:
            values = (wide[MASKS_OF, 0.0] - wide[UNTRAINED, 0.0]).to_numpy()
            yield _worth(mode, f"{MASKS_OF} − {UNTRAINED}", "trained features beat untrained ones", values, negative)


def _worth(mode: str, pair: str, text: str, values: np.ndarray, negative: bool) -> tuple[int, str, Finding]:
    statistic, values = "difference in accuracy, points", 100 * values
    if not negative:
        return 6, mode, mean_finding(pair, text, statistic, values)
    text = f"on shuffled pixels by less than {MARGIN:g} point: {text}"
    return 6, mode, mean_finding(pair, text, statistic, values, MARGIN, above=False)


def _difficulty(table: pd.DataFrame) -> Iterator[ByClaim]:
    """Test claim 7: the harder a task, the more twins gain in linear transfer; from `LEAST_TASKS` tasks on."""
    dense = table[table["is_control"]].pivot_table(index="task", columns="mode", values="accuracy")
    if not {"linear", "full"} <= set(dense):
        return
    difficulty = (dense["full"] - dense["linear"]).dropna()
    for mode, method, part in _sparse(table):
        if mode == "linear":
            gain = part.groupby("task")["change"].mean().reindex(difficulty.index)
            r = pearson(difficulty.to_numpy(), gain.to_numpy()) if len(gain) >= LEAST_TASKS else UNDEFINED
            text = f"{method_name(method)} twins gain more on harder tasks"
            statistic = f"Pearson's r over tasks (from {LEAST_TASKS}), difficulty against change"
            yield 7, EVERY, mode, Finding(method, text, statistic, r.value, r.low, r.high, 0.0, len(gain))


def _restarts(table: pd.DataFrame, negative: bool) -> Iterator[tuple[int, str, Finding]]:
    """Test claim 8: restarts of one network differ less than the zoo's models do."""
    for mode, part in table[table["is_control"] & (table["restarts"] > 1)].groupby("mode", sort=False):
        spread, accuracy = part["restart_std"].to_numpy(), part["accuracy"].to_numpy()
        bounds = interval((spread, accuracy), _ratio)
        text = "restarts differ less than models do"
        value = float(_ratio(spread, accuracy)) if np.ptp(accuracy) else np.nan
        statistic = "std over restarts / std over models"
        yield 8, mode, Finding(part["method"].iloc[0], text, statistic, value, *bounds, 1.0, len(part), above=False)


def _ratio(spread: np.ndarray, accuracy: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.sqrt(np.square(spread).mean(axis)) / accuracy.std(axis, ddof=1)


def arrange_findings(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, claim, task and mode."""
    keys = {"Zoo": "zoo", "Claim": "claim", "Task": "task", "Mode": "mode", "Finding": "finding"}
    return lines(
        {heading: table[key] for heading, key in keys.items()},
        verdict_texts(table),
    )

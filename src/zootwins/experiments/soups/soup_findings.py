"""Statements on soups as tests on the data, as `zootwins.analyses.paper_findings` for twins.

Soups whose members differ by the order of their batches, with the most members that were run, after the last phase,
unless stated otherwise.
"""

from collections.abc import Iterator, Sequence

import pandas as pd

from zootwins.analyses.cells import lines
from zootwins.analyses.findings import Finding, mean_finding, verdict_texts
from zootwins.analyses.results import ZooResults
from zootwins.catalogue.soups import SEED
from zootwins.experiments.soups.gains import (
    OF_ONE_MODEL,
    UNRECOMPUTED,
    VARIANTS,
    arms,
    gains,
    last_phase,
    one_number,
    unrelated_models,
    with_soups,
)
from zootwins.experiments.soups.soup_tables import all_shifted, in_percent

COLUMNS = ["zoo", "goal", "finding", "statistic", "value", "low", "high", "bound", "models", "verdict"]
SMALL_BARRIER = 1.0  # points: what counts as none


def soup_findings(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Test every statement on every zoo and goal where it can be tested."""
    rows = [
        {"zoo": results.zoo.id, "goal": goal, "verdict": finding.verdict, **vars(finding)}
        for results in with_soups(zoos)
        for goal, finding in _findings(results)
    ]
    return in_percent(pd.DataFrame(rows, columns=COLUMNS))


def _findings(results: ZooResults) -> Iterator[tuple[float, Finding]]:
    whole = one_number(gains(results, merged=["soup"]))
    goals = sorted(set(whole.loc[whole["variant"] == SEED, "goal"]))
    for goal in goals:
        of_goal = whole[whole["goal"] == goal]
        for finding in (
            *_gains(of_goal),
            *_variants(of_goal),
            *_phases(results, goal),
            *_shifted(results, goal),
            *_fair(results, goal),
            *_mixtures(results, goal),
        ):
            yield goal, finding
    for finding in _dense(whole):
        yield 0.0, finding
    if len(goals) > 1:
        yield goals[-1], _falls(whole, goals)


def _gain(table: pd.DataFrame, against: str, variant: str = SEED) -> pd.Series:
    """Return gains of the last phase in points, by the models' indices in order."""
    chosen = last_phase(table)
    chosen = chosen[(chosen["variant"] == variant) & (chosen["against"] == against)]
    return 100 * chosen.set_index("index")["gain"].sort_index()


def _finding(text: str, statistic: str, values: pd.Series, bound: float = 0.0, *, above: bool = True) -> Finding:
    return mean_finding("", text, f"{statistic}, points", values.to_numpy(), bound, above=above)


def _gains(table: pd.DataFrame) -> Iterator[Finding]:
    for against, text in (
        ("mean_member", "a soup is better than the mean of its members"),
        ("best_member", "a soup is better than its best member, chosen on validation images"),
        ("imp_long", "a soup is better than one run m times as long"),
        ("swa", "a soup is better than that run with its weights averaged"),
        ("reprune", "a soup is better than the average of m runs of IMP, pruned back"),
    ):
        yield _finding(text, "accuracy, soup less other", _gain(table, against))
    if len(values := _gain(table, UNRECOMPUTED)):
        text = "a soup is better when its statistics of batch normalisation are recomputed"
        yield _finding(text, "accuracy, recomputed less averaged statistics", values)
    yield _finding("an ensemble is better than the soup", "accuracy, ensemble less soup", -_gain(table, "ensemble"))


def _variants(table: pd.DataFrame) -> Iterator[Finding]:
    for variant in table["variant"].unique():
        if variant not in (SEED, "dense"):
            text = f"soups work whose members differ by {VARIANTS[variant]}"
            phase = table.loc[table["variant"] == variant, "phase"].max()
            where = "" if phase == table["phase"].max() else f", phase {phase}"
            values = _gain(table, "mean_member", variant)
            yield _finding(text, f"accuracy, soup less mean member{where}", values)


def _phases(results: ZooResults, goal: float) -> Iterator[Finding]:
    """Whether what a soup hands to the next phase is worth something before that phase averages."""
    wide = one_number(arms(results).reset_index())
    later = wide[(wide["variant"] == SEED) & (wide["goal"] == goal) & (wide["phase"] > 1)]
    if len(later):
        differences = (later["mean_member"] - later["imp"]).groupby(later["index"]).mean()
        text = "members that start from a soup are better than those of IMP"
        yield _finding(text, "accuracy, mean member less IMP, phases after the first", 100 * differences)


def _shifted(results: ZooResults, goal: float) -> Iterator[Finding]:
    table = one_number(all_shifted(results))
    chosen = table[(table["variant"] == SEED) & (table["goal"] == goal) & (table["against"] == "mean_member")]
    of_set = {name: part.set_index("index")["gain"] for name, part in chosen.groupby("set")}
    if "corruptions" in of_set:
        difference = of_set["corruptions"] - of_set["test"]
        text = "soups gain more on corrupted images than on those they were trained for"
        yield _finding(text, "gain over mean member, corrupted less test images", 100 * difference)


def _fair(results: ZooResults, goal: float) -> Iterator[Finding]:
    table = one_number(gains(results, "worst_class", ["soup"]))
    values = _gain(table[table["goal"] == goal], "mean_member")
    yield _finding("a soup's worst class is better than its members'", "recall, soup less mean member", values)


def _mixtures(results: ZooResults, goal: float) -> Iterator[Finding]:
    mixed = one_number(unrelated_models(results))
    for kind, part in mixed[mixed["goal"] == goal].groupby("kind", sort=False):
        if kind != OF_ONE_MODEL:
            text = f"averages of unrelated models ({kind}) are worse than the worst of them"
            values = 100 * (part["merged"] - part["worst"])
            yield _finding(text, "accuracy, average less worst part, phase 1", values, above=False)
    pairs = one_number(last_phase(results.tables["soup_pairs"]))
    members = pairs[(pairs["kind"] == OF_ONE_MODEL) & (pairs["variant"] == SEED) & (pairs["goal"] == goal)]
    values = 100 * members.groupby("index")["barrier"].mean()
    text = f"between members there is no barrier above {SMALL_BARRIER:g} point"
    yield _finding(text, "barrier", values, SMALL_BARRIER, above=False)


def _dense(table: pd.DataFrame) -> Iterator[Finding]:
    dense = table[table["variant"] == "dense"]
    if len(dense):
        yield _finding(
            "soups of unpruned models work",
            "accuracy, soup less mean member, phase 1",
            _gain(dense, "mean_member", "dense"),
        )


def _falls(table: pd.DataFrame, goals: Sequence[float]) -> Finding:
    before, last = (_gain(table[table["goal"] == goal], "mean_member") for goal in goals[-2:])
    text = "the gain falls at the highest sparsity"
    return _finding(text, "gain over mean member, less that of the goal before", last - before, above=False)


def arrange_soup_findings(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, goal and statement."""
    return lines(
        {"Zoo": table["zoo"], "Goal, %": table["goal"], "Finding": table["finding"]},
        verdict_texts(table),
    )

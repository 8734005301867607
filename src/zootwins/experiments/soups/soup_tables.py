"""Tables of soups: gains, which models gain, barriers, shifted images, fairness, controls; percent and points.

A mean has its standard deviation over the models and the bounds of its 95 % bootstrap interval beside it; `better` is
the percent of models that gain, p Wilcoxon's signed-rank test, not corrected for the number of tests.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, texts, value_interval
from zootwins.analyses.paper_tables import summary
from zootwins.analyses.results import ZooResults
from zootwins.analyses.statistics import factor_effect, kendall, wilcoxon
from zootwins.experiments.soups.gains import (
    CELL,
    NAMES,
    VARIANTS,
    arms,
    distances,
    gains,
    last_phase,
    more,
    percent,
    shifted_gains,
    unrelated_models,
    with_soups,
)
from zootwins.zoos.sources import FACTORS

MEAN = ["mean", "std", "models", "low", "high"]
GAIN = [*MEAN, "better", "p"]
BARRIERS = ("barrier", "barrier_unrecomputed")
BARRIER = [f"{name}_{key}" for name in BARRIERS for key in ("mean", "std", "low", "high")]
WHO = ("mean_member", "imp_long")  # gains over these are related to predictors
SHIFTED = ("mean_member", "imp_long", "ensemble")
FAIRNESS = ("worst_class", "recall_spread", "ece")
PROPERTIES = {
    "dense_accuracy": "dense accuracy",
    "distance": "distance of members",
    "disagreement": "disagreement of members",
    "norm_drop": "norm that pruning takes",
}


def paired(differences: pd.Series) -> dict[str, float]:
    """Summarise paired differences, fractions, in points."""
    return summary(differences) | {"better": 100 * (differences > 0).mean(), "p": wilcoxon(differences)}


def gain_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return what soups gain, by zoo, variant, members, goal, phase and what they are compared with.

    `std_noise` is the standard deviation that gains would have if all models gained alike, the test images being a
    sample; where it is known, `std_models` is the rest: sqrt(max(0, std² − std_noise²)).
    """
    keys = [*CELL, "arm", "against"]
    rows = []
    for results in with_soups(zoos):
        sparsity = 100 * results.tables["soups"].query("arm == 'soup'").groupby(CELL)["sparsity"].mean()
        noise = results.tables["soup_noise"].set_index([*CELL, "against"])["noise_variance"]
        for key, part in gains(results).groupby(keys, sort=False):
            row = {"zoo": results.zoo.id} | dict(zip(keys, key, strict=True))
            row |= {"sparsity": sparsity[key[:4]], "accuracy": 100 * part["value"].mean(), **paired(part["gain"])}
            known = (*key[:4], key[5])
            if key[4] == "soup" and known in noise.index:
                row["std_noise"] = 100 * np.sqrt(noise[known])
                row["std_models"] = np.sqrt(np.maximum(0.0, row["std"] ** 2 - row["std_noise"] ** 2))
            rows.append(row)
    columns = ["zoo", *keys, "sparsity", "accuracy", *GAIN, "std_noise", "std_models"]
    return in_percent(pd.DataFrame(rows, columns=columns))


def in_percent(table: pd.DataFrame) -> pd.DataFrame:
    """Convert a table's goals to percent."""
    return table.assign(goal=[percent(goal) for goal in table["goal"]])


def factor_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return which models gain after the last phase: ε² of each generating factor, Kendall's tau of each property.

    `highest` and `lowest` are the levels of a factor with the highest and the lowest mean gain.
    """
    keys = [*CELL, "against"]
    rows = []
    for results in with_soups(zoos):
        known = properties(results)
        chosen = last_phase(gains(results, merged=["soup"]))
        for key, part in chosen[chosen["against"].isin(WHO)].groupby(keys, sort=False):
            of_models = part.merge(known, on=["variant", "members", "goal", "index"], how="left")
            cell = {"zoo": results.zoo.id} | dict(zip(keys, key, strict=True))
            rows += [cell | row for row in _who(of_models)]
    columns = ["zoo", *keys, "predictor", "statistic", "value", "low", "high", "p", "models", "highest", "lowest"]
    return in_percent(pd.DataFrame(rows, columns=columns))


def properties(results: ZooResults) -> pd.DataFrame:
    """Return possible predictors of a model's gain: variant, members, goal, index, its factors and `PROPERTIES`.

    Models are left out of which no pair of members distinguishes classes any more.
    """
    drop = results.tables["soups"].groupby(["goal", "index"])["norm_drop"].first().reset_index()
    originals = results.originals[[*FACTORS, "test_accuracy"]].rename(columns={"test_accuracy": "dense_accuracy"})
    return distances(results).merge(drop, on=["goal", "index"]).join(originals, on="index")


def _who(models: pd.DataFrame) -> Iterator[dict[str, object]]:
    for factor in FACTORS:
        known = models.dropna(subset=factor)  # as of the properties: models whose members are not collapsed
        levels = known.groupby(factor)["gain"]
        if levels.ngroups > 1:
            means = levels.mean()
            effect, p = factor_effect(known["gain"], known[factor])
            ends = {"highest": means.idxmax(), "lowest": means.idxmin()}
            yield {"predictor": factor, "statistic": "ε²", "value": effect, "p": p, "models": len(known)} | ends
    for name in PROPERTIES:
        known = models.dropna(subset=name)
        tau = kendall(known[name].to_numpy(), known["gain"].to_numpy())
        yield {"predictor": name, "statistic": "tau", "models": len(known), **vars(tau)}


def barrier_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return distance, agreement and barrier of members and of unrelated models, mean over a model's pairs."""
    keys = [*CELL, "kind"]
    rows = []
    for results in with_soups(zoos):
        models = (
            results.tables["soup_pairs"].groupby([*keys, "index"], sort=False).mean(numeric_only=True).reset_index()
        )
        for key, part in models.groupby(keys, sort=False):
            row = {"zoo": results.zoo.id, **dict(zip(keys, key, strict=True)), "models": len(part)}
            row |= {"distance": part["distance"].mean(), "agreement": 100 * part["agreement"].mean()}
            rows.append(row | barrier_of(part))
    columns = ["zoo", *keys, "models", "distance", "agreement", *BARRIER]
    return in_percent(pd.DataFrame(rows, columns=columns))


def barrier_of(models: pd.DataFrame) -> dict[str, float]:
    """Return the summary of barriers in points, and of those without recomputed statistics where there are such."""
    known = [name for name in BARRIERS if name in models and models[name].notna().any()]
    return {
        f"{name}_{key}": value
        for name in known
        for key, value in summary(models[name].dropna()).items()
        if key != "models"
    }


def shifted_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return gains on shifted images after the last phase; `test`: unshifted, `corruptions`: the mean of all."""
    keys = ["variant", "members", "goal", "set", "severity", "against"]
    rows = []
    for results in with_soups(zoos):
        for key, part in all_shifted(results).groupby(keys, sort=False):
            rows.append({"zoo": results.zoo.id, **dict(zip(keys, key, strict=True)), **paired(part["gain"])})
    return in_percent(pd.DataFrame(rows, columns=["zoo", *keys, *GAIN]))


def all_shifted(results: ZooResults) -> pd.DataFrame:
    """Return gains on the test images, each shifted set, and all corruptions (severity 0: not of one)."""
    found = shifted_gains(results, SHIFTED)
    keys = ["variant", "members", "goal", "index", "against"]
    plain = last_phase(gains(results, merged=["soup"]))
    plain = plain[plain["against"].isin(SHIFTED) & plain["variant"].isin(found["variant"])]
    mean = found[found["severity"] > 0].groupby(keys, sort=False)["gain"].mean().round(9).reset_index()
    whole = [plain[[*keys, "gain"]].assign(set="test", severity=0), mean.assign(set="corruptions", severity=0)]
    return pd.concat([part for part in (*whole, found) if len(part)] or [found], ignore_index=True)


def fairness_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Compare worst-class recall, spread of recalls and calibration error of soups after the last phase.

    `higher` is the percent of models of which the soup has more; of spread and error that is no gain.
    """
    keys = [*CELL, "arm", "against"]
    rows = []
    for results in with_soups(zoos):
        for measure in FAIRNESS:
            chosen = last_phase(gains(results, measure))
            for key, part in chosen.groupby(keys, sort=False):
                row = {"zoo": results.zoo.id, **dict(zip(keys, key, strict=True)), "measure": measure}
                rows.append(row | {"value": 100 * part["value"].mean(), **paired(part["gain"])})
    table = pd.DataFrame(rows, columns=["zoo", *keys, "measure", "value", *GAIN])
    return in_percent(table.rename(columns={"better": "higher"}))


def control_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return accuracies of averages after phase 1: members, unrelated and unpruned models, a constant rate.

    `sparsity` is that of the average, `parts` the mean accuracy of what is averaged; the gain is over it, `over_worst`
    over the worst of them.
    """
    rows = []
    for results in with_soups(zoos):
        for kind, part in _controls(results):
            for (members, goal), models in part.groupby(["members", "goal"], sort=False):
                row = {"zoo": results.zoo.id, "control": kind, "members": members, "goal": goal}
                row |= {"sparsity": 100 * models["sparsity"].mean()}
                row |= {"merged": 100 * models["merged"].mean(), "parts": 100 * models["parts"].mean()}
                row |= {"over_worst": 100 * (models["merged"] - models["worst"]).mean()}
                rows.append(row | paired(more(models["merged"], models["parts"])))
    columns = ["zoo", "control", "members", "goal", "sparsity", "merged", "parts", "over_worst", *GAIN]
    return in_percent(pd.DataFrame(rows, columns=columns))


def _controls(results: ZooResults) -> Iterator[tuple[str, pd.DataFrame]]:
    """Return frames with members, goal, sparsity, merged, parts and worst, by control; of models that have both."""
    yield from unrelated_models(results).groupby("kind", sort=False)
    wide = arms(results)
    table = results.tables["soups"]
    members = table[table["arm"] == "member"]
    worst = members.groupby([*CELL, "index"])["test_accuracy"].min()
    frame = pd.DataFrame({"merged": wide["soup"], "parts": wide["mean_member"], "worst": worst})
    frame = frame.assign(sparsity=arms(results, "sparsity")["soup"]).dropna(subset=["merged", "parts"]).reset_index()
    for variant in ("constant", "dense"):
        if len(part := frame[frame["variant"] == variant]):
            yield variant, part


def _cell(table: pd.DataFrame, *more: str) -> dict[str, pd.Series]:
    """Return the headings of rows: zoo, what varies, m, goal and others."""
    headings = {
        "Zoo": table["zoo"],
        "Varied": table["variant"].replace(VARIANTS),
        "m": table["members"],
        "Goal, %": table["goal"],
    }
    return headings | {name.capitalize(): table[name] for name in more}


def gain_cells(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Return n, gain with its interval, spread, share of models that gain, and p as text."""
    return {
        "n": texts(table["models"]),
        "Gain": value_interval(table["mean"], table["low"], table["high"], "{:.2f}"),
        "std": texts(table["std"], "{:.2f}"),
        "Better": texts(table["better"], "{:.0f}"),
        "p": texts(table["p"], "{:.2g}"),
    }


def arrange_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, variant, goal, phase and comparison; only the CSV has the greedy soup's."""
    shown = table[table["arm"] == "soup"]
    shown = shown.assign(against=shown["against"].replace(NAMES))
    noise = {"std, models": texts(shown["std_models"], "{:.2f}")}
    return lines(
        _cell(shown, "phase", "against"), {"Soup": texts(shown["accuracy"], "{:.1f}"), **gain_cells(shown), **noise}
    )


def arrange_factors(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, variant, goal, comparison and predictor."""
    shown = table.assign(predictor=table["predictor"].replace(PROPERTIES), against=table["against"].replace(NAMES))
    cells = {
        "Statistic": texts(shown["statistic"]),
        "n": texts(shown["models"]),
        "Value": value_interval(shown["value"], shown["low"], shown["high"], "{:.2f}"),
        "p": texts(shown["p"], "{:.2g}"),
        "Gains most": texts(shown["highest"]),
        "Gains least": texts(shown["lowest"]),
    }
    return lines(_cell(shown, "phase", "against", "predictor"), cells)


def arrange_barriers(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, variant, goal, phase and kind of pairs."""
    cells = {
        "n": texts(table["models"]),
        "Distance": texts(table["distance"], "{:.2f}"),
        "Agreement": texts(table["agreement"], "{:.1f}"),
        **barrier_cells(table),
    }
    return lines(_cell(table, "phase", "kind"), cells)


def barrier_cells(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Return barriers with their intervals as text; the second column where some network has batch normalisation."""
    headings = {"barrier": "Barrier", "barrier_unrecomputed": "Statistics not recomputed"}
    shown = [name for name in BARRIERS if name == "barrier" or table[f"{name}_mean"].notna().any()]
    return {
        headings[name]: value_interval(*(table[f"{name}_{key}"] for key in ("mean", "low", "high")), "{:.2f}")
        for name in shown
    }


def arrange_shifted(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, variant, goal, set, severity and comparison."""
    shown = table.assign(against=table["against"].replace(NAMES), severity=table["severity"].replace(0, np.nan))
    return lines(_cell(shown, "set", "against") | {"Severity": shown["severity"]}, gain_cells(shown))


def arrange_fairness(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, variant, goal, measure and comparison of the uniform soup."""
    shown = table[table["arm"] == "soup"]
    measures = {"worst_class": "worst class", "recall_spread": "spread of recalls", "ece": "calibration error"}
    shown = shown.assign(against=shown["against"].replace(NAMES), measure=shown["measure"].replace(measures))
    cells = {"Soup": texts(shown["value"], "{:.1f}"), **gain_cells(shown.rename(columns={"higher": "better"}))}
    renamed = {"Gain": "Difference", "Better": "Higher"}
    return lines(_cell(shown, "phase", "measure", "against"), cells).rename(columns=renamed)


def arrange_controls(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, goal and control."""
    keys = {"Zoo": table["zoo"], "Control": table["control"], "m": table["members"], "Goal, %": table["goal"]}
    cells = {
        "Sparsity": texts(table["sparsity"], "{:.1f}"),
        "Average": texts(table["merged"], "{:.1f}"),
        "Parts": texts(table["parts"], "{:.1f}"),
        "Over the worst": texts(table["over_worst"], "{:.2f}"),
    }
    return lines(keys, cells | gain_cells(table))

"""The nine claims of The State of Sparsity (Gale, Elsen, Hooker 2019) as tests on a zoo, in the manner of `findings`.

Its magnitude pruning is `gmp`. Sparsities are those of the paper at which both sides have twins of a model: a model
counts with its mean over them. What is chosen (a setting) is chosen on pilots and tested on the other models. A claim
that a run cannot test, for want of a method or a setting, has a row that says why.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.cells import lines
from zootwins.analyses.findings import FAILS, HOLDS, OPEN, Finding, mean_finding, verdict_texts
from zootwins.analyses.intervals import CONFIDENCE, interval
from zootwins.analyses.layer_distribution import layers_at_sparsity
from zootwins.analyses.pairing import TOLERANCE, at_sparsity
from zootwins.analyses.results import ZooResults
from zootwins.analyses.retrained import BUDGETS, Arm, arms, label, retraining_methods
from zootwins.analyses.scratch import other_masks, retrained_differences
from zootwins.analyses.selection import chosen_point, means_of_pilots, others, pilots
from zootwins.analyses.state_of_sparsity import SPARSITIES
from zootwins.sparsifiers.base import REGULARISATION
from zootwins.sparsifiers.gradual_pruning import DISTRIBUTIONS
from zootwins.sparsifiers.registry import get_sparsifier, sparsifiers

MARGIN = 0.5  # points of accuracy: what counts as equal
CLOSE = 2.0  # points below the original: what counts as a good twin
HALF = 0.5  # sparsity that a good twin has at least
SHOWN = 0.8  # sparsity at which layers are compared, and that settings are chosen for
SPREAD = 5.0  # points of sparsity: a setting that makes models differ by more is not under control
UNIFORM = 1.0  # points of sparsity: layers that differ by less have the same
CLAIMS = (
    "magnitude pruning is as good as complex methods",
    "complex methods are inconsistent",
    "learned masks beat random ones, the more the sparser",
    "pruned models cannot be matched from scratch",
    "the original initialisation does not help",
    "training longer helps, wider initial weights do not",
    "learned distributions spare the first and the last layer",
    "the distribution over layers matters to magnitude pruning",
    "random pruning is best early, magnitude pruning late",
)
COLUMNS = ["zoo", "claim", "method", "finding", "statistic", "value", "low", "high", "bound", "models", "verdict"]
COLUMNS += ["reason"]


@dataclass(frozen=True)
class Equivalence(Finding):
    """A statement that a statistic is less than its bound from 0."""

    @property
    def verdict(self) -> str:
        if -self.bound < self.low and self.high < self.bound:
            return HOLDS
        if self.low > self.bound or self.high < -self.bound:
            return FAILS
        return OPEN


def sparsity_findings_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Test every claim on every zoo; a row without numbers says why it cannot be tested."""
    rows = []
    for results in zoos:
        for claim, tests in enumerate(_TESTS, 1):
            key = {"zoo": results.zoo.id, "claim": f"{claim}. {CLAIMS[claim - 1]}"}
            for found in tests(results):
                if isinstance(found, str):
                    rows.append(key | {"models": 0, "verdict": OPEN, "reason": found})
                else:
                    reason = "" if found.models else "no model has the twins that are compared"
                    rows.append(key | vars(found) | {"verdict": found.verdict, "reason": reason})
    return pd.DataFrame(rows, columns=COLUMNS)


def _as_good(results: ZooResults) -> Iterator[Finding | str]:
    if missing := _missing(results, "gmp") or _none_complex(results):
        yield missing
        return
    for against in _complex(results):
        values = _differences(results, "gmp", against).mean(axis=1).to_numpy()
        name = get_sparsifier(against).short
        statistic = "accuracy at equal sparsity, points"
        yield mean_finding(f"gmp − {against}", f"GMP matches {name}", statistic, values, -MARGIN)
        yield mean_finding(f"gmp − {against}", f"GMP exceeds {name}", statistic, values)


def _inconsistent(results: ZooResults) -> Iterator[Finding | str]:
    if missing := _none_complex(results):
        yield missing
    for method in _complex(results):
        yield _spread_at_one_setting(results, method)
        yield _fewer_good(results, method)
        yield _by_optimizer(results, method)


def _spread_at_one_setting(results: ZooResults, method: str) -> Finding | str:
    if (point := chosen_point(results, method, SHOWN)) is None:
        return f"no setting of {method} brings the pilots to {SHOWN:.0%} sparsity"
    twins = others(results.at(method, point), results)
    sparsity = 100 * twins.loc[twins.index.isin(_non_collapsed(results, method)), "sparsity"].to_numpy()
    value = sparsity.std(ddof=1) if len(sparsity) > 1 else np.nan
    return Finding(
        method,
        f"{get_sparsifier(method).short} makes models of one setting differently sparse",
        f"std of sparsity at {get_sparsifier(method).sweep.form.format(point.value)}, points",
        value,
        *interval((sparsity,), partial(np.std, ddof=1)),
        SPREAD,
        len(sparsity),
    )


def _fewer_good(results: ZooResults, method: str) -> Finding | str:
    if missing := _missing(results, "gmp"):
        return missing
    non_collapsed = _non_collapsed(results, method)
    good = [_good(results, one, non_collapsed) for one in ("gmp", method)]
    if any(one is None for one in good):
        return f"no setting brings the pilots to {HALF:.0%} sparsity by both gmp and {method}"
    return mean_finding(
        f"gmp − {method}",
        f"GMP has more good twins than {get_sparsifier(method).short}",
        f"share of models at least {HALF:.0%} sparse and within {CLOSE:g} points of the original",
        (good[0] - good[1]).to_numpy(),
    )


def _by_optimizer(results: ZooResults, method: str) -> Finding | str:
    good = _good(results, method, _non_collapsed(results, method))
    if good is None:
        return f"no setting of {method} brings the pilots to {HALF:.0%} sparsity"
    optimizers = results.originals["optimizer"].reindex(good.index)
    groups = [good[optimizers == name] for name in ("adam", "sgd")]
    if not all(map(len, groups)):
        return "needs models trained by Adam and by SGD"
    shares = [
        (group.mean(), *stats.binomtest(int(group.sum()), len(group)).proportion_ci(CONFIDENCE, "wilson"))
        for group in groups
    ]
    return Finding(
        method,
        f"{get_sparsifier(method).short} has more good twins where Adam trains than where SGD does",
        f"share at least {HALF:.0%} sparse and within {CLOSE:g} points of the original, Adam − SGD",
        shares[0][0] - shares[1][0],
        *newcombe(*shares),
        0.0,
        len(good),
    )


def newcombe(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float]:
    """Return the interval of a difference of two shares, each with its Wilson interval (Newcombe 1998, method 10)."""
    (p, low, high), (q, lower, higher) = first, second
    return p - q - np.hypot(p - low, higher - q), p - q + np.hypot(high - p, q - lower)


def _non_collapsed(results: ZooResults, method: str) -> set[int]:
    """Return the models that predict more than one class, by their twins at state 0.

    Of a model that predicts one class for all images every twin is as good, however sparse.
    """
    predictions = results.tables[f"{method}/agreement"]
    start = predictions[predictions["epoch"] == 0]
    return set(start.loc[~start["constant"], "index"])


def _good(results: ZooResults, method: str, non_collapsed: set[int]) -> pd.Series | None:
    """Whether each non-collapsed model but pilots has a good twin, 0 or 1, by index; None if none is sparse enough.

    At the setting that gives most pilots a good twin, judged on validation images; of equal ones the most accurate.
    """
    curve = results.curve(method)
    tried = curve[curve["index"].isin(non_collapsed.intersection(pilots(results)))]
    dense = _validation_of_originals(results, method)
    tried = tried.assign(good=_good_twins(tried, dense.reindex(tried["index"]).to_numpy(), "validation_accuracy"))
    settings = means_of_pilots(tried, ["good", "validation_accuracy"])
    settings = settings[(settings["good"] > 0) | (settings["sparsity"] >= HALF - TOLERANCE)]
    if settings.empty:
        return None
    best = settings.sort_values(["good", "validation_accuracy"]).iloc[-1]
    scores = others(results.at(method, results.zoo.point(method, best.name)), results)
    scores = scores[scores.index.isin(non_collapsed)]
    return _good_twins(scores, results.originals["test_accuracy"].reindex(scores.index), "test_accuracy")


def _validation_of_originals(results: ZooResults, method: str) -> pd.Series:
    """Return the originals' validation accuracies, by index: state 0 of the method's twins if these start from them.

    Twins that start from weights of an earlier epoch do not; those of the complex methods always do.
    """
    starts = [method] if getattr(results.zoo.methods[method], "start_epoch", None) is None else _complex(results)
    twins = results.tables[f"{starts[0]}/scores"]
    return twins[twins["epoch"] == 0].groupby("index")["validation_accuracy"].max()


def _good_twins(scores: pd.DataFrame, dense: pd.Series | np.ndarray, quantity: str) -> pd.Series:
    """Whether each twin is sparse enough and not much worse than its original, 0 or 1."""
    close = 100 * (dense - scores[quantity]) <= CLOSE
    return (close & (scores["sparsity"] >= HALF - TOLERANCE)).astype(float)


def _beats_random(results: ZooResults) -> Iterator[Finding | str]:
    if missing := _missing(results, "gmp", "rp"):
        yield missing
        return
    differences = _differences(results, "gmp", "rp")
    statistic = "accuracy at equal sparsity, points"
    yield mean_finding("gmp − rp", "GMP beats RP", statistic, differences.mean(axis=1).to_numpy())
    yield mean_finding(
        "gmp − rp",
        "GMP beats RP by more the sparser",
        "slope of that difference over sparsity, points per 10 % of sparsity",
        differences.apply(_slope, axis=1).to_numpy(dtype=float) / 10,
    )


def _slope(differences: pd.Series) -> float:
    there = differences.dropna()
    return np.polyfit(there.index.to_numpy(dtype=float), there, 1)[0] if len(there) > 1 else np.nan


def _from_scratch(results: ZooResults) -> Iterator[Finding | str]:
    if missing := _missing(results, "scratch"):
        yield missing
        return
    masks = retraining_methods(results)["scratch"].masks
    for budget in BUDGETS:
        values = retrained_differences(results, masks, Arm("scratch", budget)).to_numpy()
        pair, name = f"{masks} − scratch", f"{get_sparsifier(masks).short} beats {label(Arm('scratch', budget))}"
        yield mean_finding(pair, name, "accuracy at equal sparsity, points", values)
        better, models = int((values.round(9) > 0).sum()), len(values)
        exact = stats.binomtest(better, models).proportion_ci(CONFIDENCE) if models else (np.nan, np.nan)
        share = better / models if models else np.nan
        yield Finding(pair, f"{name} for most models", "share of models", share, *exact, 0.5, models)


def _original_start(results: ZooResults) -> Iterator[Finding | str]:
    pair = Arm("lottery", "E"), Arm("scratch", "E")
    if missing := _missing(results, "lottery", "scratch") or other_masks(retraining_methods(results), *pair):
        yield missing
        return
    values = retrained_differences(results, *pair).to_numpy()
    plain = mean_finding(
        "lottery − scratch",
        "the original's initial weights make no difference to training from scratch (E)",
        f"accuracy at equal sparsity, points; equal: within ± {MARGIN:g}",
        values,
        MARGIN,
    )
    yield Equivalence(**vars(plain))


def _longer_and_wider(results: ZooResults) -> Iterator[Finding | str]:
    if missing := _missing(results, "scratch"):
        yield missing
        return
    statistic = "accuracy at equal sparsity, points"
    longer = retrained_differences(results, Arm("scratch", "B"), Arm("scratch", "E")).to_numpy()
    yield mean_finding("scratch", "Scratch-B beats Scratch-E", statistic, longer)
    for arm in arms(results):
        if arm.method == "scratch" and arm.init == "sparse" and arm.budget != "matched":
            wider = retrained_differences(results, arm, Arm("scratch", arm.budget)).to_numpy()
            name = f"wider initial weights gain less than {MARGIN:g} points ({arm.budget})"
            yield mean_finding("scratch", name, statistic, wider, MARGIN, above=False)


def _spare_ends(results: ZooResults) -> Iterator[Finding | str]:
    learned = 0
    for method in results.zoo.methods:
        if method in retraining_methods(results):
            continue
        layers = {
            name: 100 * (at[SHOWN].dropna() - SHOWN)
            for name, at in layers_at_sparsity(results, method, [SHOWN]).items()
        }
        if all(values.abs().mean() <= UNIFORM for values in layers.values() if len(values)):
            continue
        learned += 1
        for place, layer in (("first", next(iter(layers))), ("last", next(reversed(layers)))):
            name = f"{get_sparsifier(method).short} spares the {place} layer"
            statistic = f"sparsity of {layer} less the network's, at {SHOWN:.0%}, points"
            yield mean_finding(method, name, statistic, layers[layer].to_numpy(), above=False)
    if not learned:
        yield f"needs a method that ranks weights over the whole network, or learns, at {SHOWN:.0%} sparsity"


def _distribution(results: ZooResults) -> Iterator[Finding | str]:
    if missing := _missing(results, "gmp"):
        yield missing
        return
    uniform, *others = DISTRIBUTIONS
    listed = results.zoo.methods["gmp"].distributions
    there = [name for name in others if {name, uniform} <= set(listed)]
    if not there:
        yield f"needs {uniform} and another among gradual_pruning.distributions"
    for name in there:
        values = _at_places(results, "gmp", {"distribution": DISTRIBUTIONS.index(name)}, {"distribution": 0})
        statistic = f"{name} − {uniform}, accuracy at equal sparsity, points"
        yield mean_finding("gmp", f"GMP is better {name} than {uniform}", statistic, values)


def _early_and_late(results: ZooResults) -> Iterator[Finding | str]:
    for method, early in (("rp", True), ("gmp", False)):
        if missing := _missing(results, method):
            yield missing
            continue
        settings, sparsifier = results.zoo.methods[method], get_sparsifier(method)
        first, last = min(settings.ends), max(settings.ends)
        if first == last:
            yield f"needs two of {sparsifier.section}.ends"
            continue
        values = _at_places(results, method, {"end": first}, {"end": last})
        name = f"{sparsifier.short} is better {'early' if early else 'late'}"
        ends = f"end {first} − end {last}, from {settings.start} weights"
        yield mean_finding(method, name, f"{ends}, accuracy at equal sparsity, points", values, above=early)


_TESTS = (
    _as_good,
    _inconsistent,
    _beats_random,
    _from_scratch,
    _original_start,
    _longer_and_wider,
    _spare_ends,
    _distribution,
    _early_and_late,
)


def _complex(results: ZooResults) -> list[str]:
    """Return the methods that learn which weights go, as the paper's VD and L0 do."""
    return [method for method in results.zoo.methods if get_sparsifier(method).kind == REGULARISATION]


def _none_complex(results: ZooResults) -> str:
    known = ", ".join(one.id for one in sparsifiers() if one.kind == REGULARISATION)
    return "" if _complex(results) else f"needs one of {known}"


def _missing(results: ZooResults, *methods: str) -> str:
    """Return the reason why a claim cannot be tested, if methods that it needs are not run."""
    missing = [method for method in methods if method not in results.zoo.methods]
    return f"needs {' and '.join(missing)}" if missing else ""


def _differences(results: ZooResults, method: str, against: str) -> pd.DataFrame:
    """Return each model's difference in points, `[models, sparsities]`, NaN where one side has no twin."""
    own, other = (at_sparsity(results.curve(one), SPARSITIES) for one in (method, against))
    return 100 * (own - other).dropna(how="all")


def _at_places(results: ZooResults, method: str, *places: Mapping[str, float]) -> np.ndarray:
    """Return each model's mean difference in points between twins at two places on a method's axes."""
    curves = []
    for place in places:
        points = [replace(point, at={**point.at, **place}) for point in results.zoo.curve(method)]
        rows = pd.concat([results.at(method, point) for point in points]).reset_index()
        curves.append(at_sparsity(rows, SPARSITIES))
    return (100 * (curves[0] - curves[1])).mean(axis=1).to_numpy()


def arrange_sparsity_findings(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, claim and finding."""
    return lines(
        {"Zoo": table["zoo"], "Claim": table["claim"], "Method": table["method"], "Finding": table["finding"]},
        verdict_texts(table) | {"Note": table["reason"].replace("", "–")},
    )

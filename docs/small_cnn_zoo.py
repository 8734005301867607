"""The numbers and the figure on docs/small_cnn_zoo.md, from the table of networks in docs/small_cnn_zoo/.

    snakemake --cores 2 results/published/{fmnist,mnist}_small_cnn --configfile config/small_cnn.yaml
    python docs/small_cnn_zoo.py --keep results   keeps the networks of a run, and makes the page of them
    python docs/small_cnn_zoo.py                  makes the page of the networks that are kept; no run is needed

Everything that the page has between `<!-- made: … -->` and `<!-- end -->`, and between `<!-- n: … -->` and `<!-- -->`,
is made anew. Accuracies are fractions in the table and percent on the page.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from kept_tables import ROOT, page_arguments
from made_pages import Estimate, made_anew, markdown, mean_of, share_of
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from scipy import stats

from zootwins.analyses.intervals import RESAMPLES, generator, interval
from zootwins.analyses.statistics import kendall_tau
from zootwins.analyses.two_samples import holm
from zootwins.benchmark.baselines import predict
from zootwins.benchmark.tasks import Task
from zootwins.publishing import loading
from zootwins.publishing.splits import ORIGINAL
from zootwins.reporting.figures import save, styled
from zootwins.sparsifiers.registry import get_sparsifier

PAGE, DATA = ROOT / "docs/small_cnn_zoo.md", ROOT / "docs/small_cnn_zoo"
ZOOS = {"fmnist_small_cnn": "Fashion-MNIST", "mnist_small_cnn": "MNIST"}
COLOURS = {"gmp": "#56B4E9", "mp": "#0072B2", "rp": "#E69F00"}
PRUNING, SPARSITIES = ("gmp", "mp", "rp"), (80, 90, 95)
FACTORS = ("activation", "init", "optimizer", "lr", "weight_decay", "l2", "dropout")
PREDICTORS = ("statistics", "boosted trees")
FOLDS = 8


# --- the table of networks --------------------------------------------------------------------------------------------


def networks_of(folder: Path) -> pd.DataFrame:
    """A row per network of a release at its last epoch, with its accuracy as predicted by others' weight statistics."""
    zoo = loading.load(folder)
    index = zoo.index
    last = index.groupby("method")["epoch"].transform("max")
    kept = index[(index["method"] == ORIGINAL) | (index["epoch"] == last)]
    controls = kept["method"].isin(PRUNING) & (kept["point"] == 0)  # not pruned
    kept = kept[(kept["status"] != "diverged") & ~controls]
    for source in ("dense", "twins"):
        kept = kept.assign(**{f"from_{source}": predicted(zoo, kept, source)})
    scores = ["status", "sparsity", "test_accuracy", "from_dense", "from_twins"]
    factors = [name for name in FACTORS if name in kept]
    return kept[["zoo", "original_index", "method", "point", *scores, *factors]].reset_index(drop=True)


def predicted(zoo: loading.PublishedZoo, networks: pd.DataFrame, source: str) -> np.ndarray:
    """Predict every network's accuracy by networks of other originals, dense ones or twins (8-fold, by original).

    Which predictor does, ridge regression or boosted trees, is decided on the fold after the one that is predicted.
    """
    order = sorted(set(networks["original"]), key=lambda name: sha256(name.encode()).digest())
    fold = networks["original"].map({name: place % FOLDS for place, name in enumerate(order)}).to_numpy()
    learned = ((networks["method"] == ORIGINAL) == (source == "dense")).to_numpy()
    found = np.full(len(networks), np.nan)
    for number in range(FOLDS):
        tested, chosen_on = fold == number, fold == (number + 1) % FOLDS
        split = np.where(tested | chosen_on, "test", np.where(learned, "train", "unused"))
        targets = networks["test_accuracy"].to_numpy()
        task = Task("accuracy", zoo, networks.index.to_numpy(), targets, np.full(len(networks), ""), split)
        by_predictor = [predict(task, name) for name in PREDICTORS]
        judged = (chosen_on & learned)[task.test]
        errors = [np.square(values - targets[task.test])[judged].mean() for values in by_predictor]
        found[task.test[tested[task.test]]] = by_predictor[int(np.argmin(errors))][tested[task.test]]
    return found


# --- hypotheses ------------------------------------------------------------------------------------------------


def r2(targets: np.ndarray, predictions: np.ndarray, axis: int = -1) -> np.ndarray:
    spread = np.square(targets - targets.mean(axis, keepdims=True)).sum(axis)
    return 1 - np.square(targets - predictions).sum(axis) / spread


def tau_interval(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the percentile interval of Kendall's τ_b, whose draws share the signs of all pairs."""
    signs = [np.sign(values[:, None] - values) for values in (x, y)]
    pairs = np.stack([signs[0] * signs[1], *(np.abs(one) for one in signs)])
    draws = generator().integers(len(x), size=(RESAMPLES, len(x)))
    sums = np.array([pairs[:, rows[:, None], rows].sum((1, 2)) for rows in draws])
    return tuple(np.nanquantile(sums[:, 0] / np.sqrt(sums[:, 1] * sums[:, 2]), [0.025, 0.975]))


def agreement(networks: pd.DataFrame, column: str, statistic: str) -> Estimate:
    """R² or Kendall's τ of predicted and measured accuracies; a draw of the bootstrap takes networks."""
    targets, predictions = networks["test_accuracy"].to_numpy(), networks[column].to_numpy()
    if statistic == "r2":
        return Estimate(r2(targets, predictions), *interval((targets, predictions), r2), len(networks))
    bounds = tau_interval(targets, predictions)
    return Estimate(kendall_tau(targets, predictions), *bounds, len(networks))


class Zoo:
    """The networks of a zoo."""

    def __init__(self, networks: pd.DataFrame):
        self.networks = networks
        self.dense = networks[networks["method"] == ORIGINAL].set_index("original_index")

    def twins(self, method: str, sparsity: int | None = None) -> pd.DataFrame:
        """Twins by a method, of a requested sparsity in percent or of all of them."""
        rows = self.networks[self.networks["method"] == method].set_index("original_index")
        if sparsity is not None:
            rows = rows[rows["point"] == sparsity]
        return rows

    def change(self, method: str, sparsity: int) -> pd.Series:
        """What twins lose or gain against their originals."""
        twins = self.twins(method, sparsity)
        return twins["test_accuracy"] - self.dense["test_accuracy"].reindex(twins.index)

    def difference(self, one: str, other: str, sparsity: int) -> Estimate:
        """Test accuracy by one method minus that by another, per model."""
        first, second = (self.twins(method, sparsity)["test_accuracy"] for method in (one, other))
        return mean_of(first - second)

    def collapsed(self, method: str, sparsity: int | None = None) -> pd.Series:
        """Whether twins of originals that are not collapsed are."""
        alive = self.dense.index[self.dense["status"] == "ok"]
        twins = self.twins(method, sparsity)
        return twins.loc[twins.index.isin(alive), "status"] == "collapsed"


def verdict(estimates: list[Estimate], bound: float = 0.0) -> str:
    """Whether numbers are above a bound: in all zoos, in none, or neither."""
    if all(one.low > bound for one in estimates):
        return "holds"
    return "fails" if all(one.high < bound for one in estimates) else "inconclusive"


class Page:
    """What the page shows: a method for each name after `made:`, and the numbers after `n:`."""

    def __init__(self, networks: pd.DataFrame):
        self.zoos = {name: Zoo(part) for name, part in networks.groupby("zoo", sort=False)}

    def estimates(self, function: Callable[[Zoo], Estimate]) -> list[Estimate]:
        return [function(zoo) for zoo in self.zoos.values()]

    def tradeoff(self) -> str:
        """Accuracy, change and collapses by method and sparsity."""
        rows = []
        for name, zoo in self.zoos.items():
            dense = zoo.dense["test_accuracy"]
            alive = share_of(zoo.dense["status"] == "collapsed")
            rows.append([ZOOS[name], "dense", "0", mean_of(dense).text(100), "", alive.text(100, 0), len(dense)])
            for method in PRUNING:
                for sparsity in SPARSITIES:
                    twins, died = zoo.twins(method, sparsity), share_of(zoo.collapsed(method, sparsity))
                    change = mean_of(zoo.change(method, sparsity)).text(100)
                    accuracy = mean_of(twins["test_accuracy"]).text(100)
                    rows.append(
                        [
                            ZOOS[name],
                            get_sparsifier(method).short,
                            sparsity,
                            accuracy,
                            change,
                            died.text(100, 0),
                            len(twins),
                        ]
                    )
            twins = zoo.twins("vd")
            change, died = mean_of(twins["test_accuracy"] - dense).text(100), share_of(zoo.collapsed("vd")).text(100, 0)
            reached = mean_of(twins["sparsity"]).text(100)
            rows.append(
                [ZOOS[name], "VD", reached, mean_of(twins["test_accuracy"]).text(100), change, died, len(twins)]
            )
        heads = ["Data", "Twins", "Sparsity, %", "Accuracy, %", "Change, points", "Collapsed, %", "n"]
        return markdown(heads, rows, right=range(2, 7))

    def predictors(self) -> str:
        """R² and τ of the predictors that learn from dense networks, and of those that learn from twins."""
        rows = []
        for name, zoo in self.zoos.items():
            for label, networks in self._groups(zoo):
                cells = [
                    agreement(networks, column, statistic).text(1, 2)
                    for column in ("from_dense", "from_twins")
                    for statistic in ("r2", "tau")
                ]
                alive = networks[networks["status"] == "ok"]
                few = len(alive) < FOLDS
                order = "–" if few else agreement(alive, "from_dense", "tau").text(1, 2)
                rows.append([ZOOS[name], label, *cells, order, f"{len(networks)}, {len(alive)}"])
        heads = ["Data", "Predicted", "R², dense", "τ, dense", "R², twins", "τ, twins", "τ, dense, not collapsed", "n"]
        return markdown(heads, rows, right=range(2, 8))

    @staticmethod
    def _groups(zoo: Zoo) -> Iterator[tuple[str, pd.DataFrame]]:
        yield "dense", zoo.dense
        for method in PRUNING:
            for sparsity in SPARSITIES:
                yield f"{get_sparsifier(method).short}, {sparsity} %", zoo.twins(method, sparsity)
        yield "VD", zoo.twins("vd")

    def collapses(self) -> str:
        """Share of models that collapse by factor, and whether the levels differ more than by chance."""
        rows = []
        for name, zoo in self.zoos.items():
            died = pd.concat([zoo.collapsed(method, 90) for method in PRUNING]).groupby(level=0).mean()
            factors = [factor for factor in FACTORS if factor in zoo.dense and len(zoo.dense[factor].unique()) > 1]
            levels = {factor: zoo.dense.loc[died.index, factor] for factor in factors}
            p = [stats.kruskal(*(part for _, part in died.groupby(level))).pvalue for level in levels.values()]
            for (factor, level), adjusted in zip(levels.items(), holm(np.nan_to_num(p, nan=1.0)), strict=True):
                shares = died.groupby(level).agg(["mean", "size"])
                cells = (f"{key}: {100 * row['mean']:.0f} ({row['size']:.0f})" for key, row in shares.iterrows())
                shown = ", ".join(cells)
                rows.append([ZOOS[name], f"`{factor}`", shown, f"{adjusted:.2g}"])
        return markdown(["Data", "Factor", "Collapsed, % (n)", "p, corrected"], rows, right=[3])

    def verdicts(self) -> str:
        """The hypotheses, each in both zoos."""
        rows = []

        def add(text: str, function: Callable[[Zoo], Estimate], scale: float, digits: int) -> None:
            found = self.estimates(function)
            rows.append([text, verdict(found), *(f"{one.text(scale, digits)} · {one.models}" for one in found)])

        for sparsity in SPARSITIES:
            add(f"GMP is better than MP at {sparsity} %", lambda z, s=sparsity: z.difference("gmp", "mp", s), 100, 1)
        for sparsity in SPARSITIES:
            text = f"MP is better than random pruning at {sparsity} %"
            add(text, lambda z, s=sparsity: z.difference("mp", "rp", s), 100, 1)
        add("dense networks: R² > 0, learned from dense", lambda z: agreement(z.dense, "from_dense", "r2"), 1, 2)
        for source, learned_from in (("dense", "dense networks"), ("twins", "twins")):
            for method in PRUNING:
                add(
                    f"{get_sparsifier(method).short} twins, 90 %: R² > 0, learned from {learned_from}",
                    lambda z, m=method, c=f"from_{source}": agreement(z.twins(m, 90), c, "r2"),
                    1,
                    2,
                )
                add(
                    f"{get_sparsifier(method).short} twins, 90 %: τ > 0, learned from {learned_from}",
                    lambda z, m=method, c=f"from_{source}": agreement(z.twins(m, 90), c, "tau"),
                    1,
                    2,
                )
        heads = ["Hypothesis", "Verdict", *(f"{ZOOS[name]} · n" for name in self.zoos)]
        return markdown(heads, rows, right=range(2, 2 + len(self.zoos)))

    def number(self, expression: str) -> str:
        """A number of the text: a zoo, then `change mp 90`, `collapsed vd`, `r2 dense mp 90` or the like."""
        name, kind, *rest = expression.split()
        zoo = self.zoos[name]
        if kind == "n":
            return str(len(zoo.dense))
        if kind == "change":
            return mean_of(zoo.change(rest[0], int(rest[1]))).text(100)
        if kind == "accuracy":
            return mean_of(zoo.dense["test_accuracy"]).text(100)
        if kind == "collapsed":
            return share_of(zoo.collapsed(rest[0], int(rest[1]) if len(rest) > 1 else None)).text(100, 0)
        if kind == "difference":
            return zoo.difference(rest[0], rest[1], int(rest[2])).text(100)
        if kind == "sparsity":
            return mean_of(zoo.twins("vd")["sparsity"]).text(100)
        networks = zoo.dense if rest[1] == "dense" else zoo.twins(rest[1], int(rest[2]) if len(rest) > 2 else None)
        return agreement(networks, f"from_{rest[0]}", kind).text(1, 2)

    @styled
    def figure(self) -> Figure:
        """Accuracy, and what predictors explain of it, against sparsity."""
        figure, axes = plt.subplots(len(self.zoos), 3, figsize=(7, 2.1 * len(self.zoos)), sharex=True, squeeze=False)
        for row, (name, zoo) in zip(axes, self.zoos.items(), strict=True):
            for method in PRUNING:
                found = [mean_of(zoo.twins(method, sparsity)["test_accuracy"]) for sparsity in SPARSITIES]
                draw_line(row[0], SPARSITIES, found, COLOURS[method], get_sparsifier(method).short, 100)
                for axis, statistic in zip(row[1:], ("r2", "tau"), strict=True):
                    for column, style in (("from_dense", "-"), ("from_twins", "--")):
                        parts = [zoo.twins(method, sparsity) for sparsity in SPARSITIES]
                        found = [agreement(part, column, statistic) for part in parts]
                        draw_line(axis, SPARSITIES, found, COLOURS[method], None, 1, style)
            row[0].axhline(100 * zoo.dense["test_accuracy"].mean(), color="black", lw=0.8, ls=":", label="dense")
            row[0].set_ylabel(f"{ZOOS[name]}\naccuracy, %")
            row[1].set_ylabel("R² of predictions")
            row[1].set_ylim(-1.5, 1)
            row[2].set_ylabel("Kendall's τ")
            for axis in row[1:]:
                axis.axhline(0, color="black", lw=0.8, ls=":")
        for axis in axes[-1]:
            axis.set_xlabel("pruned weights, %")
        axes[0, 0].legend(fontsize=6)
        return figure


def draw_line(axis, sparsities, found: list[Estimate], colour: str, label: str | None, scale, style="-") -> None:
    """Draw estimates with their intervals against sparsities, in percent."""
    values, low, high = (np.array([scale * getattr(one, name) for one in found]) for name in ("value", "low", "high"))
    axis.errorbar(
        sparsities,
        values,
        [values - low, high - values],
        color=colour,
        label=label,
        ls=style,
        capsize=2,
        lw=1,
        marker="o",
        ms=2,
    )


def main() -> None:
    results = page_arguments(__doc__)
    DATA.mkdir(exist_ok=True)
    if results:
        published = [results / "published" / zoo for zoo in ZOOS]
        networks = pd.concat([networks_of(folder) for folder in published if folder.is_dir()])
        networks.to_csv(DATA / "networks.csv", index=False, float_format="%.6g")
    page = Page(pd.read_csv(DATA / "networks.csv"))
    save(page.figure(), [ROOT / "docs/images/small_cnn_zoo.png"], {})
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(made_anew(text, lambda name: getattr(page, name)(), page.number), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The numbers and figures on docs/sparsifiers_compared.md, from the long tables of `COMPARISONS` under data/.

    snakemake --cores 2 --configfile config/all_sparsifiers.yaml    or config/all_sparsifiers_full.yaml
    python docs/sparsifiers_compared.py --keep mini results   keeps the long tables of a run, and makes the page of them
    python docs/sparsifiers_compared.py                       makes the page of what is kept; no run is needed

Everything that the page has between `<!-- made: … -->` and `<!-- end -->`, and between `<!-- n: … -->` and `<!-- -->`,
is made anew. A model's twins are compared with its own twin by magnitude pruning, at the sparsity of that; methods
that sweep something else than a sparsity are interpolated there (`zootwins.analyses.pairing`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from kept_tables import ROOT, KeptRun, KeptTables, keep_as_asked
from made_pages import made_anew, markdown, mean_of
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.analyses.intervals import mean_interval
from zootwins.analyses.pairing import equal_sparsity_differences
from zootwins.analyses.results import ZooResults
from zootwins.analyses.status import COLLAPSED
from zootwins.reporting.figures import save, styled
from zootwins.sparsifiers.registry import get_sparsifier

PAGE = ROOT / "docs/sparsifiers_compared.md"
COLOURS = ("#0072B2", "#D55E00")  # of a comparison's zoos
SCORES, REFERENCE, SPARSITIES = ("*/scores",), "mp", (80, 90, 95)
FACTORS = ("optimizer", "dropout")  # that a grid's models differ by


@dataclass(frozen=True)
class Comparison:
    """Zoos that all methods were run on.

    Attributes:
        run: what is kept of them.
        figure: what it is drawn as.
        zoos: their ids, and what the page calls them.
    """

    run: KeptRun
    figure: Path
    zoos: Mapping[str, str]

    def page(self) -> "Page":
        """What the page shows of it."""
        return Page(self.run.tables(), self.zoos)


COMPARISONS = {
    "mini": Comparison(
        KeptRun(ROOT / "config/all_sparsifiers.yaml", ROOT / "data/sparsifiers", SCORES, points=True),
        ROOT / "docs/images/sparsifiers_compared.png",
        {"fmnist_mini_seed": "seed", "fmnist_mini_random": "random"},
    ),
    "full": Comparison(
        KeptRun(ROOT / "config/all_sparsifiers_full.yaml", ROOT / "data/sparsifiers_full", SCORES, points=True),
        ROOT / "docs/images/sparsifiers_compared_full.png",
        {"fmnist_s_seed_trained": "Fashion-MNIST seed", "mnist_s_random_trained": "MNIST grid"},
    ),
}


def compared(results: ZooResults) -> pd.DataFrame:
    """A row per method, goal (percent) and model: change in accuracy from magnitude pruning, accuracy, collapsed.

    Models that put all images into one class before they are pruned are left out.
    """
    parts, counted = [], counted_models(results)
    for goal in SPARSITIES:
        reference = results.at(REFERENCE, goal).loc[counted.index].reset_index()
        reference = reference.assign(collapsed=(reference["status"] == COLLAPSED).astype(float))
        for method in results.zoo.methods:
            curve = results.curve(method)
            curve = curve.assign(collapsed=(curve["status"] == COLLAPSED).astype(float))
            changed = equal_sparsity_differences(curve, reference)
            died = equal_sparsity_differences(curve, reference, "collapsed")
            rows = changed.assign(
                method=method,
                goal=goal,
                change=changed["difference"],
                accuracy=changed["difference"] + changed["test_accuracy"],
                collapsed=(died["difference"] + died["collapsed"]).round() == 1,
            )
            parts.append(rows[["method", "goal", "index", "change", "accuracy", "collapsed"]].dropna())
    return pd.concat(parts, ignore_index=True)


def counted_models(results: ZooResults) -> pd.DataFrame:
    """The models that do not put all images into one class before they are pruned."""
    return results.originals[~results.originals["collapsed"].astype(bool)]


class Page:
    """What the page shows: a method for each name after `made:`, and `number` for each `n:`."""

    def __init__(self, kept: KeptTables, names: Mapping[str, str]):
        self.names = names
        self.zoos = {results.zoo.id: results for results in kept.results(SCORES)}
        parts = [compared(results).assign(zoo=zoo) for zoo, results in self.zoos.items()]
        self.table = pd.concat(parts, ignore_index=True)

    @cached_property
    def models(self) -> dict[str, int]:
        """How many models of each zoo count."""
        return {zoo: len(counted_models(results)) for zoo, results in self.zoos.items()}

    def part(self, goal: int, method: str, zoo: str) -> pd.DataFrame:
        rows = self.table[(self.table["goal"] == goal) & (self.table["method"] == method)]
        return rows[rows["zoo"] == zoo]

    def ranks(self, goal: int) -> pd.Series:
        """Mean over all models of each method's rank, 1 for the best; none for a method that lacks twins of some."""
        rows = self.table[self.table["goal"] == goal]
        wide = rows.pivot_table(index=["zoo", "index"], columns="method", values="accuracy")
        return wide.dropna(axis=1).round(9).rank(axis=1, ascending=False).mean()

    def order(self, goal: int) -> list[str]:
        """Methods that reach a sparsity, the best first: by rank, then those without one by their change."""
        rows = self.table[self.table["goal"] == goal]
        change = rows.groupby(["method", "zoo"])["change"].mean().groupby("method").mean()
        ranks = self.ranks(goal)
        return sorted(change.index, key=lambda method: (ranks.get(method, np.inf), -change[method]))

    def comparison(self, goal: str) -> str:
        """All methods at a sparsity."""
        ranks, rows = self.ranks(int(goal)), []
        for method in self.order(int(goal)):
            cells = [get_sparsifier(method).short]
            for zoo in self.zoos:
                own = self.part(int(goal), method, zoo)
                change = "" if method == REFERENCE else mean_of(own["change"]).text(100) if len(own) > 1 else "–"
                cells += [change, str(len(own)), str(own["collapsed"].sum())]
            rank = f"{ranks[method]:.1f}" if method in ranks else "–"
            rows.append([*cells, rank])
        of_zoo = [(f"{name}: less MP", f"{name}: n", f"{name}: collapsed") for name in self.names.values()]
        return markdown(["Sparsifier", *sum(of_zoo, ()), "rank"], rows)

    def groups(self, method: str) -> str:
        """Change by a method in parts of a grid, at each sparsity."""
        rows = []
        for zoo, results in self.zoos.items():
            factors = counted_models(results)
            for factor in [name for name in FACTORS if len(factors[name].unique()) > 1]:
                for level, own in factors.groupby(factor):
                    parts = [self.part(goal, method, zoo) for goal in SPARSITIES]
                    parts = [part[part["index"].isin(own.index)] for part in parts]
                    cells = [mean_of(part["change"]).text(100) if len(part) > 1 else "–" for part in parts]
                    died = ", ".join(str(part["collapsed"].sum()) for part in parts)
                    rows.append([f"`{factor}: {level}`", str(len(own)), *cells, died])
        return markdown(["Models", "n", *(f"{goal} %" for goal in SPARSITIES), "collapsed"], rows)

    def number(self, expression: str) -> str:
        """A number of the text: `models`, or `change` or `collapsed METHOD GOAL ZOO` with one of the zoos' names."""
        kind, *rest = expression.split()
        if kind == "models":
            return str(sum(self.models.values()))
        method, goal, *name = rest
        own = self.part(int(goal), method, next(zoo for zoo, known in self.names.items() if known == " ".join(name)))
        return str(own["collapsed"].sum()) if kind == "collapsed" else mean_of(own["change"]).text(100)

    @styled
    def figure(self) -> Figure:
        """Change in accuracy from magnitude pruning by method, a panel per sparsity, a colour per zoo."""
        order = [method for method in self.order(SPARSITIES[1]) if method != REFERENCE]
        order += [method for method in self.order(SPARSITIES[0]) if method not in (*order, REFERENCE)]
        figure, panels = plt.subplots(1, len(SPARSITIES), figsize=(7, 0.17 * len(order) + 0.7), sharey=True)
        for axes, goal in zip(panels, SPARSITIES, strict=True):
            axes.axvline(0, color="black", linewidth=0.8)
            axes.set_title(f"{goal} % pruned")
            for shift, zoo in zip((-0.17, 0.17), self.zoos, strict=True):
                self._points(axes, order, goal, zoo, shift)
        panels[0].set_yticks(range(len(order)), [get_sparsifier(method).short for method in order])
        panels[0].invert_yaxis()
        panels[1].set_xlabel("Test accuracy less that by magnitude pruning, points")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
        return figure

    def _points(self, axes: Axes, order: list[str], goal: int, zoo: str, shift: float) -> None:
        parts = [self.part(goal, method, zoo)["change"].to_numpy() for method in order]
        known = [(place, part) for place, part in enumerate(parts) if len(part) > 1]
        means = 100 * np.array([part.mean() for _, part in known])
        reach = np.abs(100 * np.array([mean_interval(part) for _, part in known]).T - means)
        label = f"{self.names[zoo]} zoo, n = {self.models[zoo]}"
        colour = COLOURS[list(self.zoos).index(zoo)]
        places = [place + shift for place, _ in known]
        axes.errorbar(means, places, xerr=reach, fmt="o", markersize=2.5, lw=0.9, color=colour, label=label)


def with_numbers(text: str, pages: Mapping[str, Page]) -> str:
    """The page's text, everything that is made put in anew."""

    def block(asked: str) -> str:
        comparison, name, *rest = asked.split()
        return getattr(pages[comparison], name)(*rest)

    def number(asked: str) -> str:
        comparison, _, rest = asked.partition(" ")
        return pages[comparison].number(rest)

    return made_anew(text, block, number)


def main() -> None:
    keep_as_asked(__doc__, {name: comparison.run for name, comparison in COMPARISONS.items()})
    pages = {name: comparison.page() for name, comparison in COMPARISONS.items() if comparison.run.folder.is_dir()}
    for name, page in pages.items():
        save(page.figure(), [COMPARISONS[name].figure], {})
    PAGE.write_text(with_numbers(PAGE.read_text(encoding="utf-8"), pages), encoding="utf-8")


if __name__ == "__main__":
    main()

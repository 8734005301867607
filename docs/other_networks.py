"""The tables and the figure on docs/other_networks.md, from the table of networks in docs/other_networks/.

    snakemake --cores 2 results/tables/sparsity_tradeoff.csv --configfile config/lenet.yaml    or config/resnet.yaml
    python docs/other_networks.py --keep results   keeps a run's networks beside others', makes the page
    python docs/other_networks.py                  makes the page of what is kept

Everything that the page has between `<!-- made: … -->` and `<!-- end -->`, and between `<!-- n: … -->` and `<!-- -->`,
is made anew.
"""

import sys
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pandas as pd
from kept_tables import ROOT, page_arguments
from made_pages import Estimate, made_anew, markdown, mean_of, share_of
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from scipy import stats
from small_cnn_zoo import draw_line

from zootwins.reporting.figures import save, styled
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.frames import read_models, read_parquet

PAGE, DATA = ROOT / "docs/other_networks.md", ROOT / "docs/other_networks"
ZOOS = {"fmnist_lenet_300_100": "LeNet-300-100", "fmnist_resnet20": "ResNet-20, ¼ as wide"}
TICKET, ANEW = "lottery", "scratch"


def networks_of(results: Path, zoo: str) -> pd.DataFrame:
    """A row per model, method and sparsity: of the last epoch, and of the epoch with the best validation accuracy."""
    models = read_models(results / f"zoos/{zoo}/models.csv").set_index("index")
    rows = [pd.DataFrame({"method": "dense", "sparsity": 0.0, "accuracy": models["test_accuracy"]})]
    for folder in sorted((results / f"metrics/{zoo}").iterdir()):
        if not (folder / "scores.parquet").exists():
            continue
        scores = read_parquet(folder / "scores.parquet")
        keys = ["index", "ratio"] if "ratio" in scores else ["index"]
        scores = scores[scores["ratio"] > 0] if "ratio" in scores else scores  # without the controls, not pruned
        last = scores.sort_values("epoch").groupby(keys).tail(1).set_index(keys)
        trained = scores[scores["epoch"] > 0]
        best = trained.loc[trained.groupby(keys)["validation_accuracy"].idxmax()].set_index(keys)
        columns = {"sparsity": last["sparsity"], "accuracy": last["test_accuracy"], "status": last["status"]}
        chosen = {"best_epoch": best["epoch"], "best_accuracy": best["test_accuracy"]}
        rows.append(pd.DataFrame(columns | chosen).reset_index().set_index("index").assign(method=folder.name))
    return pd.concat(rows).rename_axis("model").reset_index().assign(zoo=zoo)


def costs_of(results: Path, zoo: str) -> pd.DataFrame:
    """Seconds of a core that each step took, by Snakemake's benchmarks."""
    steps = {"training": f"train_zoo/{zoo}"} | {
        path.name: f"sparsify/{zoo}/{path.name}" for path in sorted((results / f"benchmarks/sparsify/{zoo}").iterdir())
    }
    jobs = {step: list((results / "benchmarks" / place).glob("*.tsv")) for step, place in steps.items()}
    seconds = {
        step: sum(pd.read_csv(file, sep="\t")["cpu_time"].sum() for file in files) for step, files in jobs.items()
    }
    return pd.DataFrame({"zoo": zoo, "step": list(seconds), "core_seconds": list(seconds.values())})


class Page:
    """What the page shows: a method for each name after `made:`."""

    def __init__(self, networks: pd.DataFrame, costs: pd.DataFrame):
        by_zoo = dict(iter(networks.groupby("zoo")))
        self.zoos = {zoo: by_zoo[zoo] for zoo in ZOOS if zoo in by_zoo}
        self.costs = costs

    def tradeoff(self) -> str:
        """Accuracy by method and sparsity, at the last epoch."""
        rows = []
        for zoo, networks in self.zoos.items():
            dense = networks[networks["method"] == "dense"].set_index("model")["accuracy"]
            rows.append([ZOOS[zoo], "dense", "0", mean_of(dense).text(100), "", "", len(dense)])
            for method, own, change in _twins(networks):
                died = f"{(own['status'] == 'collapsed').sum()} of {len(own)}"
                sparsity = f"{100 * own['sparsity'].mean():.1f}"
                accuracy = mean_of(own["accuracy"]).text(100)
                changed = change.text(100)
                rows.append([ZOOS[zoo], get_sparsifier(method).short, sparsity, accuracy, changed, died, len(own)])
        heads = ["Network", "Twins", "Sparsity, %", "Accuracy, %", "Change, points", "Collapsed", "n"]
        return markdown(heads, rows, right=range(2, 7))

    def tickets(self) -> str:
        """Winning tickets against the same masks on new initial weights, at each one's best epoch by validation."""
        rows = []
        for zoo, networks in self.zoos.items():
            for ratio, gain in _gains_of_tickets(networks):
                better = share_of(gain > 0)
                p = stats.binomtest(int((gain > 0).sum()), int((gain != 0).sum()) or 1).pvalue
                numbers = better.text(100, 0), mean_of(gain).text(100, 2), f"{p:.2g}", _verdict(better), len(gain)
                rows.append([ZOOS[zoo], f"{100 * (1 - ratio):.1f}", *numbers])
        heads = ["Network", "Weights left, %", "Ticket better, % of models", "Gain, points", "p", "Verdict", "n"]
        return markdown(heads, rows, right=[1, 2, 3, 4, 6])

    def number(self, asked: str) -> str:
        """A number of the text: `gain` or `better ZOO RATIO` of tickets, `change ZOO METHOD RATIO` of accuracy."""
        kind, zoo, *rest = asked.split()
        networks = self.zoos[zoo]
        if kind == "change":
            (found,) = (
                change for method, own, change in _twins(networks) if [method, f"{own['ratio'].iloc[0]:g}"] == rest
            )
            return found.text(100)
        (gain,) = (gain for ratio, gain in _gains_of_tickets(networks) if [f"{ratio:g}"] == rest)
        return mean_of(gain).text(100) if kind == "gain" else f"{(gain > 0).sum()} of {len(gain)}"

    def cost(self) -> str:
        """Seconds of a core by step."""
        wide = self.costs.pivot_table("core_seconds", "zoo", "step", sort=False)
        shown = (
            wide.map(lambda seconds: "–" if pd.isna(seconds) else f"{seconds:.0f}")
            .rename(index=ZOOS)
            .rename_axis("Core seconds")
            .reset_index()
        )
        return markdown(list(shown), shown.to_numpy())

    @styled
    def figure(self) -> Figure:
        """The change of accuracy against sparsity, a panel for each network."""
        figure, axes = plt.subplots(1, len(self.zoos), figsize=(3.6 * len(self.zoos), 2.6), squeeze=False)
        methods = sorted({method for networks in self.zoos.values() for method in networks["method"]} - {"dense"})
        colours = {method: f"C{place}" for place, method in enumerate(methods)}
        for axis, (zoo, networks) in zip(axes[0], self.zoos.items(), strict=True):
            for method, twins in groupby(_twins(networks), key=itemgetter(0)):
                points = [(100 * own["sparsity"].mean(), change) for _, own, change in twins]
                draw_line(axis, *zip(*points, strict=True), colours[method], get_sparsifier(method).short, 100)
            axis.axhline(0, color="black", lw=0.8, ls=":")
            axis.set(title=f"{ZOOS[zoo]}, n = {networks['model'].nunique()}", xlabel="pruned weights, %")
            axis.legend(fontsize=6, loc="lower left")
        axes[0, 0].set_ylabel("change in accuracy, points")
        return figure


def _twins(networks: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, Estimate]]:
    """Each method's twins at each ratio, by model, with the change from the dense networks of the same models."""
    dense = networks[networks["method"] == "dense"].set_index("model")["accuracy"]
    for (method, _), twins in networks.fillna({"ratio": -1}).groupby(["method", "ratio"]):
        if method != "dense":
            own = twins.set_index("model")
            yield method, own, mean_of(own["accuracy"] - dense.reindex(own.index))


def _gains_of_tickets(networks: pd.DataFrame) -> Iterator[tuple[float, pd.Series]]:
    """Each ratio with the tickets' accuracies less those of the same masks on new initial weights, where both are."""
    both = networks[networks["method"].isin([TICKET, ANEW])]
    wide = both.pivot_table("best_accuracy", ["ratio", "model"], "method")
    if ANEW in wide:
        for ratio, pairs in wide.groupby(level="ratio"):
            yield ratio, pairs[TICKET] - pairs[ANEW]


def _verdict(share: Estimate) -> str:
    """Whether most models are better: the share's interval is above or below a half, or neither."""
    return "holds" if share.low > 0.5 else "fails" if share.high < 0.5 else "inconclusive"


def _kept(name: str, found: list[pd.DataFrame]) -> pd.DataFrame:
    """Keep what was found now beside what was kept of other zoos."""
    path, zoos = DATA / f"{name}.csv", {zoo for frame in found for zoo in frame["zoo"]}
    kept = pd.read_csv(path)
    table = pd.concat([kept[~kept["zoo"].isin(zoos)], *found])
    table.to_csv(path, index=False, float_format="%.6g")
    return pd.read_csv(path)


def with_numbers(text: str, page: Page) -> str:
    """The page's text, everything that is made put in anew."""
    return made_anew(text, lambda name: getattr(page, name)(), page.number)


def main() -> None:
    results = page_arguments(__doc__)
    found = [zoo for zoo in ZOOS if results and (results / f"metrics/{zoo}/{TICKET}").is_dir()]
    if results and not found:
        sys.exit(
            f"{results}: has no lottery tickets of {' or '.join(ZOOS)}; run config/lenet.yaml or config/resnet.yaml"
        )
    networks = _kept("networks", [networks_of(results, zoo) for zoo in found])
    page = Page(networks, _kept("costs", [costs_of(results, zoo) for zoo in found]))
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_numbers(text, page), encoding="utf-8")
    save(page.figure(), [ROOT / "docs/images/other_networks.png"], {})


if __name__ == "__main__":
    main()

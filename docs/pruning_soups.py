"""The numbers and figures on docs/pruning_soups.md, from the long tables under data/pruning_soups and data/soups.

    snakemake --cores 2 pruning_soups   the mini zoos; with --configfile config/pruning_soups.yaml full data
    snakemake --cores 2 soups --configfile config/resnet_experiments.yaml
    python docs/pruning_soups.py --keep mini results   keeps the long tables of a run, and makes the page of them
    python docs/pruning_soups.py                       makes the page of what is kept; no run is needed

Everything that the page has between `<!-- made: … -->` and `<!-- end -->`, and between `<!-- n: … -->` and `<!-- -->`,
is made anew.
"""

import pandas as pd
from kept_tables import ROOT, KeptRun, keep_as_asked
from made_pages import Estimate, markdown, signed, with_numbers

from zootwins.reporting.figures import save
from zootwins.reporting.figures.pruning_soup_gain import pruning_soup_gain
from zootwins.sparsifiers.registry import get_sparsifier

PAGE = ROOT / "docs/pruning_soups.md"
WHILE_PRUNING, OF_MEMBERS = (
    ("pruning_soups", "pruning_soup_pairs"),
    ("soups", "soup_pairs", "soup_shifted", "soup_noise"),
)
MINI = KeptRun(ROOT / "config.yaml", ROOT / "data/pruning_soups", WHILE_PRUNING)
FULL = KeptRun(ROOT / "config/pruning_soups.yaml", ROOT / "data/pruning_soups", WHILE_PRUNING)
BATCH_NORM = KeptRun(ROOT / "config/resnet_experiments.yaml", ROOT / "data/soups", OF_MEMBERS)
FIGURES = {"pruning_soup_gain": MINI, "pruning_soup_gain_full": FULL}
AGAINST = {
    "single": "the method alone",
    "restarted": "its optimiser restarted",
    "long": "three times as long",
    "mean_member": "its mean copy, last average",
}
VARIANTS = ("seed", "constant")  # members under the schedule, and at a constant rate
MEMBERS = {
    "soup less its mean member, points": ("soup", "mean_member"),
    "the same, statistics of batch normalisation averaged instead of recomputed": ("soup_unrecomputed", "mean_member"),
    "recomputed less averaged statistics": ("soup", "soup_unrecomputed"),
    "soup less one run three times as long": ("soup", "imp_long"),
}
BARRIERS = {
    "barrier between two members, points": "barrier",
    "the same, statistics interpolated instead of recomputed": "barrier_unrecomputed",
}


class Page:
    """What the page shows: a method for each name after `made:` and `n:`; zoos are named by their ids."""

    def __init__(self) -> None:
        names = ("pruning_soup_gains", "pruning_soup_barriers")
        runs = [run.tables().make(names) for run in (MINI, FULL) if run.tables().models]
        self.gains, self.barriers = (pd.concat([made[name] for made in runs], ignore_index=True) for name in names)
        self.members = BATCH_NORM.tables().make(("soup_gains", "soup_barrier"))

    def gains_of(self, *zoos: str) -> str:
        """What soups gain, a column per method, a line per comparison and zoo; bold: the interval excludes 0."""
        table = self.gains[self.gains["zoo"].isin(zoos)]
        methods = sorted(table["method"].unique(), key=lambda method: get_sparsifier(method).short)
        names = {zoo: f", {zoo.rpartition('_')[2]}" if len(zoos) > 1 else "" for zoo in zoos}
        rows = [
            [text + names[zoo], *(_bold(self._gain(zoo, method, against)) for method in methods)]
            for against, text in AGAINST.items()
            for zoo in zoos
        ]
        return markdown(["soup less …", *(get_sparsifier(method).short for method in methods)], rows)

    def batch_norm(self) -> str:
        """Soups of networks with batch normalisation whose members differ in batch order alone."""
        gains, barriers = self.members.values()
        soups = gains[(gains["arm"] == "soup") & (gains["against"] == "mean_member")].set_index("variant")
        rows = [["accuracy of the soup, %", *(f"{soups['accuracy'][variant]:.1f}" for variant in VARIANTS)]]
        for text, (arm, against) in MEMBERS.items():
            part = gains[(gains["arm"] == arm) & (gains["against"] == against)].set_index("variant")
            rows.append([text, *(_estimate(part.loc[variant]).text(1, 2) for variant in VARIANTS)])
        for text, name in BARRIERS.items():
            part = barriers.set_index("variant")
            rows.append([text, *(_estimate(part.loc[variant], f"{name}_").text(1, 2) for variant in VARIANTS)])
        return markdown(["", "`llr`", "constant rate"], rows)

    def gain(self, zoo: str, method: str, against: str) -> str:
        """What soups gain over something, points."""
        return self._gain(zoo, method, against).text()

    def restarts(self, zoo: str, method: str) -> str:
        """What restarting the optimiser gains over the method alone, points."""
        single, restarted = (self._gain(zoo, method, against).value for against in ("single", "restarted"))
        return signed(single - restarted)

    def models(self, zoo: str) -> str:
        """How many models count, from the fewest of a method to the most."""
        return _range(self.gains.loc[self.gains["zoo"] == zoo, "models"], 0)

    def agreement(self, zoo: str) -> str:
        """Share of test images that copies agree on, percent, from the least of a method to the most."""
        return _range(self.barriers.loc[self.barriers["zoo"] == zoo, "agreement"], 0)

    def barrier(self, zoo: str) -> str:
        """Barrier between copies, points, from the least of a method to the most."""
        return _range(self.barriers.loc[self.barriers["zoo"] == zoo, "barrier_mean"], 1)

    def _gain(self, zoo: str, method: str, against: str) -> Estimate:
        table = self.gains
        chosen = (table["zoo"] == zoo) & (table["method"] == method) & (table["against"] == against)
        return _estimate(table[chosen].squeeze())


def _estimate(row: pd.Series, prefix: str = "") -> Estimate:
    return Estimate(*(row[prefix + name] for name in ("mean", "low", "high")), row["models"])


def _bold(estimate: Estimate) -> str:
    text = estimate.text()
    return f"**{text}**" if estimate.low > 0 or estimate.high < 0 else text


def _range(values: pd.Series, digits: int) -> str:
    low, high = (f"{value:.{digits}f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def main() -> None:
    keep_as_asked(__doc__, {"mini": MINI, "full": FULL, "batch_norm": BATCH_NORM})
    for name, run in FIGURES.items():
        if run.tables().models:
            figure = pruning_soup_gain(run.tables().results(WHILE_PRUNING))
            save(figure, [ROOT / f"docs/images/{name}.png"], {})
    PAGE.write_text(with_numbers(PAGE.read_text(encoding="utf-8"), Page()), encoding="utf-8")


if __name__ == "__main__":
    main()

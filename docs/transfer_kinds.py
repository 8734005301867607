"""The numbers and figures on docs/transfer_kinds.md, from the long tables under data/transfer_kinds.

    snakemake --cores 2 transfer --configfile config/transfer_kinds.yaml    or config/transfer_kinds_full.yaml
    python docs/transfer_kinds.py --keep transfer_kinds results   keeps the long tables of a run, makes the page
    python docs/transfer_kinds.py                                 makes the page of what is kept; no run is needed

Everything that the page has between `<!-- made: … -->` and `<!-- end -->`, and between `<!-- n: … -->` and `<!-- -->`,
is made anew.
"""

import pandas as pd
from kept_tables import ROOT, KeptRun, keep_as_asked
from made_pages import Estimate, markdown, with_numbers

from zootwins.reporting.figures import save
from zootwins.reporting.figures.transfer import transfer
from zootwins.sparsifiers.registry import get_sparsifier

PAGE = ROOT / "docs/transfer_kinds.md"
KEPT, TABLES = ROOT / "data/transfer_kinds", ("transfer",)
RUNS = {
    "transfer_kinds": KeptRun(ROOT / "config/transfer_kinds.yaml", KEPT, TABLES),
    "transfer_kinds_full": KeptRun(ROOT / "config/transfer_kinds_full.yaml", KEPT, TABLES),
}
MODES = ("linear", "full", "linear − full")
GOALS = (80, 90)
CLAIM = 9  # of the paper's: on kinds of pruning


class Page:
    """What the page shows: a method for each name after `made:` and `n:`; zoos are named by their ids."""

    def __init__(self) -> None:
        names = ("transfer_kinds", "transfer_findings", "transfer")
        runs = [run.tables().make(names) for run in RUNS.values() if run.tables().models]
        self.kinds, self.findings, self.accuracies = (pd.concat([made[name] for made in runs]) for name in names)

    def claims(self, zoo: str) -> str:
        """The paper's claims on kinds of pruning, a line per kind, with a verdict at each sparsity."""
        table = self.findings[(self.findings["zoo"] == zoo) & (self.findings["claim"] == CLAIM)]
        rows = []
        for kind, part in table.groupby("method", sort=False):
            better = part["finding"].str.extract(r"better in (\w+) transfer")[0].iloc[0]
            cells = [
                f"{_estimate(row, 'value').text()}, {row['verdict'].replace('does not hold', 'fails')}"
                for goal in GOALS
                for _, row in part[part["finding"].str.contains(f"{goal} %")].iterrows()
            ]
            rows.append([kind, better, *cells])
        heads = [
            "linear − full, less the mean of the other kinds",
            "the paper: better in",
            *(f"{goal} %" for goal in GOALS),
        ]
        return markdown(heads, rows, right=[2, 3])

    def differences(self, zoo: str) -> str:
        """Every method's difference from the dense control in each mode."""
        table = self.kinds[self.kinds["zoo"] == zoo]
        rows = []
        for (goal, kind, method), part in table.groupby(["goal", "kind", "method"], sort=False):
            modes = part.set_index("mode")
            cells = [_estimate(modes.loc[mode]).text() for mode in MODES]
            name = f"{get_sparsifier(method).short}, {goal} %"
            rows.append([name, kind, f"{modes['sparsity'].iloc[0]:.1f}", modes["models"].iloc[0], *cells])
        heads = ["", "kind", "sparsity below the head", "n", "linear less control", "full less control", MODES[-1]]
        return markdown(heads, rows, right=range(2, 7))

    def concordance(self, zoo: str, goal: str, mode: str) -> str:
        """Kendall's W of the kinds over the models in a mode, and Friedman's p."""
        asked = {"linear": MODES[0], "full": MODES[1], "both": MODES[2]}[mode]
        table = self.kinds
        row = table[(table["zoo"] == zoo) & (table["goal"] == int(goal)) & (table["mode"] == asked)].iloc[0]
        p = f"= {row['kinds_p']:.2g}" if row["kinds_p"] >= 1e-4 else "< 0.0001"
        return f"W {row['kinds_w']:.2f}, p {p}"

    def control(self, zoo: str, mode: str) -> str:
        """Accuracy of the dense controls, percent."""
        table = self.accuracies
        chosen = (table["zoo"] == zoo) & (table["mode"] == mode) & (table["method"] == "mp") & (table["point"] == 0)
        return f"{table.loc[chosen, 'mean'].squeeze():.1f}"

    def verdicts(self, zoo: str, verdict: str) -> str:
        """How many of the tests on kinds hold, fail or are inconclusive."""
        table = self.findings[(self.findings["zoo"] == zoo) & (self.findings["claim"] == CLAIM)]
        found = table["verdict"].replace("does not hold", "fails")
        return f"{(found == verdict).sum()} of {len(found)}"

    def models(self, zoo: str) -> str:
        """How many models were transferred."""
        return f"{self.kinds.loc[self.kinds['zoo'] == zoo, 'models'].max()}"


def _estimate(row: pd.Series, value: str = "mean") -> Estimate:
    return Estimate(row[value], row["low"], row["high"], row["models"])


def main() -> None:
    keep_as_asked(__doc__, RUNS)
    for name, run in RUNS.items():
        if run.tables().models:
            save(transfer(run.tables().results(TABLES)), [ROOT / f"docs/images/{name}.png"], {})
    PAGE.write_text(with_numbers(PAGE.read_text(encoding="utf-8"), Page()), encoding="utf-8")


if __name__ == "__main__":
    main()

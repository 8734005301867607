"""The numbers on docs/replication.md, from the results of target `replication`.

    snakemake --cores 2 replication --configfile config/replication.yaml
    python docs/replication.py [results]

Tables of the zoos that were run go into docs/replication/ as CSV; zoos that are there from another run stay, so that
one may be run after another; retest.csv is benchmarks/retest.py's. Then all that the page has between
`<!-- made: … -->` and `<!-- end -->` is made anew.
"""

import re
import sys
from pathlib import Path

import pandas as pd
import yaml
from snakemake.utils import update_config

from zootwins.analyses.cells import QUANTITIES
from zootwins.analyses.hypotheses import ACCURACY, AGREEMENT, CORRELATION, EXCLUDED, FITS, GAP, SPREAD, TRAIN
from zootwins.analyses.paper_comparison import LEVEL, arrange_agreements
from zootwins.analyses.predictability import arrange_predictability
from zootwins.analyses.rank_stability import ORIGINAL
from zootwins.catalogue.entries import load_run
from zootwins.reporting.figures import save
from zootwins.reporting.figures.layer_std import layer_std
from zootwins.reporting.figures.paper_comparison import paper_comparison
from zootwins.reporting.figures.rank_stability import draw_rank_stability
from zootwins.storage.frames import read_csv

ROOT = Path(__file__).parents[1]
CONFIGURATION = ROOT / "config/replication.yaml"
PAGE, DATA = ROOT / "docs/replication.md", ROOT / "docs/replication"
TABLES = ("paper_comparison", "paper_agreement", "hypotheses", "findings", "rank_stability", "predictability")
# What the page shows of these tables; docs/replication/paper_comparison.csv has all.
SHOWN_AT = {"table5": "epoch 15", "table6": "epoch 25", "table7": "epoch 25", "table8": "70 %"}
SHOWN_RATIOS, SHOWN_EPOCHS = (0, 50, 70, 90), (1, 5, 10, 11, 12, 13, 14)  # of the hypotheses on Table 2
LABELS = {TRAIN: "train accuracy", ACCURACY: "accuracy", GAP: "gap"}
VERDICTS = {"does not hold": "fails"}
ELSEWHERE = "at other operating points"  # in the texts of hypotheses
STEPS = {"train_zoo/{zoo}": "training", "sparsify/{zoo}/mp": "MP", "sparsify/{zoo}/vd": "VD"}
MADE = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def collect(results: Path) -> None:
    """Put the zoos of a run among those whose numbers are in docs/replication/."""
    DATA.mkdir(exist_ok=True)
    found = {name: read_csv(results / f"tables/{name}.csv") for name in TABLES}
    models = found["paper_agreement"].groupby("zoo", sort=False)["models"].max()
    zoos = models.index
    found["cost"] = _costs(results, models)
    for name, table in found.items():
        path = DATA / f"{name}.csv"
        kept = pd.read_csv(path) if path.exists() else table.iloc[:0]
        parts = [kept[~kept["zoo"].isin(zoos)], table[table["zoo"].isin(zoos)]]
        pd.concat([part for part in parts if not part.empty] or [table]).to_csv(path, index=False, float_format="%.6g")


def _costs(results: Path, models: pd.Series) -> pd.DataFrame:
    """Hours that each step took for so many models of each zoo, from Snakemake's benchmarks of their shards."""
    rows = []
    for zoo, number in models.items():
        for place, step in STEPS.items():
            files = (results / "benchmarks" / place.format(zoo=zoo)).glob("*.tsv")
            jobs = [pd.read_csv(file, sep="\t") for file in files if int(file.stem.partition("-")[0]) < number]
            if jobs:
                took = pd.concat(jobs)
                hours = {"hours": took["s"].sum() / 3600, "processor_hours": took["cpu_time"].sum() / 3600}
                rows.append({"zoo": zoo, "step": step, "shards": len(took), **hours})
    return pd.DataFrame(rows, columns=["zoo", "step", "shards", "hours", "processor_hours"])


class Blocks:
    """What the page shows: a method for each name after `made:`."""

    def __init__(self, tables: dict[str, pd.DataFrame], titles: dict[str, str]):
        self.tables, self.titles = tables, titles

    def zoos(self) -> str:
        """Which zoos, how many models, and what they took."""
        numbers, cost = self.tables["paper_comparison"], self.tables["cost"]
        rows = []
        for zoo, part in numbers.groupby("zoo", sort=False):
            took = cost[cost["zoo"] == zoo].set_index("step")["processor_hours"]
            rows.append(
                {
                    "Zoo": f"`{zoo}`",
                    "of the paper": f"`{part['paper_zoo'].iloc[0]}`",
                    "n": f"{part['models'].max():.0f}",
                    "n, paper": f"{part['paper_models'].max():.0f}",
                    **{f"{step}, h": f"{took[step]:.1f}" if step in took else "–" for step in STEPS.values()},
                }
            )
        return _markdown(pd.DataFrame(rows))

    def counts(self) -> str:
        """How many numbers agree, by table."""
        grid = arrange_agreements(self.tables["paper_agreement"])
        return _grid(grid.drop(columns="Within the paper's std"), self.titles)

    def differ(self) -> str:
        """The numbers that differ beyond what chance does to all of a zoo's numbers."""
        numbers = self.tables["paper_comparison"]
        differ = numbers[(numbers["p_adjusted"] < LEVEL) & (numbers["table"] != "table8")]  # it repeats Table 5
        if differ.empty:
            return "None.\n"
        rows = pd.DataFrame(
            {
                "Zoo": differ["zoo"].map(self.titles),
                "Table": differ["table"].str.removeprefix("table"),
                "At": differ["at"],
                "Quantity": _named(differ["quantity"]),
                "Ours": [_number(*values) for values in zip(differ["mean"], differ["std"], strict=True)],
                "Paper": [_number(*values) for values in zip(differ["paper_mean"], differ["paper_std"], strict=True)],
                "Difference": differ["difference"].map("{:+.1f}".format),
                "in SE": differ["difference_in_se"].map("{:+.1f}".format),
            }
        )
        return _markdown(rows)

    def numbers(self) -> str:
        """The paper's tables with ours beside them, at the points and quantities that no other table repeats."""
        parts = []
        for name, numbers in self.tables["paper_comparison"].groupby("table", sort=False):
            numbers = numbers[numbers["at"].str.endswith(SHOWN_AT.get(name, ""))]
            if name in ("table7", "table8"):  # accuracies and gaps are those of Tables 6 and 5
                numbers = numbers[~numbers["quantity"].isin(["accuracy", "generalization_gap"])]
            numbers = numbers.assign(
                cell=[_beside(row) for row in numbers.itertuples(index=False)],
                row=numbers["zoo"].map(self.titles) + ", n = " + numbers["models"].map("{:.0f}".format),
                quantity=_named(numbers["quantity"]),
            )
            grid = numbers.pivot_table("cell", ["row", "at"], "quantity", aggfunc="first", sort=False, fill_value="–")
            grid = (
                grid[list(dict.fromkeys(numbers["quantity"]))].reset_index().rename(columns={"row": "Zoo", "at": "At"})
            )
            parts.append(f"### Table {name.removeprefix('table')}\n\n{_markdown(grid)}")
        return "\n".join(parts)

    def correlations(self) -> str:
        """The hypotheses for Table 2, magnitude pruning: r and tau of every zoo, and whether both fit."""
        table = self.tables["hypotheses"]
        chosen = table[(table["number"] == CORRELATION) & (table["method"] == "mp")]
        epochs = chosen["hypothesis"].str.extract(r"twin after (\d+) and")[0].astype(float)
        elsewhere = chosen["hypothesis"].str.contains(ELSEWHERE)
        shown = (~elsewhere | chosen["at"].isin(map(str, SHOWN_RATIOS))) & (epochs.isna() | epochs.isin(SHOWN_EPOCHS))
        chosen = chosen[shown].assign(hypothesis=_reworded(chosen["hypothesis"]))
        rows = []
        for (at, hypothesis), part in chosen.groupby(["at", "hypothesis"], sort=False):
            cells = {self.titles[zoo]: _pair(own) for zoo, own in part.groupby("zoo", sort=False)}
            rows.append({"Hypothesis": hypothesis, "At, %": at, **cells})
        paper = {self.titles[zoo]: _paper_pair(own) for zoo, own in chosen.groupby("zoo", sort=False)}
        return _markdown(pd.DataFrame([{"Hypothesis": "**the paper**", "At, %": "80", **paper}, *rows]).fillna("–"))

    def retest(self) -> str:
        """The same models pruned and trained twice, beside what the paper's Table 2 has of MP."""
        table, hypotheses = self.tables["retest"], self.tables["hypotheses"]
        printed = hypotheses[(hypotheses["number"] == CORRELATION) & (hypotheses["method"] == "mp")]
        paper = {zoo: _paper_pair(own) for zoo, own in printed.groupby("zoo")}
        rows = [
            {
                "Zoo": self.titles[row["zoo"]],
                "n": f"{row['models']:.0f}",
                "Pruned, %": f"{row['sparsity']:.0f}",
                "r, τ of two runs": " · ".join(_interval(row, f"both_{one}") for one in ("r", "tau")),
                "the paper, at 80 %": paper[row["zoo"]] if row["sparsity"] == 80 else "–",
                "τ of originals and a run": _interval(row, "original_first_tau"),
                "τ of originals and both runs' mean": _interval(row, "original_mean_tau"),
            }
            for row in table.to_dict("records")
        ]
        return _markdown(pd.DataFrame(rows))

    def agreements(self) -> str:
        """The hypotheses for agreement; of other sparsities and epochs those that fit."""
        table = self.tables["hypotheses"]
        elsewhere = table["hypothesis"].str.contains(ELSEWHERE)
        shown = (table["number"] == AGREEMENT) & (~elsewhere | (table["verdict"] == FITS))
        at = table["at"].astype(str).where(table["method"] == "vd", table["at"].astype(str) + " %")
        at = at.where(table["method"] == "mp", "epoch " + at)
        table = table.assign(
            Method=table["method"].str.upper(),
            Quantity=table["quantity"],
            hypothesis=_reworded(table["hypothesis"].where(~elsewhere, table["hypothesis"] + ": " + at)),
            paper_text=table["paper"].map("{:.1f}".format) + " at " + at,
        )
        return _readings(table[shown], ["Method", "Quantity"], self.titles)

    def finetuned(self) -> str:
        """How often each reading of Table 5 fits, and after how many epochs accuracy and gap are the paper's."""
        table = self.tables["hypotheses"]
        after = table["hypothesis"].str.startswith("after ")
        readings = table[table["number"].isin([TRAIN, GAP]) & ~after]
        readings = readings.sort_values("number", key=lambda numbers: numbers == GAP, kind="stable")
        readings = readings.assign(Number=readings["number"].map(LABELS))
        text = _fits(readings, ["Number", "hypothesis"], self.titles)
        rows = []
        for (zoo, at), part in table[after & table["number"].isin([ACCURACY, GAP])].groupby(["zoo", "at"], sort=False):
            row = {"Zoo": self.titles[zoo], "Pruned, %": at}
            for number, own in part.groupby("number", sort=False):
                fits = own.loc[own["verdict"] == FITS, "hypothesis"].str.extract(r"(\d+)")[0]
                row[f"Paper's {LABELS[number]}"] = f"{own['paper'].iloc[0]:.1f}"
                row[f"{LABELS[number]} met after epochs"] = _ranges([int(one) for one in fits])
            rows.append(row)
        return f"{text}\n{_markdown(pd.DataFrame(rows))}"

    def spreads(self) -> str:
        """How many of the paper's standard deviations of layers each reading meets."""
        table = self.tables["hypotheses"]
        return _fits(table[table["number"] == SPREAD], ["hypothesis"], self.titles)

    def findings(self) -> str:
        """The paper's findings, tested: a line per method and finding, a column per zoo."""
        table = self.tables["findings"]
        models = table.groupby("zoo")["models"].max()
        rows = []
        for (method, finding), part in table.groupby(["method", "finding"], sort=False):
            row = {"Method": method.upper(), "Finding": finding}
            row["Statistic"] = f"{part['statistic'].iloc[0]} (bound {part['bound'].iloc[0]:g})"
            for one in part.itertuples(index=False):
                few = "" if one.models == models[one.zoo] else f", n = {one.models:.0f}"
                verdict = VERDICTS.get(one.verdict, one.verdict)
                value = f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"
                row[f"{self.titles[one.zoo]}, n = {models[one.zoo]:.0f}"] = f"{verdict}: {value}{few}"
            rows.append(row)
        return _markdown(pd.DataFrame(rows))

    def order(self) -> str:
        """How far twins keep the order of their originals, where the paper's tables look."""
        table = self.tables["rank_stability"]
        table = table[table["against"] == ORIGINAL]
        shown = {"mp": (0, 50, 70, 80, 90), "vd": (2, 8, 16, 25)}
        rows = []
        for zoo, part in table.groupby("zoo", sort=False):
            row = {"Zoo": self.titles[zoo], "n": f"{part['models'].max():.0f}"}
            for one in part.itertuples(index=False):
                if one.point in shown[one.method]:
                    at = f"MP, {one.point:.0f} %" if one.method == "mp" else f"VD, epoch {one.point:.0f}"
                    row[at] = f"{one.tau:.2f} [{one.low:.2f}, {one.high:.2f}]"
            rows.append(row)
        return _markdown(pd.DataFrame(rows).fillna("–"))

    def predictability(self) -> str:
        """What a dense model predicts of its twin."""
        return _grid(arrange_predictability(self.tables["predictability"]), self.titles)


def _beside(row) -> str:
    """Ours with its interval, the paper's, and the difference in standard errors, bold where it is beyond chance."""
    ours = f"{row.mean:.1f}" + (f" [{row.low:.1f}, {row.high:.1f}]" if pd.notna(row.low) else "")
    distance = f" ({row.difference_in_se:+.1f})" if pd.notna(row.difference_in_se) else ""
    text = f"{ours} / {row.paper_mean:.1f}{distance}"
    return f"**{text}**" if row.p_adjusted < LEVEL else text


def _readings(table: pd.DataFrame, keys: list[str], titles: dict[str, str]) -> str:
    """A line per hypothesis and a column per zoo, under the paper's number (`paper_text`); bold: fits."""
    rows = []
    for key, part in table.groupby(keys, sort=False):
        named = dict(zip(keys, key, strict=True))
        paper = {titles[zoo]: own["paper_text"].iloc[0] for zoo, own in part.groupby("zoo", sort=False)}
        rows.append({**named, "Hypothesis": "**the paper**", **paper})
        for hypothesis, own in part.groupby("hypothesis", sort=False):
            cells = {titles[row.zoo]: _reading(row) for row in own.itertuples(index=False)}
            rows.append({**named, "Hypothesis": hypothesis, **cells})
    return _markdown(pd.DataFrame(rows).fillna("–"))


def _reading(row) -> str:
    text = f"{row.value:.1f} [{row.low:.1f}, {row.high:.1f}]"
    return f"**{text}**" if row.verdict == FITS else text


def _fits(table: pd.DataFrame, keys: list[str], titles: dict[str, str]) -> str:
    """How many of the paper's numbers each hypothesis meets, a column per zoo, with the median and largest distance."""
    rows = []
    for key, part in table.groupby(keys, sort=False):
        row = {name.replace("hypothesis", "Hypothesis"): value for name, value in zip(keys, key, strict=True)}
        for zoo, own in part.groupby("zoo", sort=False):
            distance = (own["value"] - own["paper"]).abs()
            fits = f"{(own['verdict'] == FITS).sum()} of {len(own)}"
            row[titles[zoo]] = f"{fits} ({distance.median():.1f}, {distance.max():.1f})"
        rows.append(row)
    return _markdown(pd.DataFrame(rows))


def _ranges(numbers: list[int]) -> str:
    """Whole numbers in ascending order, runs of three and more as first–last."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(texts) or "none"


def _reworded(hypotheses: pd.Series) -> pd.Series:
    return hypotheses.str.replace(ELSEWHERE, "at another sparsity").str.replace(
        "all operating points pooled", "all sparsities pooled"
    )


def _interval(row: dict[str, float], name: str) -> str:
    return f"{row[name]:.1f} [{row[f'{name}_low']:.1f}, {row[f'{name}_high']:.1f}]"


def _pair(part: pd.DataFrame) -> str:
    own = part.set_index("quantity")
    r, tau = own.loc["pearson_r"], own.loc["kendall_tau"]
    text = " · ".join(f"{one.value:.0f} [{one.low:.0f}, {one.high:.0f}]" for one in (r, tau))
    return text if EXCLUDED in (r.verdict, tau.verdict) else f"**{text}**"


def _paper_pair(part: pd.DataFrame) -> str:
    paper = part.groupby("quantity")["paper"].first()
    return f"r {paper['pearson_r']:.1f} · τ {paper['kendall_tau']:.1f}"


def _number(mean: float, std: float) -> str:
    return f"{mean:.1f}" if pd.isna(std) else f"{mean:.1f} ({std:.1f})"


def _named(quantities: pd.Series) -> pd.Series:
    return quantities.replace(QUANTITIES | {"pearson_r": "Pearson r", "kendall_tau": "Kendall τ"})


def _grid(grid: pd.DataFrame, titles: dict[str, str]) -> str:
    return _markdown(grid.rename(index=titles, level="Zoo").reset_index())


def _markdown(table: pd.DataFrame) -> str:
    return table.to_markdown(index=False, disable_numparse=True) + "\n"


def stored_tables() -> dict[str, pd.DataFrame]:
    """What docs/replication/ holds, zoos in the order of config/replication.yaml."""
    places = {zoo: place for place, zoo in enumerate(yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["zoos"])}
    tables = {name: pd.read_csv(DATA / f"{name}.csv") for name in (*TABLES, "cost", "retest")}
    return {
        name: table.sort_values("zoo", key=lambda zoos: zoos.map(places), kind="stable")
        for name, table in tables.items()
    }


def titles_of_zoos() -> dict[str, str]:
    """The zoos' titles by their ids, without what all of this page share."""
    configuration = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(configuration, yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8")))
    catalogue = load_run(configuration, ROOT).catalogue
    return {zoo: entry.title.replace(", trained here", "") for zoo, entry in catalogue.items()}


def with_numbers(text: str, tables: dict[str, pd.DataFrame]) -> str:
    """The page's text, everything that is made put in anew."""
    blocks = Blocks(tables, titles_of_zoos())
    return MADE.sub(lambda made: f"{made[1]}\n{getattr(blocks, made[2])()}\n{made[3]}", text)


if __name__ == "__main__":
    collect(Path(sys.argv[1] if sys.argv[1:] else "results"))
    stored = stored_tables()
    PAGE.write_text(with_numbers(PAGE.read_text(encoding="utf-8"), stored), encoding="utf-8")
    save(paper_comparison(stored["paper_comparison"]), [DATA / "paper_comparison.svg"], {})
    save(layer_std(stored["hypotheses"]), [DATA / "layer_std.svg"], {})
    save(draw_rank_stability(stored["rank_stability"], titles_of_zoos()), [DATA / "rank_stability.svg"], {})

"""What docs/replication.md shows of its tables: a method of `Blocks` per table, a method of `Numbers` per number."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.cells import QUANTITIES
from zootwins.analyses.hypotheses import AGREEMENT, CORRELATION, EXCLUDED, FITS, GAP, SPREAD, TRAIN
from zootwins.analyses.paper_comparison import LEVEL

SHOWN_EPOCHS = (10, 12, 13)  # of the hypotheses on Table 2
OFFICIAL, HELD_OUT = 1000, 7000  # of CIFAR-10's test images here: the first ones, and training images
Z = 1.96
LABELS = {TRAIN: "train accuracy", GAP: "gap"}
VERDICTS = {"holds": "holds", "inconclusive": "inconclusive", "does not hold": "fails"}
SOME = 32  # models, below which agreement says little, so that nothing is said to hold
ELSEWHERE = "at other operating points"  # in the texts of hypotheses
STEPS = ("training", "MP", "VD")
METHODS = {"table5": "MP", "table6": "VD", "table7": "VD"}  # of the tables that have one
NAMES = QUANTITIES | {"pearson_r": "Pearson r", "kendall_tau": "Kendall τ"}
OVER_WEIGHTS = "over weights, of the share of models that prune them"


class Numbers:
    """Numbers in the page's sentences: a method for each name in `<!-- n: name; argument; … -->`."""

    def __init__(self, tables: dict[str, pd.DataFrame]):
        self.tables = tables

    def models(self, zoo: str) -> str:
        """How many models of a zoo were run."""
        return f"{self._counts(zoo, 'all')['models']:.0f}"

    def agree(self, zoo: str, table: str = "all") -> str:
        """How many numbers of a table agree with the paper's, of those that are tested."""
        row = self._counts(zoo, table)
        return f"{row['agree']:.0f} of {row['tested']:.0f}"

    def expected(self, zoo: str, table: str = "all") -> str:
        """How many would agree on average if the zoos were alike."""
        return f"{self._counts(zoo, table)['expected']:.1f}"

    def differ(self, zoo: str, table: str = "all") -> str:
        """How many differ beyond chance."""
        return f"{self._counts(zoo, table)['differ']:.0f}"

    def numbers(self) -> str:
        """How many numbers of all zoos are compared."""
        table = self.tables["paper_agreement"]
        return f"{table.loc[table['table'] == 'all', 'tested'].sum():.0f}"

    def ours(self, zoo: str, table: str, at: str, quantity: str) -> str:
        """Our number with its interval."""
        row = self._compared(zoo, table, at, quantity)
        return f"{row['mean']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"

    def paper(self, zoo: str, table: str, at: str, quantity: str) -> str:
        """The paper's number."""
        return f"{self._compared(zoo, table, at, quantity)['paper_mean']:.1f}"

    def hypothesis(self, zoo: str, number: str, method: str, at: str, hypothesis: str, quantity: str) -> str:
        """What a hypothesis comes to, with its interval."""
        asked = {"number": number, "method": method, "at": at, "hypothesis": hypothesis, "quantity": quantity}
        row = _only(self.tables["hypotheses"], zoo=zoo, **asked)
        return f"{row['value']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"

    def fits(self, zoo: str, number: str, hypothesis: str) -> str:
        """How many of the paper's numbers a hypothesis meets."""
        table = self.tables["hypotheses"]
        part = table[(table["zoo"] == zoo) & (table["number"] == number) & (table["hypothesis"] == hypothesis)]
        if part.empty:
            raise KeyError(f"no {number} of {zoo} by {hypothesis!r}")
        return f"{(part['verdict'] == FITS).sum()} of {len(part)}"

    def retest(self, zoo: str, sparsity: str, name: str) -> str:
        """A correlation of two runs of one zoo, with its interval."""
        return _interval(_only(self.tables["retest"], zoo=zoo, sparsity=float(sparsity)), name)

    def parts(self, zoo: str, part: str) -> str:
        """Mean accuracy on a part of CIFAR-10's test images, percent."""
        table = self.tables["test_parts"]
        return f"{100 * table.loc[table['zoo'] == zoo, part].mean():.1f}"

    def effect(self, zoo: str) -> str:
        """What an accuracy on CIFAR-10's official images is above that on all test images here, points.

        The interval is that of the images, since all models see the same ones.
        """
        own = self.tables["test_parts"].query("zoo == @zoo")[["official", "held_out"]].mean()
        images = OFFICIAL + HELD_OUT
        whole = (OFFICIAL * own["official"] + HELD_OUT * own["held_out"]) / images
        reach = Z * np.sqrt(whole * (1 - whole) * (1 / OFFICIAL - 1 / images))
        value, low, high = (100 * (own["official"] - whole + part) for part in (0, -reach, reach))
        return f"{value:.1f} [{low:.1f}, {high:.1f}]"

    def pace(self, zoo: str) -> str:
        """How many times as fast as in the paper variational dropout prunes: median of epochs until a sparsity."""
        table = self.tables["paper_comparison"]
        own = table[(table["zoo"] == zoo) & (table["table"] == "table6") & (table["quantity"] == "sparsity")]
        epochs = own["at"].str.extract(r"(\d+)")[0].astype(float).to_numpy()
        ours = np.interp(own["paper_mean"], own["mean"], epochs)
        known = (epochs > 0) & (own["paper_mean"].between(own["mean"].min(), own["mean"].max())).to_numpy()
        return f"{np.median(epochs[known] / ours[known]):.2f}"

    def _counts(self, zoo: str, table: str) -> dict[str, Any]:
        return _only(self.tables["paper_agreement"], zoo=zoo, table=table)

    def _compared(self, zoo: str, table: str, at: str, quantity: str) -> dict[str, Any]:
        return _only(self.tables["paper_comparison"], zoo=zoo, table=table, at=at, quantity=quantity)


def _only(frame: pd.DataFrame, /, **values: Any) -> dict[str, Any]:
    """The row of a table that has some values.

    Raises:
        KeyError: if not exactly one has.
    """
    for name, value in values.items():
        frame = frame[frame[name] == value]
    if len(frame) != 1:
        raise KeyError(f"{len(frame)} rows with {values}")
    return frame.iloc[0].to_dict()


class Blocks:
    """Tables of the page: a method for each name after `made:`."""

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
                    "Zoo": self.titles[zoo],
                    "n (paper's)": f"{part['models'].max():.0f} ({part['paper_models'].max():.0f})",
                    **{f"{step}, h": f"{took[step]:.2f}" if step in took else "–" for step in STEPS},
                }
            )
        return _markdown(pd.DataFrame(rows))

    def verdicts(self) -> str:
        """A verdict per claim and zoo; the rules are on the page."""
        numbers, hypotheses, findings = (self.tables[name] for name in ("paper_comparison", "hypotheses", "findings"))
        rows = []
        for zoo, own in numbers.groupby("zoo", sort=False):
            at, quantity, table = own["at"], own["quantity"], own["table"]
            correlation, agreement = table == "table2", (table == "table1") & (quantity == "agreement")
            layers = (table == "table8") & ~quantity.isin(QUANTITIES)
            spread = hypotheses[(hypotheses["zoo"] == zoo) & (hypotheses["hypothesis"] == OVER_WEIGHTS)]
            tested = findings.loc[(findings["zoo"] == zoo) & findings["value"].notna(), "verdict"]
            counts = _only(self.tables["paper_agreement"], zoo=zoo, table="all")
            claims = {
                "VD: accuracy, sparsity, gap": own[table == "table6"],
                "VD: layers": own[table == "table7"],
                "VD: r, τ": own[correlation & (at == "VD")],
                "VD: agreement": own[agreement & (at == "VD")],
                "MP: accuracy, gap": own[table == "table5"],
                "MP: layers": own[layers],
                "MP: r, τ": own[correlation & (at == "MP")],
                "MP: agreement": own[agreement & (at == "MP")],
            }
            row = {
                "Zoo": self.titles[zoo],
                "n": f"{own['models'].max():.0f}",
                "all numbers (expected)": f"{_verdict(own)} ({counts['expected']:.1f})",
                **{claim: _verdict(part) for claim, part in claims.items()},
                "deviations over weights": _of_spread(spread),
                "findings": f"{(tested == 'holds').sum()} of {len(tested)}" if len(tested) else "–",
            }
            rows.append(row)
        return _markdown(pd.DataFrame(rows))

    def differ(self) -> str:
        """How many numbers differ beyond what chance does to all of a zoo's numbers, by table and quantity."""
        numbers = self.tables["paper_comparison"]
        numbers = numbers[numbers["p"].notna() & (numbers["table"] != "table8")]  # whose accuracies are Table 5's
        method = numbers["table"].map(METHODS).fillna(numbers["at"])
        rows = []
        for (zoo, table, one, quantity), part in numbers.groupby(["zoo", "table", method, "quantity"], sort=False):
            differ = part[part["p_adjusted"] < LEVEL]
            row = {
                "Zoo": self.titles[zoo],
                "Table": table.removeprefix("table"),
                "Quantity": f"{one}: {NAMES.get(quantity, quantity)}",
                "differ": f"{len(differ)} of {len(part)}",
                "by": _range(differ["difference"]),
                "in SE": _range(differ["difference_in_se"]),
            }
            rows += [row] if len(differ) else []
        return _markdown(pd.DataFrame(rows)) if rows else "None.\n"

    def correlations(self) -> str:
        """The hypotheses for Table 2, magnitude pruning: r and tau of every zoo; bold: both fit."""
        table = self.tables["hypotheses"]
        chosen = table[(table["number"] == CORRELATION) & (table["method"] == "mp")]
        epochs = chosen["hypothesis"].str.extract(r"twin after (\d+) and")[0].astype(float)
        left_out = f"{ELSEWHERE}|pooled|validation|twin and that at|fine-tuned original|agreement"
        elsewhere = chosen["hypothesis"].str.contains(left_out)
        chosen = chosen[~elsewhere & (epochs.isna() | epochs.isin(SHOWN_EPOCHS))]
        rows = []
        for hypothesis, part in chosen.groupby("hypothesis", sort=False):
            cells = {self.titles[zoo]: _pair(own) for zoo, own in part.groupby("zoo", sort=False)}
            rows.append({"Hypothesis": hypothesis, **cells})
        paper = {self.titles[zoo]: _paper_pair(own) for zoo, own in chosen.groupby("zoo", sort=False)}
        return _markdown(pd.DataFrame([{"Hypothesis": "**the paper**", **paper}, *rows]).fillna("–"))

    def retest(self) -> str:
        """The same models pruned and trained twice."""
        rows = [
            {
                "Zoo": self.titles[row["zoo"]],
                "Pruned, %": f"{row['sparsity']:.0f}",
                "r, τ of two runs": " · ".join(_interval(row, f"both_{one}") for one in ("r", "tau")),
                "τ of originals and a run": _interval(row, "original_first_tau"),
                "τ of originals and both runs' mean": _interval(row, "original_mean_tau"),
            }
            for row in self.tables["retest"].to_dict("records")
        ]
        return _markdown(pd.DataFrame(rows))

    def agreements(self) -> str:
        """The hypotheses for VD's agreement at the paper's operating points, mean and deviation; bold: fits."""
        table = self.tables["hypotheses"]
        shown = (table["number"] == AGREEMENT) & (table["method"] == "vd")
        table = table[shown & ~table["hypothesis"].str.contains(f"{ELSEWHERE}|right|twin by")]
        paper = {}
        for zoo, own in table.groupby("zoo", sort=False):
            mean, std = (own.loc[own["quantity"] == quantity, "paper"].iloc[0] for quantity in ("mean", "std"))
            paper[self.titles[zoo]] = f"{mean:.1f} · {std:.1f} at epoch {own['at'].iloc[0]}"
        rows = [{"Hypothesis": "**the paper**", **paper}]
        for hypothesis, part in table.groupby("hypothesis", sort=False):
            cells = {zoo: " · ".join(map(_reading, own.itertuples())) for zoo, own in part.groupby("zoo", sort=False)}
            rows.append({"Hypothesis": hypothesis, **{self.titles[zoo]: cell for zoo, cell in cells.items()}})
        return _markdown(pd.DataFrame(rows).fillna("–"))

    def finetuned(self) -> str:
        """How often each reading of Table 5 fits, of those that fit a number of some zoo."""
        table = self.tables["hypotheses"]
        readings = table[table["number"].isin([TRAIN, GAP]) & ~table["hypothesis"].str.startswith("after ")]
        fits = readings.groupby(["number", "hypothesis"])["verdict"].transform(
            lambda verdicts: (verdicts == FITS).any()
        )
        readings = readings[fits].sort_values("number", key=lambda numbers: numbers == GAP, kind="stable")
        return _fits(readings.assign(Number=readings["number"].map(LABELS)), ["Number", "hypothesis"], self.titles)

    def spreads(self) -> str:
        """How many of the paper's standard deviations of layers each reading meets."""
        table = self.tables["hypotheses"]
        return _fits(table[table["number"] == SPREAD], ["hypothesis"], self.titles)

    def findings(self) -> str:
        """The paper's findings, tested: a line per method and finding, a column per verdict with the zoos' values."""
        table = self.tables["findings"].dropna(subset="value")
        rows = []
        for (method, finding), part in table.groupby(["method", "finding"], sort=False):
            row = {"Method": method.upper(), "Finding": f"{finding} (bound {part['bound'].iloc[0]:g})"}
            for verdict, heading in VERDICTS.items():
                own = part[part["verdict"] == verdict]
                values = [f"{self.titles[one.zoo]} {one.value:.2f}" for one in own.itertuples()]
                row[heading] = "<br>".join(values) or "–"
            rows.append(row)
        return _markdown(pd.DataFrame(rows))


def _verdict(numbers: pd.DataFrame) -> str:
    """Whether some of our numbers are the paper's."""
    tested = numbers["p"].dropna()
    if tested.empty:
        return "–"
    agree, count = (tested >= LEVEL).sum(), len(tested)
    if (numbers["p_adjusted"] < LEVEL).any():
        verdict = "fails"
    else:
        verdict = "holds" if _as_many_as_chance(agree, count, numbers["models"].max()) else "inconclusive"
    return f"{verdict}<br>{agree} of {count}"


def _of_spread(readings: pd.DataFrame) -> str:
    """Whether a hypothesis meets the paper's standard deviations of layers."""
    if readings.empty:
        return "–"
    fits, count = (readings["verdict"] == FITS).sum(), len(readings)
    return f"{'holds' if _as_many_as_chance(fits, count, readings['models'].max()) else 'fails'}<br>{fits} of {count}"


def _as_many_as_chance(agree: int, count: int, models: float) -> bool:
    """Whether enough models were run, and as many numbers agree as independent ones of zoos that are alike would."""
    return models >= SOME and agree > 0 and stats.binom.cdf(agree, count, 1 - LEVEL) >= LEVEL


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


def _range(values: pd.Series) -> str:
    low, high = (f"{value:+.1f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _markdown(table: pd.DataFrame) -> str:
    """A table in Markdown; no line breaks within an interval or `5 of 6`."""
    table = table.replace(r"(?<=\d) (?=\[|of \d)|(?<=\d of) (?=\d)|(?<=\d,) (?=[-\d])", "\u00a0", regex=True)
    return table.to_markdown(index=False, disable_numparse=True) + "\n"

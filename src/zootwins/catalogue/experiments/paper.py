"""Our numbers beside the paper's, and hypotheses on those that ours do not meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zootwins.catalogue.experiments.base import COMPARISON, Drawing, Experiment, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zootwins.catalogue.files import Files

PRINTED = ("table1", "table2", "table5", "table6", "table7", "table8")  # those whose numbers are compared
_BESIDE_PAPER = {
    "sources": tuple(f"tables/{table}" for table in PRINTED),
    "reader": "zootwins.analyses.paper_comparison:read_comparison",
    "paper": (*PRINTED, "zoos"),
}


class PaperComparison(Experiment):
    """Every number that the paper prints of the configured zoos, beside ours."""

    id = "paper_comparison"
    title = "our numbers beside the paper's"
    page = "replication.md"
    in_all = True
    extends = ("twins",)
    tables = (
        Table(
            name="paper_comparison",
            module="zootwins.analyses.paper_comparison",
            maker="compare",
            arranger="arrange_comparison",
            **_BESIDE_PAPER,
            title="Our numbers beside the paper's",
            note=(
                "Percent; mean (standard deviation). Rows appear for zoos of the paper, and for zoos that the "
                "catalogue says to compare with one. SE: standard errors of both samples; p by Welch's test, of "
                "correlations by Fisher's transform; adjusted for all numbers of the zoo (Holm)."
            ),
            chapter=COMPARISON,
            label="our numbers beside the paper's",
            caption=(
                "Every number that the paper prints for the zoos of this run, beside ours. A zoo that is not the "
                "paper's is marked as such; a note says where the paper contradicts itself. SE: standard errors of "
                "both samples."
            ),
        ),
        Table(
            name="paper_agreement",
            module="zootwins.analyses.paper_comparison",
            maker="count_agreements",
            arranger="arrange_agreements",
            sources=("tables/paper_comparison",),
            reader="zootwins.analyses.paper_comparison:read_tables",
            paper=(),
            title="How many numbers agree with the paper's",
            note=(
                "Agree: the difference is within what both samples' errors allow (p at least 0.05); expected: how "
                "many of them would if the zoos were alike. Differ: p < 0.05 after Holm's correction for all "
                "numbers of the zoo."
            ),
            chapter=COMPARISON,
            label="how many numbers agree with the paper's",
            caption=(
                "How many of the paper's numbers ours agree with, and how many would if the zoos were alike. The "
                "numbers of a zoo depend on each other, being of the same models."
            ),
        ),
    )
    figures = (
        Drawing(
            name="paper_comparison",
            drawn_by="paper_comparison:compared",
            label="our numbers less the paper's",
            chapter=COMPARISON,
            caption=(
                "Our numbers less the paper's, in standard deviations that the paper prints and in standard errors "
                "of both samples; one line per table and zoo. The grey bands are one standard deviation, and the 1.96 "
                "standard errors within which 95 % of all numbers would lie if the zoos were alike. Beyond three "
                "the axes are logarithmic. Orange: the paper contradicts itself there."
            ),
            **_BESIDE_PAPER,
        ),
    )

    def sources(self, files: Files, names: Sequence[str]) -> list[str]:
        """Return other tables."""
        return [f"results/{name}.csv" for name in names]


class Replication(Experiment):
    """Hypotheses on the paper's unexplained numbers."""

    id = "replication"
    title = (
        "tables and figures of `twins`, `state_of_sparsity` and `paper_comparison`, and hypotheses on the paper's "
        "unexplained numbers"
    )
    page = "replication.md"
    extends = ("twins", "state_of_sparsity", "paper_comparison")
    long_tables = ("hypotheses",)
    findings = "hypotheses"
    tables = (
        Table(
            name="hypotheses",
            module="zootwins.analyses.hypotheses",
            maker="hypothesis_table",
            arranger="arrange_hypotheses",
            sources=("hypotheses",),
            title="What the paper's unexplained numbers may be",
            note=(
                "Percent; in brackets the 95 % interval over the n models. Excluded: the paper's number lies "
                "outside of it, also when the paper's own error is added."
            ),
            label="hypotheses on unexplained numbers",
            caption=(
                "Numbers of the paper that ours do not meet, and other quantities that they may be, each computed "
                "on these twins. A hypothesis fits where the paper's number lies in its interval, widened by the "
                "paper's own sampling error."
            ),
        ),
    )

    def sources(self, files: Files, names: Sequence[str]) -> list[str]:
        """Return the files of zoos that the paper has, or that are like one of its own."""
        models = [f"results/zoos/{zoo}/models.csv" for zoo in self.zoos(files.run)]
        return models + files.metrics(self._compared(files), names)

    def files(self, files: Files) -> dict[str, list[str]]:
        return {"metrics": files.metrics(self._compared(files), self.long_tables)}

    def _compared(self, files: Files) -> list[str]:
        return [zoo for zoo in files.run.zoos if zoo in files.counterparts]

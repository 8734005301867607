"""Tables of sparse model soups."""

from zootwins.reporting.gallery.table import Table

_SOUPS = {"module": "zootwins.experiments.soups.soup_tables", "rule": "make_soup_table", "target": "soups"}
_GAIN = "Points of test accuracy, mean over n models with its 95 % bootstrap interval; better: percent of models; "
_WILCOXON = "p: Wilcoxon's signed-rank test, not corrected."

TABLES = (
    Table(
        "soup_gains",
        maker="gain_table",
        arranger="arrange_gains",
        sources=("soups", "soup_noise"),
        title="What sparse model soups gain",
        note=f"{_GAIN}std, models: without what the finite test set adds; {_WILCOXON}",
        label="soups: gains",
        **_SOUPS,
    ),
    Table(
        "soup_factors",
        maker="factor_table",
        arranger="arrange_factors",
        sources=("soups", "soup_pairs"),
        title="Which models gain from soups",
        note="Generating factors: effect size ε² and p-value of Kruskal and Wallis' test; properties: Kendall's tau-b "
        "with the gain and its 95 % bootstrap interval. Not corrected for the number of tests.",
        label="soups: who gains",
        **_SOUPS,
    ),
    Table(
        "soup_barrier",
        maker="barrier_table",
        arranger="arrange_barriers",
        sources=("soups", "soup_pairs"),
        title="Between candidates, and between strangers",
        note="L2 distance; percent of test images that both put into one class; barrier in points: how far accuracy on "
        "the line between them falls below that of the ends, with its 95 % bootstrap interval over n models.",
        label="soups: barriers",
        **_SOUPS,
    ),
    Table(
        "soup_shifted",
        maker="shifted_table",
        arranger="arrange_shifted",
        sources=("soups", "soup_shifted"),
        title="What soups gain on shifted images",
        note=f"{_GAIN}{_WILCOXON}",
        label="soups: shifted images",
        **_SOUPS,
    ),
    Table(
        "soup_fairness",
        maker="fairness_table",
        arranger="arrange_fairness",
        sources=("soups",),
        title="Soups: worst class, spread of recalls, calibration",
        note="Percent and points; difference of the soup from others, with its 95 % bootstrap interval over n models; "
        f"higher: percent of models; {_WILCOXON}",
        label="soups: fairness",
        **_SOUPS,
    ),
    Table(
        "soup_controls",
        maker="control_table",
        arranger="arrange_controls",
        sources=("soups",),
        title="Averages of kin, of strangers, of dense models, and at a constant learning rate",
        note=f"{_GAIN}{_WILCOXON} Gain: over the mean of what is averaged, after phase 1.",
        label="soups: controls",
        **_SOUPS,
    ),
    Table(
        "soup_findings",
        "zootwins.experiments.soups.soup_findings",
        "soup_findings",
        "arrange_soup_findings",
        ("soups", "soup_pairs", "soup_shifted"),
        "Statements on soups, tested",
        "A statement holds where the whole 95 % interval is on its side of the bound; verdicts are not corrected for "
        "the number of statements.",
        "soups: statements, tested",
        rule="make_soup_table",
        target="soups",
    ),
)

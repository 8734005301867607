"""Tables of sparse transfer."""

from zootwins.reporting.gallery.table import Table

TABLES = (
    Table(
        "transfer",
        "zootwins.experiments.transfer.transfer_tables",
        "transfer_table",
        "arrange_transfer",
        ("transfer",),
        "Transfer to other tasks",
        "Percent, on the task's test images; accuracy: mean (standard deviation) over the n models; increase in error: "
        "relative to the unpruned controls, with its 95 % bootstrap interval. Sparsity is that below the new head.",
        "transfer to other tasks",
        rule="make_transfer_table",
        target="transfer",
    ),
    Table(
        "transfer_paired",
        "zootwins.experiments.transfer.transfer_tables",
        "paired_table",
        "arrange_paired",
        ("transfer",),
        "Transfer, each network against its own control",
        "Mean difference in accuracy to the model's unpruned control, in points, with its 95 % bootstrap interval; "
        "better: percent of models; p: Wilcoxon's signed-rank test, not corrected for the number of lines.",
        "transfer, paired",
        rule="make_transfer_table",
        target="transfer",
    ),
    Table(
        "transfer_correlation",
        "zootwins.experiments.transfer.transfer_tables",
        "correlation_table",
        "arrange_correlation",
        ("transfer",),
        "Upstream and downstream accuracy",
        "Over the n models, in brackets the 95 % bootstrap interval: accuracy upstream with that on the task; change "
        "from the control upstream with that on the task; linear with full transfer.",
        "upstream and downstream accuracy",
        rule="make_transfer_table",
        target="transfer",
    ),
    Table(
        "transfer_reference",
        "zootwins.experiments.transfer.transfer_tables",
        "reference_table",
        "arrange_reference",
        ("transfer",),
        "Relative increase in error, the reference's and ours",
        "Percent of the dense error. Theirs: one network, mean over 12 data sets, better: percent of these; ours: a "
        "zoo's models on one task, better: percent of these. Another scale, not a target.",
        "transfer beside the reference's",
        rule="make_transfer_table",
        target="transfer",
    ),
    Table(
        "transfer_findings",
        "zootwins.experiments.transfer.transfer_findings",
        "findings_table",
        "arrange_findings",
        ("transfer",),
        "Eight claims on sparse transfer, tested",
        "A claim holds where the whole 95 % interval over the n models is on its side of the bound; verdicts are not "
        "corrected for their number.",
        "claims on sparse transfer, tested",
        rule="make_transfer_table",
        target="transfer",
    ),
)

"""Tables of hyper-representations and of twins without training."""

from zootwins.reporting.gallery.table import Table

TABLES = (
    Table(
        "table3",
        "zootwins.experiments.representations.representation_tables",
        "table3",
        "arrange_table3",
        ("scores",),
        "Hyper-representations of VD twins",
        "R² in percent on models that were not trained on: mean over seeds, each with its own split, and its 95 % "
        "interval, corrected for what splits share; n: models of all splits. w and log α: reconstruction; the others: "
        "ridge regression, or boosted trees where it says so. PCA has as many components as the latent space has "
        "numbers; aligned: neurons in the order of a reference network.",
        "hyper-representations",
        rule="make_representation_table",
        target="representations",
    ),
    Table(
        "representation_claims",
        "zootwins.experiments.representations.representation_tables",
        "claims_table",
        "arrange_claims",
        ("scores",),
        "What a hyper-representation adds to what is simpler",
        "R² in percent on models that were not trained on, mean over seeds. Difference to the baseline with the "
        "highest mean, on the same splits, with its 95 % interval, corrected for what splits share. Seeds above: in "
        "which it is ahead of every baseline; better: holds where the intervals of the differences to all baselines "
        "are above 0. Verdicts are not corrected for the number of quantities.",
        "hyper-representations against baselines",
        rule="make_representation_table",
        target="representations",
    ),
    Table(
        "prune_decisions",
        "zootwins.experiments.representations.zero_shot_tables",
        "prune_decisions_table",
        "arrange_prune_decisions",
        ("decisions",),
        "What variational dropout prunes, told from dense models",
        "Area under the ROC curve of prune decisions in percent, 50 by chance: mean over the n models that were not "
        "trained on, with its 95 % bootstrap interval; of all weights, then within each layer. Sparsity in percent, as "
        "trained and as predicted, and the mean error of the prediction.",
        "prune decisions without training",
        rule="make_representation_table",
        target="representations",
    ),
    Table(
        "zero_shot",
        "zootwins.experiments.representations.zero_shot_tables",
        "zero_shot_table",
        "arrange_zero_shot",
        ("zero_shot",),
        "Zero-shot twins beside trained and pruned ones, at equal sparsity",
        "Percent; mean (standard deviation) over the n models that were not trained on, pruned and after an epoch of "
        "fine-tuning. Agreement, the share of the trained twin's accuracy and the difference to MP (points, model by "
        "model, with 95 % bootstrap intervals) are those after it. Ahead of MP: holds where the whole interval is "
        "above 0; not corrected for the number of lines.",
        "zero-shot twins",
        rule="make_representation_table",
        target="representations",
    ),
)

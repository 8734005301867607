"""Tables of The State of Sparsity, for any set of methods."""

from zootwins.reporting.gallery.table import Table

_PERCENT = "Percent; mean (standard deviation) over the zoo's n models."

TABLES = (
    Table(
        "sparsity_tradeoff",
        "zootwins.analyses.tradeoff",
        "tradeoff_table",
        "arrange_tradeoff",
        ("*/scores", "*/layers", "*/agreement"),
        "Accuracy at the sparsities of The State of Sparsity",
        "Percent, with 95 % bootstrap intervals over n models. Accuracy and change from the original: at that "
        "sparsity, between each model's own operating points. Chosen: the setting that is best on the validation "
        "images of the pilots (a quarter of the models, by key, at most 16; the CSV names them) of those at which "
        "they are as sparse, reported on the test images of the others; emptied, constant: percent of them with an"
        " empty layer, with one prediction for all images. ResNet-50 (top-1 accuracy) and Transformer (BLEU): the "
        "authors' files, the best run of each grid on the test set; another scale, no target.",
        "the state of sparsity: accuracy, every method",
    ),
    Table(
        "equal_sparsity_comparison",
        "zootwins.analyses.matched",
        "equal_sparsity_comparison_table",
        "arrange_equal_sparsity_comparison",
        ("*/scores",),
        "Every two methods at the sparsities of The State of Sparsity",
        "Mean difference in test accuracy per model, in points, with its 95 % bootstrap interval; * where that "
        "excludes 0, not corrected for the number of lines; n: models with twins of both methods about that sparse. "
        "The CSV file has Wilcoxon's p.",
        "the state of sparsity: method against method",
    ),
    Table(
        "layer_distribution",
        "zootwins.analyses.layer_distribution",
        "layer_distribution_table",
        "arrange_layer_distribution",
        ("*/scores", "*/layers"),
        "Sparsity of each layer at the same sparsity of the network",
        _PERCENT,
        "the state of sparsity: layers",
    ),
    Table(
        "mask_overlap",
        "zootwins.analyses.mask_overlap",
        "mask_overlap_table",
        "arrange_mask_overlap",
        ("mask_overlap",),
        "Overlap of two methods' masks of the same model",
        "Jaccard index over that of chance, which keeps as many weights of each layer (1: as chance has it), with "
        "its 95 % bootstrap interval over the n models that both methods bring within 5 points of the sparsity.",
        "the state of sparsity: overlap of masks",
    ),
    Table(
        "scratch_comparison",
        "zootwins.analyses.scratch",
        "scratch_table",
        "arrange_scratch",
        ("*/scores",),
        "Pruned models against the same masks retrained",
        "Pruned less retrained, points of test accuracy per model, with 95 % bootstrap intervals; first better: "
        "percent of models. Budgets: E, the epochs of the original; matched, those of original and pruning; B, "
        "twice those of the original. ResNet-50 (points) and Transformer (BLEU): the same difference in the "
        "authors' files.",
        "the state of sparsity: training from scratch",
    ),
    Table(
        "topology",
        "zootwins.analyses.scratch",
        "topology_table",
        "arrange_topology",
        ("*/scores",),
        "What a retrained network owes to what",
        "First less second, points of test accuracy per model, with 95 % bootstrap intervals; first better: "
        "percent of models; p: Wilcoxon's signed-rank test, not corrected for the number of lines.",
        "the state of sparsity: mask, start, budget",
    ),
    Table(
        "scratch_gap",
        "zootwins.analyses.scratch",
        "scratch_gap_table",
        "arrange_scratch_gap",
        ("*/scores",),
        "Which models lose most when they are retrained",
        "Of pruned less retrained, a model's mean over the sparsities: Kendall's tau-b with the original's accuracy, "
        "with its 95 % bootstrap interval; effect size ε² of Kruskal and Wallis' test by factor. Twins share the test "
        "images with their original, retrained networks less so, which alone makes tau a little positive. p-values "
        "are not corrected for their number.",
        "the state of sparsity: who suffers from retraining",
    ),
    Table(
        "method_ranks",
        "zootwins.analyses.matched",
        "method_ranks_table",
        "arrange_method_ranks",
        ("*/scores",),
        "Whether two methods rank models alike",
        "Kendall's tau-b over n models of the twins' test accuracies at the same sparsity, with its 95 % bootstrap"
        " interval. The CSV file also has that of what a linear regression on the original's accuracy leaves of them.",
        "the state of sparsity: ranks of models",
    ),
    Table(
        "sparsity_findings",
        "zootwins.analyses.sparsity_findings",
        "sparsity_findings_table",
        "arrange_sparsity_findings",
        ("*/scores", "*/layers", "*/agreement"),
        "The claims of The State of Sparsity, tested",
        "A finding holds where the whole 95 % interval is on its side of the bound; verdicts are not corrected for the "
        "number of findings. Where a setting was chosen, n is without the pilots that chose it.",
        "the state of sparsity: its claims, tested",
    ),
)

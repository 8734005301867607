"""The state of sparsity (Gale, Elsen, Hooker 2019): any set of methods at the same sparsities, and from scratch."""

from zootwins.catalogue.experiments.base import Drawing, Experiment, Table
from zootwins.catalogue.experiments.twins import PERCENT


class StateOfSparsity(Experiment):
    """The methods of a zoo compared with each other."""

    id = "state_of_sparsity"
    title = "every method of a zoo at the same sparsities"
    page = "state_of_sparsity.md"
    in_all = True
    extends = ("twins",)
    long_tables = ("mask_overlap",)
    findings = "sparsity_findings"
    tables = (
        Table(
            name="sparsity_tradeoff",
            module="zootwins.analyses.tradeoff",
            maker="tradeoff_table",
            arranger="arrange_tradeoff",
            sources=("*/scores", "*/layers", "*/agreement"),
            title="Accuracy at the sparsities of The State of Sparsity",
            note=(
                "Percent, with 95 % bootstrap intervals over n models. Accuracy and change from the original: at "
                "that sparsity, between each model's own operating points. Chosen: the setting that is best on the "
                "validation images of the pilots (a quarter of the models, by key, at most 16; the CSV names them) "
                "of those at which they are as sparse, reported on the test images of the others; emptied, "
                "constant: percent of them with an empty layer, with one prediction for all images. ResNet-50 "
                "(top-1 accuracy) and Transformer (BLEU): the authors' files, the best run of each grid on the test "
                "set; another scale, no target."
            ),
            label="the state of sparsity: accuracy, every method",
        ),
        Table(
            name="equal_sparsity_comparison",
            module="zootwins.analyses.matched",
            maker="equal_sparsity_comparison_table",
            arranger="arrange_equal_sparsity_comparison",
            sources=("*/scores",),
            title="Pairs of methods at the sparsities of The State of Sparsity",
            note=(
                "Mean difference in test accuracy per model, in points, with its 95 % bootstrap interval; * where "
                "that excludes 0, not corrected for the number of lines; n: models with twins of both methods about "
                "that sparse. The CSV file has Wilcoxon's p."
            ),
            label="the state of sparsity: method against method",
        ),
        Table(
            name="layer_distribution",
            module="zootwins.analyses.layer_distribution",
            maker="layer_distribution_table",
            arranger="arrange_layer_distribution",
            sources=("*/scores", "*/layers"),
            title="Sparsity of each layer at the same sparsity of the network",
            note=PERCENT,
            label="the state of sparsity: layers",
        ),
        Table(
            name="mask_overlap",
            module="zootwins.analyses.mask_overlap",
            maker="mask_overlap_table",
            arranger="arrange_mask_overlap",
            sources=("mask_overlap",),
            title="Overlap of two methods' masks of the same model",
            note=(
                "Jaccard index over that of chance, which keeps as many weights of each layer (1: as chance has "
                "it), with its 95 % bootstrap interval over the n models that both methods bring within 5 points of "
                "the sparsity."
            ),
            label="the state of sparsity: overlap of masks",
        ),
        Table(
            name="scratch_comparison",
            module="zootwins.analyses.scratch",
            maker="scratch_table",
            arranger="arrange_scratch",
            sources=("*/scores",),
            title="Pruned models against the same masks retrained",
            note=(
                "Pruned less retrained, points of test accuracy per model, with 95 % bootstrap intervals; first "
                "better: percent of models. Budgets: E, the epochs of the original; matched, those of original and "
                "pruning; B, twice those of the original. ResNet-50 (points) and Transformer (BLEU): the same "
                "difference in the authors' files."
            ),
            label="the state of sparsity: training from scratch",
        ),
        Table(
            name="topology",
            module="zootwins.analyses.scratch",
            maker="topology_table",
            arranger="arrange_topology",
            sources=("*/scores",),
            title="Effects of mask, initial weights and budget on retrained networks",
            note=(
                "First less second, points of test accuracy per model, with 95 % bootstrap intervals; first better: "
                "percent of models; p: Wilcoxon's signed-rank test, not corrected for the number of lines."
            ),
            label="the state of sparsity: mask, start, budget",
        ),
        Table(
            name="scratch_gap",
            module="zootwins.analyses.scratch",
            maker="scratch_gap_table",
            arranger="arrange_scratch_gap",
            sources=("*/scores",),
            title="Which models lose most when they are retrained",
            note=(
                "Of pruned less retrained, a model's mean over the sparsities: Kendall's tau-b with the original's "
                "accuracy, with its 95 % bootstrap interval; effect size ε² of Kruskal and Wallis' test by factor. "
                "Twins share the test images with their original, retrained networks less so, which alone makes tau "
                "a little positive. p-values are not corrected for their number."
            ),
            label="the state of sparsity: which models lose most",
        ),
        Table(
            name="method_ranks",
            module="zootwins.analyses.matched",
            maker="method_ranks_table",
            arranger="arrange_method_ranks",
            sources=("*/scores",),
            title="Whether two methods rank models alike",
            note=(
                "Kendall's tau-b over n models of the twins' test accuracies at the same sparsity, with its 95 % "
                "bootstrap interval. The CSV file also has that of what a linear regression on the original's "
                "accuracy leaves of them."
            ),
            label="the state of sparsity: ranks of models",
        ),
        Table(
            name="sparsity_findings",
            module="zootwins.analyses.sparsity_findings",
            maker="sparsity_findings_table",
            arranger="arrange_sparsity_findings",
            sources=("*/scores", "*/layers", "*/agreement"),
            title="The claims of The State of Sparsity, tested",
            note=(
                "A finding holds where the whole 95 % interval is on its side of the bound; verdicts are not "
                "corrected for the number of findings. Where a setting was chosen, n is without the pilots that "
                "chose it."
            ),
            label="the state of sparsity: its claims, tested",
        ),
    )
    figures = (
        Drawing(
            name="sparsity_tradeoff",
            drawn_by="sparsity_tradeoff",
            sources=("*/scores",),
            label="the state of sparsity: accuracy, every method",
        ),
        Drawing(
            name="equal_sparsity_comparison",
            drawn_by="pairs:equal_sparsity_comparison",
            sources=("tables/equal_sparsity_comparison",),
            label="the state of sparsity: method against method",
        ),
        Drawing(
            name="layer_distribution",
            drawn_by="layer_distribution",
            sources=("*/scores", "*/layers"),
            label="the state of sparsity: layers",
        ),
        Drawing(
            name="mask_overlap",
            drawn_by="pairs:mask_overlap",
            sources=("tables/mask_overlap",),
            label="the state of sparsity: overlap of masks",
        ),
        Drawing(
            name="scratch_comparison",
            drawn_by="scratch_comparison",
            sources=("tables/scratch_comparison",),
            label="the state of sparsity: training from scratch",
        ),
        Drawing(
            name="method_ranks",
            drawn_by="pairs:method_ranks",
            sources=("tables/method_ranks",),
            label="the state of sparsity: ranks of models",
        ),
    )

"""Every table, by the name of its file: what it is made of, by which functions, and what people are told of it.

The Snakefile reads this, so that nothing is imported before a table is made: functions go by their names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table of the results.

    Attributes:
        name: its files' name.
        module: where its functions are, by its full name: what its rule's digest of code has to cover.
        maker: makes it; the arguments are what its `rule` reads (`make_table`: the results of each zoo).
        arranger: turns it into text in rows and columns (`zootwins.analyses.cells`).
        sources: what it is made of, by `rule`. `make_table`: long tables of each zoo, `*/` standing for every method;
            `make_soup_table` the same; `make_representation_table`: those of each representation;
            `compare_with_paper`, `derive_table`: other tables.
        title: what stands above it.
        note: what its numbers are.
        label: what the report's menu says of it.
        order: the paper's table whose order of zoos it takes.
        rule: the rule that makes it.
        target: the target that it is a part of.
    """

    name: str
    module: str
    maker: str
    arranger: str
    sources: tuple[str, ...]
    title: str
    note: str
    label: str
    order: str = "table6"
    rule: str = "make_table"
    target: str = "tables"

    def make(self, *inputs: Any) -> "pd.DataFrame":
        """The table, long and with ids, numbers in full."""
        return self._function(self.maker)(*inputs)

    def arrange(self, table: "pd.DataFrame", titles: Mapping[str, str]) -> "pd.DataFrame":
        """The table's text for people, arranged.

        Args:
            table: as `make` made it.
            titles: how people call the zoos, by id.
        """
        return self._function(self.arranger)(table).rename(index=titles, level="Zoo")

    def _function(self, name: str) -> Any:
        return getattr(import_module(self.module), name)


_PERCENT = "Percent; mean (standard deviation) over the zoo's n models."
_AGREEMENT = {
    "module": "zootwins.analyses.tables",
    "maker": "agreement_table",
    "arranger": "arrange_agreement",
    "sources": ("mp/scores", "mp/agreement", "vd/scores", "vd/agreement"),
    "note": _PERCENT,
    "order": "table1",
}

_SOUPS = {"module": "zootwins.experiments.soups.tables", "rule": "make_soup_table", "target": "soups"}
_GAIN = "Points of test accuracy, mean over n models with its 95 % bootstrap interval; better: percent of models; "
_WILCOXON = "p: Wilcoxon's signed-rank test, not corrected."

_TABLES = (
    Table(
        "table1",
        title="Accuracy, sparsity and agreement with the original",
        label="agreement with the originals",
        **_AGREEMENT,
    ),
    Table(
        "table2",
        "zootwins.analyses.tables",
        "correlation_table",
        "arrange_correlation",
        ("mp/scores", "vd/scores"),
        "Correlation of original and twin test accuracy",
        "Percent; in brackets the 95 % bootstrap interval over the zoo's n models.",
        "correlation with the originals",
        order="table2",
    ),
    Table(
        "table3",
        "zootwins.experiments.representations.tables",
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
        "table4",
        "zootwins.analyses.tables",
        "configuration_table",
        "arrange_configuration",
        ("mp/layers", "vd/layers"),
        "Configuration of the zoos",
        "Factors that vary within a zoo list their values; W: prunable weights.",
        "configuration of the zoos",
    ),
    Table(
        "table5",
        "zootwins.analyses.tables",
        "mp_table",
        "arrange_mp",
        ("mp/scores",),
        "Magnitude pruning before and after fine-tuning",
        _PERCENT,
        "magnitude pruning",
        order="table5",
    ),
    Table(
        "table6",
        "zootwins.analyses.tables",
        "vd_table",
        "arrange_vd",
        ("vd/scores",),
        "Variational dropout over the epochs",
        _PERCENT,
        "variational dropout",
    ),
    Table(
        "table7",
        "zootwins.analyses.tables",
        "vd_layers_table",
        "arrange_vd_layers",
        ("vd/scores", "vd/layers"),
        "Variational dropout: sparsity of each layer",
        _PERCENT,
        "layers, variational dropout",
        order="table7",
    ),
    Table(
        "table8",
        "zootwins.analyses.tables",
        "mp_layers_table",
        "arrange_mp_layers",
        ("mp/scores", "mp/layers"),
        "Magnitude pruning: sparsity of each layer after fine-tuning",
        _PERCENT,
        "layers, magnitude pruning",
        order="table8",
    ),
    Table(
        "table9",
        title="Accuracy, sparsity and agreement with the original (repeats Table 1)",
        label="Table 1 again",
        **_AGREEMENT,
    ),
    Table(
        "rank_changes",
        "zootwins.analyses.response",
        "rank_change_table",
        "arrange_rank_changes",
        ("*/response",),
        "The sparsification-friendliest and -hardest models",
        "Rank by test accuracy among the twins less rank among the originals; in brackets its 95 % interval over the "
        "test images. The CSV file has every model.",
        "friendly and hard models",
    ),
    Table(
        "rank_change_factors",
        "zootwins.analyses.response",
        "factor_table",
        "arrange_factors",
        ("*/response",),
        "Generating factors and rank change",
        "Effect size ε² and p-value of Kruskal and Wallis' test, not corrected for the number of "
        "tests; levels with their mean rank change.",
        "factors of friendliness",
    ),
    Table(
        "predictability",
        "zootwins.analyses.predictability",
        "predictability_table",
        "arrange_predictability",
        ("*/scores", "weight_statistics"),
        "How well a dense model tells its twin's accuracy",
        "Cross-validated R² in percent, and its 95 % bootstrap interval over the n models.",
        "predicting a twin's accuracy",
    ),
    Table(
        "paired_difference",
        "zootwins.analyses.pairing",
        "paired_table",
        "arrange_pairs",
        ("*/scores",),
        "Every two methods at equal sparsity",
        "Mean difference in test accuracy per model, in points, with its 95 % bootstrap interval; first "
        "better: percent of models; p: Wilcoxon's signed-rank test.",
        "method against method, paired",
    ),
    Table(
        "compression",
        "zootwins.analyses.compression",
        "compression_table",
        "arrange_compression",
        ("*/scores", "*/layers"),
        "Accuracy, compression and theoretical speed-up",
        "Accuracy in percent: mean (standard deviation). Change: twin less original, with its 95 % bootstrap interval.",
        "compression and speed-up",
    ),
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
        "paired_methods",
        "zootwins.analyses.matched",
        "paired_methods_table",
        "arrange_paired_methods",
        ("*/scores",),
        "Every two methods at the sparsities of The State of Sparsity",
        "Mean difference in test accuracy per model, in points, with its 95 % bootstrap interval; * where that "
        "excludes 0; n: models with twins of both methods about that sparse. The CSV file has Wilcoxon's p.",
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
        "percent of models; p: Wilcoxon's signed-rank test.",
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
        "with its 95 % bootstrap interval; effect size ε² of Kruskal and Wallis' test by factor. p-values are not "
        "corrected for their number.",
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
        " interval. The CSV file also has that of the losses from the original.",
        "the state of sparsity: ranks of models",
    ),
    Table(
        "sparsity_findings",
        "zootwins.analyses.sparsity_findings",
        "sparsity_findings_table",
        "arrange_sparsity_findings",
        ("*/scores", "*/layers"),
        "The claims of The State of Sparsity, tested",
        "A finding holds where the whole 95 % interval is on its side of the bound; verdicts are not corrected for the "
        "number of findings. Where a setting was chosen, n is without the pilots that chose it.",
        "the state of sparsity: its claims, tested",
    ),
    Table(
        "findings",
        "zootwins.analyses.findings",
        "findings_table",
        "arrange_findings",
        ("*/scores", "*/agreement", "*/response", "vd/layers"),
        "The paper's findings, tested",
        "A finding holds where the whole 95 % interval is on its side of the bound; verdicts are not corrected for the "
        "number of findings.",
        "the paper's findings, tested",
    ),
    Table(
        "paper_comparison",
        "zootwins.analyses.paper_comparison",
        "compare",
        "arrange_comparison",
        ("table1", "table2", "table5", "table6", "table7", "table8"),
        "Our numbers beside the paper's",
        "Percent; mean (standard deviation). Rows appear for zoos of the paper, and for zoos that the catalogue says "
        "to compare with one. SE: standard errors of both samples; p by Welch's test, of correlations by Fisher's "
        "transform; adjusted for all numbers of the zoo (Holm).",
        "our numbers beside the paper's",
        rule="compare_with_paper",
    ),
    Table(
        "paper_agreement",
        "zootwins.analyses.paper_comparison",
        "count_agreements",
        "arrange_agreements",
        ("paper_comparison",),
        "How many numbers agree with the paper's",
        "Agree: the difference is within what both samples' errors allow (p at least 0.05); expected: how many of "
        "them would if the zoos were alike. Differ: p < 0.05 after Holm's correction for all numbers of the zoo.",
        "how many numbers agree with the paper's",
        rule="derive_table",
    ),
    Table(
        "candidates",
        "zootwins.analyses.candidates",
        "candidate_table",
        "arrange_candidates",
        ("candidates",),
        "What the paper's unexplained numbers may be",
        "Percent; in brackets the 95 % interval over the n models. Excluded: the paper's number lies outside of it, "
        "also when the paper's own error is added.",
        "candidates for unexplained numbers",
        target="replication",
    ),
    Table(
        "representation_claims",
        "zootwins.experiments.representations.tables",
        "claims_table",
        "arrange_claims",
        ("scores",),
        "What a hyper-representation adds to what is simpler",
        "R² in percent on models that were not trained on, mean over seeds. Difference to the baseline with the "
        "highest mean, on the same splits, with its 95 % interval, corrected for what splits share; better: holds "
        "where all of it is above 0. Verdicts are not corrected for their number.",
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
        sources=("soup_pairs",),
        title="Between candidates, and between strangers",
        note="L2 distance; percent of test images that both put into one class; barrier in points: mean accuracy of "
        "the ends less the lowest on the line between them, with its 95 % bootstrap interval over n models.",
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
        "zootwins.experiments.soups.findings",
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
    Table(
        "transfer",
        "zootwins.experiments.transfer.tables",
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
        "zootwins.experiments.transfer.tables",
        "paired_table",
        "arrange_paired",
        ("transfer",),
        "Transfer, each network against its own control",
        "Mean difference in accuracy to the model's unpruned control, in points, with its 95 % bootstrap interval; "
        "better: percent of models; p: Wilcoxon's signed-rank test.",
        "transfer, paired",
        rule="make_transfer_table",
        target="transfer",
    ),
    Table(
        "transfer_correlation",
        "zootwins.experiments.transfer.tables",
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
        "zootwins.experiments.transfer.tables",
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
        "zootwins.experiments.transfer.findings",
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
TABLES: dict[str, Table] = {table.name: table for table in _TABLES}

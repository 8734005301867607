"""Twins of the configured zoos: the paper's tables and figures, and analyses that need populations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zootwins.catalogue.experiments.base import Drawing, Experiment, Table

if TYPE_CHECKING:
    from zootwins.catalogue.files import Files

PERCENT = "Percent; mean (standard deviation) over the zoo's n models."
QUARTILES = "Median and quartiles, which collapsed models do not distort, are in the CSV file."


class Twins(Experiment):
    """The zoos, their twins, and the paper's tables and figures about them."""

    id = "twins"
    title = "tables and figures of the zoos and their twins"
    in_all = True
    long_tables = (
        *("*/scores", "*/layers", "*/agreement", "*/response"),
        *("vd/prune_shares", "weight_statistics", "history", "sizes"),
    )
    findings = "findings"
    tables = (
        Table(
            name="table1",
            module="zootwins.analyses.paper_tables",
            maker="agreement_table",
            arranger="arrange_agreement",
            sources=("*/scores", "*/agreement"),
            title="Accuracy, sparsity and agreement with the original",
            note=f"{PERCENT} Median accuracy with its quartiles in brackets.",
            label="agreement with the originals",
            caption=(
                "Test accuracy, sparsity and agreement of the twins at the operating points of the catalogue. "
                "*Agreement* is the share of test images that a twin puts in the same class as its own original."
            ),
            paper=("table1",),
        ),
        Table(
            name="table2",
            module="zootwins.analyses.rank_stability",
            maker="correlation_table",
            arranger="arrange_correlation",
            sources=("*/scores",),
            title="Correlation of original and twin test accuracy",
            note="Percent; in brackets the 95 % bootstrap interval over the zoo's n models.",
            label="correlation with the originals",
            caption=(
                "Pearson's r and Kendall's τ-b between the test accuracy of the originals and that of their twins. "
                "A high value means that a good original becomes a good twin."
            ),
            paper=("table2",),
        ),
        Table(
            name="table4",
            module="zootwins.analyses.paper_tables",
            maker="configuration_table",
            arranger="arrange_configuration",
            sources=("mp/layers", "vd/layers"),
            title="Configuration of the zoos",
            note="Factors that vary within a zoo list their values; W: prunable weights.",
            label="configuration of the zoos",
            caption=(
                "What the zoos are made of. A learning rate of *source* means that every twin is trained with its "
                "original's."
            ),
        ),
        Table(
            name="table5",
            module="zootwins.analyses.paper_tables",
            maker="mp_table",
            arranger="arrange_mp",
            sources=("*/scores",),
            title="Magnitude pruning before and after fine-tuning",
            note=f"{PERCENT} Other methods that are given a sparsity follow, after their last epoch. {QUARTILES}",
            label="magnitude pruning",
            caption=(
                "Accuracy and generalisation gap (train − test accuracy) right after magnitude pruning (epoch 0) "
                "and after the last epoch of fine-tuning. 0 % is a control that is fine-tuned without pruning."
            ),
            paper=("table5",),
        ),
        Table(
            name="table6",
            module="zootwins.analyses.paper_tables",
            maker="vd_table",
            arranger="arrange_vd",
            sources=("vd/scores",),
            title="Variational dropout over the epochs",
            note=f"{PERCENT} {QUARTILES}",
            label="variational dropout",
            caption=(
                "Accuracy, sparsity and generalisation gap over the epochs of variational dropout. Train accuracy "
                "is that of noisy training, so that gaps may be negative."
            ),
        ),
        Table(
            name="table7",
            module="zootwins.analyses.paper_tables",
            maker="vd_layers_table",
            arranger="arrange_vd_layers",
            sources=("vd/scores", "vd/layers"),
            title="Variational dropout: sparsity of each layer",
            note=f"{PERCENT} {QUARTILES}",
            label="layers, variational dropout",
            caption=(
                "Sparsity of each layer, accuracy and generalisation gap over the epochs of variational dropout. "
                "Larger layers tend to become sparser."
            ),
            paper=("table7",),
        ),
        Table(
            name="table8",
            module="zootwins.analyses.paper_tables",
            maker="mp_layers_table",
            arranger="arrange_mp_layers",
            sources=("mp/scores", "mp/layers"),
            title="Magnitude pruning: sparsity of each layer after fine-tuning",
            note=f"{PERCENT} {QUARTILES}",
            label="layers, magnitude pruning",
            caption="Sparsity of each layer, accuracy and generalisation gap after magnitude pruning and fine-tuning.",
            paper=("table8",),
        ),
        Table(
            name="table9",
            module="zootwins.analyses.paper_tables",
            maker="agreement_table",
            arranger="arrange_agreement",
            sources=("*/scores", "*/agreement"),
            title="Accuracy, sparsity and agreement with the original (repeats Table 1)",
            note=f"{PERCENT} Median accuracy with its quartiles in brackets.",
            label="Table 1 again",
            caption="Table 1 again, as in the appendix of the paper.",
            paper=("table1",),
        ),
        Table(
            name="rank_changes",
            module="zootwins.analyses.response",
            maker="rank_change_table",
            arranger="arrange_rank_changes",
            sources=("*/response",),
            title="The sparsification-friendliest and -hardest models",
            note=(
                "Rank by test accuracy among the twins less rank among the originals; in brackets its 95 % interval "
                "over the test images. The CSV file has every model."
            ),
            label="friendly and hard models",
            caption=(
                "Models whose twins rank much higher (friendly to sparsification) or lower (hard to sparsify) by "
                "test accuracy than they did themselves, at the operating point of Table 2. The interval comes from "
                "resampling the test images; where it contains 0, the change may be chance. A very good original "
                "can hardly rise and a very bad one hardly fall."
            ),
        ),
        Table(
            name="rank_change_factors",
            module="zootwins.analyses.rank_stability",
            maker="factor_table",
            arranger="arrange_factors",
            sources=("*/response",),
            title="Generating factors and rank change",
            note=(
                "Effect size ε² and p-value of Kruskal and Wallis' test, not corrected for the number of tests; "
                "levels with their mean rank change."
            ),
            label="factors of friendliness",
            caption=(
                "Whether a generating factor that varies within the zoo is associated with the rank change. ε² is 1 "
                "where its levels explain everything; k levels that explain nothing have (k − 1) / (n − 1) on average."
            ),
        ),
        Table(
            name="rank_stability",
            module="zootwins.analyses.rank_stability",
            maker="rank_stability_table",
            arranger="arrange_rank_stability",
            sources=("*/scores",),
            title="How far a population keeps its order",
            note="Kendall's τ-b of test accuracies over the n models, and its 95 % bootstrap interval.",
            label="order along sparsification",
            caption=(
                "Kendall's τ-b between the test accuracies of twins and those of their originals, and between those "
                "of twins at neighbouring operating points. 1: the models keep their order; 0: the one says "
                "nothing of the other. At 0 % MP's twins are trained on and not pruned: what is lost there is not "
                "lost to pruning."
            ),
        ),
        Table(
            name="predictability",
            module="zootwins.analyses.predictability",
            maker="predictability_table",
            arranger="arrange_predictability",
            sources=("*/scores", "weight_statistics"),
            title="How well a dense model predicts its twin's accuracy",
            note="Cross-validated R² in percent, and its 95 % bootstrap interval over the n models.",
            label="predicting a twin's accuracy",
            caption=(
                "How much of the differences in twin accuracy can be predicted from the dense model alone, for models "
                "that the regression has not seen. 100: everything; 0 or less: no more than the mean. The line "
                "through the original's accuracy is the baseline."
            ),
        ),
        Table(
            name="method_difference",
            module="zootwins.analyses.matched",
            maker="paired_table",
            arranger="arrange_pairs",
            sources=("*/scores",),
            title="Pairs of methods at equal sparsity",
            note=(
                "Mean difference in test accuracy per model, in points, with its 95 % bootstrap interval; first "
                "better: percent of models; p: Wilcoxon's signed-rank test, not corrected for the number of lines."
            ),
            label="method against method, paired",
            caption=(
                "The accuracy of each model's twin by the first method, interpolated at the sparsity of its twin by "
                "the second, less the accuracy of the latter. Above 0, the first method is better."
            ),
        ),
        Table(
            name="compression",
            module="zootwins.analyses.compression",
            maker="compression_table",
            arranger="arrange_compression",
            sources=("*/scores", "*/layers", "sizes"),
            title="Accuracy, compression, theoretical speed-up, and measured latency",
            note=(
                "Accuracy in percent: mean (standard deviation). Change: twin less original, with its 95 % "
                "bootstrap interval. Zeros in single weights do not speed up inference here: PyTorch's dense kernels "
                "compute them. Only twins whose channels are gone become smaller networks, which are faster. Latency: "
                "milliseconds of a forward pass of 64 images on one thread of the machine that made the table, full "
                "size → smaller."
            ),
            label="compression and speed-up",
            caption=(
                "What sparsification saves and costs. Compression: prunable weights over those that are left; "
                "speed-up: multiply-adds over those with a weight that is not 0. Both are theoretical. Size and "
                "latency are measured, with the masked network and, of methods that remove channels, the smaller one "
                "in one run: zeros in single weights save no time there."
            ),
        ),
        Table(
            name="findings",
            module="zootwins.analyses.paper_findings",
            maker="findings_table",
            arranger="arrange_findings",
            sources=("*/scores", "*/agreement", "*/response", "vd/layers"),
            title="The paper's findings, tested",
            note=(
                "A finding holds where the whole 95 % interval is on its side of the bound; verdicts are not "
                "corrected for the number of findings."
            ),
            label="the paper's findings, tested",
            caption=(
                "Each finding of the paper as a statement about one number. It holds where the whole 95 % interval "
                "lies on its side of the bound, does not hold where the whole interval lies on the other side, and "
                "is inconclusive otherwise."
            ),
        ),
    )
    figures = (
        Drawing(
            name="figure2",
            drawn_by="trajectories",
            sources=("vd/scores", "history"),
            label="training and sparsification",
            caption=(
                "How the populations develop. Left: test accuracy of the originals over their training. Right: test "
                "accuracy and sparsity of the twins over the epochs of variational dropout. The line is the median; "
                "the shades are quartiles, 10–90 %, and minimum to maximum of the n models named above each row."
            ),
        ),
        Drawing(
            name="figure3",
            drawn_by="weights",
            sources=("vd/prune_shares",),
            label="pruned weights",
            caption=(
                "For every weight of the network, the share of models in which variational dropout has pruned it "
                "(log α at or above the threshold). One panel per layer, weights in the order of the stored tensor, "
                "one line per epoch. Vertical stripes are positions that are pruned in most models."
            ),
        ),
        Drawing(
            name="figure4",
            drawn_by="layer_size",
            sources=("vd/layers",),
            label="layer size and sparsity",
            caption=(
                "Size of a layer against its mean sparsity under variational dropout, over all zoos, at several "
                "epochs. Grey: a layer of a zoo, the mean over its models. Blue: bins of layer size, error bars one "
                "standard deviation (of the logarithms, as the axes)."
            ),
        ),
        Drawing(
            name="figure5",
            drawn_by="tradeoff",
            sources=("*/scores",),
            label="accuracy against sparsity",
            caption=(
                "Test accuracy against sparsity; a point per operating point, such as a requested sparsity of "
                "magnitude pruning or an epoch of variational dropout. Points are medians over the n models, bars "
                "reach from quartile to quartile, every model is a dot. More than six methods have a panel each, with "
                "the medians of the others in grey."
            ),
        ),
        Drawing(
            name="rank_change",
            drawn_by="rank_change",
            sources=("*/response",),
            label="friendly and hard models",
            caption=(
                "How a model's rank by test accuracy changes from the originals to the twins, at the operating "
                "point of Table 2, against its rank among the originals. Above 0: friendly to sparsification; "
                "below: hard. Bars are 95 % intervals from resampling the test images; the coloured models are "
                "those whose interval does not contain 0."
            ),
        ),
        Drawing(
            name="rank_stability",
            drawn_by="rank_stability",
            sources=("tables/rank_stability",),
            label="order along sparsification",
            caption=(
                "How far models keep their order: Kendall's τ-b between the test accuracies of twins and originals "
                "(left, or solid lines) and of twins at neighbouring operating points (right, or dotted lines), at "
                "the mean sparsity of each point, with 95 % bootstrap intervals. At 0 % MP's twins are trained on and "
                "not pruned."
            ),
        ),
        Drawing(
            name="predictability",
            drawn_by="predictability",
            sources=("tables/predictability",),
            label="predicting a twin's accuracy",
            caption=(
                "How well the test accuracy of a twin is predicted from its dense original, as cross-validated R²: 1 "
                "is perfect, 0 no better than the mean. Bars are 95 % bootstrap intervals over the n models; an arrow "
                "lies beyond the edge."
            ),
        ),
        Drawing(
            name="method_difference",
            drawn_by="method_difference",
            sources=("*/scores",),
            label="method against method, paired",
            caption=(
                "Accuracy of each model's twin by the first method less that by the second at the same sparsity. "
                "Above 0, the first is better. The line is the median of the n models, the shades quartiles, 10–90 "
                "%, and minimum to maximum."
            ),
        ),
        Drawing(
            name="compression",
            drawn_by="compression",
            sources=("tables/compression",),
            label="compression and speed-up",
            caption=(
                "Mean change of the n models' test accuracy against compression of the weights and theoretical "
                "speed-up, both on a logarithmic axis. Bars are 95 % bootstrap intervals of the mean. More than six "
                "methods have a panel each, with the compression of the others in grey."
            ),
        ),
    )

    def files(self, files: Files) -> dict[str, list[str]]:
        return files.of_zoos(self.zoos(files.run)) | super().files(files)

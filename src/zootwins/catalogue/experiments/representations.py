"""Hyper-representations: auto-encoders over the weights of VD twins, and zero-shot twins predicted from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zootwins.architectures.registry import canonical, get_design
from zootwins.catalogue.experiments.base import Drawing, Experiment, Table
from zootwins.catalogue.representations import Representations
from zootwins.run.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zootwins.catalogue.entries import Run
    from zootwins.catalogue.files import Files

TABLES = ("scores", "sizes", "states", "decisions", "zero_shot")
_MODULE = "zootwins.experiments.representations.representation_tables"
_READER = f"{_MODULE}:read_representations"


class RepresentationExperiment(Experiment):
    """Hyper-representations of the zoos that are listed for them."""

    id = "representations"
    title = "Table 3, zero-shot twins and the figures of hyper-representations"
    page = "representations.md"
    settings = Representations
    long_tables = TABLES
    findings = "representation_claims"
    tables = (
        Table(
            name="table3",
            module=_MODULE,
            maker="table3",
            arranger="arrange_table3",
            sources=("scores",),
            title="Hyper-representations of VD twins",
            note=(
                "R² in percent on models that were not trained on: mean over seeds, each with its own split, and "
                "its 95 % interval, corrected for what splits share; n: models of all splits. w and log α: "
                "reconstruction; the others: ridge regression, or boosted trees where it says so. PCA has as many "
                "components as the latent space has numbers; aligned: neurons in the order of a reference network."
            ),
            label="hyper-representations",
            reader=_READER,
            paper=("table3",),
        ),
        Table(
            name="representation_claims",
            module=_MODULE,
            maker="claims_table",
            arranger="arrange_claims",
            sources=("scores",),
            title="Hyper-representations against simpler baselines",
            note=(
                "R² in percent on models that were not trained on, mean over seeds. Difference to the baseline with "
                "the highest mean, on the same splits, with its 95 % interval, corrected for what splits share. "
                "Seeds above: in which it is ahead of every baseline; better: holds where the intervals of the "
                "differences to all baselines are above 0. Verdicts are not corrected for the number of quantities."
            ),
            label="hyper-representations against baselines",
            reader=_READER,
            paper=(),
        ),
        Table(
            name="prune_decisions",
            module="zootwins.experiments.representations.zero_shot_tables",
            maker="prune_decisions_table",
            arranger="arrange_prune_decisions",
            sources=("decisions",),
            title="What variational dropout prunes, predicted from dense models",
            note=(
                "Area under the ROC curve of prune decisions in percent, 50 by chance: mean over the n models that "
                "were not trained on, with its 95 % bootstrap interval; of all weights, then within each layer. "
                "Sparsity in percent, as trained and as predicted, and the mean error of the prediction."
            ),
            label="prune decisions without training",
            reader=_READER,
            paper=(),
        ),
        Table(
            name="zero_shot",
            module="zootwins.experiments.representations.zero_shot_tables",
            maker="zero_shot_table",
            arranger="arrange_zero_shot",
            sources=("zero_shot",),
            title="Zero-shot twins beside trained and pruned ones, at equal sparsity",
            note=(
                "Percent; mean (standard deviation) over the n models that were not trained on, pruned and after an "
                "epoch of fine-tuning. Agreement, the share of the trained twin's accuracy and the difference to MP "
                "(points, model by model, with 95 % bootstrap intervals) are those after it. Ahead of MP: holds "
                "where the whole interval is above 0; not corrected for the number of lines."
            ),
            label="zero-shot twins",
            reader=_READER,
            paper=(),
        ),
    )
    figures = (
        Drawing(
            name="latent_space",
            drawn_by="representations:latent_space",
            sources=("states",),
            label="latent space",
            caption=(
                "The first two principal components of the hyper-representation's latent space: every point is a VD "
                "twin at an epoch. In brackets: the share of variance. Large points are models that were kept from "
                "training."
            ),
            reader=f"{_MODULE}:read_drawn",
        ),
        Drawing(
            name="reconstruction",
            drawn_by="representations:reconstruction",
            sources=("scores",),
            label="reconstruction of a network",
            caption=(
                "R² of the reconstruction of models that were not trained on, of each layer: 100 is perfect, 0 no "
                "better than the mean of the training models. Points are medians over seeds, bars reach from "
                "the least to the greatest."
            ),
            reader=f"{_MODULE}:read_drawn",
        ),
        Drawing(
            name="property_prediction",
            drawn_by="representations:property_prediction",
            sources=("states",),
            label="properties predicted from the latent space",
            caption=(
                "Properties of VD twins as ridge regression predicts them from the latent space, against the true "
                "ones; every point is a state of a model that was not trained on. The line is equality."
            ),
            reader=f"{_MODULE}:read_drawn",
        ),
        Drawing(
            name="representation_baselines",
            drawn_by="representations:representation_baselines",
            sources=("scores",),
            label="hyper-representations and simpler baselines",
            reader=f"{_MODULE}:read_drawn",
        ),
        Drawing(
            name="latent_size",
            drawn_by="representations:latent_size",
            sources=("sizes",),
            label="reconstruction by the size of the latent vector",
            reader=f"{_MODULE}:read_drawn",
        ),
        Drawing(
            name="prune_decisions",
            drawn_by="representations:prune_decisions",
            sources=("decisions",),
            label="prune decisions without training",
            reader=f"{_MODULE}:read_drawn",
        ),
        Drawing(
            name="zero_shot",
            drawn_by="representations:zero_shot",
            sources=("zero_shot",),
            label="zero-shot twins",
            caption=(
                "Test accuracy of zero-shot twins, predicted from dense weights, beside trained and pruned ones, "
                "before and after an epoch of fine-tuning. Points are medians over models that the "
                "hyper-representation was not trained on, bars reach from quartile to quartile; a cross is the trained "
                "twin at its own sparsity."
            ),
            reader=f"{_MODULE}:read_drawn",
        ),
    )

    def zoos(self, run: Run) -> Sequence[str]:
        """Return the zoos that hyper-representations are trained on, and those sparsified by what was learned."""
        return list(dict.fromkeys((*self.learned(run), *run.config.representations.across)))

    def learned(self, run: Run) -> Sequence[str]:
        """Return the zoos that hyper-representations are trained on.

        Raises:
            InputError: if none is listed, or one is not in the catalogue or lacks what is needed.
        """
        key, zoos = "representations.zoos", run.config.representations.zoos
        if not zoos:
            raise InputError(
                f"configuration: {key} is empty; list zoos there, or take --configfile config/representations.yaml, "
                "which takes two cores a quarter of an hour"
            )
        across = run.config.representations.across
        run.check_known(key, zoos)
        run.check_known("representations.across", across)
        specs = [run.catalogue[zoo].architecture for zoo in (*zoos, *across)]
        architectures = {canonical(spec): get_design(spec).label for spec in specs}
        if across and len(architectures) > 1:
            raise InputError(
                "configuration: representations.across: what is learned from networks of one architecture says "
                f"nothing of another, and these are {' and '.join(sorted(architectures.values()))}; list zoos of one"
            )
        for zoo in (*zoos, *across):
            if "vd" not in run.catalogue[zoo].methods or run.config.keep_states != "all":
                raise InputError(
                    f"configuration: representations: {zoo!r} needs variational dropout and keep_states: all"
                )
        return zoos

    def of_seeds(self, run: Run, suffix: str) -> list[str]:
        """Return a file per hyper-representation: of all its zoos and seeds."""
        seeds = range(run.config.representations.seeds)
        return [f"results/representations/{zoo}/{seed}{suffix}" for zoo in self.learned(run) for seed in seeds]

    def shown_path(self, name: str) -> str:
        return f"representations/{{zoo}}/{{seed}}_{name}.parquet"

    def sources(self, files: Files, names: Sequence[str]) -> list[str]:
        """Return the tables of every zoo and seed."""
        return [file for name in names for file in self.of_seeds(files.run, f"_{name}.parquet")]

    def files(self, files: Files) -> dict[str, list[str]]:
        return {
            "representation": self.of_seeds(files.run, ".safetensors"),
            "representation_table": [
                *self.of_seeds(files.run, "_history.csv"),
                *self.sources(files, self.long_tables),
            ],
        }

    def training_settings(self, run: Run) -> dict[str, Any]:
        """Return the settings of the auto-encoder, without those that say which are trained."""
        which = {"zoos", "across", "seeds"}
        return run.config.representations.model_dump(exclude=which)

    def targets(self, run: Run, zoo: str) -> dict[str, dict[str, Any]]:
        """Return the zoos that are sparsified by what is learned from one, itself first.

        Of each: how many models the run takes, in how many shards, and the learning rate of magnitude pruning's
        fine-tuning, None where it is each model's own.
        """
        zoos = dict.fromkeys((zoo, *run.config.representations.across))
        pruning = {target: run.catalogue[target].methods.get("mp") for target in zoos}
        return {
            target: {
                "models": run.models(target),
                "shards": len(run.shards(target)),
                "lr": pruning[target] and pruning[target].lr,
            }
            for target in zoos
        }

    def target_files(self, files: Files, zoo: str) -> dict[str, list[str]]:
        """Return the inputs of each target; the trained twins of the first are the zoo's own."""
        first, *others = self.targets(files.run, zoo)
        of_each = {
            kind: [f"results/zoos/{target}/{kind}.safetensors" for target in (first, *others)]
            for kind in ("dataset", "originals", "predictions")
        }
        return of_each | {
            "models": [f"results/zoos/{target}/models.csv" for target in (first, *others)],
            "others": [file for target in others for file in files.twins(target, "vd")],
        }

"""Sparse model soups: pruned models retrained in several ways, averaged, and pruned further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zootwins.catalogue.datasets import check_dataset, same_classes
from zootwins.catalogue.experiments.base import Drawing, Experiment, Table
from zootwins.catalogue.soups import ARMS, SEED, UNRELATED, Soups
from zootwins.run.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zootwins.catalogue.entries import Run
    from zootwins.catalogue.files import Files

UNSHIFTED = ("constant", "dense", UNRELATED)  # controls, which no shifted images are for
JUDGED = ("member", "soup", "imp_long")  # whose predictions say how much of the gains' spread is the test images'
EVALUATIONS = ("scores", "pairs", "shifted")
_TABLES = "zootwins.experiments.soups.soup_tables"


class SoupExperiment(Experiment):
    """Soups of the configured zoos."""

    id = "soups"
    title = "sparse model soups"
    page = "soups.md"
    settings = Soups
    of_zoo = True
    long_tables = ("soups", "soup_pairs", "soup_shifted", "soup_noise")
    findings = "soup_findings"
    tables = (
        Table(
            name="soup_gains",
            module=_TABLES,
            maker="gain_table",
            arranger="arrange_gains",
            sources=("soups", "soup_noise"),
            title="What sparse model soups gain",
            note=(
                "Points of test accuracy, mean over n models with its 95 % bootstrap interval; better: percent of "
                "models; std, models: without what the finite test set adds; p: Wilcoxon's signed-rank test, not "
                "corrected."
            ),
            label="soups: gains",
        ),
        Table(
            name="soup_factors",
            module=_TABLES,
            maker="factor_table",
            arranger="arrange_factors",
            sources=("soups", "soup_pairs"),
            title="Which models gain from soups",
            note=(
                "Generating factors: effect size ε² and p-value of Kruskal and Wallis' test; properties: Kendall's "
                "tau-b with the gain and its 95 % bootstrap interval. Not corrected for the number of tests."
            ),
            label="soups: which models gain",
        ),
        Table(
            name="soup_barrier",
            module=_TABLES,
            maker="barrier_table",
            arranger="arrange_barriers",
            sources=("soups", "soup_pairs"),
            title="Between members, and between unrelated models",
            note=(
                "L2 distance; percent of test images that both put into one class; barrier in points: how far "
                "accuracy on the line between them falls below that of the ends, with its 95 % bootstrap interval "
                "over n models."
            ),
            label="soups: barriers",
        ),
        Table(
            name="soup_shifted",
            module=_TABLES,
            maker="shifted_table",
            arranger="arrange_shifted",
            sources=("soups", "soup_shifted"),
            title="What soups gain on shifted images",
            note=(
                "Points of test accuracy, mean over n models with its 95 % bootstrap interval; better: percent of "
                "models; p: Wilcoxon's signed-rank test, not corrected."
            ),
            label="soups: shifted images",
        ),
        Table(
            name="soup_fairness",
            module=_TABLES,
            maker="fairness_table",
            arranger="arrange_fairness",
            sources=("soups",),
            title="Soups: worst class, spread of recalls, calibration",
            note=(
                "Percent and points; difference of the soup from others, with its 95 % bootstrap interval over n "
                "models; higher: percent of models; p: Wilcoxon's signed-rank test, not corrected."
            ),
            label="soups: fairness",
        ),
        Table(
            name="soup_controls",
            module=_TABLES,
            maker="control_table",
            arranger="arrange_controls",
            sources=("soups",),
            title="Averages of members, of unrelated models, of dense models, and at a constant learning rate",
            note=(
                "Points of test accuracy, mean over n models with its 95 % bootstrap interval; better: percent of "
                "models; p: Wilcoxon's signed-rank test, not corrected. Gain: over the mean of what is averaged, "
                "after phase 1."
            ),
            label="soups: controls",
        ),
        Table(
            name="soup_findings",
            module="zootwins.experiments.soups.soup_findings",
            maker="soup_findings",
            arranger="arrange_soup_findings",
            sources=("soups", "soup_pairs", "soup_shifted"),
            title="Statements on soups, tested",
            note=(
                "A statement holds where the whole 95 % interval is on its side of the bound; verdicts are not "
                "corrected for the number of statements."
            ),
            label="soups: statements, tested",
        ),
    )
    figures = (
        Drawing(
            name="soup_gain",
            drawn_by="soups:soup_gain",
            sources=("soups",),
            label="soups: gains",
        ),
        Drawing(
            name="soup_barrier",
            drawn_by="soups:soup_barrier",
            sources=("soups", "soup_pairs"),
            label="soups: barriers",
        ),
        Drawing(
            name="soup_distance",
            drawn_by="soups:soup_distance",
            sources=("soups", "soup_pairs"),
            label="soups: gain and distance",
        ),
        Drawing(
            name="soup_factors",
            drawn_by="soups:soup_factors",
            sources=("soups", "soup_pairs"),
            label="soups: which models gain",
        ),
        Drawing(
            name="soup_shifted",
            drawn_by="soups:soup_shifted",
            sources=("soups", "soup_shifted"),
            label="soups: shifted images",
        ),
    )

    def resolve(self, settings: Soups, own: Mapping[str, Any], config: Any, entry: Any) -> Soups:
        """Take the learning rate of magnitude pruning where soups have none of their own."""
        pruning = config.magnitude_pruning.model_dump() | (entry.magnitude_pruning or {})
        return settings if "lr" in own or settings.lr else settings.model_copy(update={"lr": pruning["lr"]})

    def check(self, run: Run, zoo: str, where: str) -> None:
        """Refuse shifted sets that there are not, or, of a zoo that is run, whose labels mean something else."""
        data_of = {known: entry.dataset for known, entry in run.catalogue.items()}
        for one in run.settings[self.id][zoo].shifted_sets:
            check_dataset(one, run.datasets, f"{where}.shifted_sets")
            if zoo in run.zoos and not same_classes(one, data_of[zoo], run.datasets, data_of):
                raise InputError(
                    f"{where}.shifted_sets: labels of {one} mean something else than those of {data_of[zoo]}; leave it "
                    "out"
                )

    def zoos(self, run: Run) -> Sequence[str]:
        """Return the configured zoos that have soups."""
        zoos = [zoo for zoo in run.zoos if zoo in run.settings[self.id]]
        if not zoos:
            raise InputError(
                "configuration: none of the zoos has soups; list one under zoos whose key soups is not false"
            )
        return zoos

    def settings_of(self, run: Run, zoo: str) -> Soups:
        """Return the settings of a zoo's soups.

        Raises:
            InputError: if it has none.
        """
        if zoo not in run.settings[self.id]:
            raise InputError(f"{zoo} has no soups in this configuration; see its key soups")
        return run.settings[self.id][zoo]

    def settings_of_variant(self, run: Run, zoo: str, variant: str, members: str) -> dict[str, Any]:
        """Return the settings that decide the networks of a variant with some number of members.

        Raises:
            InputError: if they are not configured.
        """
        settings = self.settings_of(run, zoo)
        if variant not in settings.variants or int(members) not in settings.members:
            raise InputError(f"{variant}-{members}: no soups of this configuration; see its section soups")
        return settings.of_variant(variant, int(members))

    def kinds(self, run: Run, zoo: str) -> list[tuple[str, int]]:
        """Return variants and numbers of members of a zoo's soups."""
        settings = self.settings_of(run, zoo)
        return [(variant, members) for members in settings.members for variant in settings.variants]

    def averaged_kinds(self, run: Run, zoo: str) -> list[list[Any]]:
        """Return the variants and numbers of members whose members are a model's own."""
        return [[variant, members] for variant, members in self.kinds(run, zoo) if variant != UNRELATED]

    def shards(self, zoo: str, variant: str, members: str, shard: str) -> list[str]:
        """Return all arms of a variant for a shard of models, in the order of `ARMS`."""
        return [f"results/soups/{zoo}/{variant}-{members}-{arm}/{shard}.safetensors" for arm in ARMS[variant]]

    def outputs(self, variant: str) -> list[str]:
        """Return them with wildcards, one of which is `variant`: the outputs of a rule that trains the variant."""
        return [f"results/soups/{{zoo}}/{{variant}}-{{members}}-{arm}/{{shard}}.safetensors" for arm in ARMS[variant]]

    def arm(self, files: Files, zoo: str, variant: str, members: str | int, arm: str) -> list[str]:
        """Return all shards of an arm.

        Raises:
            InputError: if the variant does not have it.
        """
        kind = f"{variant}-{members}-{arm}"
        self.settings_of_variant(files.run, zoo, variant, str(members))
        if arm not in ARMS[variant]:
            raise InputError(f"{kind}: no arm of these soups; docs/soups.md lists them")
        return files.shards(zoo, f"results/soups/{zoo}/{kind}")

    def shard_of_model(self, files: Files, zoo: str, variant: str, members: str, arm: str, model: str) -> list[str]:
        """Return the shard of an arm that a model is in."""
        return files.shard_with(zoo, model, self.arm(files, zoo, variant, members, arm))

    def all_members(self, files: Files, zoo: str, members: str) -> list[str]:
        """Return the members of all of a zoo's models: unrelated models to average may be in any shard."""
        return files.shards(zoo, f"results/soups/{zoo}/{SEED}-{members}-member")

    def judged(self, files: Files, zoo: str) -> list[str]:
        """Return the shards whose predictions estimate how much of the gains' spread is due to the test images."""
        return [
            file
            for variant, members in self.averaged_kinds(files.run, zoo)
            for arm in ARMS[variant]
            if arm in JUDGED
            for file in self.arm(files, zoo, variant, members, arm)
        ]

    def shifted(self, zoo: str, variant: str) -> list[str]:
        """Return the shifted images that a variant is evaluated on."""
        return [] if variant in UNSHIFTED else [f"results/zoos/{zoo}/shifted.safetensors"]

    def shifted_set_settings(self, files: Files, zoo: str) -> list[dict[str, Any] | str]:
        """Return the catalogue's settings of the other data sets whose test images a zoo's soups are tried on."""
        return [files.dataset_settings(name) for name in self.settings_of(files.run, zoo).shifted_sets]

    def shifted_set_files(self, files: Files, zoo: str) -> list[str]:
        """Return the files of these data sets."""
        return [file for name in self.settings_of(files.run, zoo).shifted_sets for file in files.of_dataset(name)]

    def evaluated(self, files: Files, zoo: str) -> dict[str, list[str]]:
        """Return the tables of every shard of a zoo, by kind."""
        folders = [f"results/soups/{zoo}/{variant}-{members}" for variant, members in self.kinds(files.run, zoo)]
        return {
            kind: [f"{folder}/{shard}_{kind}.parquet" for folder in folders for shard in files.run.shards(zoo)]
            for kind in EVALUATIONS
        }

    def files(self, files: Files) -> dict[str, list[str]]:
        zoos = self.zoos(files.run)
        return super().files(files) | {
            "shard": [
                file
                for zoo in zoos
                for variant, members in self.kinds(files.run, zoo)
                for arm in ARMS[variant]
                for file in self.arm(files, zoo, variant, members, arm)
            ],
            "shifted": [f"results/zoos/{zoo}/shifted.safetensors" for zoo in zoos],
            "evaluated": [file for zoo in zoos for tables in self.evaluated(files, zoo).values() for file in tables],
        }

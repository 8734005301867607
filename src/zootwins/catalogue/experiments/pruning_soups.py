"""Soups while pruning trains: copies of a twin are averaged whenever its masks change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zootwins.catalogue.experiments.base import Drawing, Experiment, Table
from zootwins.catalogue.messages import validated
from zootwins.catalogue.pruning_soups import ARMS, PruningSoups
from zootwins.run.errors import InputError
from zootwins.sparsifiers.registry import get_sparsifier, module_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zootwins.catalogue.entries import Run
    from zootwins.catalogue.files import Files

_TABLES = "zootwins.experiments.soups.while_pruning_tables"
_PAIRED = (
    "Points of test accuracy, mean over n models with its 95 % bootstrap interval; better: percent of models; p: "
    "Wilcoxon's signed-rank test, not corrected."
)


class PruningSoupExperiment(Experiment):
    """Soups while pruning trains, of the configured zoos."""

    id = "pruning_soups"
    title = "soups while pruning trains"
    page = "pruning_soups.md"
    settings = PruningSoups
    of_zoo = True
    long_tables = ("pruning_soups", "pruning_soup_pairs")
    findings = "pruning_soup_findings"
    tables = (
        Table(
            name="pruning_soup_gains",
            module=_TABLES,
            maker="gain_table",
            arranger="arrange_gains",
            sources=("pruning_soups",),
            title="What soups gain while pruning trains",
            note=f"{_PAIRED} When copies are averaged is a rule of this project.",
            label="soups while pruning trains: gains",
        ),
        Table(
            name="pruning_soup_barriers",
            module=_TABLES,
            maker="barrier_table",
            arranger="arrange_barriers",
            sources=("pruning_soups", "pruning_soup_pairs"),
            title="Between the copies that a soup is averaged of",
            note=(
                "Before the last average. L2 distance; percent of test images that both put into one class; barrier in "
                "points: how far accuracy on the line between them falls below that of the ends, with its 95 % "
                "bootstrap interval over n models."
            ),
            label="soups while pruning trains: barriers",
        ),
        Table(
            name="pruning_soup_findings",
            module=_TABLES,
            maker="findings_table",
            arranger="arrange_findings",
            sources=("pruning_soups",),
            title="Statements on soups while pruning trains, tested",
            note=(
                "A statement holds where the whole 95 % interval is on its side of the bound; verdicts are not "
                "corrected for the number of statements."
            ),
            label="soups while pruning trains: statements, tested",
        ),
    )
    figures = (
        Drawing(
            name="pruning_soup_gain",
            drawn_by="pruning_soup_gain",
            sources=("pruning_soups",),
            label="soups while pruning trains: gains",
        ),
    )

    def resolve(self, settings: PruningSoups, own: Mapping[str, Any], config: Any, entry: Any) -> PruningSoups:
        """Give each method the settings of its section, which the zoo and this experiment may set otherwise.

        Methods that the zoo does without are left out.
        """
        resolved = {}
        for method in settings.methods:
            section, here = get_sparsifier(method).section, settings.settings.get(method, {})
            if (of_zoo := getattr(entry, section)) is not False:
                merged = getattr(config, section).model_dump() | of_zoo | here
                resolved[method] = merged | {"sparsities": settings.sparsities}
        return settings.model_copy(update={"methods": tuple(resolved), "settings": resolved})

    def check(self, run: Run, zoo: str, where: str) -> None:
        """Refuse settings that do not go together, and methods that start from twins by others."""
        if zoo not in run.zoos:
            return
        for method, own in run.settings[self.id][zoo].settings.items():
            sparsifier, key = get_sparsifier(method), f"{where}.settings.{method}"
            file, _, path = key.partition(": ")
            settings = validated(sparsifier.Settings, own, file, path)
            if others := sparsifier.needs(settings):
                raise InputError(
                    f"{key}: starts from twins by {', '.join(others)}, which are not made here; leave it out"
                )

    def zoos(self, run: Run) -> Sequence[str]:
        """Return the configured zoos that have soups while pruning trains."""
        known = run.settings[self.id]
        zoos = [zoo for zoo in run.zoos if zoo in known and known[zoo].methods]
        if not zoos:
            raise InputError(
                f"configuration: none of the zoos has soups while pruning trains; list one under zoos whose key "
                f"{self.id} is not false"
            )
        return zoos

    def method_settings(self, run: Run, zoo: str, method: str) -> dict[str, Any]:
        """Return the settings of a method for a zoo, as plain values.

        Raises:
            InputError: if it is not configured.
        """
        of_zoo = run.settings[self.id].get(zoo)
        if of_zoo is None or method not in of_zoo.methods:
            raise InputError(f"{zoo} has no soups by {method} in this configuration; see its section {self.id}")
        return of_zoo.settings[method]

    def members(self, run: Run, zoo: str) -> int:
        """Return the number of copies of each twin."""
        return run.settings[self.id][zoo].members

    def modules(self, run: Run, zoo: str, method: str) -> list[str]:
        """Return the module of a method."""
        self.method_settings(run, zoo, method)
        return [module_of(method)]

    def earlier(self, files: Files, zoo: str, method: str) -> dict[str, str]:
        """Return the files of the originals' weights after the epochs that a method takes."""
        sparsifier = get_sparsifier(method)
        settings = sparsifier.Settings(**self.method_settings(files.run, zoo, method))
        return {f"epoch_{epoch}": files.earlier(zoo, epoch) for epoch in sparsifier.earlier_epochs(settings)}

    def outputs(self) -> list[str]:
        """Return the shards of all arms, with wildcards."""
        return [f"results/pruning_soups/{{zoo}}/{{method}}-{arm}/{{shard}}.safetensors" for arm in ARMS]

    def shards(self, files: Files, zoo: str) -> list[str]:
        """Return the shards of all methods and arms of a zoo."""
        folders = [f"{method}-{arm}" for method in files.run.settings[self.id][zoo].methods for arm in ARMS]
        return [file for folder in folders for file in files.shards(zoo, f"results/pruning_soups/{zoo}/{folder}")]

    def files(self, files: Files) -> dict[str, list[str]]:
        zoos = self.zoos(files.run)
        return super().files(files) | {"shard": [file for zoo in zoos for file in self.shards(files, zoo)]}

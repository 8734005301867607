"""Sparse transfer: originals and twins on other tasks, by linear probing and full fine-tuning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zootwins.catalogue.candidates import FROM_INITIAL, RANDOM, candidates
from zootwins.catalogue.datasets import ARCHIVE
from zootwins.catalogue.experiments.base import Drawing, Experiment, Table
from zootwins.catalogue.transfer import MASKS_OF, TaskSource, Transfer
from zootwins.run.errors import InputError
from zootwins.sparsifiers.registry import get_sparsifier, module_of

if TYPE_CHECKING:
    from zootwins.catalogue.entries import Run
    from zootwins.catalogue.files import Files
    from zootwins.sparsifiers.base import Point

MODES = ("linear", "full")
_TABLES = "zootwins.experiments.transfer.transfer_tables"


class TransferExperiment(Experiment):
    """Transfer of the configured zoos' originals and twins."""

    id = "transfer"
    title = "tables and figures of transfer to other tasks"
    page = "transfer.md"
    settings = Transfer
    long_tables = ("transfer",)
    findings = "transfer_findings"
    tables = (
        Table(
            name="transfer",
            module=_TABLES,
            maker="transfer_table",
            arranger="arrange_transfer",
            sources=("transfer",),
            title="Transfer to other tasks",
            note=(
                "Percent, on the task's test images; accuracy: mean (standard deviation) over the n models; "
                "increase in error: relative to the unpruned controls, with its 95 % bootstrap interval. Sparsity "
                "is that below the new head."
            ),
            label="transfer to other tasks",
            caption=(
                "Accuracy on other tasks, of originals, twins and networks to compare them with, by linear and by "
                "full transfer; and by how much the error is larger than that of the unpruned controls."
            ),
        ),
        Table(
            name="transfer_paired",
            module=_TABLES,
            maker="paired_table",
            arranger="arrange_paired",
            sources=("transfer",),
            title="Transfer, each network against its own control",
            note=(
                "Mean difference in accuracy to the model's unpruned control, in points, with its 95 % bootstrap "
                "interval; better: percent of models; p: Wilcoxon's signed-rank test, not corrected for the number "
                "of lines."
            ),
            label="transfer, paired",
            caption=(
                "Each network against its own model's unpruned control, on other tasks. Above 0, the network "
                "transfers better."
            ),
        ),
        Table(
            name="transfer_correlation",
            module=_TABLES,
            maker="correlation_table",
            arranger="arrange_correlation",
            sources=("transfer",),
            title="Upstream and downstream accuracy",
            note=(
                "Over the n models, in brackets the 95 % bootstrap interval: accuracy upstream with that on the "
                "task; change from the control upstream with that on the task; linear with full transfer."
            ),
            label="upstream and downstream accuracy",
            caption=(
                "Whether models that are good on the zoo's own data are good on the task, whether the cost of "
                "sparsification correlates too, and whether linear and full transfer agree on the good models."
            ),
        ),
        Table(
            name="transfer_reference",
            module=_TABLES,
            maker="reference_table",
            arranger="arrange_reference",
            sources=("transfer",),
            title="Relative increase in error, the reference's and ours",
            note=(
                "Percent of the dense error. Theirs: one network, mean over 12 data sets, better: percent of these; "
                "ours: a zoo's models on one task, better: percent of these. Another scale, not a target."
            ),
            label="transfer beside the reference's",
            caption=(
                "The relative increase in error that Iofinova et al. (2022) found of pruned ResNet-50s over 12 data "
                "sets, computed from the raw results in their repository, beside ours. Networks, data and methods "
                "are others: another scale, not a target."
            ),
        ),
        Table(
            name="transfer_kinds",
            module="zootwins.experiments.transfer.transfer_tables",
            maker="kind_table",
            arranger="arrange_kinds",
            sources=("transfer",),
            title="Kinds of pruning, in linear and in full transfer",
            note=(
                "Mean difference in accuracy to the model's unpruned control, in points, with its 95 % bootstrap "
                "interval over n models, and that in linear transfer less that in full transfer. Methods that sweep "
                "something else than a sparsity are interpolated at that of the model's other twins; methods of none "
                "of the five kinds are left out. W of kinds: Kendall's coefficient of how far models agree on the "
                "order of the kinds, and Friedman's p."
            ),
            label="kinds of pruning in transfer",
            caption=(
                "Networks of five kinds of pruning on other tasks, by linear and by full transfer, each against its "
                "own model's unpruned control: does the kind decide between the two?"
            ),
        ),
        Table(
            name="transfer_findings",
            module="zootwins.experiments.transfer.transfer_findings",
            maker="findings_table",
            arranger="arrange_findings",
            sources=("transfer",),
            title="Claims on sparse transfer, tested",
            note=(
                "A claim holds where the whole 95 % interval over the n models is on its side of the bound; "
                "verdicts are not corrected for their number."
            ),
            label="claims on sparse transfer, tested",
            caption=(
                "Claims on the transfer of sparse networks, each as a statement about one number over the "
                "zoo's models. It holds where the whole 95 % interval lies on its side of the bound."
            ),
        ),
    )
    figures = (
        Drawing(
            name="transfer",
            drawn_by="transfer",
            sources=("transfer",),
            label="transfer to other tasks",
            caption=(
                "By how much the error on a task is larger than that of the unpruned controls, against the share of "
                "pruned weights below the head; means over the n models with 95 % bootstrap intervals. Beyond 20 % "
                "the axis is logarithmic."
            ),
        ),
        Drawing(
            name="transfer_models",
            drawn_by="transfer:transfer_models",
            sources=("transfer",),
            label="transfer, model by model",
            caption=(
                "Accuracy on a task of the twins that are about 80 % sparse, against that of their own unpruned "
                "controls, one point per model. The line is equality."
            ),
        ),
        Drawing(
            name="transfer_upstream",
            drawn_by="transfer:transfer_upstream",
            sources=("transfer",),
            label="upstream and downstream accuracy",
            caption=(
                "Accuracy on a task against accuracy on the zoo's own test images, of originals and of twins that "
                "are about 80 % sparse, one point per model; Kendall's τ of each."
            ),
        ),
        Drawing(
            name="transfer_difficulty",
            drawn_by="transfer:transfer_difficulty",
            sources=("transfer",),
            label="gain and difficulty of a task",
            caption=(
                "What twins of about 80 % sparsity gain or lose in linear transfer, against the difficulty of the "
                "task: what full transfer adds to the accuracy of the controls. One point per task; bars are 95 % "
                "bootstrap intervals over the n models."
            ),
        ),
    )

    def points(self, run: Run, zoo: str) -> dict[str, list[Point]]:
        """Return the operating points of a zoo's methods whose twins are transferred, in the order of each sweep.

        Raises:
            InputError: if one is not run or not transferred, or baselines are asked for that the zoo has nothing for.
        """
        settings, entry, points = run.config.transfer, run.catalogue[zoo], {}
        for method, values in settings.points.items():
            if values and settings.methods is not None and method not in settings.methods:
                raise InputError(
                    f"configuration: transfer.points.{method}: {method} is not in transfer.methods; add it there, or "
                    f"set points.{method} to []"
                )
        for method, own in entry.methods.items():
            if settings.methods is not None and method not in settings.methods:
                continue
            values = settings.points.get(method, (get_sparsifier(method).default_point(own),))
            values = {*values, 0.0} if method == MASKS_OF else set(values)
            for value in values:
                if entry.point(method, value) is None:
                    known = ", ".join(f"{point.value:g}" for point in entry.curve(method))
                    raise InputError(
                        f"configuration: transfer.points.{method}: {value:g} is not among what {zoo} is run "
                        f"at ({known})"
                    )
            points[method] = [entry.point(method, value) for value in sorted(values)]
        self._check_baselines(run, zoo, [point.value for point in points.get(MASKS_OF, [])])
        return points

    def _check_baselines(self, run: Run, zoo: str, known: list[float]) -> None:
        settings = run.config.transfer
        for key in ("random", "scratch"):
            for value in getattr(settings, key):
                if not known:
                    raise InputError(
                        f"configuration: transfer.{key}: takes its counts and masks from {MASKS_OF}, whose twins of "
                        f"{zoo} are not transferred; add {MASKS_OF} to transfer.methods and the zoo's methods, or set "
                        f"{key} to []"
                    )
                if value not in known:
                    raise InputError(
                        f"configuration: transfer.{key}: {value:g} is not in transfer.points.{MASKS_OF}; add it there"
                    )
        if settings.untrained and run.catalogue[zoo].twins_of:
            raise InputError(
                f"configuration: transfer.untrained: the weights before training of {zoo}, whose twins are published, "
                "are not available; set it to false"
            )

    def tasks(self, run: Run, zoo: str) -> list[str]:
        """Return the tasks that a zoo is transferred to, as configured: all but its own data set.

        Raises:
            InputError: if there is none, or one is of a data set or zoo that there is not.
        """
        tasks = []
        for task in run.config.transfer.tasks:
            source = TaskSource.of(task)
            if (source.zoo or source.dataset) not in (run.catalogue if source.zoo else run.datasets):
                raise InputError(f"configuration: transfer.tasks: {task!r}: there is no such data set or zoo")
            dataset = run.catalogue[source.zoo].dataset if source.zoo else source.dataset
            same = dataset == run.catalogue[zoo].dataset and dataset != ARCHIVE  # each archive brings its own
            if source.variant or (source.zoo != zoo and not same):
                tasks.append(task)
        if not tasks:
            raise InputError(f"configuration: transfer.tasks: none for {zoo}, its own data set does not count; add one")
        return tasks

    def task_names(self, run: Run) -> list[str]:
        """Return the names that the files of all configured tasks have."""
        return [file_name(task) for task in run.config.transfer.tasks]

    def source(self, run: Run, task: str) -> TaskSource:
        """Return what a task is made from, by the name of its files."""
        return TaskSource.of({file_name(known): known for known in run.config.transfer.tasks}[task])

    def dataset_settings(self, files: Files, task: str) -> dict[str, Any] | str:
        """Return the catalogue's settings of a task's data set, where it is not a zoo's."""
        return files.dataset_settings(self.source(files.run, task).dataset)

    def dataset_files(self, files: Files, task: str) -> list[str]:
        """Return the files of that data set."""
        return files.of_dataset(self.source(files.run, task).dataset)

    def variant(self, run: Run, task: str) -> str:
        """Return the transformation of its images, or nothing."""
        return self.source(run, task).variant

    def zoo_file(self, run: Run, task: str) -> list[str]:
        """Return the data of another zoo that a task is made from."""
        zoo = self.source(run, task).zoo
        return [f"results/zoos/{zoo}/dataset.safetensors"] if zoo else []

    def candidates(self, run: Run, zoo: str, mode: str) -> list[dict[str, Any]]:
        """Return what is transferred of each of a zoo's models, as plain values."""
        return [one.plain() for one in candidates(self.points(run, zoo), run.config.transfer, mode)]

    def methods(self, run: Run, zoo: str, mode: str) -> set[str]:
        """Return the methods and other kinds of `candidates`."""
        return {candidate["method"] for candidate in self.candidates(run, zoo, mode)}

    def random_points(self, run: Run, zoo: str) -> list[dict[str, Any]]:
        """Return the operating points of magnitude pruning whose counts random pruning takes, as plain values."""
        return [one["point"] for one in self.candidates(run, zoo, "full") if one["method"] == RANDOM]

    def read_settings(self, run: Run, zoo: str, mode: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the settings of the methods whose twins a job reads; without a mode, MP's for random pruning."""
        read = {MASKS_OF, *(self.methods(run, zoo, mode) if mode else ())}
        return {method: own.model_dump() for method, own in run.catalogue[zoo].methods.items() if method in read}

    def read_modules(self, run: Run, zoo: str, mode: str | None = None) -> list[str]:
        """Return the modules of these methods."""
        return [module_of(method) for method in self.read_settings(run, zoo, mode)]

    def training(self, run: Run, mode: str) -> dict[str, Any]:
        """Return the settings of training in a mode."""
        return getattr(run.config.transfer, mode).model_dump()

    def shards(self, files: Files, zoo: str, mode: str, shard: str) -> dict[str, str]:
        """Return the shards of the transferred twins by method, the random ones among them; and `initial`."""
        methods = self.methods(files.run, zoo, mode)
        folders = {method: f"results/twins/{zoo}/{method}" for method in files.run.catalogue[zoo].methods}
        folders[RANDOM] = f"results/transfer/{zoo}/random"
        shards = {method: f"{folder}/{shard}.safetensors" for method, folder in folders.items() if method in methods}
        return shards | ({"initial": files.initial(zoo)} if methods & {*FROM_INITIAL} else {})

    def rows(self, files: Files, zoo: str) -> list[str]:
        """Return the rows of every task, mode and shard of a zoo."""
        return [f"{folder}/{shard}.parquet" for folder in self._folders(files, zoo) for shard in files.run.shards(zoo)]

    def _folders(self, files: Files, zoo: str) -> list[str]:
        tasks = map(file_name, self.tasks(files.run, zoo))
        return [f"results/transfer/{zoo}/{task}/{mode}" for task in tasks for mode in MODES]

    def files(self, files: Files) -> dict[str, list[str]]:
        made = super().files(files) | {kind: [] for kind in ("shard", "dataset", "initial", "transfer")}
        for zoo in self.zoos(files.run):
            tasks = [file_name(task) for task in self.tasks(files.run, zoo)]
            methods = {method for mode in MODES for method in self.methods(files.run, zoo, mode)}
            made["dataset"] += [f"results/tasks/{zoo}/{task}.safetensors" for task in tasks]
            made["initial"] += [files.initial(zoo)] if methods & {*FROM_INITIAL} else []
            for folder in (["random"] if RANDOM in methods else []) + [f"{task}/full" for task in tasks]:
                made["shard"] += files.shards(zoo, f"results/transfer/{zoo}/{folder}")
            made["transfer"] += [f"{folder}/lr.csv" for folder in self._folders(files, zoo)]
            made["transfer"] += self.rows(files, zoo)
        return made


def file_name(task: str) -> str:
    """Return the name that the files of a task have."""
    return task.replace(":", "-")

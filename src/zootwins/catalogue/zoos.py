"""A zoo as the configuration and the catalogue describe it, as jobs receive it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pydantic import BaseModel

from zootwins.architectures.registry import Spec
from zootwins.run.errors import InputError
from zootwins.sparsifiers.base import Point, Settings
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.zoos.sources import ArchiveSource, TrainSource

COMPARISONS = ("agreement", "correlation")


@dataclass(frozen=True)
class Zoo:
    """A catalogue entry joined with the run's settings; exactly one of the three sources is set.

    Attributes:
        methods: settings of the sparsifiers that the zoo is twinned with, by their ids, in the configuration's order.
        points: where the comparisons `agreement` and `correlation` look at the twins: a value of each method's
            sweep parameter, None where they do not.
        initial_weights: `factors`, or `checkpoint`: what determines the models' weights before training.
        compare_with: the id of a zoo of the paper that this one is like.
        twins_of: the id of the zoo whose variational twins the source holds; such a zoo is imported, not trained.
        dialect: how the source's files are laid out; recognised if None.
        factors: generating factors of all models that the source's files do not record.
        models: how many the zoo has: all that the source holds, or a sample of them.
        twins: title, short and colour of its named twins, by name.
        held: how many models an archive or folder holds, where the zoo is a sample of them; else None.
        publication: licence and authors of a release.
    """

    id: str
    title: str
    dataset: str
    architecture: Spec
    models: int
    epoch: int | None
    methods: Mapping[str, Settings]
    points: Mapping[str, Mapping[str, float | None]]
    initial_weights: str = "checkpoint"
    compare_with: str | None = None
    twins_of: str | None = None
    publication: Mapping[str, Any] = field(default_factory=dict)
    archive: ArchiveSource | None = None
    directory: str | None = None
    train: TrainSource | None = None
    dialect: str | None = None
    factors: Mapping[str, Any] = field(default_factory=dict)
    held: int | None = None
    twins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def curve(self, method: str) -> list[Point]:
        """Return the operating points of a method, in the order of its sweep parameter; none if the zoo lacks it."""
        return get_sparsifier(method).curve(self.methods[method]) if method in self.methods else []

    def point(self, method: str, value: float) -> Point | None:
        """Return the operating point of a method with a value of its sweep parameter, or None."""
        return get_sparsifier(method).point(self.methods[method], value) if method in self.methods else None

    def operating_points(self, comparison: str) -> dict[str, Point]:
        """Return by method where a comparison (`agreement`, `correlation`) looks at the twins; some may be left out."""
        values = {method: self.points[comparison].get(method) for method in self.methods}
        return {method: self.point(method, value) for method, value in values.items() if value is not None}

    def check_points(self) -> None:
        """Refuse operating points that the run does not have.

        Raises:
            InputError: naming the key and what is run.
        """
        for comparison in COMPARISONS:
            for method in self.methods:
                value, sweep = self.points[comparison].get(method), get_sparsifier(method).sweep
                if value is not None and self.point(method, value) is None:
                    run = ", ".join(f"{point.value:g}" for point in self.curve(method))
                    raise InputError(
                        f"zoos.{self.id}.operating_points.{comparison}.{method}_{sweep.name}: {value:g} is not among "
                        f"what is run ({run}); set one of these in the catalogue, or null"
                    )

    @property
    def earlier_epochs(self) -> list[int]:
        """The epochs of its models' training whose weights its methods take; 0: before training."""
        methods = self.methods.items()
        return sorted({epoch for name, own in methods for epoch in get_sparsifier(name).earlier_epochs(own)})

    def check_earlier_epochs(self, keep_states: str) -> None:
        """Refuse to take weights of epochs that there are not; the files of an archive or folder are another matter.

        Raises:
            InputError: naming the key and what to do.
        """
        last = self.train.epochs if self.train and self.epoch is None else self.epoch
        for method, settings in self.methods.items():
            sparsifier = get_sparsifier(method)
            for epoch in filter(None, sparsifier.earlier_epochs(settings)):
                key = f"zoos.{self.id}.{sparsifier.section}: takes weights of epoch {epoch}"
                if last is not None and epoch > last:
                    raise InputError(
                        f"{key}, but the originals are of epoch {last}; set rewind_epoch to {last} at most"
                    )
                if self.train and keep_states != "all":
                    raise InputError(f"{key}, which only keep_states: all keeps of a zoo trained here; set it")

    def value(self, path: str) -> Any:
        """Return a field, or a part of one, as plain values: `methods.vd.epochs`; None where there is none."""
        found: Any = self
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else getattr(found, name, None)
        return found.model_dump() if isinstance(found, BaseModel) else found

    def plain(self, *, origin: bool = True) -> dict[str, Any]:
        """Return the fields as plain values, as Snakemake's parameters hold them; `origin`: with the zoo's source."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["methods"] = {method: settings.model_dump() for method, settings in self.methods.items()}
        for name in ("archive", "train"):
            values[name] = values[name] and values[name].model_dump()
        sources = ("archive", "directory", "train", "twins_of", "initial_weights", "dialect", "factors", "publication")
        dropped = (() if origin else sources) + (() if self.twins else ("twins",))
        return {name: value for name, value in values.items() if name not in dropped}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Zoo":
        """Make a zoo from its fields as plain values."""
        methods = {method: get_sparsifier(method).Settings(**own) for method, own in values["methods"].items()}
        sources = {"archive": ArchiveSource, "train": TrainSource}
        typed = {name: kind(**values[name]) for name, kind in sources.items() if values.get(name)}
        return cls(**{**values, **typed, "methods": methods})

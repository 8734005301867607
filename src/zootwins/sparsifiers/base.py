"""What a sparsifier is: a method that turns dense models into sparse twins.

Snakemake reads every sparsifier whenever it starts, to know the configuration's keys and a method's axes. The modules
of sparsifiers therefore import torch, and whatever does, only inside the functions that train.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import isclose
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from zootwins.run.settings import Section
from zootwins.storage.shards import Axis

if TYPE_CHECKING:
    from torch import Tensor

    from zootwins.population import Engine, Factors, ImageData, Population
    from zootwins.population.trajectory import Plan
    from zootwins.population.weights import Weights
    from zootwins.storage.shards import TwinShard
    from zootwins.zoos.originals import Originals


CLOSE = 1e-6  # relative: values of a sweep parameter that are the same, one of them being read from a file
# The kinds of pruning that Iofinova et al. (2022) compare.
PROGRESSIVE, SECOND_ORDER, REGROWTH = "progressive", "second order", "regrowth"
REGULARISATION, LOTTERY_TICKETS = "regularisation", "lottery tickets"


class Settings(Section):
    """Settings of every method, in its section of the configuration and of a zoo's catalogue entry."""

    epochs: int = Field(ge=1, le=1000, description="Epochs of training.")
    lr: float | None = Field(None, gt=0, description="Learning rate; each model's own if absent.")

    @model_validator(mode="before")
    @classmethod
    def _read_former_keys(cls, given: Any) -> Any:
        return cls.renamed(given) if isinstance(given, Mapping) else given

    @classmethod
    def renamed(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return some of a section's keys with the present names and values of those that were called otherwise."""
        return dict(given)


@dataclass(frozen=True)
class SweepParameter:
    """The parameter that is varied along a method's curve; it names the operating points.

    Attributes:
        name: of the catalogue's key, `{method}_{name}`, such as mp_sparsity.
        label: of an axis of a figure.
        form: of a value in text, such as `{:g} % pruned`.
    """

    name: str
    label: str
    form: str


@dataclass(frozen=True)
class Point:
    """An operating point: a twin of every model.

    Attributes:
        value: of the method's sweep parameter.
        epoch: the state.
        at: the values on the method's axes, by name.
    """

    value: float
    epoch: int
    at: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SparsifierInputs:
    """What a sparsifier starts from.

    Attributes:
        zoo: the zoo's id, a part of every random stream's key.
        originals: the dense models of a shard.
        twins: the shards of the same models by the methods that `Sparsifier.needs` names.
        earlier: the same models' parameters after the epochs of their training that `Sparsifier.earlier_epochs` names,
            by epoch (0: before training) and by name, `[models, …]`.
        data: the images that the twins are trained on.
        engine: what computes gradients, Hessian products and inputs of layers on them.
    """

    zoo: str
    originals: Originals
    twins: Mapping[str, TwinShard] = field(default_factory=dict)
    earlier: Mapping[int, Mapping[str, Tensor]] = field(default_factory=dict)
    data: ImageData | None = None
    engine: Engine | None = None


class Sparsifier(ABC):
    """One method; instances hold no state, all numbers are in its settings.

    Attributes:
        id: in file names and tables.
        title: in texts.
        short: in figures and tables' headings.
        colour: in all figures, such as `#0072B2`; by its place in the registry if empty.
        section: its key in configuration and catalogue; its rule and its module have this name too.
        kind: one of the kinds of pruning above, by which the literature's claims are tested; empty if of none.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    short: ClassVar[str]
    colour: ClassVar[str] = ""
    section: ClassVar[str]
    kind: ClassVar[str] = ""
    sweep: ClassVar[SweepParameter]
    Settings: ClassVar[type[Settings]]

    def needs(self, settings: Settings) -> tuple[str, ...]:
        """Return the methods whose twins of the same models this one starts from."""
        return ()

    def earlier_epochs(self, settings: Settings) -> tuple[int, ...]:
        """Return the epochs of the originals' training whose weights this one takes; 0: before training."""
        return ()

    def has_masks(self, settings: Settings) -> bool:
        """Return whether its shards hold masks of twins at requested sparsities, which other methods can take."""
        return False

    def removes_channels(self, settings: Settings) -> bool:
        """Return whether whole channels go, so that the twins can be stored as smaller networks."""
        return False

    def resolve_settings(self, settings: Settings, others: Mapping[str, Settings], epochs: int | None) -> Settings:
        """Resolve a zoo's settings from those of its other methods and from its originals.

        Args:
            settings: this method's, as configuration and catalogue have them.
            others: those of all methods of the zoo, by id.
            epochs: those that the originals were trained for; None if the catalogue does not say.

        Raises:
            ValueError: if they do not go together, with the keys and what to do; to which the catalogue adds that the
                zoo can do without the method.
        """
        return settings

    def axes(self, settings: Settings) -> tuple[Axis, ...]:
        """Return the axes of a model's twins."""
        return ()

    @abstractmethod
    def curve(self, settings: Settings) -> list[Point]:
        """Return the points of the trade-off of sparsity and accuracy, in the order of the sweep parameter."""

    @abstractmethod
    def default_point(self, settings: Settings) -> float:
        """Return the operating point (of the sweep parameter) of comparisons where the catalogue names none."""

    def dense_control(self, settings: Settings) -> Point | None:
        """Return the point of twins trained like the others and not pruned; None of a method without them."""
        return None

    def milestones(self, settings: Settings) -> list[Point]:
        """Return the points of the curve that have a row in tables."""
        return self.curve(settings)

    @abstractmethod
    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        """Return the twins before training, `[models · axes]`, the last axis fastest."""

    @abstractmethod
    def plan(self, inputs: SparsifierInputs, settings: Settings) -> Plan:
        """Return how the population is trained, and of which states predictions are kept."""

    def weights(self, settings: Settings) -> Weights:
        """Return what the population's parameters stand for: ordinary weights, noise, gates."""
        from zootwins.population.weights import Plain

        return Plain()

    def point(self, settings: Settings, value: float) -> Point | None:
        """Return the point of the curve with a value of the sweep parameter, or None."""
        return next((point for point in self.curve(settings) if isclose(point.value, value, rel_tol=CLOSE)), None)


def repeated(factors: Sequence[Factors], times: int, lr: float | None) -> list[Factors]:
    """Repeat each model's factors for a number of twins, with their learning rate where it is not the model's own."""
    return [own if lr is None else replace(own, lr=lr) for own in factors for _ in range(times)]


def twin_keys(method: str, inputs: SparsifierInputs, axes: Sequence[Axis]) -> list[int]:
    """Return every twin's random stream, keyed by zoo, model, method and place on the axes, the last axis fastest."""
    from zootwins.run.keys import stream_key

    return [
        stream_key(inputs.zoo, model, method, *(f"{value:g}" for value in values))
        for model in inputs.originals.models
        for values in product(*(axis.values for axis in axes))
    ]

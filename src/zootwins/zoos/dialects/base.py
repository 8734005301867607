"""The interface of a dialect: how a raw zoo is recognised, which models it has, and what is recorded of each."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from zootwins.zoos.members import Members

if TYPE_CHECKING:  # planning a workflow reads file names and texts, and does not load torch
    from torch import Tensor

    from zootwins.architectures.architecture import Architecture
    from zootwins.images.datasets import StoredData
    from zootwins.population import Engine, Factors, ImageSet, Population


_NO_EPOCH = -1


@dataclass
class RawModel:
    """One model of a raw zoo.

    Attributes:
        name: its name in the zoo, such as its folder's.
        factors: its generating factors; None of a twin, which has its original's.
        checkpoints: parameters by epoch, named as in `Population`.
        history: rows with an `epoch` and `METRICS` (twins: `TWIN_METRICS`), NaN where nothing is recorded.
        reason: why the model is excluded; empty if it is not. What was not read then is missing above.
        original: of a twin, the name of its original.
        notes: what was unwrapped, converted or left out when it was read.
        epoch: that of the checkpoint which was evaluated; None before that.
        labels: of an exported twin, further entries of params.json: its method, its original and its place on the axes.
    """

    name: str
    factors: "Factors | None" = None
    checkpoints: "dict[int, dict[str, Tensor]]" = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    reason: str = ""
    original: str = ""
    notes: list[str] = field(default_factory=list)
    epoch: int | None = None
    labels: Mapping[str, str | float] = field(default_factory=dict)


class RawZoo(ABC):
    """A raw zoo in one dialect.

    Attributes:
        id: the dialect's name in the catalogue.
        title: what it is, for people.
        members: the files.
        given: generating factors that the catalogue gives where the zoo's files have none.
        initial_epoch: the epoch of checkpoints before training; None if there are none.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    initial_epoch: ClassVar[int | None] = 0

    def __init__(self, members: Members, given: Mapping[str, Any] | None = None):
        self.members = members
        self.given = dict(given or {})

    @classmethod
    @abstractmethod
    def recognises(cls, members: Members) -> bool:
        """Say whether files are of this dialect."""

    @classmethod
    def needed(cls, names: Sequence[str], epoch: int | None, read: Callable[[str], bytes]) -> list[str]:
        """Return the members of an archive that importing reads, so that no others are downloaded: all, if not said.

        Args:
            names: all members of the archive.
            epoch: of the checkpoints; each model's last where it is None or not there.
            read: returns the content of a text among these; of one that is not here yet, nothing.

        Returns:
            None of an archive that is not of this dialect: of those in `DIALECTS` the first that needs some is asked.
        """
        return [name for name in names if not name.endswith("/")]

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """The models' names, in the zoo's order.

        Raises:
            InputError: if there is no model at all, or more than one zoo.
        """

    @abstractmethod
    def files(self, epoch: int | str | None) -> list[str]:
        """Return the members that importing the zoo reads: with the checkpoints of an epoch, the last (None) or all."""

    def lacks_epoch(self, epoch: int) -> bool:
        """Return whether the files show that no model has a checkpoint of an epoch."""
        return not set(self.files(epoch)) - set(self.files(_NO_EPOCH))

    @abstractmethod
    def models(
        self,
        architecture: "Architecture",
        epoch: int | None,
        names: Sequence[str] | None = None,
        *,
        recorded: bool = True,
    ) -> Iterator[RawModel]:
        """Yield the models, or those of `names` in their order, each with its checkpoint of `epoch` or else its last.

        Args:
            recorded: whether a model without a record of the epoch is excluded.

        Raises:
            InputError: if a generating factor is recorded for none, and the catalogue does not give it.
        """

    def dataset(self) -> "StoredData | None":
        """Return the zoo's own image data, if it brings them along.

        Raises:
            InputError: if they cannot be read.
        """
        return None

    def recorded_losses(
        self, engine: "Engine", population: "Population", models: Sequence[RawModel], test: "ImageSet", loss: "Tensor"
    ) -> "Tensor | None":
        """Return test losses, float64 `[models]`, computed as the dialect records them; None if it is not defined how.

        Args:
            loss: the mean over the test images, `[models]`.
        """
        return loss.double()


def chosen_checkpoints(files: Mapping[int, str], epoch: int | str | None) -> list[str]:
    """Return the files, by epoch, of an epoch, the last one (None) or all; none where it is not there."""
    chosen = files if epoch == "all" else [max(files, default=0) if epoch is None else epoch]
    return [files[one] for one in chosen if one in files]

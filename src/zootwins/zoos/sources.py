"""Sources of a zoo in the catalogue: an archive, a folder, or its generating factors."""

from math import prod
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from zootwins.architectures.activations import ACTIVATIONS
from zootwins.run.settings import NotNegative, Positive, Section, Share

# The generating factors that a zoo may vary beside the seed: columns of models.csv, and fields of `Factors`.
OPTIMIZERS = ("adam", "sgd", "nesterov", "adamw", "rmsprop")
FACTORS = ("activation", "init", "optimizer", "lr", "weight_decay", "dropout")
GRID = (*FACTORS, "l2")  # the lists of a zoo that is trained here
INITIALISERS = (
    "uniform",
    "normal",
    "kaiming_uniform",
    "kaiming_normal",
    "xavier_uniform",
    "xavier_normal",
    "orthogonal",
)


class ArchiveSource(Section):
    """A zip or tar with a zoo: a path, a URL, or a file of a Zenodo record; what its bytes must hash to."""

    path: str | None = Field(None, description="A local zip, tar, tar.gz or tar.xz.")
    url: str | None = Field(None, pattern="^https?://", description="Address of such a file.")
    zenodo: int | None = Field(
        None, ge=1, description="A Zenodo record's number; its API gives size, checksum and address."
    )
    file: str | None = Field(None, description="Name of one file of the Zenodo record; * and ? match any characters.")
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Of the whole archive; a remote one is then downloaded whole."
    )
    md5: str | None = Field(None, pattern="^[0-9a-f]{32}$", description="The same.")

    @model_validator(mode="before")
    @classmethod
    def _place_is_named(cls, given: Any) -> Any:
        if isinstance(given, str):
            kind = "url" if given.startswith("http") else "path"
            raise ValueError(f"does not say what it is; write archive: {{{kind}: {given}}}")
        return given

    @model_validator(mode="after")
    def _one_place(self) -> "ArchiveSource":
        if sum(place is not None for place in (self.path, self.url, self.zenodo)) != 1:
            raise ValueError("needs exactly one of path, url, and zenodo with file")
        if (self.zenodo is None) != (self.file is None):
            raise ValueError("zenodo and file belong together")
        return self


class GivenFactors(Section):
    """Generating factors of all of a zoo's models, for those that its files do not record."""

    seed: int | None = Field(None, ge=0, description="Seed of the initial weights.")
    activation: str | None = Field(None, description="Activation function, such as tanh.")
    init: str | None = Field(None, description="Initialiser of the weights.")
    optimizer: str | None = Field(None, description="Optimiser, which twins are trained with too.")
    lr: Positive | None = Field(None, description="Learning rate.")
    weight_decay: NotNegative | None = Field(None, description="Weight decay.")
    momentum: Share | None = Field(None, description="Momentum of sgd and nesterov.")
    dropout: Share | None = Field(None, description="Dropout rate.")
    batch_size: int | None = Field(None, ge=1, description="Images in a batch.")


class Schedule(Section):
    """How the learning rate changes while a zoo is trained; twins are trained at constant rates, or as they say."""

    name: Literal["constant", "cosine", "onecycle"] = Field(
        "constant", description="Falling as a cosine epoch by epoch, or rising and falling step by step (OneCycleLR)."
    )
    warmup_epochs: int = Field(0, ge=0, description="Epochs in which the rate rises linearly before.")
    cycle: int | None = Field(
        None, ge=1, description="Epochs, warm-up among them, after which the schedule would end; null: all."
    )

    @property
    def label(self) -> str:
        """In models.csv."""
        warmup = f", warm-up {self.warmup_epochs}" if self.warmup_epochs else ""
        return self.name + warmup + (f", of {self.cycle}" if self.cycle else "")


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


class TrainSource(Section):
    """Generating factors of a zoo to be trained: every combination of the lists, with `seeds` seeds."""

    seeds: int = Field(ge=1, description="Seeds per combination.")
    activation: tuple[Literal[*ACTIVATIONS], ...] = Field(min_length=1, description="Activation functions.")
    init: tuple[Literal[*INITIALISERS], ...] = Field(min_length=1, description="As torch.nn.init has them.")
    optimizer: tuple[Literal[*OPTIMIZERS], ...] = Field(
        min_length=1, description="As torch.optim has them; adamw decouples weight decay, nesterov is SGD's momentum."
    )
    lr: tuple[Positive, ...] = Field(min_length=1, description="Learning rates.")
    weight_decay: tuple[NotNegative, ...] = Field(min_length=1, description="Weight decays.")
    dropout: tuple[Share, ...] = Field((0.0,), min_length=1, description="Dropout rates.")
    momentum: Share = Field(0.9, description="Momentum of sgd and nesterov.")
    l2: Annotated[tuple[NotNegative, ...], BeforeValidator(_listed)] = Field(
        (0.0,),
        min_length=1,
        description="Times the sum of squares of the layers' weights, biases not among them, added to the loss; one "
        "number or a list.",
    )
    schedule: Schedule = Field(Schedule(), description="Schedule of the learning rate.")
    epochs: int = Field(50, ge=1, description="Epochs of training.")
    batch_size: int = Field(10, ge=1, description="Images in a batch.")
    seed_mode: Literal["shared", "drawn"] = Field(
        "shared", description="shared: every combination has the seeds 1, 2, …; drawn: every model has its own."
    )
    sample: int | None = Field(
        None,
        ge=1,
        description="Only so many of the models, drawn over the whole grid; a larger sample begins with a smaller one.",
    )

    @model_validator(mode="after")
    def _enough(self) -> "TrainSource":
        cycle = self.schedule.cycle or self.epochs
        if cycle < self.epochs or self.schedule.warmup_epochs >= cycle:
            raise ValueError(
                f"schedule: warm-up of {self.schedule.warmup_epochs} and cycle of {cycle} epochs do not fit into "
                f"{self.epochs} epochs; the warm-up is shorter than the cycle, and the cycle lasts all epochs"
            )
        if self.sample is not None and self.sample > self.combinations:
            raise ValueError(f"sample: {self.sample} of {self.combinations} models cannot be drawn; lower it")
        return self

    @property
    def combinations(self) -> int:
        """How many models the lists and seeds make."""
        return self.seeds * prod(len(getattr(self, name)) for name in GRID)

    @property
    def models(self) -> int:
        """How many models the zoo has."""
        return self.combinations if self.sample is None else self.sample

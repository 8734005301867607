"""Settings of the experiment on transfer, as a section of the configuration: which twins go to which tasks, and how."""

from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints, model_validator

from zootwins.run.settings import Once, PercentOrZero, Positive, Section

MASKS_OF = "mp"  # the method whose unpruned control twins are compared with, and whose masks the baselines take
VARIANTS = ("rotated", "inverted", "shuffled")
Task = Annotated[str, StringConstraints(pattern=rf"^(zoo:)?[a-z][a-z0-9_]*(:({'|'.join(VARIANTS)}))?$")]
LAST = "last"  # the layer before the head, whatever its name
HEAD_INPUTS = (LAST, "fc1")  # fc1: the name that it has in cnn_s and cnn_l
Layer = Annotated[str, StringConstraints(min_length=1)]


class TaskSource(NamedTuple):
    """What a task is made from: the data of a zoo or a data set, the other being empty, and a variant or nothing."""

    zoo: str
    dataset: str
    variant: str

    @classmethod
    def of(cls, task: str) -> "TaskSource":
        """Parse a task's name in the configuration."""
        zoo, parts = task.startswith("zoo:"), task.removeprefix("zoo:").split(":")
        return cls(parts[0] * zoo, parts[0] * (not zoo), "".join(parts[1:]))


class Training(Section):
    """Training on a task: SGD with momentum, in the schedule of the paper (Iofinova et al., CVPR 2022)."""

    epochs: int = Field(
        ge=1,
        le=1000,
        description="The learning rate falls to a tenth after 51 of 150 of them, and to a hundredth after 101 of 150.",
    )
    lrs: Annotated[tuple[Positive, ...], Once] = Field(
        min_length=1,
        description="Learning rates; of several, the one with the best validation accuracy on a subset of the "
        "originals is used for all networks.",
    )
    batch_size: int = Field(ge=1, description="Images in a batch.")
    momentum: float = Field(ge=0, lt=1, description="Of SGD.")
    weight_decay: float = Field(ge=0, description="On all that is trained, biases too.")
    restarts: int = Field(ge=1, le=100, description="Initial heads and orders of the images, each tried by all twins.")


class Linear(Training):
    """Linear probing: the network is frozen, a linear classifier is trained on its activations."""

    layers: Annotated[tuple[Layer, ...], Once] = Field(
        min_length=1,
        description="Whose activations are classified, by the network's names, `last` being the layer before the head. "
        "What the old head sees is among them (last, or fc1 of cnn_s and cnn_l): figures and claims take it where they "
        "are about linear transfer.",
    )
    exact: Annotated[tuple[Layer, ...], Once] = Field(
        description="Of these layers, the exact optimum of the regularised loss is computed beside SGD's. Newton's "
        "method takes some hundred activations, such as those of conv3 and fc1 in cnn_s and cnn_l."
    )
    weight_decay: float = Field(gt=0, description="On weights and biases; without it the exact optimum may not exist.")

    @model_validator(mode="after")
    def _layers_suffice(self) -> "Linear":
        if not any(layer in HEAD_INPUTS for layer in self.layers):
            raise ValueError("layers: figures and claims take what the old head sees; add last")
        if all(layer in self.layers for layer in HEAD_INPUTS):
            raise ValueError("layers: last and fc1 both mean what the old head sees; leave one of them out")
        if missing := [layer for layer in self.exact if layer not in self.layers]:
            raise ValueError(f"exact: {missing[0]} is not in layers; add it there, or leave it out here")
        return self


class Full(Training):
    """Full fine-tuning: all weights that are not pruned are trained, under a new head."""


class Transfer(Section):
    """Transfer of originals and twins to other tasks: what is transferred, where to, and how."""

    tasks: Annotated[tuple[Task, ...], Once] = Field(
        description="Data sets of the catalogue, `zoo:{id}` for the data of another zoo, either with `:rotated` "
        "(predict which of four turns), `:inverted` or `:shuffled` (pixels in another order: the negative control) "
        "after it. A zoo's own data set is left out."
    )
    methods: tuple[str, ...] | None = Field(
        description="Whose twins are transferred, of the methods that a zoo has; null: those of all."
    )
    points: dict[str, tuple[float, ...]] = Field(
        description="The twins of each method, as values of its sweep parameter (mp: percent pruned, vd: epoch, l0: "
        "penalty); methods that are not named take their default operating point. Where MP's twins are transferred, "
        "its unpruned control is among them; without them originals take its place."
    )
    random: Annotated[tuple[PercentOrZero, ...], Once] = Field(
        description="Of these sparsities of MP, among its `points`, twins with as many weights of each layer pruned, "
        "at random places; [] without MP."
    )
    scratch: Annotated[tuple[PercentOrZero, ...], Once] = Field(
        description="Of these sparsities of MP, its masks on the model's initial weights, trained on the task alone; "
        "0 is dense. Full transfer only; [] without MP."
    )
    untrained: bool = Field(description="Whether the initial networks are probed too. Linear transfer only.")
    lr_models: int = Field(ge=1, description="How many of a zoo's originals, sampled over it, choose learning rates.")
    linear: Linear
    full: Full

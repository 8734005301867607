"""Settings of hyper-representations, as a section of the configuration."""

from typing import Annotated

from pydantic import Field, model_validator

from zootwins.run.settings import Once, Section


class RepresentationSettings(Section):
    """Settings of a hyper-representation: an auto-encoder over the weights of a zoo's VD twins (Table 3)."""

    name: str = Field(description="What the tables call these settings.")
    dimension: int = Field(ge=1, description="Width of a token in the transformers; a multiple of heads.")
    heads: int = Field(ge=1, description="Attention heads.")
    feed_forward: int = Field(ge=1, description="Hidden width of a transformer block.")
    blocks: int = Field(ge=1, description="Transformer blocks, of the encoder and of the decoder each.")
    latent: int = Field(ge=2, description="Width of the latent vector's learned part: all of it in the paper.")
    largest: int = Field(
        ge=0,
        description="Further numbers of the latent vector: the network's largest weights and, in a number for 24 "
        "parameters, their places; 0 for none; not in the paper.",
    )
    dropout: float = Field(ge=0, lt=1, description="Dropout rate in the transformer blocks.")
    projection_hidden: int = Field(
        ge=1, description="Hidden width of the head whose output the contrastive loss compares."
    )
    projection: int = Field(ge=1, description="Width of that output.")
    contrastive_weight: float = Field(
        ge=0, le=1, description="γ: share of the contrastive loss; the rest is reconstruction."
    )
    temperature: float = Field(gt=0, description="Temperature of the contrastive loss.")
    weights_factor: float = Field(
        ge=0,
        description="Factor of the reconstruction of weights, beside 1 for that of log α; of no effect with `largest`, "
        "which holds them.",
    )
    alpha_scale: float = Field(gt=0, description="r: log α is compared as tanh((log α − threshold) / r).")
    magnitudes: bool = Field(description="Whether the encoder sees log |w| beside w; not in the paper.")
    align: bool = Field(
        description="Whether networks are aligned to the mean of the training models, by permutation matching, before "
        "they are encoded; not in the paper."
    )
    permutations: bool = Field(
        description="Whether neurons are put in another order whenever a model is seen in training."
    )
    erasing: float = Field(
        ge=0, le=1, description="Largest share of a network's parameters that is hidden from the encoder in training."
    )
    lr: float = Field(
        gt=0,
        description="Highest learning rate of Adam; it rises in the first three tenths of the training and then falls "
        "to 0 (torch's OneCycleLR).",
    )
    weight_decay: float = Field(ge=0, description="Of Adam.")
    batch_size: int = Field(ge=2, description="Networks in a batch.")
    epochs: int = Field(ge=1, le=1000, description="Passes over all states of the training models.")

    @model_validator(mode="after")
    def _heads_fit(self) -> "RepresentationSettings":
        if self.dimension % self.heads:
            raise ValueError(f"dimension: {self.dimension} is no multiple of heads, {self.heads}; change one of them")
        return self

    @property
    def numbers(self) -> int:
        """How many numbers a latent vector has."""
        return self.latent + self.largest


class Representations(RepresentationSettings):
    """Hyper-representations: auto-encoders over the weights of VD twins, and which are trained."""

    zoos: Annotated[tuple[str, ...], Once] = Field(
        description="Zoos to train them on, by their name in the catalogue; some dozens of models each, and "
        "keep_states: all."
    )
    across: Annotated[tuple[str, ...], Once] = Field(
        description="Zoos of the same architecture and channels whose models are sparsified zero-shot too, by what was "
        "learned from the zoos above."
    )
    seeds: int = Field(
        ge=1,
        le=100,
        description="Auto-encoders a zoo, each with its own initial weights and its own split into training, "
        "validation and test models.",
    )

"""A trained hyper-representation as a safetensors file, with all that is needed to use it again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from zootwins.architectures.architecture import get_architecture
from zootwins.experiments.representations import Settings
from zootwins.experiments.representations.model import AutoEncoder
from zootwins.experiments.representations.tokens import Tokens
from zootwins.run.errors import InputError, one_line
from zootwins.storage import tensor_files
from zootwins.storage.files import remedy


@dataclass(frozen=True)
class Representation:
    """An auto-encoder, how it was trained, and the names of the models it was trained, validated and tested on.

    Attributes:
        reference: the network that others are aligned to before they are encoded, `[parameters]`; None if none are.
    """

    model: AutoEncoder
    settings: Settings
    threshold: float
    split: Mapping[str, list[str]]
    reference: Tensor | None = None


def save_representation(path: str | Path, representation: Representation, provenance: Mapping[str, str]) -> None:
    """Write a hyper-representation, whole or not at all."""
    architecture = representation.model.tokens.architecture
    description = {
        "architecture": [json.loads(architecture.spec), *architecture.images.values()],
        "settings": representation.settings.model_dump(),
        "threshold": representation.threshold,
        "split": representation.split,
    }
    tensors = {f"model.{name}": tensor.cpu() for name, tensor in representation.model.state_dict().items()}
    if representation.reference is not None:
        tensors["reference"] = representation.reference
    texts = {key: json.dumps(value) for key, value in description.items()}
    tensor_files.write(path, "representation", tensors, texts, provenance)


def load_representation(path: str | Path, device: str = "cpu") -> Representation:
    """Read what `save_representation` wrote; the auto-encoder is ready to be evaluated.

    Raises:
        InputError: if the file is not as it was written.
    """
    tensors, metadata = tensor_files.read(path, "representation")
    try:
        settings = Settings(**json.loads(metadata["settings"]))
        model = AutoEncoder(Tokens(get_architecture(*json.loads(metadata["architecture"]))), settings)
        reference = tensors.pop("reference", None)
        model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in tensors.items()})
        threshold, split = (json.loads(metadata[key]) for key in ("threshold", "split"))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # of another version of this program
        raise InputError(f"{path}: does not fit this version ({one_line(error)}); {remedy(path)}") from None
    return Representation(model.to(device).eval(), settings, threshold, split, reference)

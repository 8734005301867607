"""A trained hyper-representation as a safetensors file, with all that is needed to use it again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from zootwins.architectures import get_architecture
from zootwins.errors import InputError
from zootwins.files import replacing
from zootwins.representations import Settings
from zootwins.representations.model import AutoEncoder
from zootwins.representations.tokens import Tokens

FORMAT = "zootwins-representation"


@dataclass(frozen=True)
class Representation:
    """An auto-encoder, how it was trained, and the names of the models it was trained, validated and tested on."""

    model: AutoEncoder
    settings: Settings
    threshold: float
    split: Mapping[str, list[str]]


def save_representation(path: str | Path, representation: Representation, provenance: Mapping[str, str]) -> None:
    """Write a hyper-representation, whole or not at all."""
    architecture = representation.model.tokens.architecture
    description = {
        "architecture": [architecture.name, architecture.channels],
        "settings": asdict(representation.settings),
        "threshold": representation.threshold,
        "split": representation.split,
    }
    tensors = {name: tensor.cpu().contiguous() for name, tensor in representation.model.state_dict().items()}
    metadata = {"format": FORMAT, **{key: json.dumps(value) for key, value in description.items()}}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata | dict(provenance))


def load_representation(path: str | Path, device: str = "cpu") -> Representation:
    """Read what `save_representation` wrote; the auto-encoder is ready to be evaluated.

    Raises:
        InputError: if the file is not such a file, or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(f"{path}: a safetensors file, but not a hyper-representation of this program")
            description = {key: json.loads(metadata[key]) for key in ("architecture", "settings", "threshold", "split")}
            settings = Settings(**description["settings"])
            model = AutoEncoder(Tokens(get_architecture(*description["architecture"])), settings)
            model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path}: not a readable hyper-representation ({error}); delete it, and the next run trains it again"
        ) from None
    return Representation(model.to(device).eval(), settings, description["threshold"], description["split"])

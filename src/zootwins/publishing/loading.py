"""Load a release: the index at once, weights one network at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from zootwins.publishing.documents import DESCRIPTION, FORMAT, INDEX
from zootwins.run.errors import InputError, one_line

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.data import Dataset


def load(path_or_repo: str | Path) -> PublishedZoo:
    """Load a published zoo from a folder, or from a dataset repository on the Hugging Face hub.

    Args:
        path_or_repo: a folder that the target `results/published/{zoo}` made, or `user/name` on the hub.

    Raises:
        InputError: if there is no release.
    """
    folder = Path(path_or_repo)
    if not folder.is_dir():
        folder = _downloaded(str(path_or_repo))
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        known = description.get("format") == FORMAT
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{folder / DESCRIPTION}: not readable ({one_line(error)}); {folder} is no release") from None
    if not known:
        raise InputError(f"{folder / DESCRIPTION}: its format is not {FORMAT}; load it with the version that made it")
    return PublishedZoo(folder, description)


def _downloaded(repository: str) -> Path:
    if repository.count("/") != 1 or repository.startswith((".", "/", "~")):
        raise InputError(f"{repository}: is no folder; make it with snakemake --cores 4 results/published/{{zoo}}")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise InputError(
            f"{repository}: is no folder, and to load it from the hub huggingface_hub is missing; pip install "
            "huggingface_hub"
        ) from None
    return Path(snapshot_download(repository, repo_type="dataset"))


class PublishedZoo:
    """A population on disk: a table of its networks, and their weights on demand.

    Attributes:
        folder: of the release.
        about: what zoo.json says: zoo, title, dataset, architecture, channels, classes, image_size,
            shapes of parameters and buffers, provenance.
    """

    def __init__(self, folder: Path, about: dict[str, Any]):
        self.folder = folder
        self.about = about
        self._files: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return f"PublishedZoo({self.about['zoo']!r}, {len(self)} networks, {self.folder})"

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per network; see the data card for its columns. Methods below take a row's position in it."""
        return pd.read_parquet(self.folder / INDEX)

    def state_dict(self, network: int) -> dict[str, Tensor]:
        """Return a network's parameters and buffers by name; pruned weights are 0."""
        return self._read(network, (*self.about["parameters"], *self.about["buffers"]))

    def parameters(self, network: int) -> dict[str, Tensor]:
        """Return a network's parameters by name, float32; pruned weights are 0."""
        return self._read(network, self.about["parameters"])

    def _read(self, network: int, names: Iterable[str]) -> dict[str, Tensor]:
        row = self.index.iloc[network]
        file = self._opened(row["file"])
        return {
            name: file.get_tensor(name)[int(row["row"])]
            if name in self._scalars
            else file.get_slice(name)[int(row["row"])]
            for name in names
        }

    @cached_property
    def _scalars(self) -> set[str]:
        """Buffers of shape `[]`, of which a file has `[rows]`."""
        return {name for name, shape in self.about["buffers"].items() if not shape}

    def vector(self, network: int) -> Tensor:
        """Return a network's parameters as one vector, float32 `[parameters]`, ordered as `about["parameters"]`."""
        import torch

        return torch.cat([tensor.flatten() for tensor in self.parameters(network).values()])

    def vectors(self, networks: Sequence[int] | None = None) -> Tensor:
        """Return networks as vectors, float32 `[networks, parameters]`; all of the index if None."""
        import torch

        chosen = self.index if networks is None else self.index.iloc[list(networks)]
        rows = torch.empty(len(chosen), sum(_size(shape) for shape in self.about["parameters"].values()))
        for name, part in chosen.reset_index(drop=True).groupby("file"):
            file = self._opened(name)
            whole = [file.get_tensor(key)[part["row"].tolist()].flatten(1) for key in self.about["parameters"]]
            rows[part.index.tolist()] = torch.cat(whole, dim=1)
        return rows

    def module(self, network: int) -> nn.Module:
        """Return a network as a torch.nn.Module in evaluation mode; it takes images as the zoo was trained on."""
        from zootwins.architectures.architecture import get_architecture

        row = self.index.iloc[network]
        images = {key: self.about[key] for key in ("channels", "classes", "image_size")}
        module = get_architecture(self.about["architecture"], **images).module(row["activation"], row["dropout"])
        module.load_state_dict(self.state_dict(network))
        return module.eval()

    def dataset(self, split: str | None = None, target: str = "test_accuracy") -> Dataset:
        """Return networks as a torch Dataset of pairs (vector, target).

        Args:
            split: train, validation or test; all networks if None.
            target: a numeric column of the index.
        """
        if target not in self.index or not pd.api.types.is_numeric_dtype(self.index[target]):
            numbers = self.index.select_dtypes("number").columns
            raise InputError(f"target: {target!r} is no numeric column of the index; those are {', '.join(numbers)}")
        splits = self.index["split"]
        if split is not None and split not in set(splits):
            raise InputError(f"split: {split!r} is not in the index; choose {', '.join(splits.unique())}")
        chosen = range(len(self)) if split is None else [number for number, own in enumerate(splits) if own == split]
        return _Vectors(self, list(chosen), target)

    def _opened(self, name: str):
        if name not in self._files:
            from safetensors import safe_open

            self._files[name] = safe_open(self.folder / name, "pt").__enter__()
        return self._files[name]

    def __getstate__(self) -> dict[str, Any]:  # workers of a DataLoader open the files themselves
        return {**self.__dict__, "_files": {}}


def _size(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


class _Vectors:
    """Pairs of a network's vector and a number, as torch.utils.data.Dataset has them."""

    def __init__(self, zoo: PublishedZoo, networks: list[int], target: str):
        self.zoo = zoo
        self.networks = networks
        self.targets = zoo.index[target].iloc[networks].tolist()

    def __len__(self) -> int:
        return len(self.networks)

    def __getitem__(self, item: int) -> tuple[Tensor, float]:
        return self.zoo.vector(self.networks[item]), self.targets[item]

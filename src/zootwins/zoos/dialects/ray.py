"""Zoos in Ray Tune's folders, a folder for each model; `modelzoo` and `weightclip` are such.

What the files say is never executed and never believed without a check: layouts are inferred from keys and shapes, and
rows are matched with checkpoints by what they record, never by their number.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from zootwins.run.errors import InputError
from zootwins.zoos.dialects.base import RawModel, RawZoo, chosen_checkpoints
from zootwins.zoos.members import Members, users_file
from zootwins.zoos.raw_texts import FACTOR_KEYS, METRICS, BrokenModelError, parse_factors, parse_history, parse_params
from zootwins.zoos.ray_folders import (
    NEEDED,
    ModelFolder,
    candidates,
    checkpoint_epochs,
    dataset_file,
    model_folders,
    read_text,
)

if TYPE_CHECKING:
    from zootwins.architectures.architecture import Architecture
    from zootwins.images.datasets import StoredData
    from zootwins.population import Factors

log = logging.getLogger(__name__)

CHECKPOINT_LIMIT = 1 << 30  # bytes; a ResNet-18's has 45 MB
DATASET_LIMIT = 4 << 30


class RayZoo(RawZoo):
    """A zoo in Ray Tune's folders.

    Attributes:
        epoch_key: the key of result.json that says of which epoch a row is.
        accuracy_unit: what a recorded accuracy of every image is.
        factor_keys: the keys of params.json by generating factor.
        classes_key: the key of params.json that says how many classes the data have; empty if there is none.
    """

    epoch_key: ClassVar[str] = "training_iteration"
    accuracy_unit: ClassVar[float] = 1.0
    factor_keys: ClassVar[Mapping[str, str]] = FACTOR_KEYS
    classes_key: ClassVar[str] = ""

    @classmethod
    def needed(cls, names: Sequence[str], epoch: int | None, read: Callable[[str], bytes]) -> list[str]:
        folders = candidates(names).values()
        if not any(folder.is_model or folder.checkpoints for folder in folders):
            return []
        needed = [name for name in names if name.rpartition("/")[2] in NEEDED]
        for folder in folders:
            result = f"{folder.path}/result.json".removeprefix("/")
            text = read(result) if "result.json" in folder.texts else b""
            epochs = checkpoint_epochs(folder, text) or folder.checkpoints
            if epochs:  # the last one also where the wanted one is missing: importing says what is there instead
                needed.append(epochs[epoch if epoch in epochs else max(epochs)])
        return needed

    @cached_property
    def folders(self) -> list[ModelFolder]:
        return model_folders(self.members)

    @property
    def names(self) -> list[str]:
        return [folder.name for folder in self.folders]

    def files(self, epoch: int | str | None) -> list[str]:
        files = [] if (dataset := dataset_file(self.members, self.folders[0])) is None else [dataset]
        for folder in self.folders:
            files += sorted(f"{folder.path}/{text}" for text in folder.texts)
            try:
                text = read_text(self.members, folder, "result.json")
            except OSError:  # importing excludes the model, and says why
                text = b""
            files += chosen_checkpoints(checkpoint_epochs(folder, text), epoch)
        return files

    def models(
        self,
        architecture: "Architecture",
        epoch: int | None,
        names: Sequence[str] | None = None,
        *,
        recorded: bool = True,
    ) -> Iterator[RawModel]:
        goes_on = self._stop_before_their_last_rows if epoch is None else False
        folders = {folder.name: folder for folder in self.folders}
        for name in folders if names is None else names:
            if (folder := folders.get(name)) is None:
                continue
            model = RawModel(name)
            with excluding(model):
                params = parse_params(self._text(folder, "params.json"))
                self.check(params, architecture)
                model.factors = self._factors(params, folder)
                epochs = self._read_history(model, folder)
                chosen = self._last(epochs, model, goes_on=goes_on) if epoch is None else epoch
                self._add_checkpoint(model, epochs, chosen, architecture, recorded=recorded)
            yield model

    def trained_with(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a model's params.json with what the dialect's training code takes where the file says nothing."""
        return params

    def check(self, params: Mapping[str, Any], architecture: "Architecture") -> None:
        """Compare what a params.json says of the network with the architecture.

        Raises:
            BrokenModelError: if it is another one.
        """

    def _factors(self, params: Mapping[str, Any], folder: ModelFolder) -> "Factors":
        file = f"{users_file(self.members.path)}: {folder.path}/params.json"
        return parse_factors(self.trained_with(params), file, self.given, self.factor_keys)

    def _text(self, folder: ModelFolder, file: str) -> bytes:
        if file not in folder.texts:
            raise BrokenModelError(f"missing {file}")
        return read_text(self.members, folder, file)

    def _read_history(self, model: RawModel, folder: ModelFolder, metrics: Mapping[str, str] | None = None) -> dict:
        """Read a model's history, and return its checkpoints' paths by epoch."""
        text = self._text(folder, "result.json")
        model.history, cut = parse_history(text, metrics or METRICS, self.epoch_key, self.accuracy_unit)
        if cut:
            model.notes.append("result.json is cut off in its last line")
        return checkpoint_epochs(folder, text)

    @cached_property
    def _stop_before_their_last_rows(self) -> bool:
        """Whether no model has a checkpoint of its last row: then checkpoints were saved every few epochs."""
        for folder in self.folders:
            try:
                text = self._text(folder, "result.json")
                rows, _ = parse_history(text, {}, self.epoch_key, self.accuracy_unit)
            except (BrokenModelError, OSError):
                continue
            if rows[-1]["epoch"] in checkpoint_epochs(folder, text):
                return False
        return True

    def _last(self, epochs: Mapping[int, str], model: RawModel, *, goes_on: bool) -> int:
        """Return the epoch of a model's last checkpoint, unless its training has gone on and one is missing."""
        last_row = model.history[-1]["epoch"]
        if not epochs:
            raise BrokenModelError(f"missing checkpoint of epoch {last_row}")
        *earlier, last = sorted(epochs)
        between = last - earlier[-1] if earlier else 0
        if last_row > last and last_row - last >= between and not goes_on:
            raise BrokenModelError(f"missing checkpoint of epoch {last_row} (its last is {last})")
        return last

    def _add_checkpoint(
        self,
        model: RawModel,
        epochs: Mapping[int, str],
        epoch: int,
        architecture: "Architecture",
        *,
        recorded: bool = True,
        variational: bool = False,
    ) -> None:
        from zootwins.zoos.state_dicts import load_state_dict, named_parameters

        if epoch not in epochs:
            last = f" (its last is {max(epochs)})" if epochs else ""
            raise BrokenModelError(f"missing checkpoint of epoch {epoch}{last}")
        if recorded and not any(row["epoch"] == epoch for row in model.history):
            raise BrokenModelError(f"truncated result.json: it has no {self.epoch_key} {epoch}")
        state, notes = load_state_dict(self.members.read(epochs[epoch], CHECKPOINT_LIMIT))
        model.notes += [note for note in notes if note not in model.notes]
        model.checkpoints[epoch] = named_parameters(state, architecture, variational=variational)

    def dataset(self) -> "StoredData | None":
        from zootwins.zoos.dataset_files import read_dataset_pt

        if (name := dataset_file(self.members, self.folders[0])) is None:
            return None
        try:
            content = self.members.read(name, DATASET_LIMIT)
        except OSError as error:
            raise InputError(
                f"{users_file(self.members.path)}: {error}; without a dataset.pt the catalogue's dataset is taken"
            ) from None
        classes = first_params(self.members).get(self.classes_key) if self.classes_key else None
        classes = classes if isinstance(classes, int) and classes > 1 else None
        return read_dataset_pt(content, f"{users_file(self.members.path)}: {name}", classes)


@contextmanager
def excluding(model: RawModel) -> Iterator[None]:
    """Make what is wrong with a model's files the reason why it is excluded."""
    try:
        yield
    except BrokenModelError as error:
        model.reason = str(error)
    except OSError as error:
        model.reason = f"unreadable file: {error}"


def first_params(members: Members) -> dict[str, Any]:
    """Return the params.json of the first model that has one, as far as it can be read; empty if there is none."""
    try:
        folders = model_folders(members)
    except InputError:
        return {}
    for folder in folders:
        try:
            return parse_params(read_text(members, folder, "params.json"))
        except (BrokenModelError, OSError):
            continue
    return {}

"""Ray Tune's folders: which of an archive's folders are models, and of which epoch each checkpoint is.

    <zoo>/<model>/params.json  result.json  checkpoint_0000XX/checkpoints

This module reads texts alone, so that a workflow can be planned without loading torch.
"""

import json
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from zootwins.run.errors import InputError
from zootwins.zoos.members import Members, users_file

log = logging.getLogger(__name__)

MODEL_PREFIX = "NN_tune_trainable"  # how the authors' folders of models begin, whatever is in them
RESULTS_LIMIT, PARAMS_LIMIT = 16 << 20, 1 << 20  # bytes; real ones have 60 and 1 kB
TEXTS = ("params.json", "result.json")
DATASET = "dataset.pt"  # beside the models' folders or above them
NEEDED = (*TEXTS, "config.json", DATASET)  # beside checkpoints, all that importing reads
WEIGHTS = ("checkpoints", "checkpoints.safetensors", "model.safetensors")  # names of a checkpoint's weights
_CHECKPOINT = re.compile(rf"checkpoint_([0-9]{{1,9}})/(?:{'|'.join(map(re.escape, WEIGHTS))})")
_NO_MODELS = "lr_sweep"  # WeightCLIP's trials of learning rates
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".txz", ".tar.bz2")


@dataclass
class ModelFolder:
    """The files of one model.

    Attributes:
        path: the folder.
        texts: which of `TEXTS` it has.
        checkpoints: paths of checkpoints by the number in their folders' names.
    """

    path: str
    texts: set[str] = field(default_factory=set)
    checkpoints: dict[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def is_model(self) -> bool:
        """Whether it is more than a folder with a stray text: it has two of a model's three kinds of files."""
        kinds = len(self.texts) + bool(self.checkpoints)
        return self.path != "" and (kinds > 1 or self.name.startswith(MODEL_PREFIX))


def model_folders(members: Members) -> list[ModelFolder]:
    """Return the models' folders by name, those of which nothing but the folder is left included.

    A params.json or result.json outside of them (a summary, Ray's own) is no model, nor is a folder beside those that
    Ray named (a sweep of learning rates, say); the log lists what is left out.

    Raises:
        InputError: if there is no model at all, or more than one zoo.
    """
    found = candidates(members.names)
    models = {path: folder for path, folder in found.items() if folder.is_model and not _only_holds(folder, found)}
    models = {path: folder for path, folder in models.items() if folder.name.startswith(MODEL_PREFIX)} or models
    roots = {folder.parent for folder in models.values()}
    models = {path: folder for path, folder in models.items() if not _is_below(folder.parent, roots)}
    if not models:
        raise InputError(f"{users_file(members.path)}: {why_no_models(members)}")
    roots = sorted({folder.parent for folder in models.values()})
    if len(roots) > 1:
        raise InputError(
            f"{users_file(members.path)}: holds models in more than one folder ({roots[0]!r}, {roots[1]!r}); give each "
            "zoo an archive and a catalogue entry of its own"
        )
    for path in members.folders:  # a model of which nothing is left but its folder
        folder = ModelFolder(path)
        if folder.parent == roots[0] and folder.name.startswith(MODEL_PREFIX):
            models.setdefault(path, folder)
    if strays := sorted(found.keys() - models.keys()):
        log.info("no models, and left out: %s", ", ".join(path or "the top folder" for path in strays[:5]))
    return [models[path] for path in sorted(models)]


def candidates(names: Iterable[str]) -> dict[str, ModelFolder]:
    """Return every folder that has a file as models have them, by path, given the names of all files."""
    found: dict[str, ModelFolder] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        if _NO_MODELS in folder.split("/"):
            continue
        if file in WEIGHTS:
            folder, _, checkpoint = folder.rpartition("/")
            file = f"{checkpoint}/{file}"
        match = _CHECKPOINT.fullmatch(file)
        if match:
            found.setdefault(folder, ModelFolder(folder)).checkpoints.setdefault(int(match[1]), name)
        elif file in TEXTS:
            found.setdefault(folder, ModelFolder(folder)).texts.add(file)
    return found


def _only_holds(folder: ModelFolder, found: Iterable[str]) -> bool:
    """Say whether a folder without checkpoints holds others that may be models."""
    return not folder.checkpoints and any(_is_below(other, [folder.path]) for other in found)


def _is_below(path: str, others: Iterable[str]) -> bool:
    return any(path != other and path.startswith(f"{other}/" if other else "") for other in others)


def why_no_models(members: Members) -> str:
    """Say what an archive without models holds instead, and what to do."""
    packed = next((name for name in members.names if name.lower().endswith(ARCHIVE_SUFFIXES)), None)
    if packed:
        return f"holds another archive, {packed}: unpack it, and give {packed} as the zoo's source.archive.path"
    return (
        "holds no models in the raw ModelZoo layout (folders with params.json, result.json and checkpoints), but "
        f"{len(members.names) or 'no'} other files; correct the zoo's source in the catalogue"
    )


def checkpoint_epochs(folder: ModelFolder, result: bytes) -> dict[int, str]:
    """Return the paths of a model's checkpoints by epoch.

    Ray 2.7 and later number checkpoints as they are saved and note in result.json which row each is of; before that,
    and in the authors' zoos, the number is the epoch.
    """
    rows = _saved_at(result) if b"checkpoint_dir_name" in result else {}
    if not rows:
        return dict(sorted(folder.checkpoints.items()))
    epochs = {rows[number]: path for number, path in folder.checkpoints.items() if number in rows}
    return dict(sorted(epochs.items()))


def _saved_at(result: bytes) -> dict[int, int]:
    """Return the `training_iteration` of each checkpoint's number that result.json names."""
    saved: dict[int, int] = {}
    for line in result.splitlines():
        try:
            row = json.loads(line)
            number = re.search(r"checkpoint_([0-9]{1,9})/?$", row["checkpoint_dir_name"])
            saved.setdefault(int(number[1]), int(row["training_iteration"]))
        except (ValueError, RecursionError, TypeError, KeyError, OverflowError):
            continue  # no checkpoint; what else is wrong with the row is found when it is parsed
    return saved


def read_text(members: Members, folder: ModelFolder, file: str) -> bytes:
    """Return a text of a model's folder, or nothing if it is not there.

    Raises:
        OSError: if it cannot be read.
    """
    limit = RESULTS_LIMIT if file == "result.json" else PARAMS_LIMIT
    return members.read(f"{folder.path}/{file}", limit) if file in folder.texts else b""


def dataset_file(members: Members, folder: ModelFolder) -> str | None:
    """Return the path of the zoo's own dataset.pt, if there is one beside the models' folders or above them."""
    above = folder.path
    while above:
        above = above.rpartition("/")[0]
        name = f"{above}/{DATASET}".removeprefix("/")
        if name in members.names:
            return name
    return None

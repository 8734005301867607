"""Folders of open_lth (facebookresearch/open_lth), the lottery ticket's code: a folder for each training.

    …/train_<hash>/replicate_N/main/hparams.log  logger  model_ep{epoch}_it{iteration}.pth  [checkpoint.pth]

`logger` has a line `name,iteration,value` for each evaluation; iterations are counted from the start. Hyper-parameters
at their defaults are not in hparams.log: these are momentum 0, no weight decay and a constant learning rate; its
networks have ReLU and no dropout. Milestones and warm-up become the factor `schedule`, as models.csv shows it.
checkpoint.pth, which resumes a training, is not read. Of lottery tickets, only the dense level 0 is a model.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from zootwins.run.errors import InputError
from zootwins.zoos.dialects.base import RawModel, RawZoo, chosen_checkpoints
from zootwins.zoos.dialects.ray import CHECKPOINT_LIMIT, excluding
from zootwins.zoos.members import Members, users_file
from zootwins.zoos.raw_texts import FACTOR_KEYS, METRICS, SCHEDULE_KEY, BrokenModelError, parse_factors
from zootwins.zoos.ray_folders import RESULTS_LIMIT

if TYPE_CHECKING:
    from zootwins.architectures.architecture import Architecture

log = logging.getLogger(__name__)

_CHECKPOINT = re.compile(r"model_ep([0-9]{1,9})_it([0-9]{1,9})\.pth")
_HYPERPARAMETER = re.compile(r"^\W*(\w+)\s*(?:=>|[:=])\s*(.*?)\s*$", re.MULTILINE)
_PRUNED = re.compile(r"(?:^|/)level_(?!(?:0|pretrain)/)\w+/")
_IMAGES = {"mnist": 60_000, "fashionmnist": 60_000, "cifar10": 50_000}  # of training, by dataset_name
_DEFAULTS = {"momentum": "0", "weight_decay": "0", "activation": "relu", "dropout": "0"}
_KEYS = FACTOR_KEYS | {
    "seed": "seed",
    "activation": "activation",
    "init": "model_init",
    "optimizer": "optimizer_name",
    "lr": "lr",
    "weight_decay": "weight_decay",
    "momentum": "momentum",
    "dropout": "dropout",
    "batch_size": "batch_size",
}


def _has_trainings(names: Iterable[str]) -> bool:
    return any(name.rpartition("/")[2] == "hparams.log" for name in names)


@dataclass
class _Training:
    """The files of one training: its folder and its checkpoints by epoch; those within an epoch are left out."""

    path: str
    checkpoints: dict[int, str] = field(default_factory=dict)


class OpenLth(RawZoo):
    """Trainings of open_lth."""

    id: ClassVar[str] = "open_lth"
    title: ClassVar[str] = "open_lth's folders"

    @classmethod
    def recognises(cls, members: Members) -> bool:
        return _has_trainings(members.names)

    @classmethod
    def needed(cls, names: Sequence[str], epoch: int | None, read: Callable[[str], bytes]) -> list[str]:
        return [name for name in names if not name.endswith("/")] if _has_trainings(names) else []  # all are small

    @cached_property
    def trainings(self) -> dict[str, _Training]:
        """The trainings by name: their folders' paths, with _ for /."""
        paths = [name.rpartition("/")[0] for name in self.members.names if name.rpartition("/")[2] == "hparams.log"]
        dense = [path for path in paths if not _PRUNED.search(f"{path}/")]
        if not dense:
            raise InputError(
                f"{users_file(self.members.path)}: holds no trainings of open_lth (folders with hparams.log, logger "
                "and model_ep0_it0.pth); correct the zoo's source or dialect in the catalogue"
            )
        if left_out := len(paths) - len(dense):
            log.info("%d pruned levels of lottery tickets are no models, and left out", left_out)
        names = {path: path.removesuffix("/main").replace("/", "_") or "main" for path in sorted(dense)}
        if len(set(names.values())) < len(names):
            raise InputError(
                f"{users_file(self.members.path)}: two trainings would have one name, since / becomes _ in it; rename "
                "one of their folders"
            )
        found = {path: _Training(path) for path in names}
        for name in self.members.names:
            folder, _, file = name.rpartition("/")
            match = _CHECKPOINT.fullmatch(file)
            if match and folder in found and int(match[2]) == 0:
                found[folder].checkpoints[int(match[1])] = name
        return {names[path]: training for path, training in found.items()}

    @property
    def names(self) -> Sequence[str]:
        return list(self.trainings)

    def files(self, epoch: int | str | None) -> list[str]:
        files = []
        for training in self.trainings.values():
            texts = (f"{training.path}/{name}".removeprefix("/") for name in ("hparams.log", "logger"))
            files += [text for text in texts if text in self.members.names]
            files += chosen_checkpoints(training.checkpoints, epoch)
        return files

    def models(
        self,
        architecture: "Architecture",
        epoch: int | None,
        names: Sequence[str] | None = None,
        *,
        recorded: bool = True,
    ) -> Iterator[RawModel]:
        from zootwins.zoos.state_dicts import load_state_dict, named_parameters

        for name in self.names if names is None else names:
            training, model = self.trainings.get(name), RawModel(name)
            if training is None:
                continue
            with excluding(model):
                values = self._hyperparameters(training)
                file = f"{users_file(self.members.path)}: {training.path}/hparams.log"
                written = _numbers(_DEFAULTS | values) | {SCHEDULE_KEY: _schedule(values)}
                model.factors = parse_factors(written, file, self.given, _KEYS)
                model.history = self._history(training, values, model.factors.batch_size)
                last = max(training.checkpoints, default=None)
                chosen = last if epoch is None else epoch
                if chosen is None or chosen not in training.checkpoints:
                    raise BrokenModelError(f"missing checkpoint of epoch {chosen} (its last is {last})")
                if recorded and not any(row["epoch"] == chosen for row in model.history):
                    raise BrokenModelError(f"truncated logger: it has nothing of epoch {chosen}")
                content = self.members.read(training.checkpoints[chosen], CHECKPOINT_LIMIT)
                state, model.notes = load_state_dict(content)
                model.checkpoints[chosen] = named_parameters(state, architecture)
            yield model

    def _hyperparameters(self, training: _Training) -> dict[str, str]:
        text = self._text(training, "hparams.log")
        return {key: value for key, value in _HYPERPARAMETER.findall(text) if value and value != "None"}

    def _text(self, training: _Training, file: str) -> str:
        name = f"{training.path}/{file}".removeprefix("/")
        if name not in self.members.names:
            raise BrokenModelError(f"missing {file}")
        return self.members.read(name, RESULTS_LIMIT).decode("utf-8", "replace")

    def _history(self, training: _Training, values: dict[str, str], batch_size: int) -> list[dict[str, float]]:
        """Return what the logger has of whole epochs."""
        images = _IMAGES.get(values.get("dataset_name", ""))
        if images is None:
            raise BrokenModelError(
                f"hparams.log: dataset_name is {values.get('dataset_name')!r}, not one of {', '.join(_IMAGES)}"
            )
        in_epoch = -(-images // batch_size)
        rows: dict[int, dict[str, float]] = {}
        for line in self._text(training, "logger").splitlines():
            try:
                name, iteration, value = line.split(",")
                epoch, rest = divmod(int(iteration), in_epoch)
                number = float(value)
            except ValueError:
                raise BrokenModelError("unreadable file: logger has a line that is not name,iteration,value") from None
            if rest == 0 and name in METRICS:
                nothing = {"epoch": epoch} | dict.fromkeys(METRICS, float("nan"))
                rows.setdefault(epoch, nothing)[name] = number
        return [rows[epoch] for epoch in sorted(rows)]


def _schedule(values: dict[str, str]) -> str:
    """Return the learning rate's schedule as models.csv shows it; steps are counted in epochs (ep) or iterations (it).

    Raises:
        BrokenModelError: if the rate changes at milestones and gamma, its factor there, is missing.
    """
    milestones, gamma, warmup = (values.get(key) for key in ("milestone_steps", "gamma", "warmup_steps"))
    if milestones and not gamma:
        raise BrokenModelError(f"hparams.log: milestone_steps is {milestones!r}, and gamma is missing")
    return (f"times {gamma} at {milestones}" if milestones else "constant") + (f", warm-up {warmup}" if warmup else "")


def _numbers(values: dict[str, str]) -> dict[str, Any]:
    """Return hyper-parameters with numbers as such."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        try:
            found[key] = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            found[key] = value
    if nesterov := found.get("nesterov_momentum"):
        found |= {"optimizer_name": "nesterov", "momentum": nesterov}
    return found

"""The Small CNN Zoo (Unterthiner et al. 2020): 30,000 runs of one network on a data set, as the rows of one array.

    [<data>/]weights.npy  metrics.csv.gz  layout.csv

A row is a checkpoint: metrics.csv.gz says of which run (`modeldir`) and epoch (`step`), layout.csv where each tensor
starts in it. Tensors are Keras' (height, width, inputs, outputs). The recorded losses hold the penalty on the kernels,
`l2reg` times the sum of their squares. `train_network.py` of google-research/dnn_predict_accuracy trains in batches of
512; its SGD has no momentum.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from io import BytesIO
from os.path import commonpath
from typing import TYPE_CHECKING, Any, ClassVar

from zootwins.run.errors import InputError, one_line
from zootwins.zoos.dialects.base import RawModel, RawZoo
from zootwins.zoos.members import Members, users_file
from zootwins.zoos.raw_texts import FACTOR_KEYS, L2_KEY, BrokenModelError, parse_factors

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

    from zootwins.architectures.architecture import Architecture
    from zootwins.population import Engine, ImageSet, Population

FILES = ("weights.npy", "metrics.csv.gz", "layout.csv")
TABLE_LIMIT = 1 << 30  # bytes of metrics.csv, unpacked; the real ones have some 100 MB
BATCH_SIZE = 512
MAPPED = 1024  # models that are read from one mapping of the weights
_METRICS = {f"{split}_{metric}": f"{split}_{metric}" for split in ("train", "test") for metric in ("loss", "accuracy")}
_KEYS = FACTOR_KEYS | {
    "seed": "config.random_seed",
    "activation": "config.activation",
    "init": "config.w_init",
    "optimizer": "config.optimizer",
    "lr": "config.learning_rate",
    "dropout": "config.dropout",
}
_TENSOR = re.compile(r"(?:.*/)?([a-z0-9_]+)/(kernel|bias)(?::0)?")


class SmallCnnZoo(RawZoo):
    """A data set's part of the Small CNN Zoo."""

    id: ClassVar[str] = "small_cnn_zoo"
    title: ClassVar[str] = "the Small CNN Zoo's arrays"

    @classmethod
    def recognises(cls, members: Members) -> bool:
        return _folder(members) is not None

    @classmethod
    def needed(cls, names: Sequence[str], epoch: int | None, read: Callable[[str], bytes]) -> list[str]:
        found = [name for name in names if name.rpartition("/")[2] in FILES]
        return found if {name.rpartition("/")[2] for name in found} == set(FILES) else []

    @cached_property
    def folder(self) -> str:
        """The folder of the three files, with a trailing slash if it is not the top one."""
        if (folder := _folder(self.members)) is None:
            raise InputError(
                f"{users_file(self.members.path)}: has no folder with {', '.join(FILES)}; correct the zoo's source or "
                "dialect in the catalogue"
            )
        return folder

    @cached_property
    def table(self) -> "pd.DataFrame":
        """metrics.csv.gz: a row for each row of the weights, with the run's name as `run`."""
        return read_table(self.members, f"{self.folder}metrics.csv.gz")

    @cached_property
    def runs(self) -> dict[str, "np.ndarray"]:
        """The rows of each run by its name, in the order of the file."""
        return dict(self.table.groupby("run", sort=False).indices)

    @property
    def names(self) -> Sequence[str]:
        return list(self.runs)

    def files(self, epoch: int | str | None) -> list[str]:
        return [self.folder + name for name in FILES]

    def lacks_epoch(self, epoch: int) -> bool:
        return False  # all are in one file, which is not read here

    def models(
        self,
        architecture: "Architecture",
        epoch: int | None,
        names: Sequence[str] | None = None,
        *,
        recorded: bool = True,
    ) -> Iterator[RawModel]:
        places = read_layout(self.members, f"{self.folder}layout.csv", architecture)
        width = max(stop for _, stop, _, _ in places.values())
        weights = self._weights(width)
        for number, name in enumerate(self.names if names is None else names, 1):
            model = RawModel(name)
            if number % MAPPED == 0:  # a mapping keeps what was read of it in memory
                weights = self._weights(width)
            try:
                self._fill(model, self.table.iloc[self.runs[name]], epoch)
                row = self._row(name, model.epoch)
                model.checkpoints[model.epoch] = _parameters(weights[row], places)
            except BrokenModelError as error:
                model.reason = str(error)
            yield model

    def _weights(self, width: int) -> "np.ndarray":
        where = users_file(self.members.path)
        try:
            weights = self.members.array(f"{self.folder}weights.npy")
        except OSError as error:
            raise InputError(f"{where}: {error}") from None
        if weights.shape != (len(self.table), width) or weights.dtype != "float32":
            raise InputError(
                f"{where}: weights.npy is {weights.dtype} {list(weights.shape)}, but metrics.csv.gz has "
                f"{len(self.table)} rows and layout.csv {width} columns; fetch the archive again"
            )
        return weights

    def _row(self, name: str, epoch: int) -> int:
        rows = self.runs[name]
        return int(rows[self.table["step"].to_numpy()[rows] == epoch][-1])

    def _fill(self, model: RawModel, rows: "pd.DataFrame", epoch: int | None) -> None:
        """Read what the table says of a run."""
        steps = rows["step"].tolist()
        if len(set(steps)) < len(steps):
            raise BrokenModelError(f"metrics.csv.gz has a step twice: {sorted(steps)}")
        model.epoch = max(steps) if epoch is None else epoch
        if model.epoch not in steps:
            raise BrokenModelError(f"missing checkpoint of epoch {model.epoch} (its last is {max(steps)})")
        first = rows.iloc[0].to_dict()
        known = {key: value for key, value in first.items() if value == value}  # NaN: an empty field
        trained = {
            "optim::wd": 0.0,
            "optim::momentum": 0.0,
            "training::batchsize": BATCH_SIZE,
            L2_KEY: first["config.l2reg"],
        }
        model.factors = parse_factors(known | trained, f"{users_file(self.members.path)}: metrics.csv.gz", {}, _KEYS)
        columns = rows.sort_values("step")[["step", *_METRICS.values()]].itertuples(index=False)
        nothing = {f"validation_{metric}": float("nan") for metric in ("loss", "accuracy")}
        model.history = [
            {"epoch": step} | dict(zip(_METRICS, values, strict=True)) | nothing for step, *values in columns
        ]

    def recorded_losses(
        self, engine: "Engine", population: "Population", models: Sequence[RawModel], test: "ImageSet", loss: "Tensor"
    ) -> "Tensor":
        """Return cross-entropies with the penalties on the kernels."""
        squares = sum(
            population.parameters[name].double().square().flatten(1).sum(1)
            for name in population.architecture.weight_names
        )
        return loss.double() + squares * squares.new_tensor([model.factors.l2 for model in models])


def _folder(members: Members) -> str | None:
    for name in members.names:
        folder = name.removesuffix(FILES[0])
        if name == folder + FILES[0] and all(folder + file in members.names for file in FILES):
            return folder
    return None


def read_table(members: Members, name: str) -> "pd.DataFrame":
    """Read metrics.csv.gz, with or without the columns that only some of the archives have.

    Raises:
        InputError: if it cannot be read, or lacks a column.
    """
    import gzip

    import pandas as pd

    where = f"{users_file(members.path)}: {name}"
    try:
        with gzip.open(BytesIO(members.read(name, TABLE_LIMIT))) as file:
            content = file.read(TABLE_LIMIT + 1)
        if len(content) > TABLE_LIMIT:
            raise InputError(f"{where}: unpacks to more than {TABLE_LIMIT} bytes; get it from its authors")
        table = pd.read_csv(BytesIO(content), keep_default_na=False, na_values=[""])
    except InputError:
        raise
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{where}: cannot be read ({one_line(error)}); fetch the archive again") from None
    needed = ["modeldir", "step", "config.l2reg", *_METRICS.values(), *(key for key in _KEYS.values() if "." in key)]
    if missing := [column for column in needed if column not in table]:
        raise InputError(f"{where}: has no column {missing[0]}; correct the zoo's dialect in the catalogue")
    try:
        table = table.astype(dict.fromkeys(["config.l2reg", *_METRICS.values()], "float64") | {"step": "int64"})
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: has a text where a number belongs ({one_line(error)})") from None
    return table.assign(run=run_names(table["modeldir"].astype(str)))


def run_names(folders: "pd.Series") -> "pd.Series":
    """Return short names of runs that can be file names: their folders' paths from where these differ."""
    distinct = folders.drop_duplicates().tolist()
    shared = commonpath([folder.rpartition("/")[0] for folder in distinct])
    names = {folder: folder.removeprefix(shared).strip("/").replace("/", "_") for folder in distinct}
    return folders.map(names)


def read_layout(
    members: Members, name: str, architecture: "Architecture"
) -> Mapping[str, tuple[int, int, tuple[int, ...], tuple[int, ...]]]:
    """Return start, stop, Keras' shape and the order of axes of each of our parameters in a row of the weights.

    Raises:
        InputError: if it cannot be read, or is not of the architecture.
    """
    import pandas as pd

    where = f"{users_file(members.path)}: {name}"
    try:
        table = pd.read_csv(BytesIO(members.read(name, 1 << 20)))
        rows = list(zip(table["varname"], table["start_idx"], table["end_idx"], table["shape"], strict=True))
        found: dict[str, dict[str, Any]] = {}
        for variable, start, stop, shape in rows:
            layer, kind = _TENSOR.fullmatch(variable).groups()
            found.setdefault(layer, {})[kind] = (int(start), int(stop), tuple(map(int, ast.literal_eval(shape))))
    except (OSError, KeyError, ValueError, TypeError, AttributeError, SyntaxError) as error:
        raise InputError(f"{where}: cannot be read ({one_line(error)}); fetch the archive again") from None
    places = {}
    for layer, tensors in zip(architecture.layers, found.values(), strict=False):
        for kind, ours, axes in (
            ("kernel", "weight", (3, 2, 0, 1) if layer.is_conv else (1, 0)),
            ("bias", "bias", (0,)),
        ):
            start, stop, shape = tensors.get(kind, (0, 0, ()))
            place = f"{layer.name}.{ours}"
            permuted = tuple(shape[axis] for axis in axes) if len(shape) == len(axes) else shape
            expected = architecture.parameter_shapes[place]
            if permuted != expected or stop - start != _numbers(shape):
                raise InputError(
                    f"{where}: {place} is {list(permuted)} in columns {start} to {stop}, not {list(expected)}; correct "
                    "architecture or dataset in the catalogue"
                )
            places[place] = (start, stop, shape, axes)
    if len(found) != len(architecture.layers) or places.keys() != architecture.tensor_shapes.keys():
        raise InputError(
            f"{where}: has {len(found)} layers, {architecture.name} has {len(architecture.layers)}; correct "
            "architecture in the catalogue"
        )
    return places


def _numbers(shape: Sequence[int]) -> int:
    numbers = 1
    for size in shape:
        numbers *= size
    return numbers


def _parameters(row: "np.ndarray", places: Mapping[str, tuple]) -> "dict[str, Tensor]":
    """Return our parameters in a row of the weights.

    Raises:
        BrokenModelError: if a number is not finite.
    """
    import numpy as np
    import torch

    numbers = torch.from_numpy(np.array(row))
    parameters = {}
    for name, (start, stop, shape, axes) in places.items():
        tensor = numbers[start:stop]
        if not tensor.isfinite().all():
            raise BrokenModelError(f"NaN or infinite numbers in {name}")
        parameters[name] = tensor.view(shape).permute(axes).contiguous()
    return parameters

"""What a flipped bit does to a file of a run: reported by its reader, harmless, or silently other data."""

import random
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from zootwins.experiments.representations.storage import load_representation
from zootwins.images.datasets import load_stored
from zootwins.run.errors import InputError
from zootwins.storage import tensor_files
from zootwins.storage.frames import read_csv, read_parquet
from zootwins.storage.shards import read_shard
from zootwins.storage.verification import check_zip
from zootwins.zoos.originals import read_models, read_parameters, read_predictions


def _bytes(tensors: dict[str, Tensor]) -> dict:
    return {name: (tensor.shape, tensor.dtype, tensor.numpy().tobytes()) for name, tensor in tensors.items()}


def _shard(path: Path):
    shard = read_shard(path)
    described = {key: shard.metadata[key] for key in tensor_files.KINDS["shard"]}
    return described, _bytes({name: shard.tensor(name) for name in shard.shapes})


def _rows(read):
    def content(path: Path):
        index, tensors = read(path)
        return _bytes({"index": index} | (tensors if isinstance(tensors, dict) else {"predictions": tensors}))

    return content


def _dataset(path: Path):
    data = load_stored(path)
    return data.mean, data.std, _bytes(data.images), _bytes(data.labels)


def _representation(path: Path):
    loaded = load_representation(path)
    return loaded.threshold, loaded.split, loaded.settings, _bytes(loaded.model.state_dict())


def _state(path: Path):
    tensors, metadata = tensor_files.read(path, "state")
    return _bytes(tensors), {key: metadata.get(key) for key in tensor_files.KINDS["state"]}


def _table(read):
    def content(path: Path):
        table = read(path)
        return list(table.dtypes.astype(str)), table.to_csv()

    return content


def _archive(path: Path):
    check_zip(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# Of each kind, where a run has its files, and what their reader makes of one, to be compared.
READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "shard": ("twins/*/*/*.safetensors", _shard),
    "originals": ("zoos/*/originals.safetensors", _rows(read_parameters)),
    "predictions": ("zoos/*/predictions.safetensors", _rows(read_predictions)),
    "dataset": ("zoos/*/dataset.safetensors", _dataset),
    "state to resume from": ("resume/*.safetensors", _state),
    "representation": ("representations/*/*.safetensors", _representation),
    "models.csv": ("zoos/*/models.csv", _table(read_models)),
    "history": ("zoos/*/history.parquet", _table(read_parquet)),
    "long table": ("metrics/**/*.parquet", _table(read_parquet)),
    "table": ("tables/*.csv", _table(read_csv)),
    "checksum beside a table": ("tables/*.csv.sha256", lambda path: _table(read_csv)(path.with_suffix(""))),
    "exported zoo": ("exports/*/*.zip", _archive),
}


def files_of(results: Path, kind: str) -> list[Path]:
    """The files of a kind in a folder of results."""
    return sorted(results.glob(READERS[kind][0]))


def flip(files: list[Path], kind: str, number: int, seed: int = 0) -> Counter:
    """Flip bits, one at a time, at random places of random files, and put them back; how many had which outcome.

    The outcomes: `reported` by an InputError, `harmless` where the content that was read is the same, `silent` where
    it is another, and the name of any other exception.
    """
    read, draw, outcomes = READERS[kind][1], random.Random(seed), Counter()
    before = {path: read(path) for path in files}
    for _ in range(number):
        path = draw.choice(files)
        content = path.read_bytes()
        bit = draw.randrange(8 * len(content))
        try:
            flipped = content[bit // 8] ^ 1 << bit % 8
            path.write_bytes(content[: bit // 8] + bytes([flipped]) + content[bit // 8 + 1 :])
            outcomes["harmless" if read(path) == before[path] else "silent"] += 1
        except InputError:
            outcomes["reported"] += 1
        except Exception as error:  # whatever it is, it is not the line that users are promised
            outcomes[type(error).__name__] += 1
        finally:
            path.write_bytes(content)
    return outcomes

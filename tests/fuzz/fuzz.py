"""A coverage-guided fuzzer (Atheris, libFuzzer) of the readers of strangers' zoos and of our own files of tensors.

    pip install --editable ".[fuzz]"
    python tests/fuzz/fuzz.py raw_zoo -max_total_time=120
    python tests/fuzz/fuzz.py tensors -max_total_time=120

Whatever the bytes, a reader may end with an InputError of one line or with what it found, and executes nothing. What
breaks this is left behind as `crash-…`; given as an argument instead of the time, it is tried again.
"""

import io
import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris
from torch import _weights_only_unpickler

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
with atheris.instrument_imports(include=["zootwins", "zipfile", "json"]):
    import raw_zoos
    import test_verification
    from zootwins.run.errors import InputError
    from zootwins.storage import tensor_files
    from zootwins.storage.shards import TwinShard
    from zootwins.zoos.archives import open_members
    from zootwins.zoos.dialects import open_zoo

atheris.instrument_func(_weights_only_unpickler.Unpickler.load)

KINDS = test_verification.READERS.keys() - {"representation"}  # which says itself how large a network to build
EXECUTIONS = {"os.exec", "os.fork", "os.posix_spawn", "os.system", "pickle.find_class", "socket.connect"}
executed: list[str] = []


def refused_in_one_line(read: Callable[[], None]) -> None:
    """Call a reader; anything but an InputError of one line is a finding."""
    message = ""
    try:
        read()
    except InputError as error:
        message = str(error)
    assert message.isprintable(), message
    assert not executed, executed


class RawZoo:
    """A zip in the raw layout: its members, and the records of its torch files, change under checksums that hold."""

    @staticmethod
    def seeds() -> list[bytes]:
        dataset = {"zoo/dataset.pt": raw_zoos.torch_bytes(raw_zoos.dataset())}
        hostile = raw_zoos.code_pickles(Path("executed")).values()
        return [
            zipped({f"zoo/{name}": content for name, content in raw_zoos.model_files("NN_0", **changes).items()} | more)
            for changes, more in (({}, {}), ({}, dataset), *(({"last": content}, {}) for content in hostile))
        ]

    @staticmethod
    def read(path: Path) -> None:
        with open_members(path) as members:
            for model in open_zoo(members).models(raw_zoos.CNN_S, None):
                assert model.reason.isprintable(), model.reason
                assert model.reason or len(model.checkpoints) == 1
            open_zoo(members).dataset()

    @staticmethod
    def mutate(content: bytes, limit: int, seed: int) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = {name: archive.read(name) for name in archive.namelist()}
        except Exception:  # no zip any more: as bytes
            members = {}
        if not members or seed % 4 == 0:
            return atheris.Mutate(content, limit)
        name = sorted(members)[seed // 4 % len(members)]
        members[name] = RawZoo.mutate(members[name], limit, seed // 4)
        return zipped(members)[:limit]


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip that is not compressed, as torch's are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Tensors:
    """A file of tensors: what its header says changes, and no checksum stands in the way."""

    @staticmethod
    def seeds() -> list[bytes]:
        checksum = tensor_files._checksum
        tensor_files._checksum = lambda *arguments: checksum(*arguments) and "right"
        return [test_verification.whole(kind) for kind in sorted(KINDS)]

    @staticmethod
    def read(path: Path) -> None:
        for kind in KINDS:
            refused_in_one_line(lambda kind=kind: Tensors.look_at(test_verification.READERS[kind](path)))

    @staticmethod
    def look_at(found: object) -> None:
        if isinstance(found, TwinShard):
            for name in found.names:
                assert found.tensor(name).shape == found.shape(name)
                if found.models:
                    found.tensor(name, 0)

    @staticmethod
    def mutate(content: bytes, limit: int, seed: int) -> bytes:
        try:
            end = 8 + struct.unpack("<Q", content[:8])[0]
            header = json.loads(content[8:end])
            fields = [(section, key) for section, entries in header.items() for key in entries]
            section, key = fields[seed // 4 % len(fields)]
            value = atheris.Mutate(json.dumps(header[section][key]).encode(), 1000)
        except Exception:  # no such file any more: as bytes
            fields = []
        if not fields or seed % 4 == 0:
            return atheris.Mutate(content, limit)
        try:
            header[section][key] = json.loads(value)
        except (ValueError, RecursionError):
            header[section][key] = value.decode("latin-1")
        changed = json.dumps(header).encode()
        return struct.pack("<Q", len(changed)) + changed + content[end:]


def main() -> None:
    """Fuzz the reader that the first argument names; the others are libFuzzer's."""
    target = {"raw_zoo": RawZoo, "tensors": Tensors}[sys.argv.pop(1)]
    sys.addaudithook(lambda event, _: executed.append(event) if event in EXECUTIONS else None)
    with TemporaryDirectory() as folder:
        corpus, path = Path(folder) / "corpus", Path(folder) / "input"
        corpus.mkdir()
        for number, content in enumerate(target.seeds()):
            (corpus / str(number)).write_bytes(content)
        executed.clear()  # what made the seeds

        def test(content: bytes) -> None:
            path.write_bytes(content)
            refused_in_one_line(lambda: target.read(path))

        again = any(Path(argument).is_file() for argument in sys.argv[1:])
        limits = ["-max_len=1000000", "-rss_limit_mb=4096", "-timeout=20"]
        atheris.Setup([*sys.argv, *limits, *([] if again else [str(corpus)])], test, custom_mutator=target.mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

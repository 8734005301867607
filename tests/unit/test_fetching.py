"""Fetching from a real HTTP server on loopback, whole and in parts, undisturbed and disturbed."""

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zenodo import KEY, RECORD, Server, serving
from zootwins.run.errors import InputError
from zootwins.zoos import downloads, fetching, remote_zip
from zootwins.zoos.dialects import ModelZoo
from zootwins.zoos.fetching import fetch_epoch, fetch_zoo, needed_members
from zootwins.zoos.sources import ArchiveSource

MODELS = [f"tune_zoo/NN_tune_trainable_abcde_0000{i}_{i}_seed={i}" for i in range(3)]
LAST = 3


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def archive() -> bytes:
    """A raw zoo; optimiser states are large and do not compress, so that skipping them shows."""
    random = np.random.default_rng(0)
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as file:
        file.writestr("tune_zoo/config.json", "{}")
        file.writestr("tune_zoo/dataset.pt", random.bytes(20_000))
        for model in MODELS:
            for epoch in (0, 2, LAST):
                file.writestr(f"{model}/checkpoint_{epoch:06d}/checkpoints", random.bytes(3_000))
                file.writestr(f"{model}/checkpoint_{epoch:06d}/optimizer", random.bytes(400_000))
            file.writestr(f"{model}/params.json", '{"seed": 1}')
            file.writestr(f"{model}/result.json", '{"test_acc": 0.5}\n' * 50)
    return buffer.getvalue()


def fetch(server: Server, folder: Path, **settings):
    source = settings.pop("source", None) or ArchiveSource(zenodo=RECORD, file="*seed*.zip")
    return fetch_zoo(source, folder / "raw.zip", api=f"{server.base}/api", back_off=0.001, **settings)


def contents(path: Path) -> dict[str, bytes]:
    with ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name != "raw.zip"]


def test_full_download_is_the_file_itself(server, archive, tmp_path):
    server.publish({KEY: archive, "fmnist_hyp_rand.zip": b"another"})
    found = fetch(server, tmp_path, download="full")
    assert (tmp_path / "raw.zip").read_bytes() == archive
    assert leftovers(tmp_path) == []
    assert found["key"] == KEY
    assert found["record"] == RECORD
    assert found["size"] == len(archive)
    assert found["checksum"] == f"md5:{hashlib.md5(archive).hexdigest()}"


def test_selective_download_has_the_same_bytes_in_every_needed_member(server, archive, tmp_path):
    server.publish({KEY: archive})
    found = fetch(server, tmp_path)
    everything = contents_of(archive)
    assert contents(tmp_path / "raw.zip") == {name: everything[name] for name in needed_members(everything)}
    assert found["members"] == 2 + 3 * len(MODELS)
    assert leftovers(tmp_path) == []


def test_selective_download_of_a_large_archive_leaves_most_of_it_where_it_is(server, archive, tmp_path, monkeypatch):
    monkeypatch.setattr(remote_zip, "_TAIL", 4 << 10)  # the archive is small: do not take a quarter of it as its end
    server.publish({KEY: archive})
    fetch(server, tmp_path)
    assert server.body_bytes < 0.05 * len(archive)


def test_selective_download_takes_the_epoch_asked_for(server, archive, tmp_path):
    server.publish({KEY: archive})
    fetch(server, tmp_path, epoch=2)
    checkpoints = [name for name in contents(tmp_path / "raw.zip") if name.endswith("checkpoints")]
    assert checkpoints == [f"{model}/checkpoint_000002/checkpoints" for model in MODELS]


def test_checkpoints_are_taken_of_the_rows_that_result_json_says(server, tmp_path):
    """Ray 2.7 and later number checkpoints as they are saved: of epochs 5, 10 … 50 here, in folders 0 … 9."""
    rows = [{"training_iteration": 5 * n + 5, "checkpoint_dir_name": f"checkpoint_{n:06d}"} for n in range(10)]
    files = {f"zoo/NN_0/checkpoint_{n:06d}/checkpoints": str(n) for n in range(10)}
    files |= {"zoo/NN_0/params.json": "{}", "zoo/NN_0/result.json": "\n".join(map(json.dumps, rows))}
    server.publish({KEY: zipped(files)})
    for epoch, number in ((10, 1), (50, 9), (None, 9), (12, 9)):
        fetch(server, tmp_path, epoch=epoch)
        taken = {name for name in contents(tmp_path / "raw.zip") if name.endswith("checkpoints")}
        assert taken == {f"zoo/NN_0/checkpoint_{number:06d}/checkpoints"}


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_another_epoch_is_fetched_without_what_is_here(server, archive, tmp_path, monkeypatch):
    monkeypatch.setattr(remote_zip, "_TAIL", 4 << 10)
    server.publish({KEY: archive})
    fetch(server, tmp_path)
    server.sent.clear()
    source, output = ArchiveSource(zenodo=RECORD, file="*seed*.zip"), tmp_path / "epoch-0.zip"
    settings = {"api": f"{server.base}/api", "back_off": 0.001}
    fetch_epoch(source, tmp_path / "raw.zip", output, 0, whole=False, **settings)
    everything = contents_of(archive)
    files = ("params.json", "result.json", "checkpoint_000000/checkpoints")
    wanted = {f"{model}/{file}" for model in MODELS for file in files} | {"tune_zoo/config.json"}
    assert contents(output) == {name: everything[name] for name in wanted}
    assert server.body_bytes < 3 * 3_100 + 10_000  # the checkpoints, and the zip's directory
    assert sorted(leftovers(tmp_path)) == ["epoch-0.zip"]
    fetch_epoch(source, tmp_path / "raw.zip", output, LAST, whole=False, **settings)
    assert output.resolve() == tmp_path / "raw.zip"  # it has them


def test_another_epoch_of_a_whole_archive_is_there(archive, tmp_path):
    (tmp_path / "raw.zip").write_bytes(archive)
    source, output = ArchiveSource(url="http://127.0.0.1:9/zoo.zip"), tmp_path / "epoch-0.zip"
    fetch_epoch(source, tmp_path / "raw.zip", output, 0, whole=True)
    assert output.read_bytes() == archive


def contents_of(archive: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(archive)) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.mark.parametrize("download", ["full", "selective"])
def test_cut_off_midway_goes_on_from_there(server, archive, tmp_path, download):
    server.publish({KEY: archive})
    server.cuts = [200_000, 70_000]
    fetch(server, tmp_path, download=download)
    whole = contents_of(archive)
    assert contents(tmp_path / "raw.zip").items() <= whole.items()
    # What had arrived was not sent again, up to one chunk a cut.
    assert server.body_bytes <= len(archive) + 2 * downloads.CHUNK + 2


def test_next_run_goes_on_where_the_last_one_gave_up(server, archive, tmp_path):
    server.publish({KEY: archive})
    server.cuts = [len(archive) // 2] + [0] * downloads._ATTEMPTS
    with pytest.raises(InputError, match=r"cut off at byte \d+ of \d+ .*run again to go on"):
        fetch(server, tmp_path, download="full")
    assert not (tmp_path / "raw.zip").exists()
    server.sent.clear()
    fetch(server, tmp_path, download="full")
    assert (tmp_path / "raw.zip").read_bytes() == archive
    assert server.body_bytes < 0.6 * len(archive)
    assert leftovers(tmp_path) == []


def test_next_selective_run_fetches_only_what_is_missing(server, archive, tmp_path, monkeypatch):
    monkeypatch.setattr(remote_zip, "_TAIL", 4 << 10)
    server.publish({KEY: archive})
    server.cuts = [None, None] + [0] * downloads._ATTEMPTS  # the directory and the data set arrive
    with pytest.raises(InputError, match="cut off"):
        fetch(server, tmp_path)
    server.sent.clear()
    server.cuts = []
    fetch(server, tmp_path)
    assert 0 < server.body_bytes < 20_000  # the data set, the largest member, was there
    assert len(contents(tmp_path / "raw.zip")) == 2 + 3 * len(MODELS)


def test_without_ranges_the_whole_file_comes(server, archive, tmp_path):
    server.publish({KEY: archive})
    server.ranges = False
    server.cuts = [None, 100_000]  # the probe's answer is a whole file, too
    found = fetch(server, tmp_path)
    assert found["download"] == "full"
    assert (tmp_path / "raw.zip").read_bytes() == archive


def test_too_many_requests_waits_as_told(server, archive, tmp_path):
    server.publish({KEY: archive})
    server.statuses = [(429, {"Retry-After": "1"}), (429, {}), (503, {})]
    started = time.monotonic()
    fetch(server, tmp_path)
    assert (tmp_path / "raw.zip").exists()
    assert time.monotonic() - started >= 1  # back-off alone would be some milliseconds


@pytest.mark.parametrize("download", ["full", "selective"])
def test_wrong_checksum_leaves_nothing(server, archive, tmp_path, download):
    server.files["/zoo.zip"] = archive
    source = ArchiveSource(url=f"{server.base}/zoo.zip", sha256="0" * 64)
    with pytest.raises(InputError, match=r"zoo\.zip: its sha256 is .* but 0+ was expected"):
        fetch(server, tmp_path, source=source, download=download)
    assert list(tmp_path.iterdir()) == []


def test_damaged_member_is_named_and_leaves_nothing(server, archive, tmp_path):
    with ZipFile(io.BytesIO(archive)) as file:
        name = f"{MODELS[1]}/checkpoint_{LAST:06d}/checkpoints"
        offset = file.getinfo(name).header_offset + 30 + len(name) + 100
    damaged = bytearray(archive)
    damaged[offset] ^= 1
    server.publish({KEY: bytes(damaged)})
    with pytest.raises(InputError, match=r"00001_1.*checkpoints does not match its CRC"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [404, 410])
def test_record_gone(server, tmp_path, status):
    server.statuses = [(status, {})]
    with pytest.raises(InputError, match=rf"records/{RECORD}: is not there \(HTTP {status}\).*source\.archive"):
        fetch(server, tmp_path)


@pytest.mark.parametrize(
    ("pattern", "message"), [("*hyp*.zip", "2 files match"), ("cifar*.zip", "no file matches")], ids=["several", "none"]
)
def test_pattern_that_does_not_mean_one_file_lists_what_is_there(server, archive, tmp_path, pattern, message):
    server.publish({KEY: archive, "fmnist_hyp_fix.zip": b"a", "fmnist_hyp_rand.zip": b"b"})
    with pytest.raises(InputError, match=rf"{message}.*fmnist_hyp_fix\.zip, fmnist_hyp_rand\.zip, fmnist_seed\.zip"):
        fetch(server, tmp_path, source=ArchiveSource(zenodo=RECORD, file=pattern))


def test_answer_that_is_no_record(server, tmp_path):
    server.files[f"/api/records/{RECORD}"] = b"<html>maintenance</html>"
    with pytest.raises(InputError, match="not a record with files"):
        fetch(server, tmp_path)


def test_size_other_than_the_record_says(server, archive, tmp_path):
    server.publish({KEY: archive})
    server.files[f"/files/{KEY}"] = archive[:-1]
    with pytest.raises(InputError, match=rf"has {len(archive) - 1} bytes, but its record says {len(archive)}"):
        fetch(server, tmp_path)


@pytest.mark.parametrize("download", ["full", "selective"])
@pytest.mark.parametrize("content", [b"not a zip" * 1000, b"x"], ids=["text", "one byte"])
def test_not_a_zip(server, tmp_path, download, content):
    server.publish({KEY: content})
    with pytest.raises(InputError, match="not a zip or tar archive"):
        fetch(server, tmp_path, download=download)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:xz"])
def test_a_tar_is_fetched_whole_with_resumption_and_checksum(server, tmp_path, mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        entry = tarfile.TarInfo("zoo/weights.npy")
        entry.size = 300_000
        archive.addfile(entry, io.BytesIO(np.random.default_rng(0).bytes(entry.size)))
    content = buffer.getvalue()
    server.publish({"zoo.tar": content})
    server.cuts = [100_000]
    sha256 = hashlib.sha256(content).hexdigest()
    for source in (
        ArchiveSource(zenodo=RECORD, file="zoo.tar"),
        ArchiveSource(url=f"{server.base}/files/zoo.tar", sha256=sha256),
    ):
        taken = fetch(server, tmp_path, source=source)
        assert taken["download"] == "full"
        assert (tmp_path / "raw.zip").read_bytes() == content
        assert leftovers(tmp_path) == []


def test_a_folder_as_an_archive_is_named_as_one(tmp_path):
    with pytest.raises(InputError, match=r"is a folder: give it in the catalogue as source: \{directory: "):
        fetch_zoo(ArchiveSource(path=str(tmp_path)), tmp_path / "raw.zip")


def test_zip_that_is_no_zoo(server, tmp_path):
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as file:
        file.writestr("readme.md", "nothing")
    server.publish({KEY: buffer.getvalue()})
    with pytest.raises(InputError, match="not a raw model zoo"):
        fetch(server, tmp_path)


def test_dangerous_zip_is_refused_before_its_members_are_fetched(server, tmp_path):
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as file:
        file.writestr("zoo/a/params.json", "{}")
        file.writestr("../../params.json", "{}")
    server.publish({KEY: buffer.getvalue()})
    with pytest.raises(InputError, match=r"fmnist_seed\.zip: refused: its member .* leads out of the archive"):
        fetch(server, tmp_path)
    assert not (tmp_path / "raw.zip").exists()


def test_no_network(tmp_path):
    with Server() as closed:
        address = closed.base
    with pytest.raises(InputError, match=r"cannot be reached \(.*refused.*\); check the network"):
        fetch_zoo(ArchiveSource(url=f"{address}/zoo.zip"), tmp_path / "raw.zip", back_off=0)


def test_server_error_that_stays(server, tmp_path):
    server.statuses = [(503, {})] * 20
    with pytest.raises(InputError, match="HTTP 503"):
        fetch(server, tmp_path)


def test_local_archive_becomes_a_link(archive, tmp_path):
    source = tmp_path / "zoo.zip"
    source.write_bytes(archive)
    source.chmod(0o600)
    output = tmp_path / "results/zoos/mine/raw.zip"
    fetch_zoo(ArchiveSource(path=str(source), md5=hashlib.md5(archive).hexdigest()), output)
    assert output.is_symlink()
    assert output.read_bytes() == archive
    assert source.stat().st_mode & 0o777 == 0o600  # the file is not ours to change


@pytest.mark.parametrize(
    ("content", "source", "message"),
    [
        (None, {}, "no such file.*source.archive.path"),
        (b"PK nothing", {}, "not a zip or tar archive"),
        (b"PK nothing", {"md5": "0" * 32}, "its md5 is"),
    ],
    ids=["missing", "not a zip", "checksum"],
)
def test_bad_local_archive(tmp_path, content, source, message):
    path = tmp_path / "zoo.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        fetch_zoo(ArchiveSource(path=str(path), **source), tmp_path / "out/raw.zip")
    assert not (tmp_path / "out").exists()


def test_a_dialect_says_what_is_needed_of_its_archives(monkeypatch):
    class Arrays(ModelZoo):
        @classmethod
        def needed(cls, names, epoch, read):
            return [name for name in names if name.endswith(".npy")]

    names = ["zoo/config.json", "zoo/dataset.pt", "zoo/models/0001.npy", "zoo/models/0001.log"]
    assert needed_members(names) == []
    monkeypatch.setattr(fetching, "DIALECTS", (*fetching.DIALECTS, Arrays))
    assert needed_members(names) == ["zoo/models/0001.npy"]


def test_needed_members_of_a_zoo_with_missing_checkpoints():
    names = ["z/a/params.json", "z/a/checkpoint_000050/optimizer", "z/b/checkpoint_000009/checkpoints", "z/readme.md"]
    assert needed_members(names) == ["z/a/params.json", "z/b/checkpoint_000009/checkpoints"]
    assert needed_members(names, epoch=50) == needed_members(names)  # so that importing can say what b has instead


@settings(deadline=None)  # a busy machine is no defect
@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**6)).map(lambda pair: (pair[0], sum(pair)))))
def test_merged_ranges_cover_all_and_lie_far_apart(ranges):
    merged = remote_zip._merged(ranges)
    assert all(any(first <= start and stop <= last for first, last in merged) for start, stop in ranges)
    assert all(after[0] - before[1] > remote_zip.GAP for before, after in pairwise(merged))
    assert sum(stop - start for start, stop in merged) <= sum(stop - start + remote_zip.GAP for start, stop in ranges)

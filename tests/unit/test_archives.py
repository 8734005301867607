"""Archives: what they hold comes back, and what is dangerous is refused whole."""

import hashlib
import json
import os
import stat
import struct
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raw_zoos import model_files, write_folder, write_zip
from zootwins.run.errors import InputError
from zootwins.zoos import identity, tar_files, zip_files
from zootwins.zoos.archives import open_members
from zootwins.zoos.identity import folder_digest

FILES = {"zoo/a.json": b"{}", "zoo/model/checkpoints": bytes(range(256)) * 9, "zoo/model/empty": b""}
LIMIT = 1 << 20


@pytest.mark.parametrize("write", [write_zip, write_folder])
def test_members_come_back_with_their_folders(tmp_path, write):
    with open_members(write(tmp_path / "zoo", FILES)) as members:
        assert members.names == sorted(FILES)
        assert members.folders == {"zoo", "zoo/model"}
        assert {name: members.read(name, LIMIT) for name in members.names} == FILES


@pytest.mark.parametrize("write", [write_zip, write_folder])
def test_a_member_is_not_read_beyond_its_limit(tmp_path, write):
    with open_members(write(tmp_path / "zoo", FILES)) as members:
        assert members.read("zoo/a.json", 2) == b"{}"
        with pytest.raises(OSError, match="more than the 1 it may have"):
            members.read("zoo/a.json", 1)


def test_empty_folders_are_known(tmp_path):
    path = write_zip(tmp_path / "zoo.zip", FILES | {"zoo/gone/": b""})
    (write_folder(tmp_path / "zoo", FILES) / "zoo/gone").mkdir()
    for source in (path, tmp_path / "zoo"):
        with open_members(source) as members:
            assert "zoo/gone" in members.folders


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught, open_members(path):
        pass
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "name",
    ["../out", "/etc/passwd", "zoo/../../out", "zoo\\..\\out", "zoo/..", "/", "//host/share", "."],
)
def test_paths_that_lead_out_are_refused(tmp_path, name):
    assert "leads out" in refusal(write_zip(tmp_path / "zoo.zip", FILES | {name: b"x"}))


@pytest.mark.parametrize("name", ["zoo/a\nb", "zoo/\x1b[2J", "zoo/\u202etxt"])
def test_names_with_control_characters_are_refused(tmp_path, name):
    assert "control characters" in refusal(write_zip(tmp_path / "zoo.zip", {name: b"x"}))
    assert "control characters" in refusal(write_folder(tmp_path / "zoo", {name: b"x"}))


@pytest.mark.parametrize(("null", "reason"), [("zoo/aXb", "control characters"), ("Xzoo", "leads out")])
def test_names_cut_by_a_null_are_refused(tmp_path, null, reason):
    path = write_zip(tmp_path / "zoo.zip", {null: b"x"})
    path.write_bytes(path.read_bytes().replace(null.encode(), null.replace("X", "\0").encode()))
    assert reason in refusal(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["zoo/a.json", "zoo/./a.json", "zoo//a.json", "zoo/a.json/"])
def test_duplicate_names_are_refused(tmp_path, again):
    with zipfile.ZipFile(tmp_path / "zoo.zip", "w") as archive:
        archive.writestr("zoo/a.json", b"{}")
        archive.writestr(again, b"")
    assert "is there twice" in refusal(tmp_path / "zoo.zip")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    entry = zipfile.ZipInfo("zoo/link")
    entry.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "zoo.zip", "w") as archive:
        archive.writestr(entry, b"/etc/passwd")
    assert "symbolic link" in refusal(tmp_path / "zoo.zip")


def test_links_in_folders_are_refused(tmp_path):
    for target in (tmp_path, tmp_path / "nowhere"):
        folder = write_folder(tmp_path / f"zoo_of_{target.name}", FILES)
        (folder / "zoo/link").symlink_to(target)
        assert "zoo/link is a symbolic link" in refusal(folder)


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "zoo.zip", {"zoo/zeros": bytes(2 << 20)})
    with open_members(path) as members:  # small enough to be harmless
        assert members.size("zoo/zeros") == 2 << 20
    monkeypatch.setattr(zip_files, "BOMB_SIZE", 1 << 20)
    assert "absurd size" in refusal(path)


@pytest.mark.parametrize(
    ("method", "name"), [(14, "LZMA"), (12, "bzip2"), (9, "Deflate64"), (93, "Zstandard"), (77, "method 77")]
)
def test_compressions_of_other_kinds_are_refused_by_name_with_the_users_own_file(tmp_path, method, name):
    path = directory_field(write_zip(tmp_path / "my_zoo.zip", {"zoo/a": b"a" * 100}), 10, "<H", method)
    assert f"'zoo/a' is compressed by {name}" in refusal(path)
    link = tmp_path / "raw.zip"  # what fetch_zoo leaves of an archive on this machine
    link.symlink_to(path)
    with pytest.raises(InputError, match=r"my_zoo\.zip: refused.*give the folder as the zoo's source.directory"):
        open_members(link).__enter__()


def test_zips_with_backslashes_have_folders_all_the_same(tmp_path):
    with zipfile.ZipFile(tmp_path / "zoo.zip", "w") as archive:
        for name, content in {**FILES, "zoo/empty/": b""}.items():
            entry = zipfile.ZipInfo("x")
            entry.filename = entry.orig_filename = name.replace("/", "\\")
            archive.writestr(entry, content)
    with open_members(tmp_path / "zoo.zip") as members:
        assert {name: members.read(name, LIMIT) for name in members.names} == FILES
        assert "zoo/empty" in members.folders


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_with_one_content_is_one_member(tmp_path):
    path = write_zip(tmp_path / "zoo.zip", FILES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("zoo/a.json", FILES["zoo/a.json"])
    with open_members(path) as members:
        assert members.names == sorted(FILES)


def test_a_drive_in_a_path_is_refused_with_the_remedy(tmp_path):
    assert "has a drive in its path; write" in refusal(write_zip(tmp_path / "zoo.zip", {"C:/zoo/a": b"x"}))


TARS = {"tar": "w:", "tar.gz": "w:gz", "tar.xz": "w:xz", "tar.bz2": "w:bz2"}


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w:", **more) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for field, value in more.items():
                setattr(entry, field, value)
            archive.addfile(entry, BytesIO(content))
    return path


@pytest.mark.parametrize("kind", TARS)
@pytest.mark.parametrize("prefix", ["", "./"])
def test_tars_are_read_member_by_member(tmp_path, kind, prefix):
    """The last member is a zip, as checkpoints are: it does not make a zip of the tar."""
    files = FILES | {"zoo/z": write_zip(tmp_path / "inner.zip", FILES).read_bytes()}
    path = write_tar(tmp_path / f"zoo.{kind}", {prefix + name: text for name, text in files.items()}, TARS[kind])
    with open_members(path) as members:
        assert {name: members.read(name, LIMIT) for name in members.names} == files
        assert members.folders == {"zoo", "zoo/model"}
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(["inner.zip", path.name])  # no copy is left


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "zoo/../../out"])
def test_tars_whose_paths_lead_out_are_refused(tmp_path, name):
    assert "leads out" in refusal(write_tar(tmp_path / "zoo.tar", FILES | {name: b"x"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_tars_are_refused(tmp_path, kind):
    path = write_tar(tmp_path / "zoo.tar", {"zoo/link": b""}, type=kind, linkname="/etc/passwd")
    assert "is a link, a device or a sparse file" in refusal(path)


def test_tars_that_are_bombs_cut_or_hold_a_name_twice_are_refused(tmp_path, monkeypatch):
    zeros = write_tar(tmp_path / "zeros.tar.xz", {"zoo/zeros": bytes(8 << 20)}, "w:xz")
    with open_members(zeros) as members:  # small enough to be harmless
        assert members.size("zoo/zeros") == 8 << 20
    monkeypatch.setattr(tar_files, "BOMB_SIZE", 1 << 20)
    assert "absurd size" in refusal(zeros)
    whole = write_tar(tmp_path / "zoo.tar", FILES).read_bytes()
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for length in (700, end):
        (tmp_path / "cut.tar").write_bytes(whole[:length])
        assert "whole" in refusal(tmp_path / "cut.tar") or "not a readable" in refusal(tmp_path / "cut.tar")
    (tmp_path / "cut.tar.gz").write_bytes(write_tar(tmp_path / "zoo.tar.gz", FILES, "w:gz").read_bytes()[:-20])
    assert "not a readable zip or tar" in refusal(tmp_path / "cut.tar.gz")
    with tarfile.open(tmp_path / "zoo.tar", "a") as archive:
        archive.addfile(tarfile.TarInfo("zoo/a.json"))
    assert "is there twice" in refusal(tmp_path / "zoo.tar")


@pytest.mark.parametrize("write", [write_zip, write_folder, write_tar])
def test_arrays_are_mapped_from_every_container(tmp_path, write):
    numbers = np.arange(12, dtype="<f4").reshape(3, 4)
    buffer = BytesIO()
    np.save(buffer, numbers)
    with open_members(write(tmp_path / "zoo", FILES | {"zoo/w.npy": buffer.getvalue()})) as members:
        assert np.array_equal(members.array("zoo/w.npy"), numbers)
        with pytest.raises(OSError, match="damaged"):
            members.array("zoo/a.json")


@pytest.mark.parametrize("array", [np.array([{}], dtype=object), np.array(["a"])], ids=["objects", "texts"])
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, array):
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=True)
    path = write_zip(tmp_path / "zoo.zip", {"w.npy": buffer.getvalue()})
    with open_members(path) as members, pytest.raises(OSError, match="not numbers"):
        members.array("w.npy")


def directory_field(path: Path, offset: int, form: str, value: int) -> Path:
    """Overwrite a field of the first entry of a zip's directory."""
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, content.index(b"PK\x01\x02") + offset, value)
    path.write_bytes(content)
    return path


def test_encrypted_members_are_refused(tmp_path):
    path = directory_field(write_zip(tmp_path / "zoo.zip", FILES), 8, "<H", 1)
    assert "is encrypted" in refusal(path)


def test_an_absurd_declared_size_is_refused(tmp_path):
    path = directory_field(write_zip(tmp_path / "zoo.zip", FILES), 24, "<L", 0xFFFFFFF0)
    assert "absurd size" in refusal(path)


def test_overlapping_members_are_refused(tmp_path):
    path = directory_field(write_zip(tmp_path / "zoo.zip", FILES), 20, "<L", 100_000)
    assert "overlap" in refusal(path)


@pytest.mark.parametrize("size", [0, 100, 2303, 2305, 100_000])
def test_a_size_that_lies_is_found_when_the_member_is_read(tmp_path, size):
    name = "zoo/model/checkpoints"
    path = directory_field(write_zip(tmp_path / "zoo.zip", {name: FILES[name]}), 24, "<L", size)
    with open_members(path) as members, pytest.raises(OSError, match=r"damaged|does not have"):
        members.read(name, LIMIT)


def test_what_is_no_zip_is_refused(tmp_path):
    (tmp_path / "text.zip").write_text("PK, but not a zip", encoding="utf-8")
    (tmp_path / "half.zip").write_bytes(write_zip(tmp_path / "zoo.zip", FILES).read_bytes()[:200])
    assert "not a readable zip" in refusal(tmp_path / "text.zip")
    assert "not a readable zip" in refusal(tmp_path / "half.zip")
    assert "no such file" in refusal(tmp_path / "missing.zip")


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_zip_is_refused_or_read_as_it_was_written(tmp_path, data):
    """Bytes changed anywhere: an error of the two kinds that callers know, or true content, never anything else."""
    whole = write_zip(tmp_path / "zoo.zip", FILES).read_bytes()
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.zip"
    path.write_bytes(content)
    try:
        with open_members(path) as members:
            for name in members.names:
                try:
                    read = members.read(name, LIMIT)
                except OSError:
                    continue
                assert read in FILES.values()
    except InputError:
        pass


READ = ("NN_0/params.json", "NN_0/result.json", "NN_0/checkpoint_000001/checkpoints", "dataset.pt")


@pytest.mark.parametrize("name", READ)
def test_a_folder_has_another_digest_when_a_file_changes_that_is_read(tmp_path, name):
    zoo = write_folder(tmp_path / "zoo", model_files("NN_0") | {"dataset.pt": b"x"})
    before = folder_digest(zoo, None)
    assert folder_digest(zoo, None) == folder_digest(zoo, 1) == before
    file = zoo / name
    os.utime(file, (0, 0))
    assert folder_digest(zoo, None) == before  # equal contents are equal, whatever their dates
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b" ")  # of the same size
    assert (changed := folder_digest(zoo, None)) != before
    file.rename(f"{file}_")
    assert folder_digest(zoo, None) not in (before, changed)
    file.write_bytes(content)
    assert folder_digest(zoo, None) == before


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A zoo whose dataset.pt counts as large and was last changed long ago; which files are read, in order."""
    zoo = write_folder(tmp_path / "zoo", model_files("NN_0") | {"dataset.pt": b"x" * 10**6})
    read: list[str] = []
    digest_of = hashlib.file_digest
    monkeypatch.setattr(identity, "LARGE", 10**6)
    monkeypatch.setattr(identity, "SETTLED", -1)
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: read.append(file.name) or digest_of(file, kind))
    return zoo, read


def test_a_large_file_is_read_once_and_again_when_it_changes(tmp_path, large):
    zoo, read = large
    known, file = tmp_path / "digests.json", zoo / "dataset.pt"
    before = folder_digest(zoo, None, known=known)
    assert folder_digest(zoo, None) == before
    assert read.count(str(file)) == 2
    assert folder_digest(zoo, None, known=known) == before
    assert read.count(str(file)) == 2
    status = file.stat()
    file.write_bytes(b"y" * 10**6)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # as if nothing had happened
    assert (changed := folder_digest(zoo, None, known=known)) not in (before, None)
    assert folder_digest(zoo, None) == changed
    known.write_text("[1]", encoding="utf-8")
    assert folder_digest(zoo, None, known=known) == changed


def test_small_files_and_files_that_have_just_changed_are_read_every_time(tmp_path, large, monkeypatch):
    zoo, _ = large
    known = tmp_path / "digests.json"
    monkeypatch.setattr(identity, "SETTLED", 2)
    for _ in range(2):
        folder_digest(zoo, None, known=known)
    assert not known.exists()
    monkeypatch.setattr(identity, "SETTLED", -1)
    folder_digest(zoo, None, known=known)
    assert list(json.loads(known.read_text(encoding="utf-8"))) == [str(zoo / "dataset.pt")]
    assert folder_digest(zoo, None, known=tmp_path / "gone" / "digests.json") == folder_digest(zoo, None)


def test_files_that_nobody_reads_do_not_change_a_folders_digest(tmp_path):
    zoo = write_folder(tmp_path / "zoo", model_files("zoo/NN_0"))
    before = folder_digest(zoo, None)
    names = (".DS_Store", "notes.txt", "zoo/.DS_Store", "zoo/result.json", "zoo/NN_0/events.out.tfevents.1")
    write_folder(zoo, dict.fromkeys((*names, "zoo/NN_0/checkpoint_000001/optimizer"), b"x"))
    assert folder_digest(zoo, None) == before


def test_another_model_changes_a_folders_digest(tmp_path):
    zoo = write_folder(tmp_path / "zoo", model_files("NN_tune_trainable_0"))
    before = folder_digest(zoo, None)
    (zoo / "NN_tune_trainable_1").mkdir()
    assert folder_digest(zoo, None) != before


def test_checkpoints_that_are_not_read_are_not_in_a_folders_digest(tmp_path):
    zoo = write_folder(tmp_path / "zoo", model_files("NN_0"))
    digests = {epoch: folder_digest(zoo, epoch) for epoch in (None, 0, 1)}
    assert digests[0] != digests[1]
    (zoo / "NN_0/checkpoint_000000/checkpoints").write_bytes(b"")
    assert folder_digest(zoo, None) == folder_digest(zoo, 1) == digests[1]
    assert folder_digest(zoo, 0) != digests[0]


def test_of_published_twins_every_checkpoint_is_in_the_folders_digest(tmp_path):
    zoo = write_folder(tmp_path / "zoo", model_files("NN_0"))
    digests = [folder_digest(zoo, "all")]
    for epoch in (0, 1):
        (zoo / f"NN_0/checkpoint_00000{epoch}/checkpoints").write_bytes(b"")
        digests.append(folder_digest(zoo, "all"))
    assert len(set(digests)) == 3

"""Archives: what they hold comes back, and what is dangerous is refused whole."""

import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raw_zoos import model_files, write_folder, write_zip
from zootwins.run.errors import InputError
from zootwins.zoos import archives
from zootwins.zoos.archives import folder_digest, open_members

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
    ["../out", "/etc/passwd", "zoo/../../out", "zoo\\..\\out", "C:/out", "zoo/..", "/", "//host/share", "."],
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
    monkeypatch.setattr(archives, "BOMB_SIZE", 1 << 20)
    assert "absurd size" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_compressions_of_other_kinds_are_refused(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "zoo.zip", "w", method) as archive:
        archive.writestr("zoo/a", b"a" * 100)
    assert "compressed by method" in refusal(tmp_path / "zoo.zip")


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
    written = file.stat()
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns - 1))  # an older file is another file too
    assert folder_digest(zoo, None) != before
    file.write_bytes(file.read_bytes() + b"x")
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert (longer := folder_digest(zoo, None)) != before
    file.rename(f"{file}_")
    assert folder_digest(zoo, None) != longer


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

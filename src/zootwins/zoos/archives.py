"""Open a zoo's archive or folder, whatever its container; a dangerous archive is refused as a whole."""

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from zootwins.run.errors import InputError, one_line
from zootwins.storage.files import no_room
from zootwins.zoos.members import DAMAGE, FolderMembers, Members, remedy, users_file
from zootwins.zoos.tar_files import TarMembers, is_tar, unpacked_tar
from zootwins.zoos.zip_files import ZipMembers


@contextmanager
def open_members(path: str | Path) -> Iterator[Members]:
    """Open the members of a zip, a tar (plain, gz, bz2 or xz) or a folder.

    Raises:
        InputError: if there is no such file, it is no archive, or a member is dangerous.
    """
    path = Path(path)
    with ExitStack() as opened:
        try:
            members = _open(path, opened)
        except FileNotFoundError:
            raise InputError(
                f"{path}: there is no such file or folder; correct the zoo's source in the catalogue"
            ) from None
        except PermissionError as error:
            raise InputError(f"{path}: cannot be read ({one_line(error)}); change its permissions") from None
        except InputError:
            raise
        except (*DAMAGE, OSError) as error:
            if reason := no_room(error):
                raise InputError(f"{path}: cannot be unpacked, {reason}; make room in {path.parent}") from None
            raise InputError(
                f"{users_file(path)}: not a readable zip or tar ({one_line(error)}); {remedy(path)}"
            ) from None
        yield members


def is_archive(path: Path) -> bool:
    """Say whether a file is a zip or begins as a tar does.

    Raises:
        OSError: if it cannot be read.
    """
    return is_tar(path) or zipfile.is_zipfile(path)


def _open(path: Path, opened: ExitStack) -> Members:
    if path.is_dir():
        return FolderMembers(path)
    if is_tar(path):
        file = opened.enter_context(unpacked_tar(path))
        return TarMembers(path, opened.enter_context(tarfile.TarFile(fileobj=file)))
    return ZipMembers(path, opened.enter_context(zipfile.ZipFile(path)))

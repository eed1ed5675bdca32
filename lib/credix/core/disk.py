"""Folders, files and disks that a process writes to: created, replaced, named on failure."""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from credix.core.errors import DiskError, SettingsError

FULL = {errno.ENOSPC, errno.EDQUOT}
# A folder that is not ours, a disk that was mounted read only or went away.
UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EIO}


@contextmanager
def disk_named(folder: Path) -> Iterator[None]:
    """Raise DiskError in place of an operating system's error that this folder's disk caused."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, folder) or error from None


@contextmanager
def replacing(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """Yield a file to write, which takes the name `path` when the block ends well.

    A reader never finds half a file. `mode` holds from the start, less what the umask takes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def disk_error(error: BaseException, folder: Path) -> DiskError | None:
    """Return the error of this product when the disk is at fault, else None."""
    if not isinstance(error, OSError):
        return None
    if error.errno in FULL:
        return DiskError(
            f"The disk of {folder} is full: free some space, or set CREDIX_RUN_DIR to a folder on "
            "a larger disk."
        )
    if error.errno in UNWRITABLE and is_about(error.filename, folder):
        return DiskError(
            f"{folder} cannot be written to ({error.strerror}): make it writable for this user, or "
            "set CREDIX_RUN_DIR to a folder that is."
        )
    return None


def reported_error(kind: str, message: str, folder: Path) -> DiskError | None:
    """Return the error of this product for an OSError of another process, of which words are left.

    Paths in it may have been redacted: only a full disk is recognized.
    """
    number = re.match(r"\[Errno (\d+)\]", message)
    if kind != "OSError" or number is None:
        return None
    return disk_error(OSError(int(number[1]), message), folder)


def is_about(name: object, folder: Path) -> bool:
    """Return True for the folder, what is in it and what it is in."""
    if not isinstance(name, str | Path):
        return False
    path = Path(name)
    return folder.is_relative_to(path) or path.is_relative_to(folder)


def require_writable(folder: Path) -> None:
    """Make the folder; raises DiskError where nothing can be written into it."""
    with disk_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / "writable.part"
        probe.write_text("x" * 4096, "utf-8")
        probe.unlink()


def make_folder(folder: Path, way_out: str) -> Path:
    """Create a folder, or make sure that it can be written; raises SettingsError with the way out.

    A read-only file system, another user's folder and a file in its place are reported alike.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{folder} cannot be written ({error.strerror}): {way_out}.") from error
    by_effective_user = os.access in os.supports_effective_ids
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=by_effective_user):
        raise SettingsError(f"{folder} cannot be written by this user: {way_out}.")
    return folder

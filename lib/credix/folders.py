"""Folders that a process has to write into."""

import os
from pathlib import Path

from credix.errors import SettingsError


def make_folder(folder: Path, way_out: str) -> Path:
    """Create a folder, or make sure that it can be written; raises SettingsError with the way out.

    A read-only file system, another user's folder and a file in its place are told alike.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{folder} cannot be written ({error.strerror}): {way_out}.") from error
    by_effective_user = os.access in os.supports_effective_ids
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=by_effective_user):
        raise SettingsError(f"{folder} cannot be written by this user: {way_out}.")
    return folder

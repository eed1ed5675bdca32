"""Files of the stack: written whole or not at all, secrets readable by their owner alone."""

import os
import shutil
from pathlib import Path

from credix.core.disk import replacing


def write_private(path: Path, text: str) -> None:
    """Replace a file; only its owner may read it, and what it says survives a power cut."""
    with replacing(path, 0o600) as beside, beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def remove(path: Path) -> None:
    """Delete a file or a whole folder; nothing happens when there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

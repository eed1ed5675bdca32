"""The rows that a run keeps on this machine's disk go when no run can need them any more.

A run that failed keeps its own: until its source is held again, its steps can still be finished by
hand. Notebooks, step results and pages stay.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from credix.core.errors import SettingsError
from credix.core.settings import Settings
from credix.state.run import REREADS, describe_state, read_description


def clear_parts(folder: Path, source: str) -> None:
    """Delete a source's parts in a run's folder, those of its slices and of its repair too.

    With them goes the list of row versions that the next run meets again: the lake has it. What
    cannot be deleted stays: disk space is no reason to fail a run.
    """
    for parts in list(folder.rglob(f"{source}/parts")):
        shutil.rmtree(parts, ignore_errors=True)
        with suppress(OSError):
            (parts.parent / REREADS).unlink(missing_ok=True)


def clear_superseded(settings: Settings, source: str, attempt: int) -> None:
    """Delete the parts of every run on this disk that this attempt of the source supersedes.

    The fence has decided that no such run can commit, whether it failed, was killed or only
    sleeps: one that wakes up misses its parts, asks the fence and ends as superseded. A sandbox
    has a state and attempts of its own.
    """
    for path in settings.run_dir.glob(f"*/{source}/run.json"):
        try:
            known = read_description(path)
        except (OSError, SettingsError):
            continue
        own = describe_state(settings)
        is_superseded = not known.is_sandbox and known.attempt < attempt
        if is_superseded and (known.state or own) == own:
            clear_parts(path.parents[1], source)

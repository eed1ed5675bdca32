"""The rows that a run keeps on this machine's disk go when no run can need them any more.

A run that failed keeps its own: until its source is held again, its steps can still be finished by
hand. Notebooks, step results and pages stay.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from credix.leases import is_abandoned
from credix.state import SourceState
from credix.steps.context import REREADS


def clear_parts(folder: Path, source: str) -> None:
    """Delete a source's parts in a run's folder, those of its slices and of its repair too.

    With them goes the list of row versions that the next run meets again: the lake has it. What
    cannot be deleted stays: disk space is no reason to fail a run.
    """
    for parts in list(folder.rglob(f"{source}/parts")):
        shutil.rmtree(parts, ignore_errors=True)
        with suppress(OSError):
            (parts.parent / REREADS).unlink(missing_ok=True)


def superseded_runs(state: SourceState) -> set[str]:
    """The runs that the next attempt makes late for good, by the state it finds.

    The last one that ended, and one that died; not one that only sleeps, which shall find its parts
    and be told by the fence.
    """
    last = {state.last_run.run_id} if state.last_run else set()
    dead = {state.lease.run_id} if state.lease and is_abandoned(state.lease) else set()
    return last | dead

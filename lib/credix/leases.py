"""Leases of this host: made for this process, and judged when their process may be dead.

Whether a run may take what another one's lease holds is decided in `SourceState.raise_fence`.
"""

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from credix.errors import BusyError
from credix.state import Lease

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# psutil's start time is exact to the clock tick on Linux, to a second elsewhere.
START_TOLERANCE_SECONDS = 2.0


def new_lease(run_id: str, term: timedelta) -> Lease:
    """A lease for this process, ending after the term."""
    return Lease(
        run_id=run_id,
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=os.getpid(),
        process_started_at=psutil.Process().create_time(),
        expires_at=datetime.now(UTC) + term,
    )


def is_abandoned(lease: Lease) -> bool:
    """True only when this host knows it: the holder is dead, or it is this very process.

    A process works on one run of a source at a time; an older lease of its own was left behind.
    """
    if lease.host != socket.gethostname():
        return False
    if lease.boot_id != boot_id() or lease.pid == os.getpid():
        return True
    try:
        process = psutil.Process(lease.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return abs(process.create_time() - lease.process_started_at) > START_TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return True


def require_idle(lease: Lease | None, source: str) -> None:
    """Raises BusyError while a run that may be alive works on the source."""
    if lease and not is_abandoned(lease):
        raise BusyError(f"The run {lease.run_id} works on {source}: try again when it is over.")


def boot_id() -> str:
    """Changes with every start of the machine."""
    if BOOT_ID.exists():
        return BOOT_ID.read_text("utf-8").strip()
    return str(int(psutil.boot_time()))

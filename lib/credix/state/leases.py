"""Leases of this process: made for it, and judged when their process may be gone.

A host name proves nothing: every instance of Cloud Run is called `localhost`, and each has a boot
id of its own. Whether a run may take what another one's lease holds is decided in
`FencedState.raise_fence`.
"""

import hashlib
import os
import socket
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import uuid4

import psutil

from credix.core.errors import BusyError
from credix.state.states import Lease

MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")
# psutil's start time is exact to the clock tick on Linux, to a second elsewhere.
START_TOLERANCE_SECONDS = 2.0


def new_lease(run_id: str, term: timedelta, execution: str = "") -> Lease:
    """Return a lease for this process that ends after the term.

    Args:
        run_id: The run that holds it.
        term: How long it lasts unless it is renewed.
        execution: `Settings.execution`, where a scheduler names what runs.
    """
    started = psutil.Process().create_time()
    return Lease(
        run_id=run_id,
        execution=execution,
        instance=instance_of(os.getpid(), started),
        host=socket.gethostname(),
        machine_id=machine_id(),
        boot_id=boot_id(),
        pid_namespace=pid_namespace(),
        pid=os.getpid(),
        process_started_at=started,
        expires_at=datetime.now(UTC) + term,
    )


def is_abandoned(lease: Lease) -> bool:
    """Return True only where it is certain that no process works under the lease.

    That is so for an earlier lease of this very process, which works on one run of a source at a
    time, and for a process of this machine, since its last start and in this process's pid
    namespace, that is gone. False means "cannot know": the lease ends with its term. So it is for
    an execution of Cloud Run, whose virtual machines may be equal in all that could be compared.
    """
    own = new_lease(lease.run_id, timedelta())
    if (lease.host, lease.instance) == (own.host, own.instance):
        return True
    if lease.execution or not (own.machine_id and own.boot_id and own.pid_namespace):
        return False
    if evidence_of(lease) != evidence_of(own):
        return False
    try:
        process = psutil.Process(lease.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return abs(process.create_time() - lease.process_started_at) > START_TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return True


def evidence_of(lease: Lease) -> tuple[str, ...]:
    """Return what has to be equal before a pid says which process it is."""
    return lease.host, lease.machine_id, lease.boot_id, lease.pid_namespace


def require_idle(lease: Lease | None, source: str) -> None:
    """Raise BusyError while a run that may be alive works on the source."""
    if lease and lease.expires_at > datetime.now(UTC) and not is_abandoned(lease):
        raise BusyError(
            f"The run {lease.run_id} works on {source}: try again when it is over, or after "
            f"{lease.expires_at:%Y-%m-%d %H:%M:%S} UTC, when its lease ends unless it is renewed."
        )


@cache
def instance_of(_pid: int, _started: float) -> str:
    """Return a random id of this process; a forked child gets one of its own."""
    return uuid4().hex


def machine_id() -> str:
    """Return a hash of the machine's id, which is not published as it is; empty where none is."""
    found = next((text for path in MACHINE_IDS if (text := read(path))), "")
    return hashlib.sha256(f"credix {found}".encode()).hexdigest()[:16] if found else ""


def boot_id() -> str:
    """Return what changes with every start of the machine; empty where no file says it."""
    return read(BOOT_ID)


def pid_namespace() -> str:
    """Return within which the pids of this process count, as `pid:[4026531836]`; empty if unknown.

    Containers of one machine share its boot id, and often the machine's id.
    """
    try:
        return str(PID_NAMESPACE.readlink())
    except OSError:
        return ""


def read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""

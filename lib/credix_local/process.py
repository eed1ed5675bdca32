"""Servers as processes: started so that they outlive us, and never mistaken for another's."""

import json
import os
import pwd
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil

from credix.core.errors import StackError
from credix_local.files import write_private

# Below every system's range for outgoing connections, which would take a remembered port away.
PORTS = range(20_000, 32_000)
LOG_BYTES = 5 << 20
OLD_LOGS = 3
# The system clock moves and psutil derives start times from it: the same process may differ a bit.
START_TIME_TOLERANCE_SECONDS = 2.0


def spawn(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str],
    account: pwd.struct_passwd | None = None,
) -> psutil.Process:
    """Start a server in a session of its own, its output appended to the log.

    `account` is the user it runs as when we are root. Raises StackError when it cannot be executed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env=dict(environment),
                **as_account(account),
            )
        except OSError as error:
            raise StackError(f"{command[0]} cannot be executed: {error}.") from error
    # Looked at before its exit status is taken: nothing is left then of one that ended at once.
    process = psutil.Process(child.pid)
    # Takes the exit status of a server that ends while we live: no zombie, no warning.
    threading.Thread(target=child.wait, daemon=True).start()
    return process


def as_account(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return arguments of `subprocess` that run a command as this user; none for ourselves."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def remember(path: Path, process: psutil.Process) -> None:
    """Write which process serves, so that a re-used pid is distinguished from it."""
    record = {"pid": process.pid, "started": process.create_time()}
    write_private(path, json.dumps(record))


def remembered(path: Path) -> psutil.Process | None:
    """Return the living process of a pid file; None when it ended or its pid is another's now."""
    try:
        record = json.loads(path.read_text("utf-8"))
        return living(record["pid"], record["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def living(pid: int, started: float) -> psutil.Process | None:
    """Return the process of this pid if it began then and has not ended."""
    try:
        process = psutil.Process(pid)
        is_same = abs(process.create_time() - started) <= START_TIME_TOLERANCE_SECONDS
        return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, ValueError):
        return None


def find_by_command(*words: str) -> psutil.Process | None:
    """Return a living process of whose command line these are arguments.

    Finds a server whose starter was killed before it could write the pid file.
    """
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        is_zombie = process.info["status"] == psutil.STATUS_ZOMBIE
        if all(word in command for word in words) and not is_zombie:
            return process
    return None


def command_line(process: psutil.Process) -> list[str]:
    """Return the arguments of a process; empty when it ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def terminate(process: psutil.Process, signals: Sequence[tuple[int, float]]) -> None:
    """Send each signal and wait its seconds until the process has ended."""
    for signal_number, seconds in signals:
        try:
            process.send_signal(signal_number)
        except psutil.NoSuchProcess:
            return
        if wait_until(lambda: has_ended(process), seconds):
            return
    raise StackError(f"Process {process.pid} does not end, not even when killed.")


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    """Return whether the condition came true within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def answers_http(port: int, path: str, seconds: float = 2.0) -> bool:
    """Return whether GET on loopback answers 200; asked directly, never through a proxy."""
    connection = HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def is_free(port: int) -> bool:
    """Return whether a server could listen on the loopback port now."""
    with socket.socket() as probe:
        # As the servers do: connections of a predecessor that are still closing do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose_port(taken: set[int]) -> int:
    """Return a free loopback port outside `taken`."""
    for port in random.sample(PORTS, 200):
        if port not in taken and is_free(port):
            return port
    raise StackError(f"No free port on 127.0.0.1 between {PORTS[0]} and {PORTS[-1]}.")


def rotate(log: Path) -> None:
    """Set a large log aside as `.1`, `.2`, `.3`; the oldest goes. Call while it is not written."""
    if not log.exists() or log.stat().st_size < LOG_BYTES:
        return
    for number in range(OLD_LOGS, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        newer = log if number == 1 else log.with_name(f"{log.name}.{number - 1}")
        if newer.exists():
            newer.replace(older)


def tail(log: Path, lines: int = 8) -> str:
    """Return the last lines of a log for an error message, each cut at 300 characters."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 64_000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "(no log)"
    last = [line[:300] for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(last) or "(the log is empty)"


def failure(what: str, log: Path) -> StackError:
    """Return the error of a server, with what it said last."""
    return StackError(f"{what}. Its log {log} ends:\n{tail(log)}")


def clean_environment(**extra: str) -> dict[str, str]:
    """Our environment without what would configure a server unnoticed."""
    foreign = ("BQEMU_", "PG", "DUCKDB_", "OTEL_", "POSTGRES_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, **extra}

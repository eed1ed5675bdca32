"""What the three servers of the stack have in common, and the care around starting them."""

from pathlib import Path
from typing import Protocol

import psutil

from credix_local import process

START_SECONDS = 60.0


class Server(Protocol):
    """One server of one stack. It knows its own process and never touches another's."""

    name: str
    # The stack's remembered ports, shared by its servers, and the names of this server's own.
    ports: dict[str, int]
    port_names: tuple[str, ...]

    @property
    def log(self) -> Path:
        """The file of its output."""

    def find(self) -> psutil.Process | None:
        """Return its process, also one that serves an old place of the folder or an old port."""

    def serves_here(self, found: psutil.Process) -> bool:
        """Return whether this process was started for this folder and these ports."""

    def answers(self) -> bool:
        """Return whether the server does what it is for, asked through its ports."""

    def start(self) -> None:
        """Start it on its ports and return when it is healthy; raises StackError."""

    def stop(self) -> None:
        """End it in order, or by force when it does not; nothing happens when it is down."""


def find_own(pid_file: Path, *marks: str) -> psutil.Process | None:
    """The process of a pid file, else one whose command line contains the marks of this stack."""
    return process.remembered(pid_file) or process.find_by_command(*marks)


def is_healthy(server: Server, found: psutil.Process) -> bool:
    return server.serves_here(found) and server.answers()


def await_health(server: Server, started: psutil.Process) -> None:
    """Wait until a started server is healthy; raises StackError with the end of its log."""

    def is_decided() -> bool:
        return process.has_ended(started) or is_healthy(server, started)

    is_in_time = process.wait_until(is_decided, START_SECONDS)
    if process.has_ended(started):
        raise process.failure(f"{server.name} ended while it started", server.log)
    if not is_in_time:
        raise process.failure(
            f"{server.name} did not answer within {START_SECONDS:.0f} s", server.log
        )

"""The stack as a whole: start, look at, stop and delete the three servers of one folder."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil
from dotenv import dotenv_values
from filelock import FileLock, Timeout

from credix.core.disk import make_folder
from credix.core.errors import StackError
from credix_local import process
from credix_local.bigquery.starter import BigQueryServer
from credix_local.cluster import choose_home
from credix_local.daemon import Server, is_healthy
from credix_local.files import remove, write_private
from credix_local.gcs import GcsServer
from credix_local.postgres import DATABASE, USER, PostgresServer
from credix_local.record import Record, open_record

T = TypeVar("T")

PROJECT = "credix-local"
ENVIRONMENT_FILE = "stack.env"
# A starter that waits for another must outlast a slow start of all three.
LOCK_SECONDS = 240
# How long a living server may be silent before it is restarted.
BUSY_SECONDS = 120.0
RELEASE_SECONDS = 2
# As the servers say it, somewhere in what a failed start leaves in the log.
PORT_IS_TAKEN = ("address already in use", "failed to bind to address")
LINES_OF_A_START = 60
OWN_FILES = ("stack.env", "stack.json", "postgres", "gcs", "bigquery", "logs", "run")


@dataclass(frozen=True)
class Stack:
    """A running stack: its variables, and what is worth telling about this start."""

    folder: Path
    variables: dict[str, str]
    started: tuple[str, ...]
    messages: tuple[str, ...]


def start(folder: Path, with_postgres: bool = True, *, holds_jobs: bool = False) -> Stack:
    """Start what is not up, write `stack.env` and return when all servers are healthy.

    A second starter of the same folder waits for the first. `with_postgres=False` leaves
    PostgreSQL out, for settings that name a server of their own. `holds_jobs` lets tests hold jobs
    of BigQuery. Raises StackError.
    """
    folder = folder.resolve()
    messages: list[str] = []
    with locked(folder):
        record = open_record(folder, messages)
        record.with_postgres = with_postgres
        if with_postgres and record.postgres_home is None:
            home = choose_home(folder, record.stack_id)
            is_inside = home.is_relative_to(folder)
            record.postgres_home = str(home.relative_to(folder) if is_inside else home)
        record.save(folder)
        servers = build_servers(folder, record, holds_jobs=holds_jobs)
        started = in_parallel(lambda server: bring_up(server, messages), servers)
        record.save(folder)
        write_private(folder / ENVIRONMENT_FILE, as_dotenv(describe(record)))
    names = tuple(server.name for server, is_new in zip(servers, started, strict=True) if is_new)
    return Stack(folder, describe(record), names, tuple(messages))


def stop(folder: Path) -> None:
    """Stop every server of the folder; their data stays. Nothing happens when none runs."""
    folder = folder.resolve()
    if folder.exists():
        with locked(folder):
            stop_servers(folder)


def reset(folder: Path) -> None:
    """Stop the servers and delete everything of the stack, also a data folder outside."""
    folder = folder.resolve()
    if not folder.exists():
        return
    with locked(folder):
        record = stop_servers(folder)
        if record.postgres_home and record.folder == str(folder):
            remove(folder / record.postgres_home)
        for name in OWN_FILES:
            remove(folder / name)


def health(folder: Path) -> dict[str, str]:
    """`running`, `not answering` or `stopped` by server; empty when there is no stack."""
    folder = folder.resolve()
    record = Record.load(folder)
    if record is None:
        return {}
    servers = build_servers(folder, record)
    states = in_parallel(look_at, servers)
    return {server.name: state for server, state in zip(servers, states, strict=True)}


def taken_ports(folder: Path) -> dict[str, int]:
    """Return the remembered ports of stopped servers on which another process listens."""
    folder = folder.resolve()
    record = Record.load(folder)
    stopped = (
        [server for server in build_servers(folder, record) if not server.find()] if record else []
    )
    return {
        name: server.ports[name]
        for server in stopped
        for name in server.port_names
        if not process.is_free(server.ports[name])
    }


def is_running(folder: Path) -> bool:
    """Return whether every server of the folder's stack is healthy."""
    states = health(folder)
    return bool(states) and set(states.values()) == {"running"}


def variables(folder: Path) -> dict[str, str]:
    """Return the variables in `stack.env`, as the last start wrote them.

    Raises StackError without.
    """
    path = folder.resolve() / ENVIRONMENT_FILE
    if not path.exists():
        raise StackError(f"There is no stack in {folder}: ./run_pipeline.py up starts it.")
    return {name: value or "" for name, value in dotenv_values(path).items()}


def build_servers(folder: Path, record: Record, *, holds_jobs: bool = False) -> list[Server]:
    """Return the servers of a stack on their remembered ports."""
    bigquery = BigQueryServer(folder, record.ports, holds_jobs)
    servers: list[Server] = [bigquery, GcsServer(folder, record.ports)]
    if record.with_postgres and record.postgres_home:
        home = folder / record.postgres_home
        servers.append(PostgresServer(folder, record.ports, record.password, home))
    return servers


def bring_up(server: Server, messages: list[str]) -> bool:
    """Start a server unless it is healthy; whether it was started."""
    found = server.find()
    if found is not None and server.serves_here(found) and is_answering_in_time(server, found):
        return False
    for is_last in (False, False, True):
        server.stop()
        move_to_free_ports(server, messages)
        try:
            server.start()
            return True
        except StackError:
            if is_last or not has_met_a_taken_port(server):
                server.stop()
                raise
    return True


def has_met_a_taken_port(server: Server) -> bool:
    """Return whether another process took a port between our look at it and the server's.

    Often it is free again by now: a process that is forked meanwhile holds the socket of our look,
    closed as it is, until it becomes another program. A line that an earlier start left at the end
    of the log costs two more tries.
    """
    said = process.tail(server.log, LINES_OF_A_START).lower()
    is_told = any(words in said for words in PORT_IS_TAKEN)
    return is_told or not all(process.is_free(server.ports[name]) for name in server.port_names)


def is_answering_in_time(server: Server, found: psutil.Process) -> bool:
    """Return whether it answers, also after a while.

    It may be starting, or busy with a long query.
    """

    def is_decided() -> bool:
        return server.answers() or process.has_ended(found)

    return process.wait_until(is_decided, BUSY_SECONDS, pause=0.1) and not process.has_ended(found)


def move_to_free_ports(server: Server, messages: list[str]) -> None:
    """Give a server new ports where another process listens on the remembered ones.

    One that was killed holds its ports until its last thread is gone, for a moment.
    """
    for name in server.port_names:
        port = server.ports[name]
        if not process.wait_until(partial(process.is_free, port), RELEASE_SECONDS):
            server.ports[name] = process.choose_port(set(server.ports.values()))
            messages.append(
                f"Port {port} is taken by another process: {server.name} moved to "
                f"{server.ports[name]}."
            )


def stop_servers(folder: Path) -> Record:
    """Stop also what an earlier start left out or a lost record does not name."""
    record = Record.load(folder) or Record.new(folder)
    everything = replace(
        record, with_postgres=True, postgres_home=record.postgres_home or "postgres"
    )
    in_parallel(lambda server: server.stop(), build_servers(folder, everything))
    return record


def look_at(server: Server) -> str:
    found = server.find()
    if found is None:
        return "stopped"
    return "running" if is_healthy(server, found) else "not answering"


def describe(record: Record) -> dict[str, str]:
    """Return the stack as the variables that `Settings` reads."""
    postgres = {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(record.ports["postgres"]),
        "POSTGRES_DB": DATABASE,
        "POSTGRES_USER": USER,
        "POSTGRES_PASSWORD": record.password,
    }
    google = {
        "GCP_PROJECT": PROJECT,
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{record.ports['gcs']}",
        "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{record.ports['bigquery']}",
        "CREDIX_BIGQUERY_GRPC_ENDPOINT": f"127.0.0.1:{record.ports['bigquery_grpc']}",
        "CREDIX_GOOGLE_CREDENTIALS": "anonymous",
    }
    return {**(postgres if record.postgres_home else {}), **google}


def as_dotenv(values: dict[str, str]) -> str:
    """Return lines of a dotenv file; single quotes keep a value from being interpreted."""
    lines = [f"{name}='{value}'" for name, value in values.items()]
    return "\n".join(["# Written when the local stack starts; do not edit.", *lines, ""])


def in_parallel(action: Callable[[Server], T], servers: Sequence[Server]) -> list[T]:
    """Return the results by server; raises the first error once all have come to an end."""
    with ThreadPoolExecutor(len(servers)) as pool:
        return [future.result() for future in [pool.submit(action, one) for one in servers]]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: starters, stoppers and resetters come one after another."""
    try:
        make_folder(folder, "run as its owner, or name another folder in CREDIX_LOCAL_DIR")
        with FileLock(folder / "stack.lock", timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise StackError(
            f"Another process has been starting or stopping the stack in {folder} for "
            f"{LOCK_SECONDS} s: wait for it or end it."
        ) from None
    except PermissionError as error:
        raise StackError(
            f"The stack in {folder} belongs to another user ({error.filename}): run as that user "
            "or choose another folder with CREDIX_LOCAL_DIR."
        ) from error

"""Crashes of the source's server at random moments, while sessions write and runs read.

In half of the rounds no transaction waits for the disk; a third roll back. What the runs have read
is kept by key, as bronze keeps it; after each crash it must equal the table.
"""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from unittest.mock import patch

import psutil
import psycopg2

from credix.capture import source_table
from credix.core.contracts import CaptureMode, load_source
from credix.core.errors import CredixError
from credix.core.settings import Settings
from credix_local.postgres import PostgresServer
from credix_local.process import wait_until
from tests.conftest import connected
from tests.own_server import change
from tests.runs_by_hand import read_changes, rows_of
from tests.standby import Standby, running_standby
from tests.tables import Table

SOURCE = load_source("cnpj_ws")
KEYS = [f"{number:014}" for number in range(200)]
WRITERS = 2
WRITES_AFTER = 40
LONGEST_SECONDS = 1.2
RECOVERY_SECONDS = 60
# The last ones flush the log late, or almost never.
WRITER_DELAYS = ("10ms", "200ms", "10s")
MODES: tuple[tuple[str, CaptureMode], ...] = (
    ("row version", "row_version"),
    ("cursor", "cursor"),
    ("log", "log"),
    ("row version, on a standby", "row_version"),
)


def tell_crashes(settings: Settings, server: PostgresServer, crashes: int, seed: int) -> None:
    """Print a line per capture: how often the rows of the runs were not the table's."""
    print("| capture | crashes | runs | ended by a crash | wrong | wrong without the flush |")
    print("|---|---|---|---|---|---|", flush=True)
    for name, capture in MODES:
        found = survive(settings, server, name, capture, crashes, seed)
        with patch.object(source_table, "make_durable"):
            planted = survive(settings, server, name, capture, crashes, seed)
        cells = (crashes, found["runs"], found["broken"], found["wrong"], planted["wrong"])
        print(f"| {name} | {' | '.join(map(str, cells))} |", flush=True)
        assert not found["wrong"], f"{name}: the runs' rows were not the table's"


def survive(
    settings: Settings,
    server: PostgresServer,
    name: str,
    capture: CaptureMode,
    crashes: int,
    seed: int,
) -> Counter[str]:
    """The counts of so many crashes; each begins where the one before it has ended."""
    own = settings.model_copy(update={"prefix": f"crashes_{time.time_ns()}"})
    counts, held = Counter[str](), dict[str, dict[str, Any]]()
    with ExitStack() as stack:
        table = Table(session(own), own.postgres_schema, SOURCE)
        stack.callback(change, own, "DROP TABLE " + table.name)
        stack.callback(forget_log, own)
        table.create()
        for key in KEYS[::2]:
            table.insert(cnpj=key)
        standby = stack.enter_context(running_standby(server)) if "standby" in name else None
        chance = random.Random(f"{seed} {name}")
        for _ in range(crashes):
            change(own, f"ALTER SYSTEM SET wal_writer_delay = '{chance.choice(WRITER_DELAYS)}'")
            change(own, "SELECT pg_reload_conf()")
            crash_once(own, server, standby, capture, chance, counts, held)
            with closing(session(own)) as connection:
                counts["wrong"] += held != Table(connection, own.postgres_schema, SOURCE).rows()
    return counts


def crash_once(
    settings: Settings,
    server: PostgresServer,
    standby: Standby | None,
    capture: CaptureMode,
    chance: random.Random,
    counts: Counter[str],
    held: dict[str, dict[str, Any]],
) -> None:
    """Let sessions write and runs read until the server crashes, then once more in peace."""
    of_run = standby.settings(settings) if standby else settings
    end = time.monotonic() + chance.uniform(0.1, LONGEST_SECONDS)
    commit = chance.choice(("on", "off"))
    with child() as pool, writing(settings, chance, commit):
        while time.monotonic() < end:
            keep(read(of_run, capture), held)
            counts["runs"] += 1
        crasher = threading.Timer(
            chance.uniform(0, 0.1), chance.choice((stop_at_once, kill_all, kill_one)), [server]
        )
        crasher.start()
        try:
            keep(pool.submit(read, of_run, capture).result(), held)
            counts["runs"] += 1
        except (CredixError, psycopg2.Error, BrokenProcessPool):
            counts["broken"] += 1
        crasher.join()
        if wait_until(lambda: server.find() is None, 1):
            server.start()
        assert wait_until(lambda: accepts(settings), RECOVERY_SECONDS)
    with closing(session(settings)) as connection:
        table = Table(connection, settings.postgres_schema, SOURCE)
        for _ in range(WRITES_AFTER):
            write(table, chance, "on")
    if standby:
        standby.catch_up(settings)
    keep(read(of_run, capture), held)
    counts["runs"] += 1


def read(settings: Settings, capture: CaptureMode) -> list[dict[str, Any]]:
    """The rows that one run reads."""
    return rows_of(read_changes(settings, SOURCE.name, capture))


def keep(rows: list[dict[str, Any]], held: dict[str, dict[str, Any]]) -> None:
    """Let them replace those held before, as the merge does."""
    for row in rows:
        held[row["cnpj"]] = {name: row[name] for name in SOURCE.column_names}


@contextmanager
def child() -> Iterator[ProcessPoolExecutor]:
    """A process for the run that meets the crash: the driver may end its process then."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        pool.submit(os.getpid).result()
        yield pool


@contextmanager
def writing(settings: Settings, chance: random.Random, commit: str) -> Iterator[None]:
    """Sessions that write until the end of the block or of their server."""
    is_over = threading.Event()
    writers = [
        threading.Thread(
            target=write_until,
            args=(settings, random.Random(chance.random()), commit, is_over.is_set),
        )
        for _ in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        is_over.set()
        for writer in writers:
            writer.join()


def write_until(
    settings: Settings, chance: random.Random, commit: str, is_over: Callable[[], bool]
) -> None:
    while not is_over():
        try:
            with closing(session(settings)) as connection:
                table = Table(connection, settings.postgres_schema, SOURCE)
                while not is_over():
                    write(table, chance, commit)
        except psycopg2.Error:
            time.sleep(0.02)


def write(table: Table, chance: random.Random, commit: str) -> None:
    """One transaction: a row, new or changed, or ids that nobody needs."""
    table.execute("BEGIN")
    table.execute(f"SET LOCAL synchronous_commit = {commit}")
    table.execute("SELECT pg_current_xact_id()")
    if chance.random() < 0.7:
        table.execute(
            "UPDATE {table} SET city = %(city)s, updated_at = now() WHERE cnpj = %(key)s",
            {"city": f"{chance.random()}", "key": chance.choice(KEYS[::2])},
        )
    elif chance.random() < 0.3:
        table.execute(
            "INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, "
            "(SELECT to_jsonb(t) FROM {table} t LIMIT 1) || jsonb_build_object("
            "'cnpj', %(key)s, 'updated_at', now())) ON CONFLICT DO NOTHING",
            {"key": chance.choice(KEYS)},
        )
    table.execute(chance.choice(("COMMIT", "COMMIT", "ROLLBACK")))
    time.sleep(chance.uniform(0, 0.01))


def stop_at_once(server: PostgresServer) -> None:
    """End the server as an immediate shutdown does."""
    found = server.find()
    assert found is not None
    found.send_signal(signal.SIGQUIT)
    found.wait(RECOVERY_SECONDS)


def kill_all(server: PostgresServer) -> None:
    """Kill the postmaster and every process of the server."""
    found = server.find()
    assert found is not None
    for process in (found, *found.children(recursive=True)):
        with_signal(process, signal.SIGKILL)
    found.wait(RECOVERY_SECONDS)


def kill_one(server: PostgresServer) -> None:
    """Kill one backend: the postmaster ends the others and recovers."""
    found = server.find()
    assert found is not None
    backends = [one for one in found.children() if "idle" in " ".join(one.cmdline())]
    with_signal((backends or found.children())[-1], signal.SIGKILL)
    time.sleep(0.1)


def with_signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return


def session(settings: Settings) -> psycopg2.extensions.connection:
    connection = connected(settings)
    connection.autocommit = True
    return connection


def accepts(settings: Settings) -> bool:
    try:
        connected(settings).close()
    except psycopg2.Error:
        return False
    return True


def forget_log(settings: Settings) -> None:
    change(settings, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    with closing(session(settings)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pubname FROM pg_publication")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP PUBLICATION {name}")

"""A server that ends hard loses nothing that a run has read, and hides nothing from the next run.

Only a commit that waits for the disk flushes the log of these servers.
"""

import os
import signal
from contextlib import closing

import psycopg2
import pytest

from credix.core.contracts import CaptureMode
from credix.core.settings import Settings
from credix_local.postgres import PostgresServer
from credix_local.process import wait_until
from tests.conftest import connected
from tests.own_server import SOURCE, change, make_table, open_autocommit
from tests.runs_by_hand import read_changes, rows_of
from tests.standby import ask, running_standby
from tests.tables import Table

UNFLUSHED = ("wal_writer_delay = '10s'", "checkpoint_timeout = '1h'", "autovacuum = off")
BURNT_IDS = 30


@pytest.fixture
def table(own_settings: Settings) -> Table:
    """A table of one row that no run has read yet."""
    change(own_settings, *(f"ALTER SYSTEM SET {setting}" for setting in UNFLUSHED))
    change(own_settings, "SELECT pg_reload_conf()")
    made = make_table(own_settings)
    made.insert(asset_id="a1")
    return made


def read(settings: Settings, capture: CaptureMode = "row_version") -> dict[str, str]:
    """The rows that a run reads: their keys and invoices."""
    extracted = read_changes(settings, SOURCE.name, capture)
    return {row["asset_id"]: row["invoice_id"] for row in rows_of(extracted)}


def execute(settings: Settings, *statements: str) -> None:
    """Execute statements on the table, whose commits do not wait for the disk."""
    with closing(open_autocommit(settings)) as connection:
        hand = Table(connection, settings.postgres_schema, SOURCE)
        hand.execute("SET synchronous_commit = off")
        for statement in statements:
            hand.execute(statement)


def burn_ids(settings: Settings) -> None:
    """Let transactions take ids and roll back: the log of that is not flushed."""
    with closing(connected(settings)) as connection, connection.cursor() as cursor:
        for _ in range(BURNT_IDS):
            cursor.execute("SELECT pg_current_xact_id()")
            connection.rollback()


def insert(settings: Settings, **row: object) -> None:
    with closing(open_autocommit(settings)) as connection:
        Table(connection, settings.postgres_schema, SOURCE).insert(**row)


def crash(server: PostgresServer) -> None:
    """End the server as an immediate shutdown does, and let it recover."""
    found = server.find()
    assert found is not None
    os.kill(found.pid, signal.SIGQUIT)
    found.wait(30)
    server.start()


def kill_backend(settings: Settings) -> None:
    """Kill one backend: the others end, the same postmaster recovers from the disk."""
    with closing(connected(settings)) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        assert wait_until(lambda: not answers(connection), 30)
    assert wait_until(lambda: accepts(settings), 30)


def answers(connection: psycopg2.extensions.connection) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


def accepts(settings: Settings) -> bool:
    try:
        connected(settings).close()
    except psycopg2.OperationalError:
        return False
    return True


@pytest.mark.parametrize("capture", ["row_version", "cursor", "log"])
def test_a_row_that_a_run_has_read_survives_a_crash(
    own_server: PostgresServer, own_settings: Settings, table: Table, capture: CaptureMode
) -> None:
    read(own_settings, capture)
    execute(own_settings, "UPDATE {table} SET invoice_id = 'unflushed'")
    assert read(own_settings, capture) == {"a1": "unflushed"}
    table.connection.close()

    crash(own_server)
    insert(own_settings, asset_id="a2", invoice_id="later")
    with closing(open_autocommit(own_settings)) as connection:
        rows = Table(connection, own_settings.postgres_schema, SOURCE).rows()
    assert rows["a1"]["invoice_id"] == "unflushed"
    assert read(own_settings, capture)["a2"] == "later"


def test_no_id_below_a_watermark_is_handed_out_again_after_a_backend_was_killed(
    own_settings: Settings, table: Table
) -> None:
    burn_ids(own_settings)
    read(own_settings)
    table.connection.close()

    kill_backend(own_settings)
    insert(own_settings, asset_id="a2", invoice_id="later")
    burn_ids(own_settings)
    assert read(own_settings) == {"a2": "later"}


def test_a_standby_shows_only_what_survives_a_crash_of_its_primary(
    own_server: PostgresServer, own_settings: Settings, table: Table
) -> None:
    with running_standby(own_server) as standby:
        on_standby = standby.settings(own_settings)
        execute(own_settings, "UPDATE {table} SET invoice_id = 'flushed'")
        burn_ids(own_settings)
        table.insert(asset_id="a2", invoice_id="waits for the disk")
        execute(own_settings, "UPDATE {table} SET invoice_id = 'unflushed'")
        burn_ids(own_settings)
        standby.catch_up(own_settings)
        seen = read(on_standby)
        assert seen == {"a1": "flushed", "a2": "waits for the disk"}
        table.connection.close()

        crash(own_server)
        insert(own_settings, asset_id="a3", invoice_id="later")
        burn_ids(own_settings)
        standby.catch_up(own_settings)
        assert read(on_standby) == {"a3": "later"}
        with closing(open_autocommit(own_settings)) as connection:
            rows = Table(connection, own_settings.postgres_schema, SOURCE).rows()
        assert {key: row["invoice_id"] for key, row in rows.items()} == {**seen, "a3": "later"}

        assert ask(on_standby, "SELECT pg_promote()")
        promoted = read_changes(on_standby, SOURCE.name)
        assert promoted.predicate == "full read: the server or its timeline is another one"

"""How the key of a table is known to be one, and what a snapshot tells."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from credix.capture.source_table import SourceTable
from credix.clients.postgres.connection import SourceConnection, translate
from credix.core.errors import DataError, SourceError, TransientError
from credix.core.settings import Settings
from tests.conftest import connected
from tests.tables import Table

DECLARED = "(asset_id) is unique and NOT NULL by a constraint of the table"
COUNTED = "(asset_id) was counted: unique and without NULL in this snapshot"


@pytest.fixture
def table(tables: dict[str, Table]) -> Table:
    return tables["installments"]


@pytest.fixture
def bare(table: Table) -> Table:
    """The table without its primary key."""
    table.execute(
        "ALTER TABLE {table} DROP CONSTRAINT business_case_installments_pkey, "
        "ALTER asset_id DROP NOT NULL"
    )
    return table


@pytest.fixture
def key_of(settings: Settings, table: Table) -> Callable[[], str]:
    def check() -> str:
        with SourceConnection(settings) as connection:
            SourceTable(connection, table.source).take_snapshot()
            return SourceTable(connection, table.source).check_key()

    return check


def test_a_primary_key_is_believed(key_of: Callable[[], str]) -> None:
    assert key_of() == DECLARED


def test_a_unique_index_on_not_null_is_believed(bare: Table, key_of: Callable[[], str]) -> None:
    bare.execute("ALTER TABLE {table} ALTER asset_id SET NOT NULL")
    bare.execute("CREATE UNIQUE INDEX ON {table} (asset_id)")
    assert key_of() == DECLARED


@pytest.mark.parametrize(
    "index",
    [
        "(asset_id) WHERE paid_date IS NULL",
        "(lower(asset_id))",
        "(asset_id, invoice_id)",
    ],
)
def test_an_index_over_something_else_is_not(
    bare: Table, key_of: Callable[[], str], index: str
) -> None:
    bare.execute("ALTER TABLE {table} ALTER asset_id SET NOT NULL")
    bare.execute(f"CREATE UNIQUE INDEX ON {{table}} {index}")
    assert key_of() == COUNTED


def test_a_unique_index_that_allows_null_is_not(bare: Table, key_of: Callable[[], str]) -> None:
    bare.execute("CREATE UNIQUE INDEX ON {table} (asset_id)")
    assert key_of() == COUNTED
    bare.insert(asset_id=None)
    bare.insert(asset_id=None)
    with pytest.raises(SourceError, match="2 rows without a key, 0 rows with a key"):
        key_of()


def test_a_constraint_checked_at_commit_is_not(bare: Table, key_of: Callable[[], str]) -> None:
    bare.execute("ALTER TABLE {table} ADD PRIMARY KEY (asset_id) DEFERRABLE INITIALLY DEFERRED")
    assert key_of() == COUNTED


def test_a_parents_key_says_nothing_of_its_children(
    table: Table, key_of: Callable[[], str]
) -> None:
    table.execute("CREATE TABLE {table}_child () INHERITS ({table})")
    table.insert()
    assert key_of() == COUNTED
    table.execute("INSERT INTO {table}_child SELECT * FROM ONLY {table}")
    with pytest.raises(SourceError, match="1 rows with a key that another row has"):
        key_of()


def test_a_partitioned_tables_key_holds_for_its_partitions(
    table: Table, key_of: Callable[[], str]
) -> None:
    table.execute("ALTER TABLE {table} RENAME TO old_rows")
    schema = table.name.partition(".")[0]
    table.execute(f"CREATE TABLE {{table}} (LIKE {schema}.old_rows) PARTITION BY HASH (asset_id)")
    table.execute("ALTER TABLE {table} ADD PRIMARY KEY (asset_id)")
    assert key_of() == DECLARED


def test_a_key_of_several_columns_is_compared_as_a_set(settings: Settings, bare: Table) -> None:
    source = replace(bare.source, key=("invoice_id", "asset_id"))
    bare.execute("ALTER TABLE {table} ADD PRIMARY KEY (asset_id, invoice_id)")
    with SourceConnection(settings) as connection:
        found = SourceTable(connection, source).check_key()
    assert found == "(invoice_id, asset_id) is unique and NOT NULL by a constraint of the table"


def test_types_are_compared_without_their_length(settings: Settings, table: Table) -> None:
    table.execute(
        "ALTER TABLE {table} ALTER payment_method TYPE varchar(10), ALTER invoice_id TYPE char(3)"
    )
    with SourceConnection(settings) as connection:
        checks = SourceTable(connection, table.source).check_columns()
    kinds = {check.name: check.source for check in checks}
    assert (kinds["payment_method"], kinds["invoice_id"]) == ("character varying", "character")
    assert all(check.fits for check in checks)


def test_a_snapshot_knows_the_server_the_relations_and_open_transactions(
    settings: Settings, table: Table
) -> None:
    other = Table(connected(settings), settings.postgres_schema, table.source)
    began = datetime.now(UTC)
    other.insert(asset_id="open")
    with SourceConnection(settings) as connection:
        snapshot = SourceTable(connection, table.source).take_snapshot()
    other.connection.close()
    assert snapshot.next_row_version >= snapshot.row_version
    assert snapshot.server.timeline == 1
    assert snapshot.server.system_identifier.isdigit()
    assert len(snapshot.relation_oids) == 1
    assert snapshot.oldest_open_at is not None
    assert snapshot.oldest_open_at <= began + timedelta(seconds=1)
    assert snapshot.oldest_open_at < snapshot.taken_at
    assert not snapshot.is_standby


def test_the_table_cannot_be_truncated_while_it_is_read(settings: Settings, table: Table) -> None:
    table.insert()
    table.execute("SET lock_timeout = '50ms'")
    with SourceConnection(settings) as connection:
        SourceTable(connection, table.source).take_snapshot()
        with pytest.raises(Exception, match="lock timeout"):
            table.execute("TRUNCATE {table}")
        table.insert(asset_id="writers go on")
    table.execute("TRUNCATE {table}")


def test_the_session_cannot_write(settings: Settings, table: Table) -> None:
    with SourceConnection(settings) as connection:
        SourceTable(connection, table.source).take_snapshot()
        with pytest.raises(Exception, match="read-only"):
            connection.execute(f"DELETE FROM {table.name}")


@pytest.mark.parametrize(
    ("code", "message", "kind", "words"),
    [
        ("42P01", 'ERROR: relation "x" does not exist\nLINE 1: SELECT', SourceError, "refused"),
        ("42501", "permission denied for table x", SourceError, "grant it SELECT"),
        ("22008", "date out of range", DataError, "could not convert"),
        ("57P01", "terminating connection", TransientError, "run again"),
        ("40001", "conflict with recovery", TransientError, "run again"),
        ("53300", "too many clients", TransientError, "run again"),
        (None, "server closed the connection", TransientError, "run again"),
        (None, 'FATAL:  role "x" does not exist', SourceError, "POSTGRES_USER"),
        (None, "FATAL:  no pg_hba.conf entry for host", SourceError, "let the server admit"),
    ],
)
def test_errors_of_the_server_are_told_by_what_to_do(
    code: str | None, message: str, kind: type[Exception], words: str
) -> None:
    error = translate(code, message, "db:5432, database x")
    assert type(error) is kind
    assert words in str(error)
    assert "\n" not in str(error)


def test_a_value_in_the_servers_message_is_not_repeated() -> None:
    message = 'ERROR: invalid input syntax for type bigint: "Maria da Silva"'
    assert "Maria" not in str(translate("22P02", message, "db:5432, database x"))

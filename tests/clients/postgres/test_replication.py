"""Slots and publications of a real PostgreSQL, and what is said when they cannot be had."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from credix.capture.log.changed_keys import VisibleTransactions
from credix.capture.log.requirements import key_types, require_log
from credix.capture.source_table import SourceTable
from credix.clients.postgres.connection import SourceConnection
from credix.clients.postgres.pgoutput import Begin, Insert
from credix.clients.postgres.replication import LONGEST_NAME, Replication, slot_name
from credix.core.contracts import load_source
from credix.core.errors import SourceError, TransientError
from credix.core.settings import Settings
from credix_local.postgres import PostgresServer
from credix_local.process import wait_until
from tests.conftest import connected
from tests.own_server import change, insert_and_wait, make_table
from tests.roles import ordinary_role
from tests.tables import Table

SOURCE = load_source("installments")
WITHOUT_KEY = "ALTER TABLE {table} DROP CONSTRAINT business_case_installments_pkey"


@pytest.fixture
def settings(log_settings: Settings) -> Settings:
    return log_settings


@pytest.fixture
def table(tables: dict[str, Table]) -> Table:
    return tables["installments"]


@pytest.fixture
def slot(settings: Settings, table: Table) -> Iterator[Replication]:
    """A slot and publication that are ready."""
    assert table.source == SOURCE
    with Replication(settings, SOURCE) as replication:
        replication.ensure_publication()
        replication.create_slot()
        yield replication


@pytest.fixture
def role(settings: Settings, table: Table) -> Iterator[Settings]:
    """Settings of a role that may read the table and no more."""
    with ordinary_role(settings, table) as role:
        table.execute(f"GRANT SELECT ON {{table}} TO {role.postgres_user}")
        yield role


def inserted(slot: Replication) -> list[str | None]:
    """The keys of all inserts that the slot tells of."""
    messages = list(slot.peek(slot.mark()))
    return [str(message.new[0]) for message in messages if isinstance(message, Insert)]


class TestNames:
    def test_a_name_says_whose_slot_it_is(self) -> None:
        assert slot_name("business_case", "cnpj_ws") == "credix_business_case_cnpj_ws"

    def test_long_names_stay_apart(self) -> None:
        names = {slot_name("p" * 60, source) for source in ("one", "two", "x" * 80)}
        assert len(names) == 3
        assert {len(name) for name in names} == {LONGEST_NAME}

    def test_letters_that_a_slot_may_not_have_are_replaced_and_told_apart(self) -> None:
        names = {slot_name("p", "Größe"), slot_name("p", "gr__e"), slot_name("p", "größe")}
        assert len(names) == 3
        assert all(name.isascii() and name.islower() for name in names)


class TestSlot:
    def test_a_peek_consumes_nothing_until_the_slot_is_advanced(
        self, slot: Replication, table: Table
    ) -> None:
        table.insert(asset_id="a1")
        assert inserted(slot) == ["a1"]
        place = slot.mark()
        table.insert(asset_id="a2")
        assert inserted(slot) == ["a1", "a2"]
        assert slot.advance(place)
        assert inserted(slot) == ["a2"]

    def test_a_slot_never_goes_back(self, slot: Replication) -> None:
        first, second = slot.mark(), slot.mark()
        assert slot.advance(second)
        assert not slot.advance(first)
        assert not slot.advance(second)

    def test_what_was_advanced_to_is_what_the_server_says(self, slot: Replication) -> None:
        place = slot.mark()
        slot.advance(place)
        status = slot.status()
        assert status is not None
        assert (status.confirmed_lsn, status.wal_status) == (place, "reserved")
        assert status.lost_because is None
        assert status.retained_bytes >= 0

    def test_more_changes_than_one_fetch_are_told(self, slot: Replication, table: Table) -> None:
        table.insert(asset_id="a")
        columns = ", ".join(SOURCE.column_names[1:])
        table.execute(
            f"INSERT INTO {{table}} (asset_id, {columns}) "
            f"SELECT 'n' || n, {columns} FROM {{table}}, generate_series(1, 2500) n"
        )
        assert len(inserted(slot)) == 2501

    def test_a_dropped_slot_has_no_status_and_is_not_advanced(self, slot: Replication) -> None:
        slot.drop()
        slot.drop()
        assert slot.status() is None
        assert slot.find_publication() is None
        assert not slot.advance(1)

    def test_a_slot_of_another_kind_is_left_alone(self, settings: Settings, table: Table) -> None:
        name = slot_name(settings.prefix, SOURCE.name)
        table.execute(f"SELECT pg_create_physical_replication_slot('{name}')")
        with (
            Replication(settings, SOURCE) as replication,
            pytest.raises(SourceError, match=r"of another kind or database.*CREDIX_PREFIX"),
        ):
            replication.status()

    def test_a_slot_waits_for_an_open_transaction_only_so_long(
        self, settings: Settings, table: Table
    ) -> None:
        other = Table(connected(settings), settings.postgres_schema, SOURCE)
        other.insert(asset_id="open")
        with Replication(settings, SOURCE) as replication:
            replication.ensure_publication()
            with pytest.raises(TransientError, match=r"within 1 s: a transaction that writes"):
                replication.create_slot(seconds=1)
            assert replication.status() is None
            other.connection.close()
            replication.create_slot()
            assert replication.status() is not None
        assert table.rows() == {}

    def test_a_slot_that_is_being_read_says_so(
        self, settings: Settings, slot: Replication, table: Table
    ) -> None:
        """The other session is held within its peek by a lock on what it decodes for."""
        table.insert()
        with Replication(settings, SOURCE) as other:
            table.execute("BEGIN")
            table.execute("LOCK TABLE pg_publication IN ACCESS EXCLUSIVE MODE")
            reading = threading.Thread(target=lambda: list(other.peek(2**62)))
            reading.start()
            assert wait_until(lambda: is_active(slot), 30)
            with pytest.raises(TransientError, match="Another session reads"):
                slot.drop_slot()
            table.execute("COMMIT")
            reading.join()


def is_active(slot: Replication) -> bool:
    return bool(
        slot.connection.rows(
            "SELECT active FROM pg_replication_slots WHERE slot_name = %(name)s",
            {"name": slot.name},
        )[0][0]
    )


class TestPrivileges:
    def test_who_does_not_own_the_table_is_given_the_statement_for_its_owner(
        self, role: Settings, table: Table
    ) -> None:
        with Replication(role, SOURCE) as replication:
            with pytest.raises(SourceError) as raised:
                replication.ensure_publication()
            statement = str(raised.value).partition(" run ")[2].removesuffix(".")
            table.execute(statement)
            assert replication.ensure_publication()

    def test_who_may_not_replicate_is_told_which_attribute_is_missing(self, role: Settings) -> None:
        with (
            Replication(role, SOURCE) as replication,
            pytest.raises(SourceError, match=f'ALTER ROLE "{role.postgres_user}" REPLICATION'),
        ):
            replication.create_slot()

    def test_who_may_replicate_and_read_needs_no_more(self, role: Settings, table: Table) -> None:
        table.execute(f"ALTER ROLE {role.postgres_user} REPLICATION")
        with Replication(role, SOURCE) as replication:
            replication.create_slot()
            assert replication.advance(replication.mark())
            replication.drop()


class TestIdentity:
    @pytest.fixture
    def check(self, settings: Settings, table: Table) -> Callable[[], None]:
        def require() -> None:
            with SourceConnection(settings) as connection:
                require_log(SourceTable(connection, table.source))

        return require

    @pytest.mark.parametrize(
        ("change", "remedy"),
        [
            ("ALTER TABLE {table} REPLICA IDENTITY NOTHING", "REPLICA IDENTITY DEFAULT"),
            (
                WITHOUT_KEY,
                'ADD PRIMARY KEY ("asset_id")',
            ),
            (
                f"{WITHOUT_KEY}, ADD PRIMARY KEY (invoice_id)",
                "REPLICA IDENTITY FULL",
            ),
        ],
    )
    def test_a_table_whose_deletes_would_be_nameless_is_refused_with_the_way_out(
        self, table: Table, check: Callable[[], None], change: str, remedy: str
    ) -> None:
        check()
        table.execute(change)
        with pytest.raises(SourceError, match=r"does not hold the key \(\"asset_id\"\)") as raised:
            check()
        statement = str(raised.value).rpartition(": ")[2].removesuffix(".")
        assert statement.endswith(remedy)
        table.execute(statement)
        check()

    def test_an_index_with_the_key_in_it_is_enough(
        self, table: Table, check: Callable[[], None]
    ) -> None:
        table.execute("ALTER TABLE {table} ALTER invoice_id SET NOT NULL")
        table.execute("CREATE UNIQUE INDEX wide ON {table} (invoice_id, asset_id)")
        table.execute("ALTER TABLE {table} REPLICA IDENTITY USING INDEX wide")
        check()

    def test_a_single_partition_can_be_the_one_that_does_not_fit(
        self, settings: Settings, table: Table, check: Callable[[], None]
    ) -> None:
        table.execute("ALTER TABLE {table} RENAME TO plain")
        table.execute(
            f"CREATE TABLE {{table}} (LIKE {settings.postgres_schema}.plain, "
            "PRIMARY KEY (asset_id)) PARTITION BY HASH (asset_id)"
        )
        table.execute(
            "CREATE TABLE {table}_0 PARTITION OF {table} FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
        )
        check()
        table.execute("ALTER TABLE {table}_0 REPLICA IDENTITY NOTHING")
        with pytest.raises(SourceError, match="_0: its replica identity NOTHING"):
            check()

    def test_unlogged_tables_and_inheritance_are_refused(
        self, table: Table, check: Callable[[], None]
    ) -> None:
        table.execute("ALTER TABLE {table} SET UNLOGGED")
        with pytest.raises(SourceError, match=r"not logged.*SET LOGGED"):
            check()
        table.execute("ALTER TABLE {table} SET LOGGED")
        table.execute("CREATE TABLE {table}_child () INHERITS ({table})")
        with pytest.raises(SourceError, match="child tables by inheritance"):
            check()

    def test_types_of_keys_can_be_cast_to_without_cutting_them(
        self, settings: Settings, table: Table
    ) -> None:
        table.execute(
            "ALTER TABLE {table} ALTER asset_id TYPE char(20), ALTER invoice_id TYPE varchar(10)"
        )
        with SourceConnection(settings) as connection:
            kinds = key_types(SourceTable(connection, SOURCE))
        assert kinds == ("bpchar",)


class TestServer:
    def test_another_wal_level_is_refused_with_the_setting(
        self, own_server: PostgresServer, own_settings: Settings
    ) -> None:
        make_table(own_settings).connection.close()
        change(own_settings, "ALTER SYSTEM SET wal_level = replica")
        own_server.stop()
        own_server.start()
        with (
            SourceConnection(own_settings) as connection,
            pytest.raises(SourceError, match=r"wal_level is replica.*ALTER SYSTEM SET wal_level"),
        ):
            require_log(SourceTable(connection, SOURCE))

    def test_a_server_without_a_free_slot_says_which_setting(
        self, own_server: PostgresServer, own_settings: Settings
    ) -> None:
        change(own_settings, "ALTER SYSTEM SET max_replication_slots = 1")
        own_server.stop()
        own_server.start()
        change(own_settings, "SELECT pg_create_physical_replication_slot('in_the_way')")
        with (
            Replication(own_settings, SOURCE) as replication,
            pytest.raises(SourceError, match="max_replication_slots"),
        ):
            replication.create_slot()

    def test_a_slot_that_keeps_too_much_is_lost_and_can_be_made_anew(
        self, own_settings: Settings
    ) -> None:
        table = make_table(own_settings)
        with Replication(own_settings, SOURCE) as replication:
            replication.ensure_publication()
            replication.create_slot()
            table.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
            table.execute("SELECT pg_reload_conf()")
            for _ in range(3):
                table.execute("SELECT pg_logical_emit_message(false, '', 'x')")
                table.execute("SELECT pg_switch_wal()")
            table.execute("CHECKPOINT")
            status = replication.status()
            assert status is not None
            assert (status.wal_status, status.lost_because) == ("lost", "wal_removed")
            assert not replication.advance(2**62)
            replication.recreate_slot()
            table.insert(asset_id="again")
            assert inserted(replication) == ["again"]
        table.connection.close()

    def test_a_commit_that_waits_for_a_standby_is_told_but_not_yet_seen(
        self, own_settings: Settings
    ) -> None:
        """The race for which the slot's next place is chosen by visibility."""
        table = make_table(own_settings)
        with Replication(own_settings, SOURCE) as replication:
            replication.ensure_publication()
            replication.create_slot()
            change(own_settings, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            change(own_settings, "SELECT pg_reload_conf()")
            waiting = threading.Thread(target=insert_and_wait, args=(own_settings,))
            waiting.start()
            assert wait_until(lambda: bool(begun(replication)), 30)
            told = begun(replication)
            with SourceConnection(own_settings) as connection:
                connection.begin(None)
                text = connection.rows("SELECT pg_current_snapshot()::text")[0][0]
            assert not VisibleTransactions.parse(text).sees(told[0].xid)
            change(
                own_settings,
                "ALTER SYSTEM RESET synchronous_standby_names",
                "SELECT pg_reload_conf()",
            )
            waiting.join()
            text = replication.connection.rows("SELECT pg_current_snapshot()::text")[0][0]
            assert VisibleTransactions.parse(text).sees(told[0].xid)
        table.connection.close()


def begun(replication: Replication) -> list[Any]:
    messages = list(replication.peek(replication.mark()))
    return [message for message in messages if isinstance(message, Begin)]

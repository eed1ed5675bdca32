"""Capture by log, against a real PostgreSQL: nothing is lost, and only what changed is read."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from credix.capture.log import reader
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.postgres.pgoutput import lsn_number
from credix.clients.postgres.replication import Replication, SlotStatus
from credix.core.contracts import load_source
from credix.core.errors import SettingsError
from credix.core.results import ExtractResult
from credix.core.settings import Settings
from credix.core.watermarks import Watermark
from credix.operations.parse_watermark import parse_watermark
from credix.state import run as context
from credix.state.run import Run, build_run
from credix.warehouse.cycle import extract
from credix_local.process import wait_until
from tests.conftest import connected
from tests.known import known
from tests.own_server import change, insert_and_wait, make_table
from tests.runs_by_hand import begin, carry, keys_of, read_changes, rows_of
from tests.tables import Table, bronze_rows

FULL = "full read: "


@pytest.fixture
def settings(log_settings: Settings) -> Settings:
    return log_settings


@pytest.fixture
def table(tables: dict[str, Table]) -> Table:
    return tables["installments"]


@pytest.fixture
def followed(settings: Settings, table: Table) -> Table:
    """A table of three rows, read in full, whose slot is followed."""
    for key in ("a1", "a2", "a3"):
        table.insert(asset_id=key)
    read(settings)
    return table


@pytest.fixture
def other(settings: Settings, followed: Table) -> Iterator[Table]:
    """The table in the hands of a second session, which commits when it is told to."""
    connection = connected(settings)
    yield Table(connection, settings.postgres_schema, followed.source)
    connection.close()


@pytest.fixture
def slot(settings: Settings, followed: Table) -> Iterator[Replication]:
    with Replication(settings, followed.source) as replication:
        yield replication


def read(settings: Settings) -> ExtractResult:
    return read_changes(settings, "installments", "log")


def changed(settings: Settings) -> list[str]:
    """The keys that the next run reads, which must not read everything."""
    extracted = read(settings)
    assert "keys that the log names" in extracted.predicate
    return keys_of(extracted, "asset_id")


class TestChanges:
    def test_the_first_run_reads_everything(self, settings: Settings, table: Table) -> None:
        table.insert()
        extracted = read(settings)
        assert extracted.predicate == "full read: there is no watermark yet"
        assert keys_of(extracted, "asset_id") == ["a1"]

    def test_later_runs_read_the_keys_that_changed(
        self, settings: Settings, followed: Table
    ) -> None:
        followed.insert(asset_id="quote ' and \\ and \" and São")
        followed.execute("UPDATE {table} SET due_date = '2024-05-01' WHERE asset_id = 'a1'")
        followed.execute("DELETE FROM {table} WHERE asset_id = 'a2'")
        assert changed(settings) == ["a1", "quote ' and \\ and \" and São"]

    def test_a_run_without_changes_is_quiet_and_lets_the_server_forget(
        self, settings: Settings, followed: Table, slot: Replication
    ) -> None:
        before = slot.status()
        extracted = read(settings)
        after = slot.status()
        assert (extracted.status, extracted.rows) == ("no_changes", 0)
        assert before and after and after.confirmed_lsn > before.confirmed_lsn
        assert after.confirmed_lsn == lsn_number(known(known(extracted.watermark_to).lsn))
        assert followed.rows().keys() == {"a1", "a2", "a3"}

    def test_an_update_that_touches_nothing_reads_the_row_once(
        self, settings: Settings, followed: Table
    ) -> None:
        followed.execute("UPDATE {table} SET due_date = due_date WHERE asset_id = 'a1'")
        assert changed(settings) == ["a1"]
        assert changed(settings) == []

    def test_a_changed_key_is_read_under_its_new_name(
        self, settings: Settings, followed: Table
    ) -> None:
        followed.execute("UPDATE {table} SET asset_id = 'renamed' WHERE asset_id = 'a1'")
        assert changed(settings) == ["renamed"]

    def test_only_the_last_of_many_versions_is_read(
        self, settings: Settings, followed: Table
    ) -> None:
        for month in range(1, 10):
            followed.execute(f"UPDATE {{table}} SET due_date = '2024-0{month}-01'")
        followed.execute("DELETE FROM {table} WHERE asset_id = 'a1'")
        followed.insert(asset_id="a1")
        assert changed(settings) == ["a1", "a2", "a3"]

    def test_a_value_that_lies_out_of_line_and_did_not_change_is_read_whole(
        self, settings: Settings, followed: Table
    ) -> None:
        followed.execute("ALTER TABLE {table} ALTER buyer_tax_id SET STORAGE EXTERNAL")
        followed.execute("UPDATE {table} SET buyer_tax_id = repeat('x', 9000)")
        read(settings)
        followed.execute("UPDATE {table} SET due_date = '2025-01-01' WHERE asset_id = 'a2'")
        run = begin(settings, "installments", "log")
        carried = extract_without_deletes(run)
        assert carried[0]["buyer_tax_id"] == "x" * 9000

    def test_a_truncated_table_is_read_in_full(self, settings: Settings, followed: Table) -> None:
        followed.execute("TRUNCATE {table}")
        followed.insert(asset_id="after")
        extracted = read(settings)
        assert extracted.predicate == f"{FULL}the table was truncated"
        assert keys_of(extracted, "asset_id") == ["after"]

    def test_more_keys_than_fit_are_read_by_row_version(
        self, settings: Settings, followed: Table, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reader, "MOST_KEYS", 1)
        followed.execute("UPDATE {table} SET due_date = '2024-05-01' WHERE asset_id <> 'a1'")
        extracted = read(settings)
        assert extracted.predicate.endswith("the log names more than 1 keys")
        assert keys_of(extracted, "asset_id") == ["a2", "a3"]

    def test_a_commit_that_is_not_yet_on_disk_is_carried(
        self, settings: Settings, followed: Table
    ) -> None:
        followed.execute("SET synchronous_commit = off")
        for number in range(20):
            followed.insert(asset_id=f"n{number:02}")
            assert changed(settings) == [f"n{number:02}"]

    def test_a_rewriting_alter_that_the_log_does_not_tell_is_carried(
        self, settings: Settings, followed: Table
    ) -> None:
        followed.execute(
            "ALTER TABLE {table} ALTER payment_method TYPE text USING payment_method || '!'"
        )
        extracted = read(settings)
        assert "1 relation(s) that it does not contain" in extracted.predicate
        assert keys_of(extracted, "asset_id") == ["a1", "a2", "a3"]
        assert changed(settings) == []


def extract_without_deletes(run: Run) -> list[dict[str, Any]]:
    run = replace(run, contract=replace(run.source, captures_deletes=False))
    return rows_of(extract(run))


class TestTransactions:
    def test_a_transaction_that_commits_late_is_carried_by_the_run_that_sees_it(
        self, settings: Settings, followed: Table, other: Table
    ) -> None:
        other.insert(asset_id="early")
        followed.insert(asset_id="first")
        assert changed(settings) == ["first"]
        followed.insert(asset_id="second")
        assert changed(settings) == ["second"]
        other.connection.commit()
        assert changed(settings) == ["early"]
        assert changed(settings) == []

    def test_what_was_rolled_back_is_not_read(
        self, settings: Settings, followed: Table, other: Table
    ) -> None:
        other.execute("UPDATE {table} SET due_date = '2024-05-01'")
        other.connection.rollback()
        other.insert(asset_id="kept")
        other.execute("SAVEPOINT inner_one")
        other.insert(asset_id="undone")
        other.execute("ROLLBACK TO SAVEPOINT inner_one")
        other.execute("SAVEPOINT inner_two")
        other.insert(asset_id="inner")
        other.connection.commit()
        assert changed(settings) == ["inner", "kept"]
        assert "undone" not in followed.rows()

    def test_a_transaction_older_than_the_slot_is_not_lost(
        self, settings: Settings, followed: Table
    ) -> None:
        """As after a slot was made while a commit waited for a standby: it is not in the slot."""
        followed.insert(asset_id="unseen by the slot")
        run = begin(settings, "installments", "log")
        state = run.states.read_source("installments")
        assert state.watermark
        with Replication(settings, run.source) as slot:
            slot.recreate_slot()
            place = slot.mark()
        doubtful = state.watermark.model_copy(
            update={"lsn": f"{place >> 32:X}/{place & 0xFFFFFFFF:X}", "log_since": 2**40}
        )
        run.states.change_source(
            "state.commit",
            "installments",
            lambda held: held.model_copy(update={"watermark": doubtful}),
        )
        extracted = read(settings)
        assert extracted.predicate.endswith("older than the replication slot were still open")
        assert keys_of(extracted, "asset_id") == ["unseen by the slot"]

    def test_a_run_that_dies_before_it_advances_the_slot_is_followed_by_a_quiet_one(
        self, settings: Settings, followed: Table, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Replication, "advance", lambda *_: False)
        followed.insert(asset_id="once")
        assert changed(settings) == ["once"]
        assert read(settings).status == "no_changes"

    def test_a_commit_that_waits_for_a_standby_is_carried_by_the_run_that_sees_it(
        self, own_settings: Settings
    ) -> None:
        """The log tells of it before any snapshot sees it; the slot must not pass it."""
        table = make_table(own_settings)
        table.insert(asset_id="a1")
        read(own_settings)
        change(
            own_settings,
            "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
            "SELECT pg_reload_conf()",
        )
        waiting = threading.Thread(target=insert_and_wait, args=(own_settings,))
        waiting.start()
        with Replication(own_settings, table.source) as slot:
            assert wait_until(lambda: len(list(slot.peek(slot.mark()))) > 0, 30)
        assert changed(own_settings) == []
        table.execute("SET synchronous_commit = local")
        table.insert(asset_id="behind it")
        assert changed(own_settings) == ["behind it"]
        change(
            own_settings,
            "ALTER SYSTEM RESET synchronous_standby_names",
            "SELECT pg_reload_conf()",
        )
        waiting.join()
        assert changed(own_settings) == ["behind it", "waits"]
        assert changed(own_settings) == []
        table.connection.close()


class TestPartitions:
    @pytest.fixture
    def parted(self, settings: Settings, table: Table) -> Table:
        """The table by month of invoice_issue_date, its key wider than the contract's."""
        schema = settings.postgres_schema
        table.execute("ALTER TABLE {table} RENAME TO plain")
        table.execute(
            f"CREATE TABLE {{table}} (LIKE {schema}.plain, PRIMARY KEY (asset_id)) "
            "PARTITION BY RANGE (asset_id)"
        )
        table.execute("CREATE TABLE {table}_a PARTITION OF {table} FOR VALUES FROM ('a') TO ('b')")
        table.execute("CREATE TABLE {table}_b PARTITION OF {table} FOR VALUES FROM ('b') TO ('c')")
        for key in ("a1", "a2", "b1"):
            table.insert(asset_id=key)
        read(settings)
        return table

    def test_changes_of_all_partitions_are_told(self, settings: Settings, parted: Table) -> None:
        parted.execute("UPDATE {table} SET due_date = '2024-05-01' WHERE asset_id = 'a2'")
        parted.execute("UPDATE {table} SET asset_id = 'b9' WHERE asset_id = 'a1'")
        assert changed(settings) == ["a2", "b9"]

    def test_a_partition_that_is_attached_with_rows_is_read(
        self, settings: Settings, parted: Table
    ) -> None:
        parted.execute("CREATE TABLE {table}_c (LIKE {table} INCLUDING ALL)")
        parted.execute("INSERT INTO {table}_c SELECT * FROM {table} WHERE asset_id = 'b1'")
        parted.execute("UPDATE {table}_c SET asset_id = 'c1'")
        parted.execute(
            "ALTER TABLE {table} ATTACH PARTITION {table}_c FOR VALUES FROM ('c') TO ('d')"
        )
        parted.insert(asset_id="a3")
        assert changed(settings) == ["a3", "c1"]

    def test_rows_written_while_a_partition_was_detached_are_read(
        self, settings: Settings, parted: Table
    ) -> None:
        parted.execute("ALTER TABLE {table} DETACH PARTITION {table}_b")
        parted.execute("UPDATE {table}_b SET due_date = '2030-01-01'")
        parted.execute(
            "ALTER TABLE {table} ATTACH PARTITION {table}_b FOR VALUES FROM ('b') TO ('c')"
        )
        assert changed(settings) == ["b1"]


class TestGaps:
    def test_a_dropped_slot_means_a_full_read(self, settings: Settings, slot: Replication) -> None:
        slot.drop_slot()
        assert read(settings).predicate == f"{FULL}the replication slot {slot.name} was gone"
        assert changed(settings) == []

    def test_a_slot_that_somebody_else_has_read_means_a_full_read(
        self, settings: Settings, followed: Table, slot: Replication
    ) -> None:
        followed.insert(asset_id="stolen")
        slot.advance(slot.mark())
        extracted = read(settings)
        assert "another process has read" in extracted.predicate
        assert "stolen" in keys_of(extracted, "asset_id")

    @pytest.mark.parametrize(
        "statement",
        [
            "DROP PUBLICATION {name}",
            "ALTER PUBLICATION {name} SET (publish = 'insert')",
            "DROP PUBLICATION {name}; {statement}",
            "ALTER PUBLICATION {name} SET TABLE {table} WHERE (asset_id = 'a1')",
        ],
    )
    def test_a_publication_that_was_changed_means_a_full_read(
        self, settings: Settings, followed: Table, slot: Replication, statement: str
    ) -> None:
        made = "CREATE PUBLICATION {name} FOR TABLE {table} WITH (publish_via_partition_root)"
        statement = statement.replace("{statement}", made)
        followed.execute(statement.replace("{name}", slot.name))
        followed.insert(asset_id="untold")
        extracted = read(settings)
        assert "was missing or has been changed" in extracted.predicate
        assert "untold" in keys_of(extracted, "asset_id")
        followed.insert(asset_id="told")
        assert changed(settings) == ["told"]

    def test_a_lost_slot_means_a_full_read(self) -> None:
        status = SlotStatus(5, "lost", "wal_removed", 0)
        gap = reader.find_gap(Watermark(lsn="0/9", publication="p"), "p", status, "credix_x")
        assert gap == "the server has given up the replication slot credix_x (wal_removed)"

    def test_another_capture_begins_anew_and_drops_the_slot(
        self, settings: Settings, slot: Replication
    ) -> None:
        read_changes(settings, "installments", "row_version")
        assert (slot.status(), slot.find_publication()) == (None, None)
        assert read(settings).predicate == f"{FULL}capture is now log, it was row_version"


def test_bronze_follows_the_source_with_its_deletes(
    settings: Settings, warehouse: Warehouse, tables: dict[str, Table]
) -> None:
    table = tables["cnpj_ws"]
    for number in range(20):
        table.insert(cnpj=f"c{number:02}")
    carry(settings, "cnpj_ws", "log")
    table.execute("DELETE FROM {table} WHERE cnpj = 'c03'")
    table.execute("UPDATE {table} SET cnpj = 'renamed' WHERE cnpj = 'c04'")
    table.execute("UPDATE {table} SET city = 'Santos' WHERE cnpj < 'c02'")
    run = carry(settings, "cnpj_ws", "log")
    extracted = run.read_result(ExtractResult)
    assert (extracted.rows, extracted.deleted_rows) == (5, 2)
    assert (extracted.lossless, extracted.missed_histories) == (True, ())
    assert bronze_rows(warehouse, table) == table.rows()


def test_a_sandbox_makes_no_slot(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    by_log = replace(load_source("installments"), capture="log")
    monkeypatch.setattr(context, "load_source", lambda _: by_log)
    folder = settings.run_dir / "x"
    captures = [
        build_run(settings, "x", folder, "installments", 1, None, "", is_sandbox=sandboxed)
        for sandboxed in (False, True)
    ]
    assert [run.source.capture for run in captures] == ["log", "row_version"]


def test_no_watermark_but_none_can_be_given() -> None:
    by_log = replace(load_source("installments"), capture="log")
    assert parse_watermark("none", by_log) is None
    with pytest.raises(SettingsError, match="captured by log"):
        parse_watermark("0/16B3748", by_log)

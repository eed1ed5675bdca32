"""The archive merged again: nothing newer is undone, and bronze can be rebuilt from it alone."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.gcs.lake import Lake
from credix.core.contracts import load_source
from credix.core.errors import BusyError, DataError
from credix.core.settings import Settings
from credix.operations.replay.batches import ArchivedAttempt
from credix.operations.replay.replay import find_attempts, replay, under_one_contract
from credix.state.run import Run
from credix.state.states import Lease
from credix.state.store import StateStore
from credix.warehouse import bronze
from credix.warehouse.cycle import extract, land, load
from tests.runs_by_hand import begin, carry
from tests.tables import Table, bronze_rows, query_bronze

ALWAYS = ("2000-01-01", "2999-12-31")


@pytest.fixture
def companies(tables: dict[str, Table], warehouse: Warehouse) -> Table:
    """Ten companies after inserts, updates, deletes, a rebirth and two runs that died."""
    table, settings = tables["cnpj_ws"], warehouse.settings
    for number in range(10):
        table.insert(cnpj=f"c{number}")
    carry(settings, "cnpj_ws")
    table.execute("UPDATE {table} SET city = 'Santos' WHERE cnpj < 'c3'")
    table.execute("DELETE FROM {table} WHERE cnpj IN ('c7', 'c8')")
    carry(settings, "cnpj_ws")
    table.insert(cnpj="c8", city="Reborn")
    table.execute("DELETE FROM {table} WHERE cnpj = 'c9'")
    bronze.merge_bronze(loaded(settings))  # the tombstone is in bronze, no record says so
    table.insert(cnpj="ghost")
    loaded(settings)  # archived, never merged
    table.execute("DELETE FROM {table} WHERE cnpj = 'ghost'")
    table.insert(cnpj="new")
    carry(settings, "cnpj_ws")
    return table


def loaded(settings: Settings) -> Run:
    """A run that came so far and no further."""
    run = begin(settings, "cnpj_ws")
    extract(run)
    land(run)
    load(run)
    return run


def whole_bronze(warehouse: Warehouse, table: Table) -> dict[str, dict[str, object]]:
    """All rows with their tombstones; times that a dead run may have set earlier are left out."""
    columns = "* EXCEPT (_loaded_at, _changed_at, _deleted_at)"
    rows = query_bronze(warehouse, table, f"SELECT {columns} FROM {{table}}")
    return {row["cnpj"]: row for row in rows}


def test_the_archive_alone_rebuilds_bronze(
    settings: Settings, warehouse: Warehouse, lake: Lake, companies: Table
) -> None:
    prefix = f"{settings.prefix}_again"
    attempts = find_attempts(lake, companies.source, *ALWAYS)
    replay(settings, companies.source, attempts, prefix)
    rebuilt = Warehouse(settings.with_prefix(prefix), warehouse.effects)
    assert bronze_rows(rebuilt, companies) == companies.rows()
    assert whole_bronze(rebuilt, companies) == whole_bronze(warehouse, companies)
    assert find_attempts(lake, companies.source, "2001-01-01", "2001-12-31") == []

    without_one = [attempts[0], attempts[-1]]
    with pytest.raises(DataError, match=r"was proven with .*: files of the archive are missing"):
        replay(settings, companies.source, without_one, f"{settings.prefix}_b")


def test_a_replay_in_any_order_changes_no_row_and_fills_an_emptied_bronze_in_place(
    settings: Settings, warehouse: Warehouse, lake: Lake, companies: Table
) -> None:
    before = whole_bronze(warehouse, companies)
    attempts = find_attempts(lake, companies.source, *ALWAYS) * 2
    random.Random(7).shuffle(attempts)
    for attempt in attempts:
        replay(settings, companies.source, [attempt], None)
    assert whole_bronze(warehouse, companies) == before

    table = warehouse.table_id("bronze", "cnpj_ws")
    warehouse.execute("test", table, f"DROP TABLE `{table}`")
    attempts = find_attempts(lake, companies.source, *ALWAYS)
    replay(settings, companies.source, attempts, None)
    assert bronze_rows(warehouse, companies) == companies.rows()
    companies.insert(cnpj="newer")
    carry(settings, "cnpj_ws")
    assert bronze_rows(warehouse, companies) == companies.rows()


def test_a_replay_leaves_a_source_alone_that_a_run_holds(
    settings: Settings, warehouse: Warehouse, lake: Lake
) -> None:
    assert warehouse
    now = datetime.now(UTC)
    lease = Lease(
        run_id="the-run",
        host="elsewhere",
        boot_id="b",
        pid=1,
        process_started_at=1.0,
        expires_at=now + timedelta(minutes=5),
    )
    StateStore(settings, lake).change_source(
        "test", "cnpj_ws", lambda state: state.raise_fence(lease, now, lambda _: False)
    )
    hurried = settings.model_copy(update={"source_wait_seconds": 0})
    with pytest.raises(BusyError, match="the-run"):
        replay(hurried, load_source("cnpj_ws"), [], None)


class TestContracts:
    source = load_source("cnpj_ws")

    def attempt(self, seq: int, fingerprint: str, *, is_full: bool = False) -> ArchivedAttempt:
        return ArchivedAttempt(seq, f"run-{seq}", (f"f{seq}",), 1, is_full, fingerprint, None)

    def test_what_lies_before_a_changed_contract_is_left_out(self) -> None:
        own = self.source.fingerprint
        attempts = [
            self.attempt(1, "old", is_full=True),
            self.attempt(2, own, is_full=True),
            self.attempt(3, own),
        ]
        assert [a.seq for a in under_one_contract(self.source, attempts)] == [2, 3]

    def test_a_period_that_needs_files_of_another_contract_is_refused(self) -> None:
        own = self.source.fingerprint
        with pytest.raises(DataError, match="f1 was written under another contract"):
            under_one_contract(self.source, [self.attempt(1, "old"), self.attempt(2, own)])

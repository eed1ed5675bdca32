"""Deletes without a replication slot: tombstones, rebirth, the guards, the proof and its repair."""

from dataclasses import replace
from typing import Any

import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.gcs.lake import Lake
from credix.core.errors import DataError, FenceError
from credix.core.paths import paths_of
from credix.core.results import ExtractResult, TransformResult
from credix.core.settings import Settings
from credix.state.store import StateStore
from credix.warehouse import bronze, transform
from credix.warehouse.cycle import extract, land, load
from tests.known import known
from tests.runs_by_hand import begin, carry
from tests.tables import Table, bronze_rows, query_bronze, write_bronze


@pytest.fixture
def companies(tables: dict[str, Table], warehouse: Warehouse) -> Table:
    """Twenty companies that bronze holds too."""
    table = tables["cnpj_ws"]
    for number in range(20):
        table.insert(cnpj=f"c{number:02}")
    carry(warehouse.settings, "cnpj_ws")
    return table


def tombstones(warehouse: Warehouse, table: Table) -> dict[str, dict[str, Any]]:
    rows = query_bronze(warehouse, table, "SELECT * FROM {table} WHERE _is_deleted")
    return {row["cnpj"]: row for row in rows}


class TestTombstones:
    def test_a_deleted_row_stays_as_a_tombstone_with_the_snapshots_time(
        self, settings: Settings, warehouse: Warehouse, companies: Table
    ) -> None:
        companies.execute("DELETE FROM {table} WHERE cnpj = 'c07'")
        run = carry(settings, "cnpj_ws")
        extracted = run.read_result(ExtractResult)
        assert (extracted.rows, extracted.deleted_rows) == (1, 1)
        assert (extracted.lossless, extracted.missed_histories) == (True, ())
        assert bronze_rows(warehouse, companies) == companies.rows()
        (dead,) = tombstones(warehouse, companies).values()
        assert dead["cnpj"] == "c07"
        assert dead["_deleted_at"] == extracted.snapshot_at
        assert dead["city"] is None
        assert dead["_row_hash"] is None

    def test_deletes_among_inserts_and_updates_are_found(
        self, settings: Settings, warehouse: Warehouse, companies: Table
    ) -> None:
        companies.execute("DELETE FROM {table} WHERE cnpj IN ('c00', 'c19')")
        companies.execute("UPDATE {table} SET city = 'Santos' WHERE cnpj < 'c05'")
        companies.insert(cnpj="new1")
        companies.insert(cnpj="new2")
        carry(settings, "cnpj_ws")
        assert bronze_rows(warehouse, companies) == companies.rows()
        assert set(tombstones(warehouse, companies)) == {"c00", "c19"}

    def test_a_changed_key_is_a_delete_and_an_insert(
        self, settings: Settings, warehouse: Warehouse, companies: Table
    ) -> None:
        companies.execute("UPDATE {table} SET cnpj = 'renamed' WHERE cnpj = 'c03'")
        carry(settings, "cnpj_ws")
        assert bronze_rows(warehouse, companies) == companies.rows()
        assert set(tombstones(warehouse, companies)) == {"c03"}

    def test_a_reborn_key_clears_its_tombstone(
        self, settings: Settings, warehouse: Warehouse, companies: Table
    ) -> None:
        companies.execute("DELETE FROM {table} WHERE cnpj = 'c07'")
        carry(settings, "cnpj_ws")
        companies.insert(cnpj="c07", city="Reborn")
        carry(settings, "cnpj_ws")
        assert tombstones(warehouse, companies) == {}
        assert bronze_rows(warehouse, companies)["c07"]["city"] == "Reborn"

    def test_a_tombstone_keeps_the_first_time_of_an_unbroken_absence(
        self, settings: Settings, warehouse: Warehouse, companies: Table
    ) -> None:
        companies.execute("DELETE FROM {table} WHERE cnpj = 'c07'")
        carry(settings, "cnpj_ws")
        before = tombstones(warehouse, companies)["c07"]
        begin(settings, "cnpj_ws")  # an attempt that is never heard of again
        companies.execute("DELETE FROM {table} WHERE cnpj = 'c08'")
        carry(settings, "cnpj_ws")
        assert tombstones(warehouse, companies)["c07"]["_deleted_at"] == before["_deleted_at"]

    def test_a_run_in_which_nothing_changed_transfers_nothing_and_asks_bronze_nothing(
        self, settings: Settings, companies: Table
    ) -> None:
        assert len(companies.rows()) == 20
        run = begin(settings, "cnpj_ws")
        extracted = extract(run)
        assert extracted.status == "no_changes"
        assert extracted.compared_keys == 0
        assert "warehouse" not in run.__dict__, "the state knows bronze's digest"

    def test_a_source_that_does_not_capture_deletes_says_so(
        self, settings: Settings, companies: Table
    ) -> None:
        companies.execute("DELETE FROM {table} WHERE cnpj = 'c07'")
        run = begin(settings, "cnpj_ws")
        run = replace(run, contract=replace(run.source, captures_deletes=False))
        extracted = extract(run)
        assert extracted.rows == 0
        assert extracted.lossless is False
        assert "deleted in the source stay" in extracted.missed_histories[0]


class TestGuards:
    def test_an_emptied_source_stops_the_run_before_anything_is_written(
        self, settings: Settings, warehouse: Warehouse, companies: Table, lake: Lake
    ) -> None:
        companies.execute("TRUNCATE {table}")
        with pytest.raises(DataError, match=r"came back empty, bronze holds 20 .*--allow-deletes"):
            carry(settings, "cnpj_ws")
        assert len(bronze_rows(warehouse, companies)) == 20
        assert lake.objects(settings.lake_bucket, paths_of(settings).landing) == []

    def test_it_is_carried_when_it_is_allowed_once(
        self, settings: Settings, warehouse: Warehouse, companies: Table
    ) -> None:
        companies.execute("TRUNCATE {table}")
        carry(settings, "cnpj_ws", allow_deletes=True)
        assert bronze_rows(warehouse, companies) == {}
        assert len(tombstones(warehouse, companies)) == 20

    def test_more_deletes_than_the_settings_allow_stop_the_run(
        self, settings: Settings, tables: dict[str, Table], warehouse: Warehouse
    ) -> None:
        table = tables["cnpj_ws"]
        table.execute(
            "INSERT INTO {table} (cnpj) SELECT 'c' || n FROM generate_series(1, 1000) AS n"
        )
        carry(settings, "cnpj_ws")
        table.execute("DELETE FROM {table} WHERE length(cnpj) < 4 OR cnpj LIKE 'c10%'")
        with pytest.raises(DataError, match=r"gone .* holds 1000 rows .* more than the 10%"):
            carry(settings, "cnpj_ws")
        carry(settings.model_copy(update={"max_deleted_share": 0.5}), "cnpj_ws")
        assert bronze_rows(warehouse, table).keys() == table.rows().keys()


class TestProof:
    def test_rows_that_vanished_from_bronze_are_read_again(
        self, settings: Settings, warehouse: Warehouse, companies: Table
    ) -> None:
        write_bronze(warehouse, companies, "DELETE FROM {table} WHERE cnpj IN ('c01', 'c02')")
        companies.insert(cnpj="new")
        companies.execute("UPDATE {table} SET city = 'Santos' WHERE cnpj = 'c03'")
        run = carry(settings, "cnpj_ws")
        assert run.read_result(ExtractResult).recovered_rows == 2
        assert bronze_rows(warehouse, companies) == companies.rows()

    def test_what_a_late_run_merged_in_between_is_taken_out_again(
        self, settings: Settings, warehouse: Warehouse, companies: Table
    ) -> None:
        companies.insert(cnpj="ghost")
        late = begin(settings, "cnpj_ws")
        extract(late), land(late), load(late)
        companies.execute("DELETE FROM {table} WHERE cnpj = 'ghost'")
        companies.insert(cnpj="new")
        run = begin(settings, "cnpj_ws")
        extract(run), land(run), load(run)
        bronze.merge_bronze(late)  # wakes up between this run's extract and its merge
        assert "ghost" in bronze_rows(warehouse, companies)
        bronze.merge_bronze(run)
        proven, proof = bronze.prove_bronze(run)
        assert proven.attempt == run.attempt + 1
        assert "repaired by one more attempt" in proof["what"].tolist()
        transform.commit_watermark(proven)
        assert bronze_rows(warehouse, companies) == companies.rows()
        result = transform.finish(proven, ["bronze"], [], None, "")
        assert run.read_result(TransformResult) == result
        assert (result.attempt, result.rows) == (proven.attempt, 1)
        assert set(known(result.repair).rows.values()) == {2}  # the new row again, and no ghost
        assert "live keys" in known(result.repair).fault
        with pytest.raises(FenceError):
            bronze.prove_bronze(late)

    def test_a_late_run_that_wakes_up_after_all_changes_nothing(
        self, settings: Settings, warehouse: Warehouse, companies: Table
    ) -> None:
        companies.execute("DELETE FROM {table} WHERE cnpj = 'c07'")
        carry(settings, "cnpj_ws")
        companies.insert(cnpj="c07", city="Ghost")
        companies.insert(cnpj="ghost")
        late = begin(settings, "cnpj_ws")
        extract(late), land(late), load(late)
        companies.execute("DELETE FROM {table} WHERE city = 'Ghost' OR cnpj = 'ghost'")
        run = begin(settings, "cnpj_ws")
        extract(run), land(run), load(run)
        bronze.merge_bronze(run)
        proven, _ = bronze.prove_bronze(run)
        transform.commit_watermark(proven)  # and dies before it drops the temp tables
        bronze.merge_bronze(late)
        assert bronze_rows(warehouse, companies) == companies.rows()

    def test_a_deleted_state_file_costs_one_more_attempt_and_no_row(
        self, settings: Settings, warehouse: Warehouse, companies: Table, lake: Lake
    ) -> None:
        carry_some(settings, companies, 3)
        lake.delete("test", settings.lake_bucket, StateStore(settings, lake).path("cnpj_ws"))
        companies.execute("UPDATE {table} SET city = 'Campinas' WHERE cnpj = 'c03'")
        companies.execute("DELETE FROM {table} WHERE cnpj = 'c04'")
        carry(settings, "cnpj_ws")
        assert bronze_rows(warehouse, companies) == companies.rows()
        assert StateStore(settings, lake).read_source("cnpj_ws").attempt > 4


def carry_some(settings: Settings, companies: Table, times: int) -> None:
    for number in range(times):
        companies.insert(cnpj=f"more{number}")
        carry(settings, "cnpj_ws")

"""A read that is larger than the disk may hold comes in slices, and ends as one that is not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from credix.capture.large_read import reader
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.gcs.lake import Lake
from credix.core.contracts import CaptureMode
from credix.core.errors import CredixError, FenceError
from credix.core.results import ExtractResult, SliceNumber
from credix.core.settings import Settings
from credix.state.run import Run
from credix.warehouse.cycle import extract, land, open_following
from tests.known import known
from tests.runs_by_hand import begin, carry, carry_once, carry_run, keys_of
from tests.tables import Table, bronze_rows

pytestmark = pytest.mark.usefixtures("warehouse", "installments", "log_settings")

# With one block of the heap at a time, some forty of these rows each.
ROWS = 120
BLOCKS = 2


@pytest.fixture
def sliced(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings under which every block of a table is a slice."""
    monkeypatch.setenv("CREDIX_SLICE_BYTES", "1024")
    return settings.model_copy(update={"slice_bytes": 1024})


@pytest.fixture
def installments(tables: dict[str, Table]) -> Table:
    """A table of several blocks."""
    table = tables["installments"]
    fill(table, 1, ROWS)
    return table


def fill(table: Table, first: int, last: int) -> None:
    table.execute(
        "INSERT INTO {table} SELECT 'a' || n, repeat('x', 60), '11222333000181', 1, 1, 'BOLETO', "
        "DATE '2024-01-10', DATE '2024-02-10', NULL, n, NULL "
        f"FROM generate_series({first}, {last}) n"
    )


def results(folder: Path, source: str = "installments") -> list[dict[str, Any]]:
    paths = [folder / source, *sorted(folder.glob(f"slices/*/{source}"))]
    return [json.loads((path / "01_extract.json").read_text("utf-8")) for path in paths]


class TestFirstLoad:
    @pytest.mark.parametrize("capture", ["row_version", "cursor"])
    def test_every_slice_is_a_cycle_and_a_delta_completes_them(
        self,
        sliced: Settings,
        installments: Table,
        warehouse: Warehouse,
        capture: CaptureMode,
    ) -> None:
        run = begin(sliced, "installments", capture)
        carry_run(run)
        extracted = results(run.folder)
        assert len(extracted) > BLOCKS
        assert [part["slice"] and part["slice"]["number"] for part in extracted] == [
            *range(1, len(extracted)),
            None,
        ]
        assert sum(part["rows"] for part in extracted) >= ROWS
        assert bronze_rows(warehouse, installments) == installments.rows()
        state = run.states.read_source("installments")
        assert state.slices is None
        assert state.watermark is not None

    def test_the_watermark_is_that_of_the_first_snapshot(
        self, sliced: Settings, installments: Table, warehouse: Warehouse
    ) -> None:
        run = begin(sliced, "installments")
        folder, (run, first) = run.folder, carry_once(run)
        assert run.states.read_source("installments").watermark is None
        while not known(first.slice).is_last:
            fill(installments, 1_000 + run.attempt, 1_000 + run.attempt)
            run, _ = carry_once(open_following(run, run.attempt, folder))
            first = run.read_result(ExtractResult)
        committed = run.states.read_source("installments").watermark
        assert committed is not None
        earliest = results(folder)[0]["watermark_to"]
        assert committed.model_dump() == earliest
        run, _ = carry_once(open_following(run, run.attempt, folder))
        assert bronze_rows(warehouse, installments) == installments.rows()

    def test_what_is_written_moved_and_deleted_meanwhile_arrives(
        self, sliced: Settings, installments: Table, warehouse: Warehouse
    ) -> None:
        def meanwhile(run: Run) -> None:
            if run.attempt == 2:
                # To the end of the table, and into the room that a slice has left behind.
                installments.execute(
                    "UPDATE {table} SET due_date = '2025-01-01' WHERE asset_id = 'a1'"
                )
                installments.execute("DELETE FROM {table} WHERE asset_id IN ('a2', 'a199')")
                installments.execute("VACUUM {table}")
                installments.execute(
                    "UPDATE {table} SET due_date = '2025-01-02' WHERE asset_id = 'a198'"
                )

        run = carry_run(begin(sliced, "installments"), meanwhile)
        assert run.read_result(ExtractResult).deleted_rows == 1
        assert bronze_rows(warehouse, installments) == installments.rows()

    def test_a_run_that_dies_costs_one_slice(
        self, settings: Settings, sliced: Settings, installments: Table, warehouse: Warehouse
    ) -> None:
        dead = begin(sliced, "installments")
        folder, (done, first) = dead.folder, carry_once(dead)
        known = set(keys_of(first, "asset_id"))
        lost = open_following(done, done.attempt, folder)
        land_keys = keys_of(extract(lost), "asset_id")
        land(lost)
        # The next run, in another process and folder, begins where bronze ends.
        run = begin(sliced, "installments")
        second = extract(run)
        assert second.slice == SliceNumber(number=2, is_last=False)
        assert keys_of(second, "asset_id") == land_keys
        carry(settings, "installments")
        assert not known & set(land_keys)
        assert bronze_rows(warehouse, installments) == installments.rows()

    def test_a_run_that_was_overtaken_between_slices_ends(self, sliced: Settings) -> None:
        run, _ = carry_once(begin(sliced, "installments"))
        begin(sliced, "installments")
        with pytest.raises(FenceError):
            open_following(run, run.attempt, run.folder)

    def test_a_rewritten_table_is_read_from_its_beginning(
        self, settings: Settings, sliced: Settings, installments: Table, warehouse: Warehouse
    ) -> None:
        """VACUUM FULL moves rows to blocks that are read already, and leaves their xmin."""
        run, _ = carry_once(begin(sliced, "installments"))
        installments.execute("DELETE FROM {table} WHERE asset_id = 'a1'")
        installments.execute("VACUUM FULL {table}")
        run, second = carry_once(open_following(run, run.attempt, run.folder))
        assert known(second.slice).number == 1
        carry(settings, "installments")
        assert bronze_rows(warehouse, installments) == installments.rows()

    def test_a_partition_that_comes_meanwhile_is_read_by_the_delta(
        self, settings: Settings, sliced: Settings, tables: dict[str, Table], warehouse: Warehouse
    ) -> None:
        table = tables["installments"]
        partition_table(table)
        carry_once(begin(sliced, "installments"))
        table.execute("CREATE TABLE {table}_late (LIKE {table} INCLUDING ALL)")
        table.execute(
            "INSERT INTO {table}_late SELECT 'z' || substr(asset_id, 2), invoice_id, buyer_tax_id, "
            "1, 1, 'PIX', '2024-01-10', '2024-02-10', NULL, 5, NULL FROM {table} LIMIT 5"
        )
        table.execute(
            "ALTER TABLE {table} ATTACH PARTITION {table}_late FOR VALUES FROM ('z') TO ('zz')"
        )
        carry(settings, "installments")
        assert bronze_rows(warehouse, table) == table.rows()


def partition_table(table: Table) -> None:
    """The same rows in three partitions of different sizes."""
    table.execute("DROP TABLE {table}")
    table.create()
    body = "(LIKE {table}_plain INCLUDING ALL) PARTITION BY RANGE (asset_id)"
    table.execute("ALTER TABLE {table} RENAME TO business_case_installments_plain")
    table.execute(f"CREATE TABLE {{table}} {body}")
    for name, first, last in [("a", "a", "a15"), ("b", "a15", "a8"), ("c", "a8", "b")]:
        table.execute(
            f"CREATE TABLE {{table}}_{name} PARTITION OF {{table}} "
            f"FOR VALUES FROM ('{first}') TO ('{last}')"
        )
    fill(table, 1, ROWS)


class TestPartitions:
    def test_each_range_reads_its_blocks_of_every_partition(
        self, sliced: Settings, tables: dict[str, Table], warehouse: Warehouse
    ) -> None:
        table = tables["installments"]
        partition_table(table)
        run = begin(sliced, "installments")
        carry_run(run)
        assert len(results(run.folder)) > 2
        assert bronze_rows(warehouse, table) == table.rows()


class TestLaterReads:
    def test_a_delta_that_needs_too_much_disk_comes_in_slices(
        self, settings: Settings, sliced: Settings, installments: Table, warehouse: Warehouse
    ) -> None:
        fill(installments, 1_000, 3_000)
        carry(settings, "installments")
        installments.execute("UPDATE {table} SET due_date = '2025-01-01'")
        _, extracted = carry_once(begin(sliced, "installments"))
        assert extracted.slice == SliceNumber(number=1, is_last=False)
        assert not extracted.is_full
        # What is left fits under a wider bound.
        carry(settings, "installments")
        assert bronze_rows(warehouse, installments) == installments.rows()

    def test_a_reload_in_slices_finds_what_was_deleted_before(
        self, settings: Settings, sliced: Settings, installments: Table, warehouse: Warehouse
    ) -> None:
        carry(settings, "installments")
        installments.execute("DELETE FROM {table} WHERE asset_id IN ('a5', 'a6')")
        run = begin(sliced, "installments")
        run = replace(run, watermark=None)
        done = carry_run(run)
        assert done.read_result(ExtractResult).deleted_rows == 2
        assert bronze_rows(warehouse, installments) == installments.rows()

    def test_a_small_delta_is_whole(self, settings: Settings, installments: Table) -> None:
        carry(settings, "installments")
        fill(installments, 500, 501)
        run = begin(settings, "installments")
        extracted = extract(run)
        assert (extracted.slice, extracted.rows) == (None, 2)

    def test_slices_of_another_watermark_are_not_gone_on_with(
        self, settings: Settings, sliced: Settings, installments: Table
    ) -> None:
        carry(settings, "installments")
        run = begin(sliced, "installments")
        run = replace(run, watermark=None)
        carry_once(run)
        fill(installments, 500, 500)
        # Somebody's full read has died; a run from the committed watermark is a small delta.
        extracted = extract(begin(settings, "installments"))
        assert (extracted.slice, extracted.rows) == (None, 1)


class TestByLog:
    def test_a_first_load_in_slices_goes_on_with_its_slot(
        self, sliced: Settings, installments: Table, warehouse: Warehouse
    ) -> None:
        def meanwhile(run: Run) -> None:
            if run.attempt <= 2:
                fill(installments, 900 + run.attempt, 900 + run.attempt)
                installments.execute("DELETE FROM {table} WHERE asset_id = 'a3'")

        run = begin(sliced, "installments", "log")
        done = carry_run(run, meanwhile)
        extracted = results(run.folder)
        assert len(extracted) > BLOCKS
        assert "keys that the log names" in done.read_result(ExtractResult).predicate
        assert bronze_rows(warehouse, installments) == installments.rows()

    def test_a_slot_that_was_lost_between_slices_begins_the_read_again(
        self, settings: Settings, sliced: Settings, installments: Table, warehouse: Warehouse
    ) -> None:
        run, _ = carry_once(begin(sliced, "installments", "log"))
        installments.execute(
            f"SELECT pg_drop_replication_slot('credix_{sliced.prefix}_installments')"
        )
        run, second = carry_once(open_following(run, run.attempt, run.folder))
        assert known(second.slice).number == 1
        carry(settings, "installments", "log")
        assert bronze_rows(warehouse, installments) == installments.rows()


class TestSeveralConnections:
    @pytest.fixture
    def small_ranges(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reader, "RANGE_BYTES", 8192)
        monkeypatch.setattr(reader, "ONE_CONNECTION_BYTES", 0)
        monkeypatch.setattr("os.cpu_count", lambda: 4)

    @pytest.mark.usefixtures("small_ranges")
    def test_they_read_every_row_once(self, settings: Settings, installments: Table) -> None:
        fill(installments, 1_001, 4_000)
        extracted = extract(begin(settings, "installments"))
        assert keys_of(extracted, "asset_id") == sorted(installments.rows())

    @pytest.mark.usefixtures("small_ranges")
    def test_they_see_one_snapshot(
        self, settings: Settings, installments: Table, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = sorted(installments.rows())
        size_of = reader.choose_threads

        def write_first(*arguments: Any) -> int:
            fill(installments, 5_000, 6_000)
            return size_of(*arguments)

        monkeypatch.setattr(reader, "choose_threads", write_first)
        assert keys_of(extract(begin(settings, "installments")), "asset_id") == expected

    @pytest.mark.usefixtures("small_ranges")
    def test_a_value_that_does_not_fit_ends_all_of_them(
        self, settings: Settings, installments: Table
    ) -> None:
        fill(installments, 1_001, 4_000)
        installments.execute("UPDATE {table} SET due_date = 'infinity' WHERE asset_id = 'a2500'")
        with pytest.raises(CredixError, match="column due_date"):
            extract(begin(settings, "installments"))


class TestShipping:
    @pytest.fixture
    def shipping(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
        """Settings under which a part is full at once."""
        monkeypatch.setattr(reader, "RANGE_BYTES", 8192)
        return settings.model_copy(update={"part_bytes": 1, "row_group_rows": 20})

    def test_full_parts_go_ahead_and_are_not_uploaded_again(
        self, shipping: Settings, lake: Lake
    ) -> None:
        run = begin(shipping, "installments")
        extracted = extract(run)
        assert sum(part.is_shipped for part in extracted.parts) == len(extracted.parts) - 1
        folder = f"{shipping.prefix}/landing/"
        before = {blob.name: blob.generation for blob in lake.objects(shipping.lake_bucket, folder)}
        assert len(before) == len(extracted.parts) - 1
        landed = land(run)
        assert len(landed.files) == len(extracted.parts)
        after = {blob.name: blob.generation for blob in lake.objects(shipping.lake_bucket, folder)}
        assert before.items() <= after.items()

    def test_what_a_dead_run_shipped_is_swept_by_the_next(
        self, shipping: Settings, installments: Table, warehouse: Warehouse, lake: Lake
    ) -> None:
        extract(begin(shipping, "installments"))
        carry(shipping, "installments")
        assert not lake.objects(shipping.lake_bucket, f"{shipping.prefix}/landing/")
        assert bronze_rows(warehouse, installments) == installments.rows()

    def test_a_part_that_vanished_is_uploaded_again(self, shipping: Settings, lake: Lake) -> None:
        run = begin(shipping, "installments")
        extracted = extract(run)
        for blob in lake.objects(shipping.lake_bucket, f"{shipping.prefix}/landing/"):
            lake.blob(blob).delete()
        landed = land(run)
        assert landed.rows == extracted.rows
        assert len(lake.objects(shipping.lake_bucket, f"{shipping.prefix}/landing/")) == len(
            extracted.parts
        )

    def test_an_upload_that_fails_is_left_to_02(self, shipping: Settings) -> None:
        run = begin(shipping, "installments")
        elsewhere = shipping.model_copy(update={"lake_bucket": "no-such-bucket"})
        extracted = extract(replace(run, settings=elsewhere))
        assert not any(part.is_shipped for part in extracted.parts)
        assert land(run).rows == extracted.rows

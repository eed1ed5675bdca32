"""03: landed files into the temp layer and the archive, or into failed with the reason."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from credix.capture.delta import write_delta
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.column_types import Column
from credix.core.errors import (
    CostError,
    CredixError,
    DataError,
    SettingsError,
    StepError,
    TransientError,
)
from credix.core.paths import hashed_table, paths_of
from credix.core.results import ExtractResult, LandResult
from credix.core.settings import Settings
from credix.state.run import Run, write_value
from credix.warehouse import temp_layer as step
from credix.warehouse.cycle import extract, land, load
from tests.faults_jobs import failing_jobs
from tests.runs_by_hand import begin
from tests.tables import Table
from tests.warehouse.test_landing import places

NOT_OF_THE_FILES = {
    "accessDenied": SettingsError,
    "notFound": SettingsError,
    "stopped": TransientError,
    "backendError": TransientError,
    "responseTooLarge": CostError,
    "a reason of tomorrow": StepError,
}


@pytest.fixture
def landed(settings: Settings, tables: dict[str, Table], warehouse: Warehouse) -> Run:
    """A run that has landed two installments."""
    assert warehouse
    tables["installments"].insert(asset_id="a1")
    tables["installments"].insert(asset_id="a2")
    return carried(settings, "installments")


def carried(settings: Settings, source: str) -> Run:
    run = begin(settings, source)
    extract(run)
    land(run)
    return run


def rows(run: Run, table: str, columns: str = "*") -> list[dict[str, Any]]:
    target = run.warehouse.table_id("temp", table)
    return run.warehouse.query(f"SELECT {columns} FROM `{target}` ORDER BY {run.source.key[0]}")


def file_of(run: Run) -> str:
    return run.read_result(ExtractResult).parts[0].object_name


class TestLoad:
    def test_both_tables_hold_the_delta_and_the_file_is_archived(self, landed: Run) -> None:
        result = load(landed)
        assert (result.rows, result.status) == (2, "done")
        hashed = rows(landed, result.temp_table)
        assert [row["asset_id"] for row in hashed] == ["a1", "a2"]
        assert {row["_seq"] for row in hashed} == {landed.attempt}
        assert rows(landed, result.stable_table) == hashed
        assert places(landed) == {"landing": [], "archive": [file_of(landed)], "failed": []}
        archived = paths_of(landed.settings).archived
        assert result.files == tuple(archived(file) for file in landed_paths(landed))

    def test_loading_again_after_it_ended_changes_nothing(self, landed: Run) -> None:
        first = load(landed)
        before = rows(landed, first.temp_table)
        again = load(landed)
        assert (again.rows, again.files) == (first.rows, first.files)
        assert rows(landed, first.temp_table) == before
        assert places(landed) == {"landing": [], "archive": [file_of(landed)], "failed": []}

    def test_what_is_not_the_files_fault_leaves_them_where_they_are(self, landed: Run) -> None:
        columns, told = step.read_reference(landed), {}
        with failing_jobs(landed.settings.bigquery_endpoint or "") as server:
            led = landed.settings.model_copy(update={"bigquery_endpoint": server.address})
            landed.__dict__["warehouse"] = Warehouse(led, Effects(0.3))
            for reason in NOT_OF_THE_FILES:
                server.fails = lambda *_, reason=reason: (reason, "It failed.")
                with pytest.raises(CredixError) as error:
                    step.load_hashed(landed, columns)
                told[reason] = type(error.value)
            assert told == NOT_OF_THE_FILES
            assert places(landed) == {"landing": [file_of(landed)], "archive": [], "failed": []}
            server.fails = lambda *_: None
            assert step.load_hashed(landed, columns) == 2

    def test_loading_again_after_it_died_before_archiving_ends_the_same(self, landed: Run) -> None:
        columns = step.read_reference(landed)
        step.load_hashed(landed, columns)
        result = load(landed)
        assert result.rows == 2
        assert places(landed) == {"landing": [], "archive": [file_of(landed)], "failed": []}

    def test_archiving_is_finished_when_it_died_between_copy_and_delete(
        self, landed: Run, settings: Settings
    ) -> None:
        (path,) = landed_paths(landed)
        content = landed.lake.read_bytes(settings.lake_bucket, path)
        archived = paths_of(settings).archived(path)
        landed.lake.upload("lake.test", settings.archive_bucket, archived, content)
        load(landed)
        assert places(landed) == {"landing": [], "archive": [file_of(landed)], "failed": []}

    def test_an_empty_delta_loads_nothing(
        self, settings: Settings, tables: dict[str, Table], warehouse: Warehouse
    ) -> None:
        assert tables
        run = carried(settings, "installments")
        result = load(run)
        assert (result.rows, result.files) == (0, ())
        assert warehouse.columns("temp", hashed_table(run.source, run.run_id, run.attempt)) is None

    def test_two_runs_do_not_share_a_table(
        self, settings: Settings, tables: dict[str, Table], landed: Run
    ) -> None:
        tables["installments"].execute("DELETE FROM {table} WHERE asset_id = 'a1'")
        first = load(landed)
        second = load(carried(settings, "installments"))
        assert first.temp_table != second.temp_table
        assert len(rows(landed, first.temp_table)) == 2
        assert len(rows(landed, first.stable_table)) == len(rows(landed, second.temp_table))

    def test_every_value_arrives_exactly(
        self, settings: Settings, tables: dict[str, Table], warehouse: Warehouse
    ) -> None:
        assert warehouse
        table = tables["cnpj_ws"]
        largest = "9" * 29 + "." + "9" * 9
        all_changes: list[dict[str, Any]] = [
            {"legal_name": None, "share_capital": None, "created_at": None},
            {"legal_name": "", "email": " ", "share_capital": Decimal("1E-9")},
            {"legal_name": "Ação 東京 🧾", "share_capital": Decimal(largest)},
            {"legal_name": "a\nb\r\n\t\"c\" 'd' \\N", "share_capital": Decimal("-" + largest)},
            {"opening_date": date(1, 1, 1), "created_at": datetime(1, 1, 1, tzinfo=UTC)},
            {
                "opening_date": date(9999, 12, 31),
                "created_at": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            },
        ]
        for number, changes in enumerate(all_changes):
            table.insert(cnpj=f"{number:014d}", **changes)
        table.execute("SET TIME ZONE 'UTC'")
        run = carried(settings, "cnpj_ws")
        loaded = rows(run, load(run).temp_table, ", ".join(run.source.column_names))
        assert {row["cnpj"]: row for row in loaded} == table.rows()


class TestRefusal:
    def test_the_files_go_to_failed_with_bigquerys_reason(self, landed: Run, lake: Lake) -> None:
        replace_landed(landed, b"PAR1 corrupt PAR1")
        with pytest.raises(DataError, match="BigQuery refused to load"):
            load(landed)
        assert places(landed) == {"landing": [], "archive": [], "failed": [file_of(landed)]}
        (path,) = landed_paths(landed)
        (blob,) = lake.objects(lake.settings.lake_bucket, paths_of(lake.settings).failed(path))
        assert blob.metadata["reason"].startswith("BigQuery refused to load")
        assert blob.metadata["run_id"] == landed.run_id

    def test_it_is_refused_again_when_it_is_repeated(self, landed: Run) -> None:
        replace_landed(landed, b"PAR1 corrupt PAR1")
        for _ in range(2):
            with pytest.raises(DataError):
                load(landed)
        assert places(landed) == {"landing": [], "archive": [], "failed": [file_of(landed)]}

    def test_the_watermark_stays_and_the_next_run_carries_the_rows(
        self, settings: Settings, landed: Run
    ) -> None:
        replace_landed(landed, b"PAR1 corrupt PAR1")
        with pytest.raises(DataError):
            load(landed)
        assert landed.states.read_source("installments").watermark is None
        assert load(carried(settings, "installments")).rows == 2


class TestCounts:
    def test_fewer_loaded_than_landed_rows_are_an_error(self, landed: Run) -> None:
        columns = step.read_reference(landed)
        loaded = step.load_hashed(landed, columns)
        path = landed.source_folder / "02_land.json"
        write_value(path, landed.read_result(LandResult).model_copy(update={"rows": 3}))
        with pytest.raises(DataError, match=r"3 rows landed, 2 were loaded.*The watermark stays"):
            step.check_loaded(landed, loaded)

    def test_a_key_twice_in_the_delta_is_an_error_without_its_value(
        self, settings: Settings, tables: dict[str, Table], warehouse: Warehouse
    ) -> None:
        """The table's key is checked by 01; this is for files that another writer landed."""
        assert warehouse
        table = tables["installments"]
        table.execute("ALTER TABLE {table} DROP CONSTRAINT business_case_installments_pkey")
        run = begin(settings, "installments")
        table.insert(asset_id="twice")
        table.insert(asset_id="twice")
        extract_unchecked(run)
        land(run)
        loaded = step.load_hashed(run, step.read_reference(run))
        with pytest.raises(
            DataError, match=r"1 rows of the delta share their key \(asset_id\)"
        ) as e:
            step.check_loaded(run, loaded)
        assert "twice" not in str(e.value)


class TestReference:
    def test_it_is_the_contract(self, landed: Run) -> None:
        columns = step.read_reference(landed)
        assert columns == list(landed.source.landing_columns)

    def test_a_missing_one_is_named_with_the_way_out(self, landed: Run) -> None:
        landed.warehouse.drop("temp", "installments_schema")
        with pytest.raises(
            SettingsError, match=r"_temp\.installments_schema does not exist.*provision"
        ):
            load(landed)
        assert places(landed)["landing"] == [file_of(landed)]

    def test_a_different_one_is_named_with_its_columns(self, landed: Run) -> None:
        wrong = [
            *(c for c in landed.source.landing_columns if c.name not in ("due_date", "invoice_id")),
            Column("invoice_id", "INTEGER"),
            Column("extra", "STRING"),
        ]
        landed.warehouse.drop("temp", "installments_schema")
        landed.warehouse.create_table("temp", "installments_schema", wrong)
        with pytest.raises(SettingsError, match="differ in due_date, extra, invoice_id: apply"):
            load(landed)
        assert places(landed)["landing"] == [file_of(landed)]


def extract_unchecked(run: Run) -> None:
    from credix.capture import extract as extract_step

    with extract_step.connect(run) as connection:
        snapshot = extract_step.take_snapshot(run, connection)
        plan = extract_step.plan_delta(run, connection, snapshot)
        delta = write_delta(run, connection, snapshot, plan)
        extract_step.finish(run, snapshot, plan, delta, "")


def landed_paths(run: Run) -> tuple[str, ...]:
    return run.read_result(LandResult).files


def replace_landed(run: Run, content: bytes) -> None:
    """Another content in place of the landed file, with its metadata, as a bad disk would."""
    bucket = run.settings.lake_bucket
    for path in landed_paths(run):
        (blob,) = run.lake.objects(bucket, path)
        run.lake.delete("lake.test", bucket, path)
        run.lake.upload("lake.test", bucket, path, content, metadata=dict(blob.metadata))

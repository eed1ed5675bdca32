"""Reading again on purpose: a watermark moved back, a period read again."""

from dataclasses import replace

import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.gcs.lake import Lake
from credix.core.errors import BusyError, SettingsError
from credix.core.results import ExtractResult
from credix.core.run_options import RunOptions
from credix.core.settings import Settings
from credix.core.watermarks import Watermark
from credix.operations.rewind import count_reread, rewind
from credix.state.store import StateStore
from credix.warehouse.cycle import extract
from tests.runs_by_hand import begin, carry
from tests.tables import Table, bronze_rows, write_bronze


@pytest.fixture
def installments(tables: dict[str, Table], warehouse: Warehouse) -> Table:
    """Three installments of three months that bronze holds."""
    table = tables["installments"]
    for month in (1, 2, 3):
        table.insert(asset_id=f"a{month}", invoice_issue_date=f"2024-0{month}-10")
    carry(warehouse.settings, "installments")
    return table


class TestRewind:
    def test_the_next_run_reads_again_from_there_and_drops_nothing(
        self, settings: Settings, lake: Lake, installments: Table
    ) -> None:
        states = StateStore(settings, lake)
        first = states.read_source("installments").watermark
        installments.insert(asset_id="a4")
        carry(settings, "installments")
        release(states)
        assert count_reread(settings, installments.source, first) == 1
        rewind(states, installments.source, first)
        run = begin(settings, "installments")
        assert extract(run).rows == 1

    def test_a_watermark_is_never_moved_ahead(
        self, settings: Settings, lake: Lake, installments: Table
    ) -> None:
        ahead = Watermark(row_version=10**12)
        with pytest.raises(SettingsError, match="it can only be moved back"):
            rewind(StateStore(settings, lake), installments.source, ahead)

    def test_nobody_rewinds_under_a_run(
        self, settings: Settings, lake: Lake, installments: Table, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begin(settings, "installments")
        monkeypatch.setattr("credix.state.leases.is_abandoned", lambda _: False)
        with pytest.raises(BusyError, match="works on installments"):
            rewind(StateStore(settings, lake), installments.source, None)

    def test_to_the_beginning_reads_everything(
        self, settings: Settings, lake: Lake, warehouse: Warehouse, installments: Table
    ) -> None:
        states = StateStore(settings, lake)
        release(states)
        rewind(states, installments.source, None)
        assert carry(settings, "installments").read_result(ExtractResult).rows == 3
        assert bronze_rows(warehouse, installments) == installments.rows()


class TestBackfill:
    def test_the_days_of_the_period_are_read_again_and_nothing_else(
        self, settings: Settings, warehouse: Warehouse, installments: Table
    ) -> None:
        write_bronze(warehouse, installments, "UPDATE {table} SET invoice_id = 'x' WHERE true")
        run = begin(settings, "installments")
        run = replace(run, orders=RunOptions(backfill=("2024-01-10", "2024-02-10")))
        extracted = extract(run)
        assert extracted.rows == 2
        assert "all rows of 2024-01-10 to 2024-02-10" in extracted.predicate

    def test_instants_of_the_whole_last_day_belong_to_it(
        self, settings: Settings, tables: dict[str, Table], warehouse: Warehouse
    ) -> None:
        assert warehouse
        companies = tables["cnpj_ws"]
        for number, moment in enumerate(("2024-05-01T00:00Z", "2024-05-02T23:59:59Z")):
            companies.insert(cnpj=f"c{number}", created_at=moment, updated_at=None)
        carry(settings, "cnpj_ws")
        run = begin(settings, "cnpj_ws")
        run = replace(run, orders=RunOptions(backfill=("2024-05-02", "2024-05-02")))
        assert extract(run).rows == 1


def release(states: StateStore) -> None:
    states.change_source(
        "test", "installments", lambda state: state.model_copy(update={"lease": None})
    )

"""A bronze that somebody edited by hand: reported key by key, then repaired by a run."""

from dataclasses import replace

import pytest

from credix.cli_recovery import open_run
from credix.clients.warehouse import Warehouse
from credix.orders import Orders
from credix.runs.reconcile import compare_source
from credix.settings import Settings
from credix.sources import CaptureMode
from credix.steps import transform
from credix.steps.compare import Comparison
from tests.runs_by_hand import begin, carry, extract, land, load
from tests.tables import Table, bronze_rows, query_bronze, write_bronze


@pytest.fixture(params=["row_version", "log"])
def capture(request: pytest.FixtureRequest, log_settings: Settings) -> CaptureMode:
    assert log_settings
    mode: CaptureMode = request.param
    return mode


@pytest.fixture
def edited(tables: dict[str, Table], warehouse: Warehouse, capture: CaptureMode) -> Table:
    """Thirty companies; in bronze one is deleted, two altered, one invented and one doubled."""
    table = tables["cnpj_ws"]
    for number in range(30):
        table.insert(cnpj=f"company{number:02}")
    carry(warehouse.settings, "cnpj_ws", capture)
    for statement in (
        "DELETE FROM {table} WHERE cnpj = 'company05'",
        "UPDATE {table} SET share_capital = 1 WHERE cnpj = 'company06'",
        "UPDATE {table} SET city = NULL WHERE cnpj = 'company07'",
        """INSERT INTO {table} SELECT * REPLACE ('invented' AS cnpj, 4711 AS _key_hash)
        FROM {table} WHERE cnpj = 'company08'""",
        "INSERT INTO {table} SELECT * FROM {table} WHERE cnpj = 'company09'",
    ):
        write_bronze(warehouse, table, statement)
    return table


def compare_as(settings: Settings, capture: CaptureMode) -> Comparison:
    run = open_run(settings, "cnpj_ws", "reconcile")
    run.source = replace(run.source, capture=capture)
    return compare_source(run)


def test_it_reports_exactly_what_was_edited(
    settings: Settings, edited: Table, capture: CaptureMode
) -> None:
    edited.execute("UPDATE {table} SET city = 'Santos' WHERE cnpj = 'company20'")
    comparison = compare_as(settings, capture)
    assert comparison.counts == {
        "missing": 1,
        "altered": 2,
        "surplus": 1,
        "duplicates": 1,
        "pending": 1,
    }
    assert comparison.surplus["cnpj"].to_pylist() == ["invented"]
    assert "company05" not in str(comparison.table()), "keys are masked"


def test_a_run_repairs_it(
    settings: Settings, warehouse: Warehouse, edited: Table, capture: CaptureMode
) -> None:
    run = begin(settings, "cnpj_ws", capture)
    run.orders = Orders(reconcile=True)
    extract(run), land(run), load(run)
    transform.merge_bronze(run)
    proven, _ = transform.prove_bronze(run)
    assert proven.attempt == run.attempt
    transform.commit_watermark(proven)
    assert bronze_rows(warehouse, edited) == edited.rows()
    assert len(query_bronze(warehouse, edited, "SELECT 1 AS x FROM {table}")) == 31
    assert compare_as(settings, capture).is_equal
    assert extract(begin(settings, "cnpj_ws", capture))["status"] == "no_changes"

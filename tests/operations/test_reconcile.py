"""A bronze that somebody edited by hand: reported key by key, then repaired by a run."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from credix.capture import extract as extract_step
from credix.capture.compare.value_comparison import Comparison, nothing
from credix.cli import recovery
from credix.cli.main import commands
from credix.cli.recovery import open_run
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.contracts import CaptureMode, load_source
from credix.core.run_options import RunOptions
from credix.core.settings import Settings
from credix.operations import reconcile as reconciling
from credix.operations.reconcile import compare_source
from credix.warehouse import bronze, transform
from credix.warehouse.cycle import extract, land, load
from tests.runs_by_hand import begin, carry
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
    run = replace(run, contract=replace(run.source, capture=capture))
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
    run = replace(run, orders=RunOptions(reconcile=True))
    extract(run), land(run), load(run)
    bronze.merge_bronze(run)
    proven, _ = bronze.prove_bronze(run)
    assert proven.attempt == run.attempt
    transform.commit_watermark(proven)
    assert bronze_rows(warehouse, edited) == edited.rows()
    assert len(query_bronze(warehouse, edited, "SELECT 1 AS x FROM {table}")) == 31
    assert compare_as(settings, capture).is_equal
    assert extract(begin(settings, "cnpj_ws", capture)).status == "no_changes"


def everything(settings: Settings, warehouse: Warehouse, table: Table) -> dict[str, Any]:
    """What a look could change: objects, tables, local files, and what the source keeps for it."""
    lake = Lake(settings, Effects())
    buckets = (settings.lake_bucket, settings.archive_bucket, settings.report_bucket)
    with table.connection.cursor() as cursor:
        cursor.execute(
            "SELECT pubname, oid::int FROM pg_publication UNION ALL "
            "SELECT slot_name || restart_lsn::text, 0 FROM pg_replication_slots ORDER BY 1"
        )
        kept = cursor.fetchall()
    return {
        "objects": [
            (b.name, b.generation, b.crc32c) for bu in buckets for b in lake.objects(bu, "")
        ],
        "tables": [warehouse.tables(layer, "") for layer in ("temp", "bronze", "silver", "gold")],
        "files": sorted(settings.run_dir.rglob("*")),
        "server": kept,
    }


def test_a_look_writes_nothing_anywhere(
    settings: Settings, warehouse: Warehouse, tables: dict[str, Table], log_settings: Settings
) -> None:
    assert log_settings
    tables["cnpj_ws"].insert()
    carry(settings, "cnpj_ws")
    before = everything(settings, warehouse, tables["cnpj_ws"])
    modes: tuple[CaptureMode, ...] = ("row_version", "cursor", "log")
    for mode in modes:
        assert not compare_as(settings, mode).counts["missing"]
        assert everything(settings, warehouse, tables["cnpj_ws"]) == before


def test_what_a_run_merges_during_a_look_is_no_difference(
    settings: Settings,
    warehouse: Warehouse,
    tables: dict[str, Table],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = tables["cnpj_ws"]
    for key in ("deleted", "changed", "equal", "altered"):
        table.insert(cnpj=key)
    carry(settings, "cnpj_ws")
    write_bronze(warehouse, table, "UPDATE {table} SET city = 'x' WHERE cnpj = 'altered'")
    compare_values = extract_step.compare_values

    def after_a_run(*arguments: Any) -> Comparison:
        table.execute("DELETE FROM {table} WHERE cnpj = 'deleted'")
        table.execute("UPDATE {table} SET city = 'Santos' WHERE cnpj = 'changed'")
        table.insert(cnpj="new")
        carry(settings, "cnpj_ws")
        return compare_values(*arguments)

    monkeypatch.setattr(extract_step, "compare_values", after_a_run)
    found = compare_as(settings, "row_version")
    assert (found.counts["altered"], found.counts["missing"], found.counts["surplus"]) == (1, 0, 0)
    assert found.counts["pending"] == 2


def test_one_run_repairs_all_sources_that_differ(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests of gold look at every source: repaired one by one, the first would fail."""
    different = replace(nothing(load_source("cnpj_ws")), missing=np.array([1], np.int64))
    found = {"cnpj_ws": different, "installments": different}
    ran: list[tuple[tuple[str, ...], RunOptions]] = []

    def remember(
        _: Settings, names: tuple[str, ...], job: str, orders: RunOptions, __: object
    ) -> str:
        assert job == "reconcile"
        ran.append((names, orders))
        return "the-run"

    assert settings
    monkeypatch.setattr(reconciling, "compare_source", lambda run: found[run.source_name])
    monkeypatch.setattr(recovery, "run_sources", remember)
    ended = CliRunner().invoke(commands, ["reconcile", "--yes", "--json"], catch_exceptions=False)
    assert ran == [(("cnpj_ws", "installments"), RunOptions(reconcile=True))]
    assert [line["run_id"] for line in json.loads(ended.stdout)] == ["the-run", "the-run"]
    assert ended.exit_code == 0
    looked = CliRunner().invoke(commands, ["reconcile", "--json"], catch_exceptions=False)
    assert looked.exit_code == 4
    assert [line["equal"] for line in json.loads(looked.stdout)] == [False, False]
    assert len(ran) == 1

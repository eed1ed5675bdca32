"""What the product relies on of BigQuery, seen from outside."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest
from google.api_core import exceptions as google
from google.cloud import bigquery

from credix.capture.compare.canonical_text import bigquery_text
from credix.clients.bigquery.table_reader import TableReader
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.dbt.project import Dbt
from credix.clients.effects import Effects
from credix.clients.elementary import Elementary, find_packages
from credix.core.column_types import Column
from credix.core.contracts import load_source
from credix.core.errors import CostError, DataError
from tests.cloud.target import only_google
from tests.credix_local.servers import ONCE
from tests.elementary import IS_HERE, WHY

Put = Callable[[pa.Table], str]
COLUMNS = [Column("id", "STRING", "REQUIRED"), Column("amount", "INTEGER")]
ROWS = pa.table({"id": ["a", "b"], "amount": [1, None]})
HARD_FLOATS = [0.1, 1 / 3, 2.5e-323, 1.7976931348623157e308, 1e22, 9007199254740993.0, 2.0**-1074]


def load(
    warehouse: Warehouse, uri: str, table: str, columns: list[Column] = COLUMNS, job_id: str = ""
) -> int:
    job = job_id or f"live_{uuid4().hex}"
    return warehouse.load_parquet("warehouse.load_test", [uri], "temp", table, columns, job)


def rows(warehouse: Warehouse, table: str) -> list[dict[str, object]]:
    return warehouse.query(f"SELECT * FROM `{warehouse.table_id('temp', table)}` ORDER BY 1")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (pa.table({"id": ["c"], "amount": [1], "extra": [1]}), "extra"),
        (pa.table({"id": ["c"], "amount": ["one"]}), "amount"),
        (pa.table({"id": pa.array([None], pa.string()), "amount": [1]}), "id"),
    ],
    ids=["a column too many", "another type", "NULL in a required column"],
)
def test_a_refused_load_keeps_the_table(
    live_warehouse: Warehouse, put: Put, table: str, content: pa.Table, word: str
) -> None:
    load(live_warehouse, put(ROWS), table)
    with pytest.raises(DataError, match=word):
        load(live_warehouse, put(content), table)
    assert rows(live_warehouse, table) == ROWS.to_pylist()


def test_a_load_replaces_rows_and_schema(live_warehouse: Warehouse, put: Put, table: str) -> None:
    load(live_warehouse, put(ROWS), table)
    columns = [Column("id", "STRING", "REQUIRED"), Column("paid", "BOOLEAN")]
    load(live_warehouse, put(pa.table({"id": ["c"], "paid": [True]})), table, columns)
    assert rows(live_warehouse, table) == [{"id": "c", "paid": True}]
    assert live_warehouse.columns("temp", table) == columns


def test_a_repeated_job_is_not_run_again(live_warehouse: Warehouse, put: Put, table: str) -> None:
    job_id = f"live_{uuid4().hex}"
    assert load(live_warehouse, put(ROWS), table, job_id=job_id) == 2
    other = pa.table({"id": ["c"], "amount": [3]})
    assert load(live_warehouse, put(other), table, job_id=job_id) == 2
    assert rows(live_warehouse, table) == ROWS.to_pylist()


def test_numeric_has_38_digits_of_which_9_are_decimals(live_warehouse: Warehouse) -> None:
    [found] = live_warehouse.query(
        "SELECT NUMERIC '99999999999999999999999999999.999999999' AS most, "
        "CAST('1.0000000005' AS NUMERIC) AS rounded"
    )
    assert found["most"] == Decimal("99999999999999999999999999999.999999999")
    assert found["rounded"] == Decimal("1.000000001")


def test_a_merge_refuses_two_rows_for_a_matched_key(
    live_warehouse: Warehouse, put: Put, table: str
) -> None:
    load(live_warehouse, put(ROWS), table)
    target = live_warehouse.table_id("temp", table)
    sql = (
        f"MERGE `{target}` AS t USING (SELECT 'a' AS id, x FROM UNNEST([1, 2]) AS x) AS s "
        "ON t.id = s.id WHEN MATCHED THEN UPDATE SET amount = s.x"
    )
    with pytest.raises(Exception, match=r"(?i)at most one source row"):
        live_warehouse.execute("bronze.test", target, sql)
    assert rows(live_warehouse, table) == ROWS.to_pylist()


def test_rows_come_through_the_storage_read_api(
    live_warehouse: Warehouse, put: Put, table: str
) -> None:
    load(live_warehouse, put(ROWS), table)
    reader = TableReader(live_warehouse.settings, live_warehouse.effects)
    found = reader.read("temp", table, ["id", "amount"], "amount = 1", 10)
    assert found.to_pylist() == [{"id": "a", "amount": 1}]


def test_a_value_has_the_text_that_postgresql_gives_it(live_warehouse: Warehouse) -> None:
    """Of floating point numbers 17 digits, rounded as C does."""
    text = bigquery_text(Column("x", "FLOAT"))
    for number in HARD_FLOATS:
        [found] = live_warehouse.query(
            f"SELECT {text} AS told FROM (SELECT CAST('{number!r}' AS FLOAT64) AS x)"
        )
        assert math.isclose(float(found["told"]), number, rel_tol=0)
        assert found["told"] == f"{number:.16e}"
    numeric = bigquery_text(Column("x", "NUMERIC"))
    for given, told in [("10.5", "10.5"), ("100", "100"), ("-0.000000001", "-0.000000001")]:
        [found] = live_warehouse.query(
            f"SELECT {numeric} AS told FROM (SELECT NUMERIC '{given}' x)"
        )
        assert found["told"] == told


def test_dbt_merges_into_bronze(
    live_warehouse: Warehouse, effects: Effects, tmp_path: Path
) -> None:
    name = "cnpj_ws_000000000001"
    live_warehouse.create_table("temp", name, load_source("cnpj_ws").landing_columns)
    dbt = Dbt(live_warehouse.settings, effects, tmp_path)
    nodes = dbt.build("bronze.merge", ["bronze.cnpj_ws"], {"CREDIX_DBT_TEMP_TABLE": name})
    assert {node.status for node in nodes} == {"success", "pass"}
    assert live_warehouse.columns("bronze", "cnpj_ws")


@only_google
@pytest.mark.skipif(not IS_HERE, reason=WHY)
def test_elementary_makes_its_tables(
    live_warehouse: Warehouse, effects: Effects, tmp_path: Path
) -> None:
    """On the local servers: `tests/report/test_monitoring.py`."""
    packages = find_packages(live_warehouse.settings)
    assert packages
    Elementary(live_warehouse.settings, effects, tmp_path, packages).create_tables()
    assert "elementary_test_results" in live_warehouse.tables("elementary", "elementary_")


@only_google
def test_a_wrong_query_is_a_400_and_not_a_fault_of_the_server(live_warehouse: Warehouse) -> None:
    with pytest.raises(google.BadRequest):
        live_warehouse._client.query("SELECT FROM", **ONCE).result(retry=None)


@only_google
def test_a_table_expires_when_it_is_told_to(live_warehouse: Warehouse, table: str) -> None:
    live_warehouse.create_table("temp", table, COLUMNS)
    live_warehouse.expire("temp", table, 1)
    expires = live_warehouse._client.get_table(live_warehouse.table_id("temp", table)).expires
    assert 3000 < (expires - datetime.now(UTC)).total_seconds() <= 3600


@only_google
def test_bytes_are_told_of_every_query(live_warehouse: Warehouse, put: Put, table: str) -> None:
    load(live_warehouse, put(ROWS), table)
    rows(live_warehouse, table)
    assert live_warehouse.effects.jobs[-1].bytes_processed
    assert live_warehouse.effects.jobs[-1].bytes_billed


@only_google
def test_a_query_over_the_bound_is_refused(
    live_warehouse: Warehouse, effects: Effects, put: Put, table: str
) -> None:
    load(live_warehouse, put(ROWS), table)
    small = live_warehouse.settings.model_copy(update={"maximum_bytes_billed": 1})
    with pytest.raises(CostError, match="CREDIX_MAXIMUM_BYTES_BILLED"):
        rows(Warehouse(small, effects), table)


@only_google
def test_a_range_of_partitions_is_all_that_is_read(live_warehouse: Warehouse, table: str) -> None:
    target = live_warehouse.table_id("temp", table)
    ranges = "RANGE_BUCKET(seq, GENERATE_ARRAY(0, 100, 10))"
    sql = f"CREATE TABLE `{target}` PARTITION BY {ranges} AS SELECT seq FROM UNNEST([1, 55]) AS seq"
    live_warehouse.execute("bronze.test", target, sql)
    dry = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    read = [
        live_warehouse._client.query(f"SELECT seq FROM `{target}`{where}", dry)
        for where in ("", " WHERE seq >= 50")
    ]
    assert [job.total_bytes_processed for job in read] == [16, 8]


@only_google
def test_queries_run_side_by_side(live_warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: live_warehouse.query(f"SELECT {x} AS x"), range(4)))
    assert found == [[{"x": x}] for x in range(4)]


@only_google
def test_a_job_that_takes_too_long_is_ended(live_warehouse: Warehouse) -> None:
    hasty = live_warehouse.settings.model_copy(update={"notebook_timeout_seconds": 1})
    numbers = "unnest(generate_array(1, 1000000))"
    endless = f"SELECT sum(a * b) AS n FROM {numbers} AS a, {numbers} AS b"
    with pytest.raises(CostError):
        Warehouse(hasty, Effects(0)).query(endless)


@only_google
def test_datasets_lie_where_the_settings_say(live_warehouse: Warehouse) -> None:
    settings = live_warehouse.settings
    dataset = live_warehouse._client.get_dataset(
        f"{settings.gcp_project}.{settings.dataset('temp')}"
    )
    assert dataset.location == settings.bigquery_location


@only_google
def test_the_past_can_be_read(live_warehouse: Warehouse, put: Put, table: str) -> None:
    load(live_warehouse, put(ROWS), table)
    [now] = live_warehouse.query("SELECT CAST(CURRENT_TIMESTAMP() AS STRING) AS at")
    target = live_warehouse.table_id("temp", table)
    live_warehouse.execute("bronze.test", target, f"DELETE FROM `{target}` WHERE true")
    past = f"SELECT id FROM `{target}` FOR SYSTEM_TIME AS OF TIMESTAMP '{now['at']}'"
    assert len(live_warehouse.query(past)) == 2


def test_sql_that_the_models_leave_out_is_computed_as_documented(
    live_warehouse: Warehouse,
) -> None:
    """What both servers must agree on: the linter of the compiled SQL refuses the rest."""
    [found] = live_warehouse.query(
        "SELECT DATE_DIFF(DATE '2026-03-01', DATE '2026-02-01', DAY) AS days, "
        "SAFE_DIVIDE(1, 0) AS nothing, ROUND(NUMERIC '2.345', 2) AS rounded"
    )
    assert found == {"days": 28, "nothing": None, "rounded": Decimal("2.35")}

"""Statements on the local BigQuery do what they do on the real one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import requests
from bqemulator.streaming.read_session import ReadSessionState
from google.api_core import exceptions as google
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient

from credix_local.bigquery.repairs_reads import SESSIONS, RecentSessions
from tests.credix_local.servers import ONCE

Query = Callable[..., list[dict[str, Any]]]


def types(client: bigquery.Client, table: str) -> dict[str, str]:
    return {field.name: field.field_type for field in client.get_table(table).schema}


def test_numeric_keeps_38_digits_and_adds_exactly(query: Query) -> None:
    assert query(
        "SELECT CAST('12345678901234567890123456789.123456789' AS NUMERIC) AS wide, "
        "NUMERIC '0.1' + NUMERIC '0.2' AS total, CAST(12345 AS NUMERIC) / 100 AS quotient"
    ) == [
        {
            "wide": Decimal("12345678901234567890123456789.123456789"),
            "total": Decimal("0.3"),
            "quotient": Decimal("123.45"),
        }
    ]


def test_timestamp_diff_counts_whole_units(query: Query) -> None:
    moments = "TIMESTAMP '2024-01-02 00:00:00', TIMESTAMP '2024-01-01 23:00:00'"
    assert query(f"SELECT TIMESTAMP_DIFF({moments}, DAY) AS days") == [{"days": 0}]


def test_a_table_made_from_a_query_has_bigquerys_types(
    client: bigquery.Client, query: Query, dataset: str
) -> None:
    query(
        f"CREATE TABLE `{dataset}.s` AS SELECT x AS id, CAST(x AS NUMERIC) AS amount "
        "FROM UNNEST([1, 2, 3]) x"
    )
    query(
        f"CREATE TABLE `{dataset}.t` AS SELECT 1 AS one, SUM(id) AS total, "
        "COUNTIF(id > 1) AS some_rows, SUM(amount) AS exact, SUM(amount * amount) AS product, "
        "ROUND(SUM(amount) / 3, 2) AS cents, "
        f"AVG(id) AS mean, BIT_XOR(id) AS digest, NULL AS nothing FROM `{dataset}.s`"
    )
    assert types(client, f"{dataset}.t") == {
        **dict.fromkeys(("one", "total", "some_rows"), "INTEGER"),
        **dict.fromkeys(("exact", "product", "cents"), "NUMERIC"),
        "mean": "FLOAT",
        "digest": "INTEGER",
        "nothing": "INTEGER",
    }
    query(f"INSERT INTO `{dataset}.t` (one) VALUES (5000000000)")
    assert query(f"SELECT MAX(one) AS one FROM `{dataset}.t`") == [{"one": 5_000_000_000}]


def test_partitioning_and_clustering_of_a_statement_are_remembered(
    client: bigquery.Client, query: Query, dataset: str
) -> None:
    query(
        f"CREATE TABLE IF NOT EXISTS `{dataset}.t` PARTITION BY DATE(changed_at) "
        "CLUSTER BY id, name AS SELECT 1 AS id, 'a' AS name, TIMESTAMP '2024-01-31' AS changed_at"
    )
    table = client.get_table(f"{dataset}.t")
    assert (table.time_partitioning.type_, table.time_partitioning.field) == ("DAY", "changed_at")
    assert table.clustering_fields == ["id", "name"]


def test_create_if_not_exists_changes_nothing_of_an_existing_table(
    client: bigquery.Client, query: Query, dataset: str
) -> None:
    query(f"CREATE TABLE `{dataset}.t` CLUSTER BY id AS SELECT 1 AS id")
    table = client.get_table(f"{dataset}.t")
    table.description, table.labels = "Kept", {"kept": "yes"}
    client.update_table(table, ["description", "labels"])
    query(f"CREATE TABLE IF NOT EXISTS `{dataset}.t` AS SELECT 2 AS other")
    table = client.get_table(f"{dataset}.t")
    assert (table.description, table.labels, table.clustering_fields) == (
        "Kept",
        {"kept": "yes"},
        ["id"],
    )
    assert query(f"SELECT * FROM `{dataset}.t`") == [{"id": 1}]


def test_a_table_with_declared_columns_may_come_from_a_subquery(
    client: bigquery.Client, query: Query, dataset: str
) -> None:
    query(
        f"CREATE OR REPLACE TABLE `{dataset}.t` (id INT64, amount NUMERIC) "
        "OPTIONS(description='Declared') AS (SELECT 1 AS id, 2 AS amount)"
    )
    assert types(client, f"{dataset}.t") == {"id": "INTEGER", "amount": "NUMERIC"}
    assert client.get_table(f"{dataset}.t").description == "Declared"


MERGE = """
MERGE `{0}.bronze` AS t
USING (
  SELECT s.*, c.reconciled_seq FROM `{0}.delta` AS s
  CROSS JOIN (SELECT COALESCE(MAX(reconciled_seq), 0) AS reconciled_seq FROM `{0}.control`) AS c
) AS s
ON t.id = s.id
WHEN MATCHED AND s.seq > t.seq THEN UPDATE SET
  changed_at = IF(t.amount IS DISTINCT FROM s.amount, s.changed_at, t.changed_at),
  seq = s.seq, amount = s.amount
WHEN NOT MATCHED AND s.seq > s.reconciled_seq THEN
  INSERT (id, seq, amount, changed_at) VALUES (s.id, s.seq, s.amount, s.changed_at)
"""


def test_a_merge_updates_newer_rows_and_inserts_behind_the_guard(
    client: bigquery.Client, query: Query, dataset: str
) -> None:
    columns = "(id INT64, seq INT64, amount NUMERIC, changed_at TIMESTAMP)"
    old, new = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
    for table, values in {
        "bronze": "(1, 5, 1, TIMESTAMP '2024-01-01'), (2, 5, 2, TIMESTAMP '2024-01-01'), "
        "(3, 9, 3, TIMESTAMP '2024-01-01')",
        "delta": "(1, 7, 10, TIMESTAMP '2024-01-02'), (2, 7, 2, TIMESTAMP '2024-01-02'), "
        "(3, 7, 30, TIMESTAMP '2024-01-02'), (4, 7, NULL, TIMESTAMP '2024-01-02')",
    }.items():
        query(f"CREATE TABLE `{dataset}.{table}` {columns}")
        query(f"INSERT INTO `{dataset}.{table}` (id, seq, amount, changed_at) VALUES {values}")
    query(f"CREATE TABLE `{dataset}.control` AS SELECT 6 AS reconciled_seq")
    job = client.query(MERGE.format(dataset), job_retry=None)
    job.result(job_retry=None)
    assert job.num_dml_affected_rows == 3
    assert query(f"SELECT * FROM `{dataset}.bronze` ORDER BY id") == [
        {"id": 1, "seq": 7, "amount": Decimal(10), "changed_at": new},
        {"id": 2, "seq": 7, "amount": Decimal(2), "changed_at": old},
        {"id": 3, "seq": 9, "amount": Decimal(3), "changed_at": old},
        {"id": 4, "seq": 7, "amount": None, "changed_at": new},
    ]


@pytest.mark.parametrize("prefix", ["", "-- a comment\n", "DECLARE x INT64 DEFAULT 1; "])
def test_a_merge_with_two_source_rows_for_one_row_fails(
    query: Query, dataset: str, prefix: str
) -> None:
    query(f"CREATE TABLE `{dataset}.t` AS SELECT 1 AS id, 'old' AS name")
    with pytest.raises(google.BadRequest, match="at most one source row"):
        query(
            f"{prefix}MERGE `{dataset}.t` t USING (SELECT 1 AS id, n AS name "
            "FROM UNNEST(['a', 'b']) n) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name"
        )
    assert query(f"SELECT name FROM `{dataset}.t`") == [{"name": "old"}]


def test_a_change_does_not_copy_the_table(
    client: bigquery.Client, query: Query, dataset: str
) -> None:
    query(f"CREATE TABLE `{dataset}.t` AS SELECT 1 AS id")
    query(f"INSERT INTO `{dataset}.t` (id) VALUES (2), (3)")
    assert client.get_table(f"{dataset}.t").num_rows == 3
    # Looking back reads the present: there is no copy of the past.
    now = query("SELECT CAST(CURRENT_TIMESTAMP() AS STRING) AS now")[0]["now"]
    query(f"INSERT INTO `{dataset}.t` (id) VALUES (4)")
    past = f"FOR SYSTEM_TIME AS OF TIMESTAMP '{now}'"
    assert query(f"SELECT COUNT(*) AS n FROM `{dataset}.t` {past}") == [{"n": 4}]


def test_new_columns_of_a_table_can_be_queried(
    client: bigquery.Client, query: Query, dataset: str
) -> None:
    query(f"CREATE TABLE `{dataset}.t` AS SELECT 1 AS id")
    table = client.get_table(f"{dataset}.t")
    table.schema = [*table.schema, bigquery.SchemaField("amount", "NUMERIC")]
    client.update_table(table, ["schema"])
    query(f"ALTER TABLE `{dataset}.t` ADD COLUMN name STRING")
    assert types(client, f"{dataset}.t") == {"id": "INTEGER", "amount": "NUMERIC", "name": "STRING"}
    assert query(f"SELECT * FROM `{dataset}.t`") == [{"id": 1, "amount": None, "name": None}]


def test_requests_at_the_same_time_get_their_own_rows(
    client: bigquery.Client, query: Query, dataset: str
) -> None:
    tables = {width: f"{dataset}.t{width}" for width in (1, 2, 3, 4)}
    for width, table in tables.items():
        columns = ", ".join(f"{width} AS c{number}" for number in range(width))
        query(f"CREATE TABLE `{table}` AS SELECT {columns} FROM UNNEST(GENERATE_ARRAY(1, 50))")

    def read(number: int) -> bool:
        width = number % 4 + 1
        if number % 3:
            rows = [dict(row.items()) for row in client.list_rows(tables[width])]
        else:
            rows = query(f"SELECT * FROM `{tables[width]}`")
        return rows == [{f"c{number}": width for number in range(width)}] * 50

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(160)))


def test_a_view_can_be_deleted(client: bigquery.Client, query: Query, dataset: str) -> None:
    query(f"CREATE VIEW `{dataset}.v` AS SELECT 1 AS id")
    client.delete_table(f"{dataset}.v")
    with pytest.raises(google.NotFound):
        query(f"SELECT * FROM `{dataset}.v`")


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT `roles/bigquery.dataViewer` ON TABLE `{}.t` TO 'user:a@example.org'",
        "/* from a tool */ ALTER TABLE `{}.t` SET OPTIONS (description = 'x')",
    ],
)
def test_statements_about_access_and_options_pass(
    query: Query, dataset: str, statement: str
) -> None:
    query(f"CREATE TABLE `{dataset}.t` AS SELECT 1 AS id")
    query(statement.format(dataset))


def test_an_array_of_distinct_values_leaves_out_nulls(query: Query) -> None:
    assert query("SELECT ARRAY_AGG(DISTINCT x IGNORE NULLS) AS xs FROM UNNEST([1, 1, NULL]) x") == [
        {"xs": [1]}
    ]


def test_digests_agree_with_bigquerys_64_bits(query: Query) -> None:
    assert query(
        "SELECT BIT_XOR(x) AS digest FROM UNNEST([-9223372036854775808, 9223372036854775807]) x"
    ) == [{"digest": -1}]
    assert query("SELECT FARM_FINGERPRINT('a') AS f") == [{"f": -5528939962900187677}]


def test_a_repeated_query_id_is_a_conflict_and_its_job_can_be_asked_for(
    client: bigquery.Client,
) -> None:
    job_id = f"query_{uuid4().hex}"
    client.query("SELECT 1", job_id=job_id, **ONCE).result(job_retry=None)
    with pytest.raises(google.Conflict):
        client.query("SELECT 1", job_id=job_id, **ONCE)
    assert client.get_job(job_id).state == "DONE"


@pytest.mark.parametrize(
    "sql", ["SELEC 1", "SELECT no_such_function(1)", "MERGE x USING WHEN MATCHED", "SELECT 1 / 0"]
)
def test_a_faulty_query_is_refused_once_and_for_good(query: Query, sql: str) -> None:
    with pytest.raises(google.BadRequest) as caught:
        query(sql)
    assert caught.value.errors[0]["reason"] == "invalidQuery"


def test_a_fault_of_a_request_is_no_server_error(variables: dict[str, str]) -> None:
    jobs = f"{variables['BIGQUERY_EMULATOR_HOST']}/bigquery/v2/projects/credix-local/jobs"
    answer = requests.post(jobs, json=["nonsense"], timeout=10)
    assert answer.status_code == 400
    assert "The local BigQuery failed" in answer.json()["error"]["message"]


def test_a_table_is_read_through_the_storage_api(
    query: Query, client: bigquery.Client, dataset: str, storage_reader: BigQueryReadClient
) -> None:
    query(
        f"CREATE TABLE `{dataset}.t` AS SELECT x AS id, CAST(x AS NUMERIC) / 8 AS amount, "
        "DATE '2024-01-31' AS due_date FROM UNNEST(GENERATE_ARRAY(1, 100000)) x"
    )
    table = client.list_rows(f"{dataset}.t").to_arrow(bqstorage_client=storage_reader)
    assert table.num_rows == 100_000
    assert table.schema.types == [pa.int64(), pa.decimal128(38, 9), pa.date32()]
    row = table.slice(99_999).to_pylist()[0]
    assert row == {"id": 100_000, "amount": Decimal(12500), "due_date": date(2024, 1, 31)}


def test_a_wide_table_is_sent_in_messages_that_the_server_may_send(
    query: Query, client: bigquery.Client, dataset: str, storage_reader: BigQueryReadClient
) -> None:
    query(
        f"CREATE TABLE `{dataset}.wide` AS SELECT x AS id, REPEAT('x', 400) AS text "
        "FROM UNNEST(GENERATE_ARRAY(1, 60000)) x"
    )
    table = client.list_rows(f"{dataset}.wide").to_arrow(bqstorage_client=storage_reader)
    assert table.num_rows == 60_000
    assert pc.sum(table["id"]).as_py() == 60_000 * 60_001 // 2


def test_a_read_that_is_long_over_is_forgotten() -> None:
    sessions = RecentSessions()
    for number in range(SESSIONS + 2):
        sessions[f"s{number}"] = cast("ReadSessionState", number)
    assert list(sessions) == [f"s{number}" for number in range(2, SESSIONS + 2)]


def test_a_result_becomes_a_data_frame(client: bigquery.Client) -> None:
    frame = client.query("SELECT 1 AS id, NUMERIC '1.5' AS amount").to_dataframe(
        create_bqstorage_client=False
    )
    assert frame.to_dict("records") == [{"id": 1, "amount": Decimal("1.5")}]


def test_a_dataset_keeps_its_location(client: bigquery.Client, dataset: str) -> None:
    assert client.get_dataset(dataset).location == "southamerica-east1"


def test_parameters_are_bound_with_their_types(client: bigquery.Client) -> None:
    config = bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter("day", "DATE", "2024-01-31"),
            bigquery.ScalarQueryParameter("text", "STRING", "it's"),
        ]
    )
    job = client.query("SELECT @day AS day, @text AS text", job_config=config)
    assert [tuple(row) for row in job.result()] == [(date(2024, 1, 31), "it's")]

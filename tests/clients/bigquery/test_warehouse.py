"""BigQuery: loads that are refused, repeated or expire, and tables that are missing."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from credix.clients.bigquery.job_records import bytes_of_queries
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.column_types import Column
from credix.core.errors import CostError, DataError, SettingsError, TransientError
from credix.core.settings import Settings

COLUMNS = [Column("id", "STRING", "REQUIRED", "The key"), Column("amount", "INTEGER")]
ROWS: dict[str, list[Any]] = {"id": ["a", "b"], "amount": [1, None]}
EFFECT = "warehouse.load_hashed"


@pytest.fixture
def temp(settings: Settings) -> Warehouse:
    """A warehouse with an empty temp dataset."""
    made = Warehouse(settings, Effects(settings.retry_seconds))
    made.create_dataset("temp")
    return made


def put(lake: Lake, table: pa.Table, name: str = "x") -> str:
    """The address of a Parquet file in the lake that holds this table."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    path = f"{lake.settings.prefix}/{name}-{uuid4().hex}.parquet"
    lake.upload("lake.upload", lake.settings.lake_bucket, path, sink.getvalue().to_pybytes())
    return f"gs://{lake.settings.lake_bucket}/{path}"


def load(warehouse: Warehouse, uris: list[str], job_id: str | None = None) -> int:
    return warehouse.load_parquet(EFFECT, uris, "temp", "t", COLUMNS, job_id or uuid4().hex)


def rows(warehouse: Warehouse) -> list[dict[str, object]]:
    return warehouse.query(f"SELECT * FROM `{warehouse.table_id('temp', 't')}` ORDER BY id")


class TestLoad:
    def test_files_become_the_table(self, temp: Warehouse, lake: Lake) -> None:
        uris = [
            put(lake, pa.table({"id": ["a"], "amount": [1]})),
            put(lake, pa.table({"id": ["b"], "amount": [2]})),
        ]
        assert load(temp, uris) == 2
        assert rows(temp) == [{"id": "a", "amount": 1}, {"id": "b", "amount": 2}]
        assert temp.columns("temp", "t") == COLUMNS

    def test_the_next_load_replaces_it(self, temp: Warehouse, lake: Lake) -> None:
        load(temp, [put(lake, pa.table(ROWS))])
        assert load(temp, [put(lake, pa.table({"id": ["c"], "amount": [3]}))]) == 1
        assert rows(temp) == [{"id": "c", "amount": 3}]

    @pytest.mark.parametrize(
        ("table", "words"),
        [
            (pa.table({"id": ["a"], "amount": [1], "extra": [1]}), "extra"),
            (pa.table({"id": ["a"], "amount": ["one"]}), "amount"),
            (pa.table({"id": pa.array([None], pa.string()), "amount": [1]}), "id"),
        ],
        ids=["a column too many", "another type", "NULL in a required column"],
    )
    def test_a_refused_one_tells_bigquerys_reason_and_keeps_the_table(
        self, temp: Warehouse, lake: Lake, table: pa.Table, words: str
    ) -> None:
        load(temp, [put(lake, pa.table(ROWS))])
        with pytest.raises(DataError, match=r"refused to load .*_temp\.t: .*" + words):
            load(temp, [put(lake, table)])
        assert [row["id"] for row in rows(temp)] == ["a", "b"]

    def test_a_file_that_is_not_parquet_is_refused(self, temp: Warehouse, lake: Lake) -> None:
        path = f"{lake.settings.prefix}/corrupt.parquet"
        lake.upload("lake.upload", lake.settings.lake_bucket, path, b"PAR1 not really PAR1")
        with pytest.raises(DataError, match="refused to load"):
            load(temp, [f"gs://{lake.settings.lake_bucket}/{path}"])

    def test_a_file_that_is_gone_is_no_fault_of_the_data(self, temp: Warehouse, lake: Lake) -> None:
        with pytest.raises(SettingsError, match=r"could not load .*gone\.parquet"):
            load(temp, [f"gs://{lake.settings.lake_bucket}/{lake.settings.prefix}/gone.parquet"])

    def test_a_repeated_job_is_asked_for_and_not_run_again(
        self, temp: Warehouse, lake: Lake
    ) -> None:
        job_id = uuid4().hex
        assert load(temp, [put(lake, pa.table(ROWS))], job_id) == 2
        assert load(temp, [put(lake, pa.table({"id": ["c"], "amount": [3]}))], job_id) == 2
        assert [row["id"] for row in rows(temp)] == ["a", "b"]

    def test_a_repeated_job_that_was_refused_is_refused_again(
        self, temp: Warehouse, lake: Lake
    ) -> None:
        job_id = uuid4().hex
        other: dict[str, list[Any]] = {"id": ["a"], "extra": [1]}
        for table in (pa.table(other), pa.table(ROWS)):
            with pytest.raises(DataError, match="extra"):
                load(temp, [put(lake, table)], job_id)

    def test_each_is_an_effect_with_its_table(self, temp: Warehouse, lake: Lake) -> None:
        load(temp, [put(lake, pa.table(ROWS))])
        record = temp.effects.records[-1]
        assert (record.name, record.target) == (EFFECT, temp.table_id("temp", "t"))


class TestTables:
    def test_making_one_twice_keeps_its_rows(self, temp: Warehouse, lake: Lake) -> None:
        load(temp, [put(lake, pa.table(ROWS))])
        temp.create_table("temp", "t", COLUMNS)
        temp.create_dataset("temp")
        assert len(rows(temp)) == 2

    def test_a_missing_one_has_no_columns(self, temp: Warehouse) -> None:
        assert temp.columns("temp", "never_made") is None
        assert temp.columns("never_made", "never_made") is None

    def test_a_new_one_has_the_columns_it_was_made_with(self, temp: Warehouse) -> None:
        temp.create_table("temp", "t", COLUMNS)
        assert temp.columns("temp", "t") == COLUMNS

    def test_a_dropped_one_is_gone_and_may_be_dropped_again(self, temp: Warehouse) -> None:
        temp.create_table("temp", "t", COLUMNS)
        temp.drop("temp", "t")
        temp.drop("temp", "t")
        assert temp.columns("temp", "t") is None

    def test_it_is_asked_to_expire_after_the_hours_it_is_given(
        self, temp: Warehouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The local BigQuery takes the time and never acts on it, so the request is looked at."""
        asked: list[datetime] = []
        update = temp._client.update_table

        def watched(table: bigquery.Table, fields: list[str], **options: Any) -> bigquery.Table:
            asked.extend(table.expires for field in fields if field == "expires")
            return update(table, fields, **options)

        monkeypatch.setattr(temp._client, "update_table", watched)
        temp.create_table("temp", "t", COLUMNS)
        temp.expire("temp", "t", 24)
        (expires,) = asked
        assert 23.9 < (expires - datetime.now(UTC)).total_seconds() / 3600 <= 24
        assert temp.columns("temp", "t") == COLUMNS

    def test_they_are_listed_by_how_they_begin(self, temp: Warehouse) -> None:
        for name in ("a_2", "a_1", "b_1"):
            temp.create_table("temp", name, COLUMNS)
        assert temp.tables("temp", "a_") == ["a_1", "a_2"]


class TestQueries:
    def test_parameters_are_values_and_not_sql(self, temp: Warehouse) -> None:
        text = "'); DROP TABLE x; --"
        found = temp.query("SELECT @text AS text, @number + 1 AS number", text=text, number=41)
        assert found == [{"text": text, "number": 42}]

    @pytest.mark.parametrize("numbers", [[3, -(2**63)], [], list(range(9000))])
    def test_a_list_of_numbers_is_a_parameter_too(
        self, temp: Warehouse, numbers: list[int]
    ) -> None:
        sql = "SELECT x FROM UNNEST([1, 3, 10000]) AS x WHERE x IN UNNEST(@numbers) ORDER BY x"
        found = [row["x"] for row in temp.query(sql, numbers=numbers)]
        assert found == sorted({1, 3, 10000} & set(numbers))

    def test_a_wrong_one_is_one_sentence(self, temp: Warehouse) -> None:
        with pytest.raises(DataError, match="BigQuery refused a query"):
            temp.query("SELECT FROM WHERE")

    def test_a_missing_table_or_dataset_is_one_sentence(self, temp: Warehouse) -> None:
        for table in (temp.table_id("temp", "nope"), temp.table_id("nope", "nope")):
            with pytest.raises(SettingsError, match="nope"):
                temp.query(f"SELECT * FROM `{table}`")


def test_a_server_that_does_not_answer_ends_in_time(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    down = settings.model_copy(update={"bigquery_endpoint": address})
    with pytest.raises(TransientError, match="does not answer"):
        Warehouse(down, Effects(0)).query("SELECT 1")


class TestBytes:
    def test_every_query_and_load_is_recorded_and_the_local_server_measures_none(
        self, temp: Warehouse, lake: Lake
    ) -> None:
        load(temp, [put(lake, pa.table(ROWS))])
        rows(temp)
        temp.execute("bronze.x", temp.table_id("temp", "t"), "SELECT 1")
        jobs = temp.effects.jobs
        assert [(job.kind, job.name) for job in jobs] == [
            ("load", EFFECT),
            ("query", "query"),
            ("query", "bronze.x"),
        ]
        assert all(job.job_id for job in jobs)
        assert bytes_of_queries(jobs) == (None, 2)

    def test_what_google_tells_is_added_up(self, settings: Settings) -> None:
        statistics = {"totalBytesProcessed": "1234", "totalBytesBilled": "10485760"}
        with answering(settings, {}, statistics) as (warehouse, _):
            warehouse.execute("bronze.x", "x", "SELECT 1")
            warehouse.execute("bronze.y", "y", "SELECT 2")
        assert bytes_of_queries(warehouse.effects.jobs) == (2468, 0)
        assert [job.bytes_billed for job in warehouse.effects.jobs] == [10485760] * 2

    @pytest.mark.parametrize("is_read", [True, False], ids=["a read", "a change"])
    def test_a_query_over_the_bound_is_refused_once_and_names_the_setting(
        self, settings: Settings, is_read: bool
    ) -> None:
        """The client library takes this refusal for a fault of the server, to be tried again."""
        small = settings.model_copy(update={"maximum_bytes_billed": 10485760, "retry_seconds": 5})
        fault = {
            "reason": "bytesBilledLimitExceeded",
            "message": "Query exceeded limit for bytes billed: 10485760. 20971520 or higher "
            "required.",
        }
        status = {"errorResult": fault, "errors": [fault]}
        with (
            answering(small, status, {}) as (warehouse, asked),
            pytest.raises(CostError, match=r"CREDIX_MAXIMUM_BYTES_BILLED allows .*20971520"),
        ):
            if is_read:
                warehouse.query("SELECT 1")
            else:
                warehouse.execute("bronze.x", "x", "SELECT 1")
        (configuration,) = asked
        assert configuration["query"]["maximumBytesBilled"] == "10485760"
        assert warehouse.effects.jobs == []


@contextmanager
def answering(
    settings: Settings, status: dict[str, Any], statistics: dict[str, Any]
) -> Iterator[tuple[Warehouse, list[dict[str, Any]]]]:
    """A server that ends every job at once as told, as Google's would; and the jobs it was sent."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body["configuration"])
            self.answer(body)

        def do_GET(self) -> None:
            self.answer({"jobReference": {"projectId": "p", "jobId": "j", "location": "l"}})

        def answer(self, job: dict[str, Any]) -> None:
            told = {
                "jobReference": job["jobReference"],
                "configuration": {"query": {"query": "SELECT 1"}},
                "status": {"state": "DONE", **status},
                "statistics": {"query": statistics},
                "jobComplete": True,
                "totalRows": "0",
                "schema": {"fields": []},
            }
            content = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """The test's output stays clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        ours = settings.model_copy(update={"bigquery_endpoint": address})
        yield Warehouse(ours, Effects(ours.retry_seconds)), asked
    finally:
        server.shutdown()
        server.server_close()

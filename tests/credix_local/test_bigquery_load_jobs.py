"""Load jobs of Parquet files keep BigQuery's own rules."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
from google.api_core import exceptions as google
from google.cloud import bigquery, storage

from tests.credix_local.servers import NO_RETRY

Upload = Callable[..., str]
SCHEMA = [
    bigquery.SchemaField("id", "INTEGER", mode="REQUIRED", description="The key"),
    bigquery.SchemaField("name", "STRING"),
]


def rows(*pairs: tuple[int, str | None]) -> pa.Table:
    required: pa.Field[Any] = pa.field("id", pa.int64(), nullable=False)
    schema = pa.schema([required, pa.field("name", pa.string())])
    return pa.table(
        {"id": [key for key, _ in pairs], "name": [name for _, name in pairs]}, schema=schema
    )


def load(
    client: bigquery.Client,
    uris: str | list[str],
    table: str,
    schema: list[bigquery.SchemaField] | None = SCHEMA,
    disposition: str = "WRITE_TRUNCATE",
    job_id: str | None = None,
    **options: object,
) -> bigquery.LoadJob:
    config = bigquery.LoadJobConfig(
        source_format="PARQUET", write_disposition=disposition, schema=schema, **options
    )
    job = client.load_table_from_uri(uris, table, job_id=job_id, job_config=config, **NO_RETRY)
    job.result(retry=None)
    return job


def content(client: bigquery.Client, table: str) -> list[dict[str, Any]]:
    found = client.list_rows(table).to_arrow(create_bqstorage_client=False)
    return sorted(found.to_pylist(), key=lambda row: row["id"])


def test_two_files_become_one_table(client: bigquery.Client, dataset: str, upload: Upload) -> None:
    first, second = upload(rows((1, "a"))), upload(rows((2, None)))
    job = load(client, [first, second], f"{dataset}.t")
    assert job.output_rows == 2
    assert content(client, f"{dataset}.t") == [{"id": 1, "name": "a"}, {"id": 2, "name": None}]
    table = client.get_table(f"{dataset}.t")
    assert table.num_rows == 2
    assert [(one.name, one.mode, one.description) for one in table.schema] == [
        ("id", "REQUIRED", "The key"),
        ("name", "NULLABLE", None),
    ]


def test_columns_are_matched_by_name_not_by_position(
    client: bigquery.Client, dataset: str, upload: Upload
) -> None:
    turned = pa.table({"name": ["a"], "id": [1]}, schema=pa.schema(list(rows().schema)[::-1]))
    load(client, upload(turned), f"{dataset}.t")
    assert content(client, f"{dataset}.t") == [{"id": 1, "name": "a"}]


def test_a_folder_that_looks_like_a_partition_adds_no_column(
    client: bigquery.Client, dataset: str, upload: Upload
) -> None:
    uri = upload(rows((1, "a")), f"landing/ingestion_dt=2024-01-31/{uuid4().hex}.parquet")
    load(client, uri, f"{dataset}.t", schema=None)
    assert content(client, f"{dataset}.t") == [{"id": 1, "name": "a"}]


def test_a_star_stands_for_files_in_folders(
    client: bigquery.Client, dataset: str, bucket: storage.Bucket, upload: Upload
) -> None:
    folder = uuid4().hex
    upload(rows((1, "a")), f"{folder}/x=1/one.parquet")
    upload(rows((2, "b")), f"{folder}/x=2/two.parquet")
    job = load(client, f"gs://{bucket.name}/{folder}/*.parquet", f"{dataset}.t")
    assert job.output_rows == 2


def test_every_type_of_the_contracts_arrives_unchanged(
    client: bigquery.Client, dataset: str, upload: Upload
) -> None:
    types: dict[str, pa.DataType] = {
        "id": pa.int64(),
        "amount": pa.decimal128(38, 9),
        "ratio": pa.float64(),
        "is_paid": pa.bool_(),
        "due_date": pa.date32(),
        "updated_at": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema(types)
    row = {
        "id": -(2**63),
        "amount": Decimal("99999999999999999999999999999.999999999"),
        "ratio": 0.1,
        "is_paid": True,
        "due_date": date(1, 1, 1),
        "updated_at": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    }
    load(client, upload(pa.Table.from_pylist([row], schema)), f"{dataset}.t", schema=None)
    kinds = {field.name: field.field_type for field in client.get_table(f"{dataset}.t").schema}
    assert kinds == {
        "id": "INTEGER",
        "amount": "NUMERIC",
        "ratio": "FLOAT",
        "is_paid": "BOOLEAN",
        "due_date": "DATE",
        "updated_at": "TIMESTAMP",
    }
    assert content(client, f"{dataset}.t") == [row]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"id": ["1"], "name": ["a"]}), "'id' has type STRING"),
        (pa.table({"id": [1.0], "name": ["a"]}), "'id' has type FLOAT"),
        (pa.table({"name": ["a"]}), "Required field id is missing"),
        (pa.table({"id": [1], "name": ["a"], "more": [1]}), "Cannot add fields .field: more"),
        (pa.table({"id": pa.array([None], pa.int64()), "name": ["a"]}), "NOT NULL"),
    ],
    ids=["text for a number", "float for an integer", "missing", "unknown", "null"],
)
def test_a_file_that_does_not_fit_leaves_the_old_table(
    client: bigquery.Client, dataset: str, upload: Upload, table: pa.Table, message: str
) -> None:
    load(client, upload(rows((1, "a"))), f"{dataset}.t")
    good = upload(rows((2, "b")))
    with pytest.raises(google.BadRequest, match=message):
        load(client, [good, upload(table)], f"{dataset}.t")
    assert content(client, f"{dataset}.t") == [{"id": 1, "name": "a"}]


def test_a_file_that_is_no_parquet_fails_the_job(
    client: bigquery.Client, dataset: str, bucket: storage.Bucket
) -> None:
    bucket.blob("broken.parquet").upload_from_string(b"PAR1 but not really")
    with pytest.raises(google.BadRequest, match="not in Parquet format"):
        load(client, f"gs://{bucket.name}/broken.parquet", f"{dataset}.t")
    with pytest.raises(google.NotFound):
        client.get_table(f"{dataset}.t")


def test_a_missing_file_fails_the_job(
    client: bigquery.Client, dataset: str, bucket: storage.Bucket
) -> None:
    with pytest.raises(google.NotFound, match="Not found: URI"):
        load(client, f"gs://{bucket.name}/no-such.parquet", f"{dataset}.t")


def test_a_missing_column_that_may_be_null_is_null(
    client: bigquery.Client, dataset: str, upload: Upload
) -> None:
    load(client, upload(rows((1, "a")).select(["id"])), f"{dataset}.t")
    assert content(client, f"{dataset}.t") == [{"id": 1, "name": None}]


def test_write_truncate_replaces_the_schema(
    client: bigquery.Client, dataset: str, upload: Upload
) -> None:
    load(client, upload(rows((1, "a"))), f"{dataset}.t")
    load(client, upload(pa.table({"id": [5]})), f"{dataset}.t", schema=None)
    assert [field.name for field in client.get_table(f"{dataset}.t").schema] == ["id"]
    assert content(client, f"{dataset}.t") == [{"id": 5}]


def test_write_append_keeps_the_rows_and_refuses_new_columns(
    client: bigquery.Client, dataset: str, upload: Upload
) -> None:
    load(client, upload(rows((1, "a"))), f"{dataset}.t")
    load(client, upload(rows((2, "b"))), f"{dataset}.t", disposition="WRITE_APPEND")
    assert [row["id"] for row in content(client, f"{dataset}.t")] == [1, 2]
    wider = pa.table({"id": [3], "name": ["c"], "more": [1]})
    with pytest.raises(google.BadRequest, match="Cannot add fields"):
        load(client, upload(wider), f"{dataset}.t", schema=None, disposition="WRITE_APPEND")


def test_write_empty_refuses_a_table_with_rows(
    client: bigquery.Client, dataset: str, upload: Upload
) -> None:
    load(client, upload(rows((1, "a"))), f"{dataset}.t")
    with pytest.raises(google.Conflict, match="Already Exists"):
        load(client, upload(rows((2, "b"))), f"{dataset}.t", disposition="WRITE_EMPTY")


def test_create_never_refuses_a_missing_table(
    client: bigquery.Client, dataset: str, upload: Upload
) -> None:
    with pytest.raises(google.NotFound, match="Not found: Table"):
        uri = upload(rows((1, "a")))
        load(client, uri, f"{dataset}.t", create_disposition="CREATE_NEVER")


def test_a_job_id_is_single_use_and_its_job_can_be_asked_for(
    client: bigquery.Client, dataset: str, upload: Upload
) -> None:
    job_id, uri = f"load_{uuid4().hex}", upload(rows((1, "a")))
    load(client, uri, f"{dataset}.t", job_id=job_id)
    with pytest.raises(google.Conflict, match="Already Exists: Job"):
        load(client, uri, f"{dataset}.t", job_id=job_id)
    found = client.get_job(job_id)
    assert isinstance(found, bigquery.LoadJob)
    assert (found.state, found.output_rows, found.error_result) == ("DONE", 1, None)


def test_partitioning_and_clustering_of_the_job_are_remembered(
    client: bigquery.Client, dataset: str, upload: Upload
) -> None:
    load(
        client,
        upload(pa.table({"id": [1], "due_date": pa.array([date(2024, 1, 31)])})),
        f"{dataset}.t",
        schema=None,
        time_partitioning=bigquery.TimePartitioning(field="due_date"),
        clustering_fields=["id"],
    )
    table = client.get_table(f"{dataset}.t")
    assert (table.time_partitioning.field, table.clustering_fields) == ("due_date", ["id"])


def test_a_data_frame_can_be_uploaded(client: bigquery.Client, dataset: str) -> None:
    import pandas as pd

    frame = pd.DataFrame({"id": [1, 2], "name": ["a", "b"]})
    client.load_table_from_dataframe(frame, f"{dataset}.t").result()
    assert [row["name"] for row in content(client, f"{dataset}.t")] == ["a", "b"]

"""Servers for the tests: one stack for all workers, and one per worker that may be mistreated."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery, storage
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
    BigQueryReadGrpcTransport,
)

from credix_local import stack
from tests.credix_local.servers import LOCATION, ONCE, connect_bigquery, connect_storage


@pytest.fixture(scope="session")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a stack that only this worker uses, for tests that kill and move servers."""
    folder = tmp_path_factory.mktemp("own") / "stack"
    yield folder
    stack.reset(folder)


@pytest.fixture
def new_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a stack of the test's own; what it starts there is deleted."""
    folder = tmp_path / "stack"
    yield folder
    stack.reset(folder)


@pytest.fixture(scope="session")
def client(variables: dict[str, str]) -> bigquery.Client:
    return connect_bigquery(variables)


@pytest.fixture(scope="session")
def storage_reader(variables: dict[str, str]) -> BigQueryReadClient:
    channel = grpc.insecure_channel(variables["CREDIX_BIGQUERY_GRPC_ENDPOINT"])
    return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))


@pytest.fixture(scope="session")
def storage_client(variables: dict[str, str]) -> storage.Client:
    return connect_storage(variables)


@pytest.fixture(scope="session")
def bucket(storage_client: storage.Client) -> storage.Bucket:
    found: storage.Bucket = storage_client.create_bucket(f"files-{uuid4().hex[:12]}")
    return found


@pytest.fixture
def dataset(client: bigquery.Client) -> Iterator[str]:
    """An empty dataset of the test's own, as `project.dataset`."""
    name = f"{client.project}.t_{uuid4().hex[:12]}"
    definition = bigquery.Dataset(name)
    definition.location = LOCATION
    client.create_dataset(definition)
    yield name
    client.delete_dataset(name, delete_contents=True)


@pytest.fixture
def query(client: bigquery.Client) -> Callable[..., list[dict[str, Any]]]:
    """Run a statement as Google's client does and return its rows."""

    def run(sql: str) -> list[dict[str, Any]]:
        job = client.query(sql, **ONCE)
        return [dict(row.items()) for row in job.result(retry=None, job_retry=None)]

    return run


@pytest.fixture
def upload(bucket: storage.Bucket, tmp_path: Path) -> Callable[..., str]:
    """Write a table as Parquet into the bucket and return its gs:// address."""

    def put(table: pa.Table, path: str | None = None) -> str:
        name = path or f"{uuid4().hex}.parquet"
        local = tmp_path / "upload.parquet"
        pq.write_table(table, local)
        bucket.blob(name).upload_from_filename(str(local))
        return f"gs://{bucket.name}/{name}"

    return put

"""Both engines: Google's reference evaluator, and the local BigQuery with the same tables."""

import io
from collections.abc import Iterator
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from credix_local.bigquery.googlesql.installation import is_installed
from tests.credix_local.servers import LOCATION, connect_bigquery
from tests.dbt.conftest import dbt_target as dbt_target
from tests.dbt.conftest import medallion as medallion

if is_installed():
    from tests.googlesql.evaluator import Evaluator, Rows
    from tests.googlesql.nasty import TABLES
else:
    # The modules need the wheels that the tests are skipped without.
    collect_ignore_glob = ["test_*.py"]

ARROW_TYPES: dict[str, pa.DataType] = {
    "STRING": pa.string(),
    "NUMERIC": pa.decimal128(38, 9),
    "FLOAT": pa.float64(),
    "INTEGER": pa.int64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
    "BOOLEAN": pa.bool_(),
}


@pytest.fixture(scope="session")
def evaluator() -> "Evaluator":
    return Evaluator()


@pytest.fixture(scope="session")
def client(variables: dict[str, str]) -> bigquery.Client:
    return connect_bigquery(variables)


@pytest.fixture(scope="session")
def nasty(client: bigquery.Client) -> Iterator[str]:
    """A dataset of the local BigQuery with the tables of `nasty`."""
    name = f"{client.project}.nasty_{uuid4().hex[:12]}"
    definition = bigquery.Dataset(name)
    definition.location = LOCATION
    client.create_dataset(definition)
    for table, rows in TABLES.items():
        load(client, f"{name}.{table}", rows)
    yield name
    client.delete_dataset(name, delete_contents=True)


def load(client: bigquery.Client, table: str, rows: "Rows") -> None:
    """Append rows to a table, as a Parquet file that the client uploads."""
    schema = pa.schema({field.name: ARROW_TYPES[field.type] for field in rows.fields})
    columns = zip(*rows.rows, strict=True) if rows.rows else [()] * len(rows.fields)
    arrays = [pa.array(one, kind.type) for one, kind in zip(columns, schema, strict=True)]
    made = pa.Table.from_arrays(arrays, schema=schema)
    file = io.BytesIO()
    pq.write_table(made, file)
    config = bigquery.LoadJobConfig(source_format="PARQUET")
    client.load_table_from_file(file, table, rewind=True, job_config=config).result()

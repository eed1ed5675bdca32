"""Digests of a source and of its bronze: one line per bucket of keys, or per row of some buckets.

Both sides put a key into the bucket that the low bits of its digest name.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from credix.capture.compare.canonical_text import bigquery_digest, postgres_digest
from credix.clients.postgres.connection import SourceConnection
from credix.core.column_types import Column
from credix.core.contracts import Source
from credix.core.source_sql import any_sql, key_hash_sql, quote, table_sql
from credix.state.run import Run

BUCKETS = pa.schema([(name, pa.int64()) for name in ("bucket", "n_rows", "key_xor", "row_xor")])


def count_rows(run: Run, connection: SourceConnection) -> tuple[int, int]:
    table = table_sql(run.source, run.settings.postgres_schema)
    bronze = run.warehouse.table_id("bronze", run.source.name)
    ours = connection.rows(f"SELECT count(*) FROM {table}")[0][0]
    theirs = run.warehouse.query(f"SELECT countif(NOT _is_deleted) AS n FROM `{bronze}`")
    return ours, theirs[0]["n"]


def read_source_buckets(run: Run, connection: SourceConnection, buckets: int) -> np.ndarray:
    """Return one line per bucket: rows, XOR of the key digests, XOR of the row digests."""
    source = run.source
    batches = connection.stream(
        f"SELECT _key_digest & {buckets - 1} AS bucket, count(*) AS n_rows,\n"
        "       bit_xor(_key_digest) AS key_xor, bit_xor(_row_digest) AS row_xor\n"
        f"FROM (SELECT {postgres_digest(key_columns(source))} AS _key_digest,\n"
        f"             {postgres_digest(source.columns)} AS _row_digest\n"
        f"      FROM {table_sql(source, run.settings.postgres_schema)}) AS digests\n"
        "GROUP BY bucket"
    )
    return spread(pa.Table.from_batches(batches, BUCKETS), buckets)


def read_bronze_buckets(run: Run, buckets: int) -> np.ndarray:
    """Return the same of bronze's live rows."""
    table = run.warehouse.query_arrow(
        f"SELECT _key_digest & {buckets - 1} AS bucket, count(*) AS n_rows,\n"
        "       bit_xor(_key_digest) AS key_xor, bit_xor(_row_digest) AS row_xor\n"
        f"FROM ({bronze_digests_sql(run)})\n"
        "GROUP BY bucket"
    )
    return spread(table.cast(BUCKETS), buckets)


def spread(found: pa.Table, buckets: int) -> np.ndarray:
    """Return shape (buckets, 3): lines at the place of their bucket, zeros elsewhere."""
    lines = np.zeros((buckets, 3), np.int64)
    for place, name in enumerate(BUCKETS.names[1:]):
        lines[found["bucket"].to_numpy(), place] = found[name].to_numpy()
    return lines


def read_source_rows(
    run: Run, connection: SourceConnection, buckets: int, chunk: Sequence[int], pending_sql: str
) -> pa.Table:
    """Return the rows of some buckets: key columns as text, digests, key hash, pending or not."""
    source = run.source
    keys = ", ".join(f"{quote(name)}::text AS {quote(name)}" for name in source.key)
    key_digest = postgres_digest(key_columns(source))
    batches = connection.stream(
        f"SELECT {keys},\n"
        f"       {key_digest} AS _key_digest,\n"
        f"       {postgres_digest(source.columns)} AS _row_digest,\n"
        f"       {key_hash_sql(source)} AS _key_hash,\n"
        f"       coalesce({pending_sql}, TRUE) AS _is_pending\n"
        f"FROM {table_sql(source, run.settings.postgres_schema)}\n"
        f"WHERE {any_sql(f'({key_digest} & {buckets - 1})', chunk)}"
    )
    return pa.Table.from_batches(batches, source_schema(source))


def read_bronze_rows(run: Run, buckets: int, chunk: Sequence[int], newest_seq: int) -> pa.Table:
    """Return one line per key of some buckets, with both extremes of its live rows.

    `_copies` counts the live ones; a deleted key is there only where an attempt above `newest_seq`
    has merged its tombstone. `_is_newer` marks what such an attempt has merged.
    """
    keys = ", ".join(f"`{name}`" for name in run.source.key)
    return run.warehouse.query_arrow(
        f"SELECT {keys}, min(_key_hash) AS _key_hash, _key_digest,\n"
        "       countif(NOT _is_deleted) AS _copies, max(_seq) > @newest AS _is_newer,\n"
        "       min(IF(_is_deleted, NULL, _row_digest)) AS _least,\n"
        "       max(IF(_is_deleted, NULL, _row_digest)) AS _greatest\n"
        f"FROM ({bronze_digests_sql(run, 'NOT _is_deleted OR _seq > @newest')})\n"
        f"WHERE (_key_digest & {buckets - 1}) IN UNNEST(@buckets)\n"
        f"GROUP BY {keys}, _key_digest",
        buckets=chunk,
        newest=newest_seq,
    )


def bronze_digests_sql(run: Run, condition: str = "NOT _is_deleted") -> str:
    keys = ", ".join(f"`{name}`" for name in run.source.key)
    return (
        f"SELECT {keys}, _key_hash, _is_deleted, _seq,\n"
        f"       {bigquery_digest(key_columns(run.source))} AS _key_digest,\n"
        f"       {bigquery_digest(run.source.columns)} AS _row_digest\n"
        f"FROM `{run.warehouse.table_id('bronze', run.source.name)}`\n"
        f"WHERE {condition}"
    )


def source_schema(source: Source) -> pa.Schema:
    """Return what `read_source_rows` asks for."""
    types: dict[str, pa.DataType] = {
        **dict.fromkeys(source.key, pa.string()),
        **dict.fromkeys(("_key_digest", "_row_digest", "_key_hash"), pa.int64()),
        "_is_pending": pa.bool_(),
    }
    return pa.schema([pa.field(name, kind) for name, kind in types.items()])


def key_columns(source: Source) -> list[Column]:
    """Return the key's columns in the order of the key."""
    known = {column.name: column for column in source.columns}
    return [known[name] for name in source.key]

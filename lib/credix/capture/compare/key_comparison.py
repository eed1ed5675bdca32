"""What the keys of both sides say: which keys of bronze are gone, which of the source are missing.

Asked in the extract's own snapshot. Counts and XORs of key hashes are compared first; keys travel
only from buckets whose digests differ by more than the delta explains. Too many that are gone stop
the run; files from outside are held to the same share.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from credix.capture.compare.key_digests import (
    Buckets,
    bucket_digest_sql,
    digest_sql,
    in_buckets_sql,
    is_explained,
    unexplained_buckets,
)
from credix.capture.parts import Part
from credix.clients.postgres.connection import SourceConnection
from credix.core.errors import DataError
from credix.core.source_sql import any_sql, key_hash_sql, table_sql
from credix.core.watermarks import Digest
from credix.state.run import Run
from credix.state.states import SourceState

# So many buckets are compared key by key at a time: some hundred thousand keys in memory.
BUCKETS_AT_A_TIME = 4096
# So many deletes pass whatever share of a small table they are, unless nothing is left.
FEW_DELETES = 100
LIVE = "NOT _is_deleted"


@dataclass
class KeyComparison:
    """What a comparison found out beside the keys that it yields.

    `missing` holds key hashes of rows that neither bronze nor the delta has; `compared_keys` says
    how many keys the source had to send.
    """

    source: Digest
    bronze: Digest
    missing: list[np.ndarray] = field(default_factory=list)
    compared_keys: int = 0
    deleted_rows: int = 0

    @property
    def missing_hashes(self) -> np.ndarray:
        return np.concatenate(self.missing) if self.missing else np.empty(0, np.int64)


def source_digest(run: Run, connection: SourceConnection) -> Digest:
    """Return the digest of all keys in the snapshot: one scan, shared by PostgreSQL's workers."""
    table = table_sql(run.source, run.settings.postgres_schema)
    rows, key_xor = connection.rows(digest_sql(key_hash_sql(run.source), table))[0]
    return Digest(rows=rows, key_xor=key_xor)


def bronze_digest(run: Run) -> Digest:
    """Return the digest of bronze's live keys; that of nothing before the first merge."""
    if not has_bronze(run):
        return Digest(rows=0, key_xor=0)
    found = run.warehouse.query(digest_sql("_key_hash", bronze_table(run), LIVE))[0]
    return Digest(rows=found["n_rows"], key_xor=found["key_xor"])


def compare_totals(run: Run, state: SourceState, source: Digest) -> KeyComparison:
    """Return the totals of both sides.

    Bronze is asked only where the state cannot know its digest.
    """
    known = state.digest if state.knows_bronze else None
    return KeyComparison(source, known or bronze_digest(run))


def gone_keys(
    run: Run,
    connection: SourceConnection,
    comparison: KeyComparison,
    delta: Buckets,
    parts: Sequence[Part],
) -> Iterator[pa.Table]:
    """Yield the keys that bronze has and the snapshot has not: key columns and `_key_hash`."""
    if is_explained(comparison.source, comparison.bronze, delta.total):
        return
    buckets = unexplained_buckets(
        source_buckets(run, connection, delta.number), bronze_buckets(run, delta.number), delta
    )
    for first in range(0, len(buckets), BUCKETS_AT_A_TIME):
        chosen = buckets[first : first + BUCKETS_AT_A_TIME]
        in_source = source_hashes(run, connection, delta.number, chosen)
        condition = in_buckets_sql("_key_hash", delta.number, chosen)
        in_bronze = query_keys(run, f"{LIVE} AND {condition}")
        bronze_hashes = in_bronze["_key_hash"].to_numpy()
        in_delta = delta_hashes(parts, delta.number, chosen)
        absent = ~np.isin(in_source, bronze_hashes) & ~np.isin(in_source, in_delta)
        comparison.missing.append(in_source[absent])
        comparison.compared_keys += len(in_source)
        gone = in_bronze.filter(pa.array(~np.isin(bronze_hashes, in_source)))
        comparison.deleted_rows += len(gone)
        if len(gone):
            yield gone


def uncommitted_tombstones(
    run: Run, connection: SourceConnection, state: SourceState
) -> pa.Table | None:
    """Return tombstones that attempts wrote after the last committed one, and that still are true.

    They are written again, so that the files of confirmed merges contain the whole history.
    """
    if state.knows_bronze:
        return None
    keys = query_keys(run, f"_is_deleted AND _seq > {state.committed_seq}")
    hashes = keys["_key_hash"].to_numpy()
    if not len(hashes):
        return None
    key_hash = key_hash_sql(run.source)
    table = table_sql(run.source, run.settings.postgres_schema)
    alive = read_hashes(
        connection, f"SELECT {key_hash} AS h FROM {table} WHERE {any_sql(key_hash, hashes)}"
    )
    return keys.filter(pa.array(~np.isin(hashes, alive)))


def refuse_empty_source(run: Run, comparison: KeyComparison) -> None:
    """Raise DataError when the source has no row and bronze has some."""
    if comparison.source.rows == 0 and comparison.bronze.rows > 0:
        raise DataError(
            f"{source_name(run)} came back empty, bronze holds {comparison.bronze.rows} rows of "
            "it. If it was emptied on purpose, run once with --allow-deletes."
        )


def refuse_many_deletes(
    run: Run, deleted: int, clause: str, count_held: Callable[[], int], instead: str = ""
) -> None:
    """Raise DataError when a run deletes a larger share of bronze than the settings allow.

    `clause` is the clause of the message that says where the deletes come from, `instead` what else
    can be done about them. Bronze's rows are counted only where that can decide it.
    """
    share = run.settings.max_deleted_share
    if run.orders.allow_deletes or deleted <= FEW_DELETES:
        return
    held = count_held()
    if deleted > share * held:
        raise DataError(
            f"{clause}, bronze holds {held} rows of {run.source.name}: more than the {share:.0%} "
            "that CREDIX_MAX_DELETED_SHARE allows. If that is meant, run once with --allow-deletes"
            f"{instead}."
        )


def source_name(run: Run) -> str:
    return run.source.table_in(run.settings.postgres_schema)


def bronze_table(run: Run) -> str:
    return f"`{run.warehouse.table_id('bronze', run.source.name)}`"


def source_buckets(run: Run, connection: SourceConnection, number: int) -> Buckets:
    table = table_sql(run.source, run.settings.postgres_schema)
    sql = bucket_digest_sql(key_hash_sql(run.source), table, number)
    buckets = Buckets.empty(number)
    for batch in connection.stream(sql):
        fill(buckets, pa.Table.from_batches([batch]))
    return buckets


def bronze_buckets(run: Run, number: int) -> Buckets:
    buckets = Buckets.empty(number)
    if has_bronze(run):
        sql = bucket_digest_sql("_key_hash", bronze_table(run), number, LIVE)
        fill(buckets, run.warehouse.query_arrow(sql))
    return buckets


def fill(buckets: Buckets, digests: pa.Table) -> None:
    place = digests["bucket"].to_numpy()
    buckets.rows[place] = digests["n_rows"].to_numpy()
    buckets.key_xor[place] = digests["key_xor"].to_numpy()


def source_hashes(
    run: Run, connection: SourceConnection, number: int, buckets: np.ndarray
) -> np.ndarray:
    key_hash = key_hash_sql(run.source)
    table = table_sql(run.source, run.settings.postgres_schema)
    condition = in_buckets_sql(key_hash, number, buckets)
    return read_hashes(connection, f"SELECT {key_hash} AS h FROM {table} WHERE {condition}")


def read_hashes(connection: SourceConnection, sql: str) -> np.ndarray:
    hashes = [batch["h"].to_numpy() for batch in connection.stream(sql)]
    return np.concatenate(hashes) if hashes else np.empty(0, np.int64)


def query_keys(run: Run, condition: str) -> pa.Table:
    """Return key columns and `_key_hash` of these rows of bronze; none before the first merge."""
    names = (*run.source.key, "_key_hash")
    if not has_bronze(run):
        fields = [column.arrow for column in run.source.landing_columns if column.name in names]
        return pa.schema(fields).empty_table()
    columns = ", ".join(f"`{name}`" for name in names)
    return run.warehouse.query_arrow(f"SELECT {columns} FROM {bronze_table(run)} WHERE {condition}")


def has_bronze(run: Run) -> bool:
    return run.warehouse.columns("bronze", run.source.name) is not None


def delta_hashes(parts: Sequence[Part], number: int, buckets: np.ndarray) -> np.ndarray:
    """Return key hashes of the delta's rows in these buckets, from the parts on disk."""
    found = [np.empty(0, np.int64)]
    for part in parts:
        for batch in pq.ParquetFile(part.path).iter_batches(columns=["_key_hash"]):
            hashes = batch["_key_hash"].to_numpy()
            found.append(hashes[np.isin(hashes & (number - 1), buckets)])
    return np.concatenate(found)

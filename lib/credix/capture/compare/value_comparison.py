"""Bronze against its source, value by value: digests of buckets first, then the rows of the few.

Runs may merge meanwhile: what a newer attempt has merged says nothing of the snapshot.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from credix.capture.compare.value_digests import (
    count_rows,
    key_columns,
    read_bronze_buckets,
    read_bronze_rows,
    read_source_buckets,
    read_source_rows,
)
from credix.clients.postgres.connection import SourceConnection
from credix.core.column_types import arrow_schema
from credix.core.contracts import Source, technical_columns
from credix.core.masking import mask_middle
from credix.state.run import Run

# A bucket that differs costs its rows; a bucket that does not costs one line on each side.
ROWS_PER_BUCKET = 64
FEWEST_BITS, MOST_BITS = 4, 20
# Rows of one side in memory at a time.
CHUNK_ROWS = 250_000
EXAMPLES = 5
KINDS = ("missing", "altered", "surplus", "duplicates", "pending")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What differs. `missing` and `altered` are `_key_hash` values as the source computes them.

    `surplus` and `duplicates` hold the key columns and bronze's own `_key_hash`, one line per key.
    A duplicate key may be altered or surplus as well; `doubled` are the hashes of those that the
    source has. `pending_rows` differ only because they were written since the watermark, so that
    the next run loads them, or because a run has merged them since the snapshot.
    """

    missing: np.ndarray
    altered: np.ndarray
    surplus: pa.Table
    duplicates: pa.Table
    doubled: np.ndarray
    pending_rows: int
    examples: dict[str, list[str]]
    source_rows: int = 0
    bronze_rows: int = 0

    @property
    def counts(self) -> dict[str, int]:
        found = (self.missing, self.altered, self.surplus, self.duplicates)
        return dict(zip(KINDS, [*(len(keys) for keys in found), self.pending_rows], strict=True))

    @property
    def wanted(self) -> np.ndarray:
        """`_key_hash` of the source rows that bronze has to be given again."""
        return np.unique(np.concatenate([self.missing, self.altered, self.doubled]))

    @property
    def is_equal(self) -> bool:
        """True when bronze holds what it must hold as of the watermark."""
        return not any(count for kind, count in self.counts.items() if kind != "pending")

    def table(self) -> pd.DataFrame:
        """Return one line per kind: how many keys, and the first few of them, masked."""
        return pd.DataFrame(
            {
                "difference": KINDS,
                "keys": [self.counts[kind] for kind in KINDS],
                "for example": [", ".join(self.examples[kind]) for kind in KINDS],
            }
        )


def compare(
    run: Run, connection: SourceConnection, pending_sql: str, newest_seq: int
) -> Comparison:
    """Compare the snapshot begun on `connection` with the live rows of bronze.

    Two values are taken for equal when 60 bits of their md5 are. Memory is bounded by CHUNK_ROWS
    and by what differs.

    Args:
        run: Where bronze is.
        connection: The session that holds the snapshot.
        pending_sql: True for source rows written since the watermark.
        newest_seq: The newest attempt before the snapshot; what later ones have merged is pending.
    """
    source_rows, bronze_rows = count_rows(run, connection)
    buckets = bucket_count(max(source_rows, bronze_rows))
    ours = read_source_buckets(run, connection, buckets)
    theirs = read_bronze_buckets(run, buckets)
    differing = np.flatnonzero((ours != theirs).any(axis=1))
    sizes = np.maximum(ours[differing, 0], theirs[differing, 0])
    found = [nothing(run.source)]
    for chunk in split(differing, sizes):
        source = read_source_rows(run, connection, buckets, chunk, pending_sql)
        bronze = read_bronze_rows(run, buckets, chunk, newest_seq)
        found.append(classify(run.source, source, bronze))
    return combine(found, source_rows, bronze_rows)


def bucket_count(rows: int) -> int:
    """Return a power of two, so that a bucket is the low bits of the key's digest."""
    return 1 << min(max((rows // ROWS_PER_BUCKET).bit_length(), FEWEST_BITS), MOST_BITS)


def split(buckets: np.ndarray, sizes: np.ndarray) -> Iterator[list[int]]:
    """Yield the buckets in groups of about CHUNK_ROWS rows; one bucket at least."""
    if len(buckets):
        group = (np.cumsum(sizes) - 1) // CHUNK_ROWS
        for part in np.split(buckets, np.flatnonzero(np.diff(group)) + 1):
            yield part.tolist()


def classify(source: Source, ours: pa.Table, theirs: pa.Table) -> Comparison:
    """Return the differences among the rows of some buckets."""
    keys = ours["_key_digest"].to_numpy()
    is_newer = theirs["_is_newer"].to_numpy()
    newer_keys = theirs["_key_digest"].to_numpy()[is_newer]
    is_live = theirs["_copies"].to_numpy() > 0
    theirs, is_newer = theirs.filter(pa.array(is_live)), is_newer[is_live]
    their_keys = theirs["_key_digest"].to_numpy()
    order = np.argsort(their_keys)
    place = np.searchsorted(their_keys, keys, sorter=order)
    is_there = np.isin(keys, their_keys)
    is_same = is_there.copy()
    match = order[place[is_there]]
    row = ours["_row_digest"].to_numpy()[is_there]
    for extreme in ("_least", "_greatest"):
        is_same[is_there] &= theirs[extreme].to_numpy()[match] == row
    is_doubled = theirs["_copies"].to_numpy() > 1
    is_pending = ours["_is_pending"].to_numpy() | np.isin(keys, newer_keys)
    chosen = {
        "missing": ours.filter(pa.array(~is_there & ~is_pending)),
        "altered": ours.filter(pa.array(is_there & ~is_same & ~is_pending)),
        "surplus": theirs.filter(pa.array(~np.isin(their_keys, keys) & ~is_newer)),
        "duplicates": theirs.filter(pa.array(is_doubled)),
        "pending": ours.filter(pa.array(~is_same & is_pending)),
    }
    schema = key_schema(source)
    return Comparison(
        missing=chosen["missing"]["_key_hash"].to_numpy(),
        altered=chosen["altered"]["_key_hash"].to_numpy(),
        surplus=chosen["surplus"].select(schema.names).cast(schema),
        duplicates=chosen["duplicates"].select(schema.names).cast(schema),
        doubled=ours["_key_hash"].to_numpy()[np.isin(keys, their_keys[is_doubled])],
        pending_rows=len(chosen["pending"]),
        examples={kind: masked_keys(source, chosen[kind]) for kind in KINDS},
    )


def nothing(source: Source) -> Comparison:
    none, keys = np.empty(0, np.int64), key_schema(source).empty_table()
    return Comparison(none, none, keys, keys, none, 0, {kind: [] for kind in KINDS})


def combine(parts: Sequence[Comparison], source_rows: int, bronze_rows: int) -> Comparison:
    return Comparison(
        missing=np.concatenate([part.missing for part in parts]),
        altered=np.concatenate([part.altered for part in parts]),
        surplus=pa.concat_tables([part.surplus for part in parts]),
        duplicates=pa.concat_tables([part.duplicates for part in parts]),
        doubled=np.concatenate([part.doubled for part in parts]),
        pending_rows=sum(part.pending_rows for part in parts),
        examples={
            kind: [key for part in parts for key in part.examples[kind]][:EXAMPLES]
            for kind in KINDS
        },
        source_rows=source_rows,
        bronze_rows=bronze_rows,
    )


def key_schema(source: Source) -> pa.Schema:
    technical = {column.name: column for column in technical_columns()}
    return arrow_schema([*key_columns(source), technical["_key_hash"]])


def masked_keys(source: Source, rows: pa.Table) -> list[str]:
    """Return the first keys of the table, the columns of each joined by a slash."""
    first = rows.slice(0, EXAMPLES).select(list(source.key)).to_pylist()
    return ["/".join(mask_middle(str(value)) for value in key.values()) for key in first]

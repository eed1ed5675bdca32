"""Parquet parts: a stream of Arrow batches becomes files of bounded size, never a whole table."""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from credix.core.column_types import (
    FIRST_DAY,
    FIRST_MICROSECOND,
    LAST_DAY,
    LAST_MICROSECOND,
    Column,
)
from credix.core.contracts import Source, technical_columns
from credix.core.disk import disk_named
from credix.core.errors import DataError
from credix.core.paths import HASH_DIGITS

CHUNK_BYTES = 1 << 20
TOMBSTONES_PER_BATCH = 100_000
READ_AT = pa.timestamp("us", tz="UTC")
VERSION_TYPE = np.dtype([("key_hash", "<i8"), ("row_hash", "<i8")])


@dataclass(frozen=True)
class Part:
    """One Parquet file of the run: where it is, what it holds, and what its content hashes to."""

    path: Path
    stem: str
    rows: int
    size_bytes: int
    sha256: str
    crc32c: str

    @property
    def object_name(self) -> str:
        """The landing name; the content's hash in it makes a repeated upload the same object."""
        return f"{self.stem}-{self.sha256[:HASH_DIGITS]}.parquet"


class PartWriter:
    """Writes batches of one run into parts that end with the group that reaches `part_bytes`.

    Several threads may write at once, each into a part of its own. `on_full` receives each part
    that ended because it was full, while others are still being written.
    """

    def __init__(
        self,
        source: Source,
        folder: Path,
        *,
        attempt: int,
        extracted_at: datetime,
        part_bytes: int,
        row_group_rows: int,
        on_full: Callable[[Part], None] | None = None,
    ) -> None:
        self.source, self.folder, self.attempt = source, folder, attempt
        self.extracted_at = extracted_at
        self.part_bytes, self.row_group_rows = part_bytes, row_group_rows
        self.on_full = on_full
        self.schema = source.landing_schema
        self.encoded = [column.name for column in source.landing_columns if repeats(column)]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.discard()

    def discard(self) -> None:
        """Begin again: no part, and none on disk."""
        self.parts: list[Part] = []
        self.numbers = count(1)
        self.open: dict[str, tuple[int, int]] = {}
        for leftover in self.folder.glob("*.parquet*"):
            leftover.unlink()

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def written(self) -> tuple[int, int]:
        """Rows and bytes on disk now, those of parts that are not finished included."""
        sizes = [(part.rows, part.size_bytes) for part in self.parts] + list(self.open.values())
        return sum(rows for rows, _ in sizes), sum(size for _, size in sizes)

    def write(self, batches: Iterable[pa.RecordBatch]) -> list[Part]:
        """Write batches of one shape into parts of their own; all parts so far, by their names.

        Raises DataError when a value does not fit, DiskError when the disk is full.
        """
        groups = gather(batches, self.row_group_rows)
        group = next(groups, None)
        while group is not None:
            group = self._write_part(group, groups)
        return sorted(self.parts, key=lambda part: part.stem)

    def _write_part(self, first: pa.Table, groups: Iterator[pa.Table]) -> pa.Table | None:
        stem = f"{self.source.name}_{self.extracted_at:%Y%m%dT%H%M%S%fZ}-{next(self.numbers):04d}"
        path = self.folder / f"{stem}.parquet"
        rows = 0
        group: pa.Table | None = first
        with disk_named(self.folder):
            with path.open("wb") as sink, self._open_writer(sink) as writer:
                while group is not None and (rows == 0 or sink.tell() < self.part_bytes):
                    writer.write_table(self._complete(group, stem), row_group_size=len(group))
                    rows += len(group)
                    self.open[stem] = rows, sink.tell()
                    group = next(groups, None)
            part = describe_part(path, stem, rows)
        # Counted twice for a moment, never not at all: `written` bounds the disk for all threads.
        self.parts.append(part)
        del self.open[stem]
        if group is not None and self.on_full:
            self.on_full(part)
        return group

    def _open_writer(self, sink: Any) -> pq.ParquetWriter:
        options: dict[str, Any] = {"use_dictionary": self.encoded, "store_schema": False}
        return pq.ParquetWriter(
            sink, self.schema, compression="zstd", compression_level=1, **options
        )

    def _complete(self, group: pa.Table, stem: str) -> pa.Table:
        """Return the group in the contract's types, with the technical columns of this run.

        Rows are live, and read at the snapshot, unless a column of the group says otherwise.
        """
        given: dict[str, Any] = {name: group[name] for name in group.column_names}
        read_at = given.get("_extracted_at", pa.scalar(self.extracted_at, READ_AT))
        is_deleted = given.get("_is_deleted", pa.scalar(False))
        technical = {
            **given,
            "_seq": pa.scalar(self.attempt),
            "_is_deleted": is_deleted,
            "_deleted_at": pc.if_else(is_deleted, read_at, pa.scalar(None, READ_AT)),
            "_extracted_at": read_at,
            "_source_file": pa.scalar(stem),
        }
        columns = [
            convert(group[column.name], column, self.source) for column in self.source.columns
        ]
        for column in technical_columns():
            values = technical[column.name]
            if not isinstance(values, pa.ChunkedArray):
                values = pa.chunked_array([pa.repeat(values, len(group))])
            columns.append(values)
        return pa.table(columns, schema=self.schema)


def repeats(column: Column) -> bool:
    """Return True where a dictionary is likely to pay.

    Where all values differ it doubles the work.
    """
    is_repeated_type = column.type in ("STRING", "DATE", "TIMESTAMP") and not column.is_required
    return column.name in ("_seq", "_extracted_at", "_source_file") or is_repeated_type


def gather(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield batches collected into tables of about `rows` rows, one row group each."""
    waiting: list[pa.RecordBatch] = []
    gathered = 0
    for batch in batches:
        if batch.num_rows == 0:
            continue
        waiting.append(batch)
        gathered += batch.num_rows
        if gathered >= rows:
            yield pa.Table.from_batches(waiting)
            waiting, gathered = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def convert(
    values: "pa.ChunkedArray[Any]", column: Column, source: Source
) -> "pa.ChunkedArray[Any]":
    """Return values in the contract's Arrow type.

    Raises DataError naming the column that does not fit.
    """
    where = f"Table {source.table}, column {column.name}"
    try:
        converted = values.cast(column.arrow.type)
    except pa.ArrowInvalid:
        raise DataError(
            f"{where}: a value does not fit BigQuery's {column.type} "
            "(NaN or infinity, more than 29 digits before or 9 after the point). "
            "Correct it in the source."
        ) from None
    if column.is_required and converted.null_count:
        raise DataError(f"{where}: {converted.null_count} NULL values in a REQUIRED column.")
    limits = {
        "DATE": (pa.int32(), FIRST_DAY, LAST_DAY),
        "TIMESTAMP": (pa.int64(), FIRST_MICROSECOND, LAST_MICROSECOND),
    }.get(column.type)
    if limits:
        number_type, first, last = limits
        numbers = converted.cast(number_type)
        least, greatest = pc.min(numbers).as_py(), pc.max(numbers).as_py()
        if least is not None and not first <= least <= greatest <= last:
            raise DataError(
                f"{where}: a {column.type} is infinite or outside the years 1 to 9999, which "
                "BigQuery cannot hold. Correct it in the source."
            )
    return converted


def drop_known(
    batches: Iterable[pa.RecordBatch], known: np.ndarray, rereads: list[np.ndarray]
) -> Iterator[pa.RecordBatch]:
    """Yield batches without the row versions that bronze is known to hold.

    `known` and `rereads` hold (key hash, row hash) pairs; what the next run will read again is
    appended to `rereads`, including the rows dropped here.
    """
    for batch in batches:
        marked = batch.column("_is_reread").to_numpy(zero_copy_only=False).astype(bool)
        if marked.any():
            rereads.append(versions_of(batch)[marked])
        kept = batch
        if len(known):
            kept = batch.filter(pa.array(~np.isin(versions_of(batch), known)))
        yield kept.drop_columns(["_is_reread"])


def tombstones(source: Source, keys: pa.Table) -> Iterator[pa.RecordBatch]:
    """Yield rows that say that these keys are gone.

    `keys` holds the key columns and `_key_hash`.
    """
    for batch in keys.to_batches(max_chunksize=TOMBSTONES_PER_BATCH):
        columns = {
            column.name: batch[column.name]
            if column.name in source.key
            else pa.nulls(len(batch), column.arrow.type)
            for column in source.columns
        }
        columns["_row_hash"] = pa.nulls(len(batch), pa.int64())
        columns["_key_hash"] = batch["_key_hash"]
        columns["_is_deleted"] = pa.repeat(True, len(batch))
        yield pa.RecordBatch.from_pydict(columns)


def versions_of(batch: pa.RecordBatch) -> np.ndarray:
    """Return the (key hash, row hash) pair of each row."""
    versions = np.empty(batch.num_rows, VERSION_TYPE)
    versions["key_hash"] = batch.column("_key_hash").to_numpy()
    versions["row_hash"] = batch.column("_row_hash").to_numpy()
    return versions


def describe_part(path: Path, stem: str, rows: int) -> Part:
    sha256, crc32c = hashlib.sha256(), google_crc32c.Checksum()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            sha256.update(chunk)
            crc32c.update(chunk)
    checksum = b64encode(crc32c.digest()).decode()
    return Part(path, stem, rows, path.stat().st_size, sha256.hexdigest(), checksum)

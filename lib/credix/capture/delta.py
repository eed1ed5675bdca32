"""The delta on disk: changed rows streamed into Parquet parts, then the keys that are gone."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from credix.capture import source_table
from credix.capture.compare import key_comparison
from credix.capture.compare.key_digests import Buckets, choose_number
from credix.capture.compare.value_comparison import Comparison
from credix.capture.large_read.heap import HeapRange
from credix.capture.large_read.reader import RowCounter, read_heap
from credix.capture.parts import Part, PartWriter, drop_known, tombstones, versions_of
from credix.capture.predicates import Predicate, Snapshot
from credix.capture.row_versions import NOTHING, add_versions, known_versions, write_versions
from credix.capture.upload import BackgroundUploader
from credix.clients.postgres.connection import SourceConnection
from credix.core.errors import DataError
from credix.core.progress import meter
from credix.core.source_sql import any_sql, key_hash_sql, select_sql, versions_sql
from credix.core.watermarks import Digest, Slices, Watermark
from credix.state.fencing import fenced
from credix.state.run import REREADS, Run
from credix.state.states import SourceState

# So many rows that bronze misses are asked for in one statement.
MISSING_AT_A_TIME = 200_000
# Hashes of keys as `any_sql` writes them: a tax number is soon guessed from one.
HASHES = re.compile(r"'\{[-\d,]*\}'::bigint\[\]")


@dataclass(frozen=True)
class DeltaPlan:
    """What will be read, from where to where, and the SQL that reads it."""

    state: SourceState
    watermark: Watermark
    predicate: Predicate
    sql: str
    messages: list[str]
    drops_known: bool
    comparison: Comparison | None = None
    slices: Slices | None = None

    @property
    def shown_sql(self) -> str:
        """The statement as people see it, without keys that the log names and without hashes."""
        keys = self.predicate.keys_sql
        shown = self.sql.replace(keys, "…") if keys else self.sql
        return HASHES.sub("'{…}'::bigint[]", shown)


@dataclass(frozen=True)
class Delta:
    """What was read: the parts on disk and the rows that the next run will see again.

    `digest` is that of the snapshot's keys, None where deletes are not captured. `recovered_rows`
    were in the source and neither in bronze nor among the changed rows. `shipped` names the parts
    that are uploaded already; `next_block` is set when only a slice was read.
    """

    parts: list[Part]
    shipped: frozenset[str]
    next_block: int | None
    rereads: np.ndarray
    dropped_rows: int
    deleted_rows: int
    recovered_rows: int
    compared_keys: int
    digest: Digest | None
    seconds: float

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts)

    def table(self) -> pd.DataFrame:
        """Return one line per part."""
        return pd.DataFrame(
            {
                "part": [part.object_name for part in self.parts],
                "rows": [part.rows for part in self.parts],
                "MiB": [round(part.size_bytes / 2**20, 2) for part in self.parts],
            }
        )


@fenced
def write_delta(
    run: Run, connection: SourceConnection, snapshot: Snapshot, plan: DeltaPlan
) -> Delta:
    """Write what changed and what is gone into Parquet parts in the run's folder.

    Where the parts would need more than CREDIX_SLICE_BYTES, only a slice of it, without deletes.
    Raises DataError when more keys are gone than the settings allow and no option permits it.
    """
    started = time.monotonic()
    with BackgroundUploader(run, snapshot.taken_at) as shipper:
        writer = DeltaWriter(run, connection, snapshot, plan, shipper)
        writer.write_changes()
        if writer.is_whole and run.source.captures_deletes:
            writer.write_key_differences()
    source_table.make_durable(connection, snapshot)
    return writer.finish(round(time.monotonic() - started, 3))


class DeltaWriter:
    """Writes one delta, one row group of each connection in memory at a time."""

    def __init__(
        self,
        run: Run,
        connection: SourceConnection,
        snapshot: Snapshot,
        plan: DeltaPlan,
        shipper: BackgroundUploader,
    ) -> None:
        self.run, self.connection, self.plan, self.shipper = run, connection, plan, shipper
        self.parts = PartWriter(
            run.source,
            run.source_folder / "parts",
            attempt=run.attempt,
            extracted_at=snapshot.taken_at,
            part_bytes=run.settings.part_bytes,
            row_group_rows=run.settings.row_group_rows,
        )
        self.digest: Digest | None = None
        self.keys = Buckets.empty(choose_number(0))
        self.rereads: list[np.ndarray] = []
        self.dropped_rows = 0
        self.next_block: int | None = None
        self.comparison: key_comparison.KeyComparison | None = None

    @property
    def is_whole(self) -> bool:
        """False when this is a slice, and when slices were read before: the next delta is whole."""
        return self.plan.slices is None and self.next_block is None

    @property
    def reading(self) -> str:
        return f"Reading {self.run.source.name}"

    def write_changes(self) -> None:
        """Stream the changed rows: over one connection, or by several where they may be many."""
        if self.plan.predicate.is_full or self.plan.slices or not self._fits_one_stream():
            self._write_heap()

    def _fits_one_stream(self) -> bool:
        """Write the delta as one stream; False when it needs more disk than a slice may have.

        Row versions that bronze holds already, because an open transaction or an inclusive cursor
        made this run read them again, are dropped by their hash.
        """
        if self.run.source.captures_deletes:
            self.digest = key_comparison.source_digest(self.run, self.connection)
            self.keys = Buckets.empty(choose_number(self.digest.rows))
        known = known_versions(self.run, self.plan.state) if self.plan.drops_known else NOTHING
        with meter(self.reading) as progress:
            read, kept = RowCounter(meter=progress), RowCounter(self.keys)
            batches = read.pass_on(self.connection.stream(self.plan.sql))
            batches = kept.pass_on(drop_known(batches, known, self.rereads))
            fitting = SizeLimitedBatches(batches, self.parts, self.run.settings.slice_bytes)
            self.parts.write(fitting)
        self.dropped_rows = read.rows - kept.rows
        _, written_bytes = self.parts.written
        return not fitting.is_exceeded and written_bytes <= self.run.settings.slice_bytes

    def _write_heap(self) -> None:
        """Write the rows of the next blocks of the heap; all of them, unless they are too many."""
        run, plan = self.run, self.plan
        table = source_table.SourceTable(self.connection, run.source)
        self.parts.discard()
        self.rereads, self.dropped_rows = [], 0
        expected = self.digest.rows if self.digest else 0
        if plan.predicate.is_full and plan.slices is None:
            expected = table.count_rows()
        self.keys = Buckets.empty(choose_number(expected))
        self.parts.on_full = self.shipper.take
        size = table.heap_size()
        first_block = plan.slices.next_block if plan.slices else 0
        with meter(self.reading, expected or None) as progress:
            tap = RowCounter(self.keys, progress)
            self.next_block = read_heap(
                run, self.connection, size, plan.predicate.sql, first_block, self.parts, tap
            )
        self._read_rereads(HeapRange(first_block, self.next_block))
        if not self.is_whole:
            self.digest = None
        elif plan.predicate.is_full:
            self.digest = self.keys.total if run.source.captures_deletes else None
            if tap.rows != expected:
                raise DataError(
                    f"{tap.rows} rows of {table.name} were read, the same "
                    f"snapshot counts {expected}: an index or a page of the table may be damaged. "
                    "Nothing was merged; check the table, then run again."
                )

    def _read_rereads(self, blocks: HeapRange) -> None:
        """Ask apart for what the next run reads again: in a large read no row has the mark."""
        condition = self.plan.predicate.rereads_sql
        if condition != "FALSE":
            schema = self.run.settings.postgres_schema
            statement = versions_sql(self.run.source, schema, condition, blocks.sql)
            self.rereads = [versions_of(batch) for batch in self.connection.stream(statement)]

    def write_key_differences(self) -> None:
        """Write tombstones for keys that are gone, and rows that bronze misses for any reason."""
        run, connection, state = self.run, self.connection, self.plan.state
        comparison = key_comparison.compare_totals(
            run, state, self.digest or Digest(rows=0, key_xor=0)
        )
        self.comparison = comparison
        if not run.orders.allow_deletes:
            key_comparison.refuse_empty_source(run, comparison)
        for gone in self._gone_keys(comparison):
            key_comparison.refuse_many_deletes(
                run,
                comparison.deleted_rows,
                f"{comparison.deleted_rows} keys counted so far are gone from the source",
                lambda: comparison.bronze.rows,
            )
            self.parts.write(tombstones(run.source, gone))
        again = key_comparison.uncommitted_tombstones(run, connection, state)
        if again is not None:
            self.parts.write(tombstones(run.source, again))
        for statement in missing_statements(run, self.plan, comparison.missing_hashes):
            self.parts.write(drop_known(connection.stream(statement), NOTHING, self.rereads))

    def _gone_keys(self, comparison: key_comparison.KeyComparison) -> Iterator[pa.Table]:
        """Find gone keys by key hashes; where values were compared, by the keys themselves."""
        if self.plan.comparison is None:
            changes = tuple(self.parts.parts)
            yield from key_comparison.gone_keys(
                self.run, self.connection, comparison, self.keys, changes
            )
        elif len(self.plan.comparison.surplus):
            comparison.deleted_rows = len(self.plan.comparison.surplus)
            yield self.plan.comparison.surplus

    def finish(self, seconds: float) -> Delta:
        """Keep what the next run will read again, and describe the delta."""
        own = np.concatenate(self.rereads) if self.rereads else NOTHING
        versions = add_versions(self.run, self.plan.slices, own)
        write_versions(self.run.source_folder / REREADS, versions)
        comparison = self.comparison
        return Delta(
            parts=sorted(self.parts.parts, key=lambda part: part.stem),
            shipped=frozenset(self.shipper.shipped),
            next_block=self.next_block,
            rereads=versions,
            dropped_rows=self.dropped_rows,
            deleted_rows=comparison.deleted_rows if comparison else 0,
            recovered_rows=len(comparison.missing_hashes) if comparison else 0,
            compared_keys=comparison.compared_keys if comparison else 0,
            digest=self.digest,
            seconds=seconds,
        )


class SizeLimitedBatches:
    """Passes batches through as long as what is written leaves an eighth of the bound free."""

    def __init__(
        self, batches: Iterator[pa.RecordBatch], parts: PartWriter, limit_bytes: int
    ) -> None:
        self.batches, self.parts, self.limit_bytes = batches, parts, limit_bytes
        self.is_exceeded = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.batches:
            _, written_bytes = self.parts.written
            if written_bytes * 8 > self.limit_bytes * 7:
                self.is_exceeded = True
                return
            yield batch


def missing_statements(run: Run, plan: DeltaPlan, hashes: np.ndarray) -> Iterator[str]:
    """Yield SELECTs of the rows with these key hashes, in the form of the delta."""
    for first in range(0, len(hashes), MISSING_AT_A_TIME):
        condition = any_sql(key_hash_sql(run.source), hashes[first : first + MISSING_AT_A_TIME])
        yield select_sql(
            run.source, run.settings.postgres_schema, condition, plan.predicate.rereads_sql
        )

"""A large read: several connections on one snapshot take range after range of the heap."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pyarrow as pa

from credix.capture.compare.key_digests import Buckets
from credix.capture.large_read.heap import HeapRange, HeapSize, plan_ranges
from credix.capture.parts import PartWriter
from credix.clients.postgres.connection import SourceConnection
from credix.core.progress import Meter
from credix.core.settings import MEBIBYTE
from credix.core.source_sql import select_sql
from credix.state.run import Run

# A range is large enough that asking for it costs nothing, small enough that all end together.
RANGE_BYTES = 16 * MEBIBYTE
# A smaller table is read sooner than a second connection pays.
ONE_CONNECTION_BYTES = 64 * MEBIBYTE
# So many ranges at least make a slice, so that one of them does not leave much of the disk unused.
RANGES_PER_SLICE = 16


class RowCounter:
    """Counts the rows of one or more streams, and takes their key hashes into buckets."""

    def __init__(self, keys: Buckets | None = None, meter: Meter | None = None) -> None:
        self.keys, self.meter, self.rows, self.lock = keys, meter, 0, Lock()

    def pass_on(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            with self.lock:
                self.rows += batch.num_rows
                if self.keys:
                    self.keys.add(batch["_key_hash"].to_numpy())
            if self.meter:
                self.meter.add(batch.num_rows, batch.nbytes)
            yield batch


class RangeQueue:
    """Hands out ranges in order until none is left or the next one may not fit on the disk."""

    def __init__(self, ranges: Sequence[HeapRange], has_room: Callable[[int], bool]) -> None:
        self.ranges, self.has_room = deque(ranges), has_room
        self.lock = Lock()
        self.given, self.is_closed = 0, False

    @property
    def next_block(self) -> int | None:
        """Where the rest begins; None when every range was handed out."""
        return self.ranges[0].first if self.ranges else None

    def close(self) -> None:
        """Hand out no more: a thread has failed, or the run is interrupted."""
        self.is_closed = True

    def __iter__(self) -> Iterator[HeapRange]:
        while (found := self._take()) is not None:
            yield found

    def _take(self) -> HeapRange | None:
        with self.lock:
            if self.given and self.ranges and not self.has_room(self.given):
                self.close()
            if self.is_closed or not self.ranges:
                return None
            self.given += 1
            return self.ranges.popleft()


def read_heap(
    run: Run,
    connection: SourceConnection,
    size: HeapSize,
    condition: str,
    first_block: int,
    parts: PartWriter,
    tap: RowCounter,
) -> int | None:
    """Write the rows of all blocks from `first_block` on, as long as the disk's bound allows.

    The first block that was not read is returned; None when all were.
    """
    settings = run.settings
    range_bytes = min(RANGE_BYTES, settings.slice_bytes // RANGES_PER_SLICE)
    ranges = plan_ranges(size, range_bytes, first_block)
    threads = choose_threads(size, settings.extract_connections, len(ranges))

    def has_room(given: int) -> bool:
        rows, written_bytes = parts.written
        largest = max(range_bytes, size.bytes_per_block)
        finished = given - threads
        if not rows or finished < 1:
            # Parquet takes less than the heap.
            return (given + 1) * largest <= settings.slice_bytes
        expected_rows = tap.rows + (threads + 1) * tap.rows / finished
        return written_bytes / rows * expected_rows <= settings.slice_bytes

    queue = RangeQueue(ranges, has_room)

    def read() -> None:
        statements = (
            select_sql(run.source, settings.postgres_schema, f"({condition}) AND {piece.sql}")
            for piece in queue
        )
        try:
            parts.write(tap.pass_on(connection.stream_each(statements)))
        finally:
            queue.close()

    with ThreadPoolExecutor(threads) as pool:
        try:
            for reading in [pool.submit(read) for _ in range(threads)]:
                reading.result()
        finally:
            queue.close()
    return queue.next_block


def choose_threads(size: HeapSize, connections: int, ranges: int) -> int:
    """Return 1 for a small table, else the least of cores, connections and ranges."""
    if size.size_bytes < ONE_CONNECTION_BYTES:
        return 1
    return min(connections, os.cpu_count() or 1, ranges)

"""The delta on disk: changed rows streamed into Parquet parts, then the keys that are gone."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from credix.capture import Predicate, Snapshot
from credix.clients.postgres import SourceConnection
from credix.digests import Buckets, choose_number
from credix.parts import (
    VERSION_TYPE,
    Part,
    PartWriter,
    drop_known,
    full_disk_named,
    tombstones,
)
from credix.source_sql import any_sql, key_hash_sql, select_sql
from credix.state import Digest, SourceState, Watermark
from credix.steps import deletes
from credix.steps.compare import Comparison
from credix.steps.context import REREADS, Run

# So many rows that bronze misses are asked for in one statement.
MISSING_AT_A_TIME = 200_000
NOTHING = np.empty(0, VERSION_TYPE)


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

    @property
    def shown_sql(self) -> str:
        """The statement as people see it, without the keys that the log names."""
        keys = self.predicate.keys_sql
        return self.sql.replace(keys, "…") if keys else self.sql


@dataclass(frozen=True)
class Delta:
    """What was read: the parts on disk and the rows that the next run will see again.

    `digest` is that of the snapshot's keys, None where deletes are not captured. `recovered_rows`
    were in the source and neither in bronze nor among the changed rows.
    """

    parts: list[Part]
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
        """One line per part."""
        return pd.DataFrame(
            {
                "part": [part.object_name for part in self.parts],
                "rows": [part.rows for part in self.parts],
                "MiB": [round(part.size_bytes / 2**20, 2) for part in self.parts],
            }
        )


def write_delta(
    run: Run, connection: SourceConnection, snapshot: Snapshot, plan: DeltaPlan
) -> Delta:
    """Write what changed and what is gone into Parquet parts in the run's folder.

    Raises DataError when more keys are gone than the settings allow and nobody has ordered it.
    """
    started = time.monotonic()
    writer = DeltaWriter(run, connection, snapshot, plan)
    writer.write_changes()
    if run.source.captures_deletes:
        writer.write_key_differences()
    return writer.finish(round(time.monotonic() - started, 3))


class DeltaWriter:
    """Writes one delta, one row group in memory at a time."""

    def __init__(
        self, run: Run, connection: SourceConnection, snapshot: Snapshot, plan: DeltaPlan
    ) -> None:
        self.run, self.connection, self.plan = run, connection, plan
        self.parts = PartWriter(
            run.source,
            run.source_folder / "parts",
            attempt=run.attempt,
            extracted_at=snapshot.taken_at,
            part_bytes=run.settings.part_bytes,
            row_group_rows=run.settings.row_group_rows,
        )
        self.digest: Digest | None = None
        if run.source.captures_deletes:
            self.digest = deletes.source_digest(run, connection)
        self.keys = Buckets.empty(choose_number(self.digest.rows if self.digest else 0))
        self.rereads: list[np.ndarray] = []
        self.dropped_rows = 0
        self.comparison: deletes.KeyComparison | None = None

    def write_changes(self) -> None:
        """Stream the changed rows.

        Row versions that bronze holds already, because an open transaction or an inclusive cursor
        made this run read them again, are dropped by their hash.
        """
        known = known_versions(self.run, self.plan)
        counted = Counter(self.connection.stream(self.plan.sql))
        self.parts.write(tapped(drop_known(counted, known, self.rereads), self.keys))
        self.dropped_rows = counted.rows - self.parts.rows

    def write_key_differences(self) -> None:
        """Write tombstones for keys that are gone, and rows that bronze misses for any reason."""
        run, connection, state = self.run, self.connection, self.plan.state
        allow_deletes = run.orders.allow_deletes
        comparison = deletes.compare_totals(run, state, self.digest or Digest(rows=0, key_xor=0))
        self.comparison = comparison
        if not allow_deletes:
            deletes.refuse_empty_source(run, comparison)
        for gone in self._gone_keys(comparison):
            if not allow_deletes:
                deletes.refuse_many_deletes(run, comparison)
            self.parts.write(tombstones(run.source, gone))
        again = deletes.keys_deleted_by_the_dead(run, connection, state)
        if again is not None:
            self.parts.write(tombstones(run.source, again))
        for statement in missing_statements(run, self.plan, comparison.missing_hashes):
            self.parts.write(drop_known(connection.stream(statement), NOTHING, self.rereads))

    def _gone_keys(self, comparison: deletes.KeyComparison) -> Iterator[pa.Table]:
        """Found by key hashes; where values were compared, by the keys themselves."""
        if self.plan.comparison is None:
            changes = tuple(self.parts.parts)
            yield from deletes.gone_keys(self.run, self.connection, comparison, self.keys, changes)
        elif len(self.plan.comparison.surplus):
            comparison.deleted_rows = len(self.plan.comparison.surplus)
            yield self.plan.comparison.surplus

    def finish(self, seconds: float) -> Delta:
        """Keep what the next run will read again, and describe the delta."""
        versions = np.concatenate(self.rereads) if self.rereads else NOTHING
        write_versions(self.run.source_folder / REREADS, versions)
        comparison = self.comparison
        return Delta(
            parts=self.parts.parts,
            rereads=versions,
            dropped_rows=self.dropped_rows,
            deleted_rows=comparison.deleted_rows if comparison else 0,
            recovered_rows=len(comparison.missing_hashes) if comparison else 0,
            compared_keys=comparison.compared_keys if comparison else 0,
            digest=self.digest,
            seconds=seconds,
        )


class Counter:
    """Passes batches through and counts their rows."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self.batches, self.rows = batches, 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.batches:
            self.rows += batch.num_rows
            yield batch


def tapped(batches: Iterable[pa.RecordBatch], keys: Buckets) -> Iterator[pa.RecordBatch]:
    """Passes batches through and takes their key hashes into the buckets."""
    for batch in batches:
        keys.add(batch["_key_hash"].to_numpy())
        yield batch


def missing_statements(run: Run, plan: DeltaPlan, hashes: np.ndarray) -> Iterator[str]:
    """SELECTs of the rows with these key hashes, in the form of the delta."""
    for first in range(0, len(hashes), MISSING_AT_A_TIME):
        condition = any_sql(key_hash_sql(run.source), hashes[first : first + MISSING_AT_A_TIME])
        yield select_sql(
            run.source, run.settings.postgres_schema, condition, plan.predicate.rereads_sql
        )


def known_versions(run: Run, plan: DeltaPlan) -> np.ndarray:
    """The row versions that this run reads again and that bronze is certain to hold."""
    if not plan.drops_known or not plan.state.rereads or not plan.state.knows_bronze:
        return NOTHING
    return read_versions(run.lake.read_bytes(run.settings.lake_bucket, plan.state.rereads))


def write_versions(path: Path, versions: np.ndarray) -> None:
    columns = {name: pa.array(versions[name]) for name in VERSION_TYPE.names or ()}
    with full_disk_named(path.parent):
        pq.write_table(pa.table(columns), path)


def read_versions(content: bytes) -> np.ndarray:
    table = pq.read_table(BytesIO(content))
    versions = np.empty(table.num_rows, VERSION_TYPE)
    for name in VERSION_TYPE.names or ():
        versions[name] = table.column(name).to_numpy()
    return versions

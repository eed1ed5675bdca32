"""01: the rows of a source that changed since the watermark, from one snapshot into Parquet."""

import time
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from credix import capture
from credix.capture import Predicate, Snapshot
from credix.clients.postgres import SourceConnection
from credix.parts import VERSION_TYPE, Part, PartWriter, drop_known, full_disk_named
from credix.state import Progress, SourceState, Watermark
from credix.steps import inspect_source
from credix.steps.context import REREADS, Run, open_run

__all__ = [
    "check_source",
    "connect",
    "describe_snapshot",
    "finish",
    "open_run",
    "plan_delta",
    "take_snapshot",
    "write_delta",
]


@dataclass(frozen=True)
class DeltaPlan:
    """What will be read, from where to where, and the SQL that reads it."""

    state: SourceState
    watermark: Watermark
    predicate: Predicate
    sql: str


@dataclass(frozen=True)
class Delta:
    """What was read: the parts on disk and the rows that the next run will see again."""

    parts: list[Part]
    rereads: np.ndarray
    dropped_rows: int
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


def connect(run: Run) -> SourceConnection:
    """A session on the source; nothing is read yet."""
    return SourceConnection(run.settings)


def take_snapshot(run: Run, connection: SourceConnection) -> Snapshot:
    """The moment all following cells see, however long they take."""
    return inspect_source.take_snapshot(connection, run.source, run.settings.postgres_schema)


def describe_snapshot(snapshot: Snapshot) -> pd.DataFrame:
    """The snapshot as a table of facts."""
    facts = {
        "taken at (UTC)": f"{snapshot.taken_at:%Y-%m-%d %H:%M:%S.%f}",
        "row version (oldest open transaction)": f"{snapshot.row_version:,}",
        "next row version": f"{snapshot.next_row_version:,}",
        "PostgreSQL": snapshot.server.major_version,
        "server identity": snapshot.server.system_identifier,
        "timeline": snapshot.server.timeline,
        "relations": len(snapshot.relation_oids),
    }
    return pd.DataFrame({"fact": list(facts), "value": [str(value) for value in facts.values()]})


def check_source(run: Run, connection: SourceConnection) -> tuple[pd.DataFrame, str]:
    """Contract and source side by side, and how the key is known to be one."""
    schema = run.settings.postgres_schema
    checks = inspect_source.check_columns(connection, run.source, schema)
    table = pd.DataFrame(
        {
            "column": [check.name for check in checks],
            "contract": [check.contract or "(not in the contract)" for check in checks],
            "source": [check.source for check in checks],
        }
    )
    return table, inspect_source.check_key(connection, run.source, schema)


def plan_delta(run: Run, connection: SourceConnection, snapshot: Snapshot) -> DeltaPlan:
    """Choose the predicate from the watermark, and fix where the next run will begin."""
    state = read_state(run)
    watermark = capture.next_watermark(
        run.source,
        state.watermark,
        snapshot,
        greatest_cursor(run, connection),
        run.settings.timezone,
        timedelta(seconds=run.settings.cursor_lag_seconds),
    )
    predicate = capture.choose_predicate(run.source, state, snapshot, watermark)
    sql = capture.select_sql(run.source, run.settings.postgres_schema, predicate)
    return DeltaPlan(state, watermark, predicate, sql)


def write_delta(
    run: Run, connection: SourceConnection, snapshot: Snapshot, plan: DeltaPlan
) -> Delta:
    """Stream the delta into Parquet parts in the run's folder, one row group in memory at a time.

    Row versions that bronze holds already, because an open transaction or an inclusive cursor made
    this run read them again, are dropped by their hash.
    """
    started = time.monotonic()
    known = np.empty(0, VERSION_TYPE)
    if plan.state.rereads and plan.state.knows_bronze and not plan.predicate.is_full:
        known = read_versions(run.lake.read_bytes(run.settings.lake_bucket, plan.state.rereads))
    rereads: list[np.ndarray] = []
    counted = Counter(connection.stream(plan.sql))
    writer = PartWriter(
        run.source,
        run.source_folder / "parts",
        attempt=run.attempt,
        extracted_at=snapshot.taken_at,
        part_bytes=run.settings.part_bytes,
        row_group_rows=run.settings.row_group_rows,
    )
    parts = writer.write(drop_known(counted, known, rereads))
    versions = np.concatenate(rereads) if rereads else np.empty(0, VERSION_TYPE)
    write_versions(run.source_folder / REREADS, versions)
    dropped = counted.rows - sum(part.rows for part in parts)
    return Delta(parts, versions, dropped, round(time.monotonic() - started, 3))


def finish(
    run: Run, snapshot: Snapshot, plan: DeltaPlan, delta: Delta, result_path: str
) -> dict[str, Any]:
    """Write the step result: what 02 lands and what 04 will commit."""
    progress = Progress(
        attempt=run.attempt,
        watermark=plan.watermark,
        capture=run.source.capture,
        server=snapshot.server,
        relation_oids=snapshot.relation_oids,
        fingerprint=run.source.fingerprint,
        rereads=rereads_path(run) if len(delta.rereads) else None,
    )
    missed = capture.missed_histories(run.source, snapshot)
    return run.finish(
        "01_extract",
        result_path,
        status="done" if delta.rows else "no_changes",
        rows=delta.rows,
        size_bytes=delta.size_bytes,
        dropped_rows=delta.dropped_rows,
        predicate=plan.predicate.reason,
        watermark_from=plan.state.watermark.model_dump() if plan.state.watermark else None,
        watermark_to=plan.watermark.model_dump(),
        lossless=not missed,
        missed_histories=missed,
        snapshot_at=snapshot.taken_at.isoformat(),
        progress=progress.model_dump(),
        parts=[describe_part(part) for part in delta.parts],
    )


def describe_part(part: Part) -> dict[str, Any]:
    return {
        "path": str(part.path),
        "object_name": part.object_name,
        "rows": part.rows,
        "size_bytes": part.size_bytes,
        "crc32c": part.crc32c,
    }


class Counter:
    """Passes batches through and counts their rows."""

    def __init__(self, batches: Any) -> None:
        self.batches, self.rows = batches, 0

    def __iter__(self) -> Any:
        for batch in self.batches:
            self.rows += batch.num_rows
            yield batch


def read_state(run: Run) -> SourceState:
    """The state as it was when the fence was raised, with the watermark that the run was given.

    Under another watermark than the committed one nothing is dropped: somebody reads again on
    purpose.
    """
    path = run.source_folder / "state.json"
    state = SourceState.from_json(path.read_text("utf-8"), str(path))
    if run.watermark == state.watermark:
        return state
    return state.model_copy(update={"watermark": run.watermark, "rereads": None})


def greatest_cursor(run: Run, connection: SourceConnection) -> Any:
    """The greatest cursor value in the snapshot; only asked where the watermark needs it.

    Infinite values and years that Python cannot hold are left to the writer, which refuses them.
    """
    if run.source.capture != "cursor":
        return None
    expression = capture.cursor_sql(run.source)
    table = capture.table_sql(run.source, run.settings.postgres_schema)
    return connection.rows(
        f"SELECT max({expression}) FROM {table} "
        f"WHERE {expression} BETWEEN '0001-01-01' AND '9999-12-31'"
    )[0][0]


def rereads_path(run: Run) -> str:
    return f"{run.settings.prefix}/state/rereads/{run.source.name}-{run.attempt:06d}.parquet"


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

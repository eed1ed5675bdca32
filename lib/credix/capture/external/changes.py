"""One file of an outside writer, fetched, becomes its changes in the form that `external` gives.

The whole of it is checked: against its metadata, the contract, and itself.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from credix.capture.external.layout import (
    Layout,
    as_changes,
    change_schema,
    read_layout,
    written_at,
)
from credix.clients.gcs.stored import StoredObject
from credix.core.errors import DataError
from credix.state.run import Run

ROWS_AT_A_TIME = 65_536


def write_changes(run: Run, stored: StoredObject, fetched: Path, target: Path) -> tuple[int, int]:
    """Write a file's changes in the form of `change_schema`; its rows, and how many are left out.

    Where the writer says in the metadata how many rows and which crc32c it wrote, both must hold.
    """
    metadata = stored.metadata
    if metadata.get("crc32c", stored.crc32c) != stored.crc32c:
        raise DataError(f"its crc32c is {stored.crc32c}, its metadata says {metadata['crc32c']}")
    if metadata.get("source", run.source.name) != run.source.name:
        raise DataError(f"its metadata says that it is of source {metadata['source']}")
    try:
        parquet = pq.ParquetFile(fetched)
        layout = read_layout(run.source, parquet.schema_arrow)
        rows = parquet.metadata.num_rows
        if metadata.get("rows", str(rows)) != str(rows):
            raise DataError(f"it has {rows} rows, its metadata says {metadata['rows']}")
        superseded = copy_changes(run, stored, parquet, layout, target)
    except MemoryError:
        # Arrow's is one of its own errors, too, and says nothing of the file.
        raise
    except (pa.ArrowException, OSError) as error:
        if not isinstance(error, pa.ArrowException) and error.errno is not None:
            raise
        raise DataError("it is not a whole Parquet file") from None
    return rows, superseded


def copy_changes(
    run: Run, stored: StoredObject, parquet: pq.ParquetFile, layout: Layout, target: Path
) -> int:
    """Copy batch by batch, so that memory is bounded; return how many rows are left out."""
    seen_at = last_snapshot(run)
    number, written = int(target.stem), written_at(stored.created_at, stored.metadata)
    superseded = 0
    with pq.ParquetWriter(target, change_schema(run.source), compression="zstd") as writer:
        for batch in parquet.iter_batches(ROWS_AT_A_TIME, columns=list(layout.columns)):
            rows = pa.Table.from_batches([batch])
            changes = as_changes(run.source, layout, rows, written, number)
            if seen_at is not None:
                changes = changes.filter(pc.greater_equal(changes["_extracted_at"], seen_at))
            superseded += len(rows) - len(changes)
            writer.write_table(changes)
    return superseded


def last_snapshot(run: Run) -> "pa.Scalar[Any] | None":
    """Return the time of the last extract's snapshot, which saw all that was committed before.

    None where there was none, and for a cursor, which does not see every change.
    """
    state = run.read_state()
    snapshot_at = state.watermark.snapshot_at if state.watermark else None
    if snapshot_at is None or state.capture == "cursor":
        return None
    return pa.scalar(datetime.fromisoformat(snapshot_at), pa.timestamp("us", tz="UTC"))


def refuse_ambiguous(run: Run, changes: Path) -> None:
    """Raise DataError where nothing says which of two versions of a key is the newer one."""
    keys = ", ".join(f'"{name}"' for name in run.source.key)
    with connect(run) as connection:
        [[found]] = connection.execute(
            f"SELECT count(*) FROM (SELECT {keys} FROM read_parquet(?) GROUP BY {keys}, "
            "_extracted_at, _order HAVING count(DISTINCT (_is_deleted, _row_hash)) > 1)",
            [str(changes)],
        ).fetchall()
    if found:
        raise DataError(
            f"{found} keys have more than one version and nothing says which is the newest: "
            "add _committed_at, and _order within one instant"
        )


def connect(run: Run) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB of bounded memory; what it spills is deleted with the parts of the run."""
    return duckdb.connect(
        config={
            "temp_directory": str(run.source_folder / "parts" / "spilled"),
            "memory_limit": run.settings.duckdb_memory,
            "threads": 2,
            "autoinstall_known_extensions": False,
        }
    )

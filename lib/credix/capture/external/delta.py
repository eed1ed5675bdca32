"""01, when the files are there already: of each key the newest change enters the parts.

The newest is found by commit time, then `_order`, then the file's name; one that is older than what
bronze holds of its key is left out.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from credix.capture.compare.key_comparison import bronze_digest, has_bronze, refuse_many_deletes
from credix.capture.delta import Delta
from credix.capture.external.arrivals import (
    Arrivals,
    ExternalFile,
    check_files,
    files_as_table,
    find_files,
)
from credix.capture.external.changes import connect
from credix.capture.external.layout import change_schema
from credix.capture.parts import PartWriter
from credix.capture.row_versions import NOTHING
from credix.capture.upload import describe_part
from credix.core.results import ExtractResult
from credix.state.fencing import fenced
from credix.state.run import Run
from credix.state.states import note_external

# So many keys are looked up in bronze by one query.
KEYS_AT_A_TIME = 20_000
MISSED = (
    "a change that the outside writer has not written: the next extract from PostgreSQL reads all "
    "that was written since its own, and the keys of these files again"
)


@dataclass
class LandingExtraction:
    """The changes that outside writers have put below `landing/external/` as files."""

    run: Run
    files: list[ExternalFile]
    arrivals: Arrivals = field(init=False)
    delta: Delta = field(init=False)

    def describe(self) -> pd.DataFrame:
        """Return the files that wait, by name."""
        return files_as_table(self.files)

    def check(self) -> tuple[pd.DataFrame, str]:
        """Fetch each file and check it; one that violates the contract goes to `failed/`."""
        self.arrivals = check_files(self.run, self.files)
        taken = f"{len(self.arrivals.taken):,} of {len(self.files):,} files can be used"
        return self.arrivals.table(), taken

    def plan(self) -> str:
        """Return how many rows are left out because a snapshot has read them already."""
        return f"{self.arrivals.superseded_rows:,} rows were committed before the last snapshot"

    def write(self) -> Delta:
        """Write the newest change of each key as parts."""
        self.delta = write_delta(self.run, self.arrivals)
        return self.delta

    def summarize(self) -> str:
        """Return what was taken, in a few lines."""
        return describe_delta(self.delta)

    def write_result(self, result_path: str) -> ExtractResult:
        """Write the step result, in the form of a snapshot's."""
        return finish(self.run, self.arrivals, self.delta, result_path)

    def close(self) -> None:
        """Do nothing: no session is open."""


def open_landing(run: Run) -> LandingExtraction:
    """List the files that wait for this source."""
    return LandingExtraction(run, find_files(run))


@fenced
def write_delta(run: Run, arrivals: Arrivals) -> Delta:
    """Return the newest change of each key as parts of this run, as 02 to 04 expect them.

    Raises DataError when more keys would go than the settings allow and no option permits it.
    """
    started = time.monotonic()
    counts = {"read": sum(line.rows for line in arrivals.taken), "kept": 0, "deleted": 0}
    writer = PartWriter(
        run.source,
        run.source_folder / "parts",
        attempt=run.attempt,
        extracted_at=datetime.now(UTC),
        part_bytes=run.settings.part_bytes,
        row_group_rows=run.settings.row_group_rows,
    )
    if arrivals.changes:
        with connect(run) as connection:
            writer.write(newest_changes(run, connection, arrivals, counts))
    shutil.rmtree(arrivals.folder)
    refuse_many_deletes(
        run,
        counts["deleted"],
        f"The files in landing delete {counts['deleted']} keys",
        lambda: bronze_digest(run).rows,
        "; else take the files out of landing",
    )
    return Delta(
        parts=sorted(writer.parts, key=lambda part: part.stem),
        shipped=frozenset(),
        next_block=None,
        rereads=NOTHING,
        dropped_rows=counts["read"] - counts["kept"],
        deleted_rows=counts["deleted"],
        recovered_rows=0,
        compared_keys=0,
        digest=None,
        seconds=round(time.monotonic() - started, 3),
    )


def describe_delta(delta: Delta) -> str:
    """Return what was taken, in a few lines."""
    return (
        f"{delta.rows:,} keys in {delta.seconds} s, {delta.deleted_rows:,} of them deleted\n"
        f"{delta.dropped_rows:,} rows left out: older versions of a key, or older than bronze"
    )


def newest_changes(
    run: Run,
    connection: duckdb.DuckDBPyConnection,
    arrivals: Arrivals,
    counts: dict[str, int],
) -> Iterator[pa.RecordBatch]:
    keys = ", ".join(f'"{name}"' for name in run.source.key)
    chosen = connection.execute(
        "SELECT * EXCLUDE (_order, _file, _place) FROM (SELECT *, row_number() OVER "
        f"(PARTITION BY {keys} ORDER BY _extracted_at DESC, _order DESC NULLS LAST, _file DESC) "
        "AS _place FROM read_parquet(?)) WHERE _place = 1",
        [[str(path) for path in arrivals.changes]],
    )
    form = pa.schema([f for f in change_schema(run.source) if f.name not in ("_order", "_file")])
    for batch in chosen.to_arrow_reader(KEYS_AT_A_TIME):
        rows = pa.Table.from_batches([batch]).cast(form)
        kept = rows.filter(pa.array(~is_late(run, rows)))
        counts["kept"] += len(kept)
        counts["deleted"] += pc.sum(kept["_is_deleted"], min_count=0).as_py()
        yield from kept.combine_chunks().to_batches()


def is_late(run: Run, rows: pa.Table) -> np.ndarray:
    """Return True for changes that were committed before the version that bronze holds."""
    if not len(rows) or not has_bronze(run):
        return np.zeros(len(rows), bool)
    keys = rows["_key_hash"].to_numpy()
    table = run.warehouse.table_id("bronze", run.source.name)
    held = run.warehouse.query_arrow(
        f"SELECT _key_hash, unix_micros(_extracted_at) AS micros FROM `{table}` "
        "WHERE _key_hash IN UNNEST(@keys)",
        keys=keys.tolist(),
    )
    newest = dict(zip(held["_key_hash"].to_pylist(), held["micros"].to_pylist(), strict=True))
    micros = rows["_extracted_at"].cast(pa.int64()).to_numpy()
    return np.array([own < newest.get(key, own) for key, own in zip(keys, micros, strict=True)])


def finish(run: Run, arrivals: Arrivals, delta: Delta, result_path: str) -> ExtractResult:
    """Write the step result, in the form of an extract's, that 02 to 04 work by.

    From here on the state says that the keys of this attempt are to be read from the source again.
    """
    state = run.read_state()
    if arrivals.taken:
        run.states.change_source(
            "state.note_external", run.source.name, lambda held: note_external(held, run.attempt)
        )
    refused = tuple(arrivals.messages_of("refused"))
    result = ExtractResult(
        status="done" if arrivals.taken else "no_changes",
        rows=delta.rows,
        deleted_rows=delta.deleted_rows,
        recovered_rows=0,
        dropped_rows=delta.dropped_rows,
        superseded_rows=arrivals.superseded_rows,
        orders=run.orders,
        messages=tuple(
            f"WARNING: {message}" for message in (*refused, *arrivals.messages_of("left"))
        ),
        refused=refused,
        size_bytes=delta.size_bytes,
        predicate=f"{len(arrivals.taken)} files from landing/external",
        is_full=False,
        watermark_from=state.watermark,
        watermark_to=state.watermark,
        lossless=False,
        missed_histories=(MISSED,),
        snapshot_at=datetime.now(UTC),
        received={line.identity: line.archived_as for line in arrivals.taken},
        parts=tuple(map(describe_part, delta.parts)),
    )
    return run.finish(result, result_path)

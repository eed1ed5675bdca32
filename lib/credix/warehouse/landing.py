"""02: parts that keep the contract go to the landing folder, others nowhere.

What is there and no run will load, an orphaned file or a failed run's, is swept out first.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from credix.capture.upload import find_fault, landed_path, read_footer, upload_part
from credix.core.contracts import source_names
from credix.core.errors import DataError
from credix.core.paths import paths_of
from credix.core.progress import meter
from credix.core.results import ExtractResult, LandResult
from credix.state.fencing import fenced
from credix.state.run import Run


@fenced
def check_parts(run: Run) -> pd.DataFrame:
    """Check every part against the contract and its own step result.

    Raises DataError at the first fault.

    Reads footers only: names, types and order of the columns, rows, NULLs in required columns.
    """
    lines = []
    for part in run.read_result(ExtractResult).parts:
        path = Path(part.path)
        fault = find_fault(path, run.source.landing_schema, part.rows)
        if fault:
            raise DataError(
                f"{path} violates the contract of {run.source.name}: {fault}. "
                "Run 01_extract again; nothing was loaded."
            )
        footer = read_footer(path)
        lines.append(
            {
                "part": part.object_name,
                "rows": footer.num_rows,
                "row groups": footer.num_row_groups,
                "columns": footer.num_columns,
                "contract": "kept",
            }
        )
    return pd.DataFrame(lines, columns=["part", "rows", "row groups", "columns", "contract"])


@fenced
def upload_parts(run: Run) -> pd.DataFrame:
    """Upload each part that was not shipped ahead, under its content's name.

    One that is there already counts as uploaded.
    """
    extracted = run.read_result(ExtractResult)
    lines = []
    with meter(f"Uploading {run.source.name}", extracted.rows) as uploaded:
        for part in extracted.parts:
            path = landed_path(run, part, extracted.snapshot_at)
            is_there = part.is_shipped and run.lake.holds(
                run.settings.lake_bucket, path, part.crc32c
            )
            if not is_there:
                upload_part(run, part, extracted.snapshot_at)
            uploaded.add(part.rows, part.size_bytes)
            lines.append({"file": path, "rows": part.rows, "bytes": part.size_bytes})
    return pd.DataFrame(lines, columns=["file", "rows", "bytes"])


@fenced
def sweep_landing(run: Run) -> pd.DataFrame:
    """Move files that no active run will load out of landing: orphaned ones, and of failed runs.

    The file of a failed run goes to the archive if bronze has its rows, else to `failed/`: this
    run has read the same rows again. A file that no run put there goes to `failed/` with a
    warning, unless it waits where outside writers put the files of a source.
    """
    paths, bucket = paths_of(run.settings), run.settings.lake_bucket
    committed = run.states.read_source(run.source.name).committed_seq
    waiting = tuple(paths.external(source) for source in source_names())
    lines = []
    for stored in run.lake.objects(bucket, paths.landing):
        if stored.name.startswith(waiting):
            continue
        known = stored.metadata
        reason = why_swept(known, run.source.name, run.attempt)
        if reason is None:
            continue
        if not is_stray(known) and known["seq"] == str(committed):
            target, path = run.settings.archive_bucket, paths.archived(stored.name)
            reason = "loaded and merged by a run that died before archiving"
        else:
            target, path = bucket, paths.failed(stored.name)
            if is_stray(known):
                # A writer may bring the same name again, with another content.
                path = f"{path}.{stored.generation}"
        run.lake.move("lake.sweep", stored, target, path, reason)
        lines.append({"file": stored.name, "moved to": f"gs://{target}/{path}", "reason": reason})
    return pd.DataFrame(lines, columns=["file", "moved to", "reason"])


def why_swept(metadata: Mapping[str, str], source: str, attempt: int) -> str | None:
    """Return the reason to move a landing file away; None for files of living runs."""
    if is_stray(metadata):
        return "no run of this pipeline put this file into landing"
    seq = int(metadata["seq"])
    if metadata["source"] == source and seq < attempt:
        return f"attempt {seq} died before loading it; attempt {attempt} read its rows again"
    return None


def is_stray(metadata: Mapping[str, str]) -> bool:
    return "source" not in metadata or not metadata.get("seq", "").isdecimal()


def finish(run: Run, landed: pd.DataFrame, swept: pd.DataFrame, result_path: str) -> LandResult:
    """Write the step result; raises DataError unless as many rows landed as were extracted."""
    extracted = run.read_result(ExtractResult).rows
    rows = int(landed["rows"].sum())
    if rows != extracted:
        raise DataError(f"{rows} rows landed, {extracted} were extracted: run 01_extract again.")
    lines = swept.to_dict("records")
    result = LandResult(
        status="done",
        rows=rows,
        files=tuple(landed["file"]),
        messages=tuple(f"WARNING: {line['file']}: {line['reason']}" for line in lines),
    )
    return run.finish(result, result_path)

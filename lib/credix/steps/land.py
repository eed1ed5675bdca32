"""02: parts that keep the contract go to the landing folder, others nowhere."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from credix.errors import DataError
from credix.paths import paths_of
from credix.steps.context import Run, resume_run

__all__ = ["check_parts", "finish", "resume_run", "sweep_landing", "upload_parts"]

PARQUET = "application/vnd.apache.parquet"


def check_parts(run: Run) -> pd.DataFrame:
    """Every part against the contract and its own step result; raises DataError at the first fault.

    Reads footers only: names, types and order of the columns, rows, NULLs in required columns.
    """
    lines = []
    for part in run.read_result("01_extract")["parts"]:
        footer = read_footer(Path(part["path"]))
        fault = find_fault(footer, run.source.landing_schema, part["rows"])
        if fault:
            raise DataError(
                f"{part['path']} breaks the contract of {run.source.name}: {fault}. "
                "Run 01_extract again; nothing was uploaded."
            )
        lines.append(
            {
                "part": part["object_name"],
                "rows": footer.num_rows,
                "row groups": footer.num_row_groups,
                "columns": footer.num_columns,
                "contract": "kept",
            }
        )
    return pd.DataFrame(lines, columns=["part", "rows", "row groups", "columns", "contract"])


def upload_parts(run: Run) -> pd.DataFrame:
    """Upload each part under its content's name; one that is there already counts as uploaded."""
    extracted = run.read_result("01_extract")
    day = datetime.fromisoformat(extracted["snapshot_at"]).date().isoformat()
    paths, bucket = paths_of(run.settings), run.settings.lake_bucket
    lines = []
    for part in extracted["parts"]:
        path = paths.landed(day, part["object_name"])
        run.lake.upload(
            "lake.upload",
            bucket,
            path,
            Path(part["path"]),
            content_type=PARQUET,
            metadata={
                "source": run.source.name,
                "run_id": run.run_id,
                "seq": str(run.attempt),
                "rows": str(part["rows"]),
                "crc32c": part["crc32c"],
                "fingerprint": run.source.fingerprint,
                "snapshot_at": extracted["snapshot_at"],
            },
            crc32c=part["crc32c"],
        )
        lines.append({"file": path, "rows": part["rows"], "bytes": part["size_bytes"]})
    return pd.DataFrame(lines, columns=["file", "rows", "bytes"])


def sweep_landing(run: Run) -> pd.DataFrame:
    """Clear landing of what no living run will load: strays, and leftovers of this source's dead.

    A dead run's file goes to the archive if bronze has its rows, else to `failed/`: this run has
    read the same rows again. A file that no run put there goes to `failed/` with a warning.
    """
    paths, bucket = paths_of(run.settings), run.settings.lake_bucket
    committed = run.states.read_source(run.source.name).committed_seq
    lines = []
    for blob in run.lake.blobs(bucket, paths.landing):
        known = blob.metadata or {}
        reason = why_swept(known, run.source.name, run.attempt)
        if reason is None:
            continue
        if not is_stray(known) and known["seq"] == str(committed):
            target, path = run.settings.archive_bucket, paths.archived(blob.name)
            reason = "loaded and merged by a run that died before archiving"
        else:
            target, path = bucket, paths.failed(blob.name)
            if is_stray(known):
                # Somebody may bring the same name again, with another content.
                path = f"{path}.{blob.generation}"
        run.lake.move("lake.sweep", blob, target, path, reason)
        lines.append({"file": blob.name, "moved to": f"gs://{target}/{path}", "reason": reason})
    return pd.DataFrame(lines, columns=["file", "moved to", "reason"])


def why_swept(metadata: dict[str, str], source: str, attempt: int) -> str | None:
    """The reason to move a landing file away; None for files of living runs."""
    if is_stray(metadata):
        return "no run of this pipeline put this file into landing"
    seq = int(metadata["seq"])
    if metadata["source"] == source and seq < attempt:
        return f"attempt {seq} died before loading it; attempt {attempt} read its rows again"
    return None


def is_stray(metadata: dict[str, str]) -> bool:
    return "source" not in metadata or not metadata.get("seq", "").isdecimal()


def finish(run: Run, landed: pd.DataFrame, swept: pd.DataFrame, result_path: str) -> dict[str, Any]:
    """Write the step result; raises DataError unless as many rows landed as were extracted."""
    extracted = run.read_result("01_extract")["rows"]
    rows = int(landed["rows"].sum())
    if rows != extracted:
        raise DataError(f"{rows} rows landed, {extracted} were extracted: run 01_extract again.")
    messages = [f"WARNING: {line['file']}: {line['reason']}" for line in swept.to_dict("records")]
    return run.finish(
        "02_land",
        result_path,
        status="done",
        rows=rows,
        files=landed["file"].tolist(),
        messages=messages,
    )


def read_footer(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (pa.ArrowInvalid, FileNotFoundError) as error:
        raise DataError(
            f"{path} is not a whole Parquet file ({error}): run 01_extract again."
        ) from None


def find_fault(footer: pq.FileMetaData, schema: pa.Schema, rows: int) -> str | None:
    """What is wrong with a part in a phrase; None when it keeps the contract."""
    found = footer.schema.to_arrow_schema()
    if found.names != schema.names:
        return f"its columns are {found.names}"
    for have, want in zip(found, schema, strict=True):
        if have.type != want.type:
            return f"column {want.name} is {have.type}, not {want.type}"
    if footer.num_rows != rows:
        return f"it has {footer.num_rows} rows, {rows} were written"
    for group in range(footer.num_row_groups):
        for index, field in enumerate(schema):
            statistics = footer.row_group(group).column(index).statistics
            if not field.nullable and statistics is not None and statistics.null_count:
                return f"column {field.name} has NULL values"
    return None

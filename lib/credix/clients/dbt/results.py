"""The results of a dbt build as lines of a file, and those lines as a table for Elementary.

A build runs without Elementary, which would cost every run seconds; its results wait in the archive
until a run that monitors takes them up (docs/decisions/0016-elementary-beside-the-project.md).
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from credix.core.column_types import Column

FILE = "dbt_results.jsonl"
TYPES = {"STRING": pa.string(), "INTEGER": pa.int64(), "FLOAT": pa.float64()}
COLUMNS = [
    Column("invocation_id", "STRING", "REQUIRED", "One call of dbt"),
    Column("run_id", "STRING", "REQUIRED", "The run that made it"),
    Column("job", "STRING", "REQUIRED", "Its job"),
    Column("selected", "STRING", "NULLABLE", "What dbt was asked to build"),
    Column("unique_id", "STRING", "REQUIRED", "dbt's name of the model or test"),
    Column("name", "STRING", "REQUIRED", "Its short name"),
    Column("resource_type", "STRING", "REQUIRED", "model or test"),
    Column("materialization", "STRING", "NULLABLE", "How a model is kept"),
    Column("status", "STRING", "REQUIRED", "success, pass, warn, fail, error or skipped"),
    Column("message", "STRING", "NULLABLE", "dbt's message, without values"),
    Column("failures", "INTEGER", "NULLABLE", "Rows that fail a test"),
    Column("rows_affected", "INTEGER", "NULLABLE", "Rows that a model wrote"),
    Column("job_id", "STRING", "NULLABLE", "BigQuery's job"),
    Column("started_at", "STRING", "REQUIRED", "Begin of the execution (UTC)"),
    Column("completed_at", "STRING", "REQUIRED", "Its end (UTC)"),
    Column("execution_seconds", "FLOAT", "REQUIRED", "How long it took"),
    Column("attempts", "INTEGER", "NULLABLE", "Executions in its build until this one"),
]
SCHEMA = pa.schema([pa.field(column.name, TYPES[column.type]) for column in COLUMNS])


def describe_result(item: Any, message: str, ended: datetime) -> dict[str, Any]:
    """One of dbt's run results, as far as Elementary keeps it. A skipped node has no timing."""
    response = item.adapter_response or {}
    times = {timing.name: timing for timing in item.timing or []}
    executed = times.get("execute")
    return {
        "unique_id": item.node.unique_id,
        "name": item.node.name,
        "resource_type": str(item.node.resource_type),
        "materialization": item.node.config.materialized,
        "status": str(item.status),
        "message": message,
        "failures": item.failures,
        "rows_affected": response.get("rows_affected"),
        "job_id": response.get("job_id"),
        "started_at": as_text(executed.started_at if executed else ended),
        "completed_at": as_text(executed.completed_at if executed else ended),
        "execution_seconds": round(item.execution_time, 3),
    }


def as_text(moment: datetime) -> str:
    """In the form in which Elementary compares moments; dbt's are UTC without a zone."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def add_lines(folder: Path, results: Iterable[dict[str, Any]]) -> None:
    """Append to the file of a run's folder; the folder is one process's at a time."""
    with (folder / FILE).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(result) + "\n" for result in results)


def as_table(lines: Iterable[str], run_id: str, job: str) -> pa.Table:
    """The lines of one run's file as a table with COLUMNS; lines that are no results are dropped.

    A line that was cut off by a full disk must not cost the results of every other run.
    """
    whole = [found for line in lines if (found := parse(line))]
    rows = [{"run_id": run_id, "job": job, **result} for result in whole]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def parse(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "invocation_id" in found else None


def concatenate(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables([SCHEMA.empty_table(), *tables])

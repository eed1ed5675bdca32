"""Step results and manifests as runs leave them, for tests that need no run."""

from datetime import UTC, datetime, timedelta
from typing import Any

from credix.core.results import (
    DbtNode,
    ExtractResult,
    LandResult,
    LoadResult,
    Manifest,
    SourceSummary,
    TransformResult,
)
from credix.core.watermarks import Watermark

STARTED_AT = datetime(2026, 3, 31, 10, 15, tzinfo=UTC)


def watermark(row_version: int) -> Watermark:
    return Watermark(row_version=row_version, snapshot_at="2026-03-31T10:15:01.5+00:00")


def source(rows: int, merged: int | None = None, **facts: Any) -> SourceSummary:
    """What a manifest says of a source that was replicated to its end."""
    counts = {"01_extract": rows, "02_land": rows, "03_load": rows}
    whole = {
        "attempt": 7,
        "rows": {**counts, "04_transform": rows if merged is None else merged},
        "deleted_rows": 0,
        "watermark_from": watermark(900),
        "watermark_to": watermark(1_000),
        "missed_histories": (),
    }
    return SourceSummary.model_validate({**whole, **facts})


def extracted(**facts: Any) -> ExtractResult:
    whole = {
        "status": "done",
        "rows": 120,
        "predicate": "rows of later transactions",
        "watermark_from": watermark(900),
        "watermark_to": watermark(1_000),
        "lossless": True,
        "missed_histories": (),
        "snapshot_at": STARTED_AT,
        "seconds": 1.26,
    }
    return ExtractResult.model_validate({**whole, **facts})


def landed(**facts: Any) -> LandResult:
    return LandResult.model_validate({"status": "done", "rows": 120, **facts})


def loaded(**facts: Any) -> LoadResult:
    tables = {"temp_table": "installments_0123456789ab", "stable_table": "installments_dbt"}
    return LoadResult.model_validate({"status": "done", "rows": 120, **tables, **facts})


def transformed(**facts: Any) -> TransformResult:
    dbt = {"pass": 27, "success": 8, "warn": 1}
    return TransformResult.model_validate({"status": "done", "seconds": 3.5, "dbt": dbt, **facts})


def node(name: str, **facts: Any) -> DbtNode:
    """A model of dbt that was built."""
    whole: dict[str, Any] = {
        "name": name,
        "kind": "model",
        "table": name,
        "status": "success",
        "rows": None,
        "failures": None,
        "bytes_processed": None,
        "bytes_billed": None,
        "job_id": None,
        "seconds": 0.1,
        "message": "",
    }
    return DbtNode.model_validate({**whole, **facts})


def manifest(number: int = 0, **facts: Any) -> Manifest:
    """A good run of both sources; the number is the minutes after the first one."""
    started_at = STARTED_AT + timedelta(minutes=number)
    whole = {
        "run_id": f"{started_at:%Y%m%dT%H%M%SZ}-full-{number:06x}",
        "job": "full",
        "trigger": "schedule",
        "env": "local",
        "status": "done",
        "error": None,
        "started_at": started_at,
        "finished_at": started_at + timedelta(seconds=12.34),
        "seconds": 12.34,
        "business_date": "2026-03-31",
        "parameters": {},
        "sources": {"cnpj_ws": source(0), "installments": source(120)},
        "steps": {
            "installments": {"01_extract": extracted(), "04_transform": transformed()},
            "gold": {"04_transform": transformed()},
        },
        "git_revision": "0123456789abcdef",
        "versions": {"python": "3.11.9"},
        "pages": ("01_extract.installments.html", "04_transform.html"),
    }
    return Manifest.model_validate({**whole, **facts})

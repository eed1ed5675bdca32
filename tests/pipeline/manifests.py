"""Manifests as runs leave them, for tests that need no run."""

from datetime import UTC, datetime, timedelta
from typing import Any

STARTED_AT = datetime(2026, 3, 31, 10, 15, tzinfo=UTC)


def watermark(row_version: int) -> dict[str, Any]:
    return {"row_version": row_version, "snapshot_at": "2026-03-31T10:15:01.5+00:00"}


def source(rows: int, merged: int | None = None, **facts: Any) -> dict[str, Any]:
    """What a manifest says of a source that was carried to its end."""
    counts = {"01_extract": rows, "02_land": rows, "03_load": rows}
    return {
        "rows": {**counts, "04_transform": rows if merged is None else merged},
        "deleted_rows": 0,
        "watermark_from": watermark(900),
        "watermark_to": watermark(1_000),
        "missed_histories": [],
        **facts,
    }


def manifest(number: int = 0, **facts: Any) -> dict[str, Any]:
    """A good run of both sources; the number is the minutes behind the first one."""
    started_at = STARTED_AT + timedelta(minutes=number)
    extracted = {"seconds": 1.26}
    transformed = {"seconds": 3.5, "dbt": {"pass": 27, "success": 8, "warn": 1}}
    return {
        "run_id": f"{started_at:%Y%m%dT%H%M%SZ}-full-{number:06x}",
        "job": "full",
        "trigger": "schedule",
        "status": "done",
        "error": None,
        "started_at": started_at.isoformat(),
        "seconds": 12.34,
        "sources": {"cnpj_ws": source(0), "installments": source(120)},
        "steps": {
            "installments": {"01_extract": extracted, "04_transform": transformed},
            "gold": {"04_transform": transformed},
        },
        "git_revision": "0123456789abcdef",
        "pages": ["01_extract.installments.html", "04_transform.html"],
        "failed_at": None,
        **facts,
    }

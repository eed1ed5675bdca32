"""A run as the history page shows it: what a person needs of its manifest, and nothing else."""

from collections.abc import Mapping
from typing import Any

from credix.core.freshness import bounds_in_words
from credix.core.jobs import STEPS

# A message of an error is one sentence; a page of ten thousand runs has no room for a traceback.
ERROR_LENGTH = 300


def describe_run(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The line of a run. `rows` are extracted, landed, loaded and merged; seconds by step.

    What is None, empty or zero is left out: most runs find nothing to do.
    """
    steps = manifest["steps"]
    error = manifest["error"] or ""
    line = {
        "id": manifest["run_id"],
        "job": manifest["job"],
        "trigger": manifest.get("trigger"),
        "status": manifest["status"],
        "started": manifest["started_at"][:19] + "Z",
        "seconds": round(manifest["seconds"], 1),
        "revision": (manifest["git_revision"] or "")[:9],
        "error": error[:ERROR_LENGTH],
        "failed_at": manifest.get("failed_at"),
        "pages": manifest.get("pages"),
        "dbt": count_dbt(steps),
        "sources": {
            name: found
            for name, source in manifest["sources"].items()
            if (found := describe_source(source))
        },
        "lags": {name: bounds_in_words(lag) for name, lag in manifest.get("lags", {}).items()},
        "steps": [
            [step.partition(".")[0][:2], owner, round(result["seconds"], 1)]
            for owner, results in steps.items()
            for step, result in results.items()
        ],
    }
    return {name: value for name, value in line.items() if value}


def describe_source(source: Mapping[str, Any]) -> dict[str, Any]:
    """What a run did with a source; empty where it never came to it."""
    rows = source["rows"]
    if not rows:
        return {}
    repairs = [repair["rows"] for repair in source.get("repairs", [])]
    line = {
        "rows": counts_of(rows),
        "repairs": [counts_of(repaired) for repaired in repairs],
        "deleted": source["deleted_rows"],
        "from": place(source["watermark_from"]),
        "to": place(source["watermark_to"]),
        "read_at": ((source["watermark_to"] or {}).get("snapshot_at") or "")[:19],
        "missed": source["missed_histories"],
    }
    return {name: value for name, value in line.items() if value}


def counts_of(rows: Mapping[str, int]) -> list[int]:
    """The rows of one attempt, in the order of the steps that have ended."""
    return [rows[step] for step in STEPS if step in rows]


def place(watermark: Mapping[str, Any] | None) -> str:
    """A watermark in one word: the place in the log, the cursor or the row version."""
    found = watermark or {}
    return str(found.get("lsn") or found.get("cursor") or found.get("row_version") or "")


def count_dbt(steps: Mapping[str, Any]) -> dict[str, int]:
    """Models and tests of all dbt calls by verdict: pass, warn or fail."""
    counts = {"pass": 0, "warn": 0, "fail": 0}
    verdicts = {"success": "pass", "pass": "pass", "warn": "warn"}
    for results in steps.values():
        for result in results.values():
            for status, number in result.get("dbt", {}).items():
                counts[verdicts.get(status, "fail")] += number
    return {verdict: number for verdict, number in counts.items() if number}

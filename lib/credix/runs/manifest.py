"""The manifest of a run: one JSON object that says what was done, written last."""

import platform
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from credix.clients.job_records import add_up
from credix.settings import PROJECT_DIR
from credix.state import RunStatus

VERSIONED = ("credix", "dbt-core", "dbt-bigquery", "duckdb", "papermill", "pyarrow")


@dataclass
class Manifest:
    """Grows with the run; it counts as failed until the run says otherwise.

    `steps` holds each step result under its source, or under `gold`.
    """

    run_id: str
    job: str
    env: str
    business_date: str
    parameters: dict[str, Any]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: RunStatus = "failed"
    error: str | None = None
    attempts: dict[str, int] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, owner: str, step: str, result: dict[str, Any]) -> None:
        self.steps.setdefault(owner, {})[step] = result

    def rows(self, source: str) -> int:
        return int(self.steps.get(source, {}).get("01_extract", {}).get("rows", 0))

    def as_dict(self) -> dict[str, Any]:
        finished_at = datetime.now(UTC)
        return {
            "run_id": self.run_id,
            "job": self.job,
            "env": self.env,
            "status": self.status,
            "error": self.error,
            "started_at": self.started_at.isoformat(),
            "finished_at": finished_at.isoformat(),
            "seconds": round((finished_at - self.started_at).total_seconds(), 3),
            "business_date": self.business_date,
            "parameters": self.parameters,
            "sources": {owner: self._summarize(owner) for owner in self.attempts},
            **self._bytes(),
            "steps": self.steps,
            "git_revision": git_revision(),
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in VERSIONED},
            },
        }

    def _bytes(self) -> dict[str, Any]:
        """What the run has read on BigQuery in total, and by owner and step."""
        told = {
            owner: {step: result.get("bytes_processed") for step, result in steps.items()}
            for owner, steps in self.steps.items()
        }
        unknown = sum(
            result.get("jobs_without_bytes", 0)
            for steps in self.steps.values()
            for result in steps.values()
        )
        total = add_up(value for steps in told.values() for value in steps.values())
        return {
            "bytes_processed": total["bytes_processed"],
            "jobs_without_bytes": unknown,
            "bytes_processed_by_step": told,
        }

    def _summarize(self, source: str) -> dict[str, Any]:
        steps = self.steps.get(source, {})
        extracted = steps.get("01_extract", {})
        rows = {step: result.get("rows") for step, result in steps.items() if "rows" in result}
        return {
            "attempt": steps.get("04_transform", {}).get("attempt", self.attempts[source]),
            "rows": rows,
            "deleted_rows": extracted.get("deleted_rows"),
            "recovered_rows": extracted.get("recovered_rows"),
            "watermark_from": extracted.get("watermark_from"),
            "watermark_to": extracted.get("watermark_to"),
            "lossless": extracted.get("lossless"),
            "missed_histories": extracted.get("missed_histories"),
        }


def git_revision() -> str | None:
    """The commit of the notebooks; None outside a checkout."""
    found = subprocess.run(
        ["git", "-C", str(PROJECT_DIR), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None if found.returncode == 0 else None

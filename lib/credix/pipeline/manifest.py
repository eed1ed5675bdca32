"""The manifest of a run: one JSON object that says what was done, written last."""

import platform
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from credix.clients.bigquery.job_records import add_up
from credix.core.jobs import describe_difference
from credix.core.settings import PROJECT_DIR
from credix.state.states import LastRun, RunStatus

VERSIONED = ("credix", "dbt-core", "dbt-bigquery", "duckdb", "papermill", "pyarrow")


@dataclass
class Manifest:
    """Grows with the run; it counts as failed until the run says otherwise.

    `steps` holds each step result under its source, or under `gold`; those of slices after the
    first one, and of the delta after them, under names that end in a number. `broken` says what
    the step that failed had done: its source, its name, its effects.
    """

    run_id: str
    job: str
    trigger: str
    env: str
    business_date: str
    parameters: dict[str, Any]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: RunStatus = "failed"
    error: str | None = None
    attempts: dict[str, int] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: dict[str, Any] | None = None

    def add(self, owner: str, step: str, result: dict[str, Any]) -> None:
        self.steps.setdefault(owner, {})[step] = result

    def rows(self, source: str) -> int:
        return sum(int(result.get("rows", 0)) for result in self._results(source, "01_extract"))

    def last_run(self, source: str) -> LastRun:
        """What the state of a source keeps of this run."""
        summary = self._summarize(source)
        attempts = [summary["rows"], *(repair["rows"] for repair in summary["repairs"])]
        return LastRun(
            run_id=self.run_id,
            job=self.job,
            status=self.status,
            finished_at=datetime.now(UTC),
            rows=self.rows(source),
            error=self.error,
            differences=tuple(filter(None, map(describe_difference, attempts))),
            missed=tuple(summary["missed_histories"] or ()),
        )

    def _results(self, source: str, step: str) -> list[dict[str, Any]]:
        """The results of a step, slice by slice."""
        steps = self.steps.get(source, {})
        return [result for name, result in steps.items() if name.partition(".")[0] == step]

    def as_dict(self) -> dict[str, Any]:
        finished_at = datetime.now(UTC)
        return {
            "run_id": self.run_id,
            "job": self.job,
            "trigger": self.trigger,
            "env": self.env,
            "status": self.status,
            "error": self.error,
            "started_at": self.started_at.isoformat(),
            "finished_at": finished_at.isoformat(),
            "seconds": round((finished_at - self.started_at).total_seconds(), 3),
            "business_date": self.business_date,
            "parameters": self.parameters,
            "sources": {owner: self._summarize(owner) for owner in self.attempts},
            "lags": self._lags(),
            **self._bytes(),
            "steps": self.steps,
            "broken_step": self.broken,
            "git_revision": git_revision(),
            "versions": {
                "python": platform.python_version(),
                **{name: installed_version(name) for name in VERSIONED},
            },
        }

    def _bytes(self) -> dict[str, Any]:
        """What the run has read on BigQuery in total, and by owner and step."""
        summary = {
            owner: {step: result.get("bytes_processed") for step, result in steps.items()}
            for owner, steps in self.steps.items()
        }
        unknown = sum(
            result.get("jobs_without_bytes", 0)
            for steps in self.steps.values()
            for result in steps.values()
        )
        total = add_up(value for steps in summary.values() for value in steps.values())
        return {
            "bytes_processed": total["bytes_processed"],
            "jobs_without_bytes": unknown,
            "bytes_processed_by_step": summary,
        }

    def _summarize(self, source: str) -> dict[str, Any]:
        extracted = self._results(source, "01_extract")
        merged = self._results(source, "04_transform")
        first, last = (extracted[0], extracted[-1]) if extracted else ({}, {})
        steps = dict.fromkeys(name.partition(".")[0] for name in self.steps.get(source, {}))
        rows = {
            step: sum(result["rows"] for result in self._results(source, step) if "rows" in result)
            for step in steps
        }
        return {
            "attempt": merged[-1]["attempt"] if merged else self.attempts[source],
            "slices": sum(bool(result.get("slice")) for result in extracted),
            "rows": rows,
            "repairs": [result["repair"] for result in merged if result.get("repair")],
            "deleted_rows": last.get("deleted_rows"),
            "recovered_rows": last.get("recovered_rows"),
            "watermark_from": first.get("watermark_from"),
            "watermark_to": last.get("watermark_to"),
            "lossless": last.get("lossless"),
            "missed_histories": last.get("missed_histories"),
        }

    def _lags(self) -> dict[str, Any]:
        """How long what this run brought into gold has waited, by source."""
        results = [result for steps in self.steps.values() for result in steps.values()]
        return {name: lag for result in results for name, lag in result.get("lags", {}).items()}


def installed_version(package: str) -> str | None:
    """None where the package is a folder on the path, as in the image."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_revision() -> str | None:
    """The commit of the notebooks; None outside a checkout, or where git is not installed."""
    command = ["git", "-C", str(PROJECT_DIR), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None

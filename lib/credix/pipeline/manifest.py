"""The manifest of a run while it grows: what was done so far, and how the run stands."""

import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from pydantic import JsonValue

from credix.clients.bigquery.job_records import add_up
from credix.core.freshness import Lag
from credix.core.jobs import describe_difference
from credix.core.results import (
    AnyResult,
    BrokenStep,
    EffectRecord,
    ExtractResult,
    LandResult,
    LoadResult,
    Manifest,
    RunStatus,
    SourceSummary,
    TransformResult,
)
from credix.core.settings import PROJECT_DIR
from credix.state.states import LastRun

VERSIONED = ("credix", "dbt-core", "dbt-bigquery", "duckdb", "papermill", "pyarrow")


@dataclass
class RunRecord:
    """What a run knows of itself; it counts as failed until it says otherwise.

    `steps` and `broken` are those of the manifest, `attempts` the fencing tokens by source.
    """

    run_id: str
    job: str
    trigger: str
    env: str
    business_date: str
    parameters: Mapping[str, JsonValue]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: RunStatus = "failed"
    error: str | None = None
    attempts: dict[str, int] = field(default_factory=dict)
    steps: dict[str, dict[str, AnyResult]] = field(default_factory=dict)
    broken: BrokenStep | None = None

    def add(self, owner: str, step: str, result: AnyResult) -> None:
        self.steps.setdefault(owner, {})[step] = result

    def rows(self, source: str) -> int:
        return sum(result.rows for result in self._extracted(source))

    def last_run(self, source: str) -> LastRun:
        """Return what the state of a source keeps of this run."""
        summary = self._summarize(source)
        attempts = [summary.rows, *(repair.rows for repair in summary.repairs)]
        return LastRun(
            run_id=self.run_id,
            job=self.job,
            status=self.status,
            finished_at=datetime.now(UTC),
            rows=self.rows(source),
            error=self.error,
            differences=tuple(filter(None, map(describe_difference, attempts))),
            missed=summary.missed_histories or (),
        )

    def describe(self, effects: Sequence[EffectRecord] = ()) -> Manifest:
        """Return the manifest as of now; `effects` are those of the run's own process."""
        finished_at = datetime.now(UTC)
        read = {
            owner: {step: result.bytes_processed for step, result in steps.items()}
            for owner, steps in self.steps.items()
        }
        results = self._results()
        known, _ = add_up([result.bytes_processed for result in results])
        return Manifest(
            run_id=self.run_id,
            job=self.job,
            trigger=self.trigger,
            env=self.env,
            status=self.status,
            error=self.error,
            started_at=self.started_at,
            finished_at=finished_at,
            seconds=round((finished_at - self.started_at).total_seconds(), 3),
            business_date=self.business_date,
            parameters=dict(self.parameters),
            sources={owner: self._summarize(owner) for owner in self.attempts},
            lags=self._lags(),
            bytes_processed=known,
            jobs_without_bytes=sum(result.jobs_without_bytes for result in results),
            bytes_processed_by_step=read,
            steps=self.steps,
            broken_step=self.broken,
            git_revision=git_revision(),
            versions={
                "python": platform.python_version(),
                **{name: installed_version(name) for name in VERSIONED},
            },
            effects=tuple(effects),
        )

    def _results(self) -> list[AnyResult]:
        return [result for steps in self.steps.values() for result in steps.values()]

    def _extracted(self, source: str) -> list[ExtractResult]:
        """Return the results of 01, slice by slice."""
        steps = self.steps.get(source, {}).values()
        return [result for result in steps if isinstance(result, ExtractResult)]

    def _summarize(self, source: str) -> SourceSummary:
        steps, extracted = self.steps.get(source, {}), self._extracted(source)
        merged = [result for result in steps.values() if isinstance(result, TransformResult)]
        rows: dict[str, int] = {}
        for result in steps.values():
            if isinstance(result, ExtractResult | LandResult | LoadResult | TransformResult):
                rows[result.step] = rows.get(result.step, 0) + (result.rows or 0)
        summary = SourceSummary(
            attempt=merged[-1].attempt if merged else self.attempts[source],
            slices=sum(result.slice is not None for result in extracted),
            rows=rows,
            repairs=tuple(result.repair for result in merged if result.repair),
        )
        if not extracted:
            return summary
        last = extracted[-1]
        reached = {
            "deleted_rows": last.deleted_rows,
            "recovered_rows": last.recovered_rows,
            "watermark_from": extracted[0].watermark_from,
            "watermark_to": last.watermark_to,
            "lossless": last.lossless,
            "missed_histories": last.missed_histories,
        }
        return summary.model_copy(update=reached)

    def _lags(self) -> dict[str, Lag]:
        """Return how long what this run brought into gold has waited, by source."""
        built = [result for result in self._results() if isinstance(result, TransformResult)]
        return {name: lag for result in built for name, lag in result.lags.items()}


def installed_version(package: str) -> str | None:
    """Return a package's version; None where it is a folder on the path, as in the image."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_revision() -> str | None:
    """Return the commit of the notebooks.

    None outside a checkout, or where git is not installed.
    """
    command = ["git", "-C", str(PROJECT_DIR), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None

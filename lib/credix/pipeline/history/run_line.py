"""A run as the history page shows it: what a person needs of its manifest, and nothing else."""

from collections.abc import Iterable, Mapping

from pydantic import Field

from credix.core.freshness import bounds_in_words
from credix.core.jobs import STEPS
from credix.core.results import Manifest, SourceSummary, StepResult, TransformResult
from credix.core.watermarks import Value, Watermark

# A message of an error is one sentence; a page of ten thousand runs has no room for a traceback.
ERROR_LENGTH = 300


class SourceLine(Value):
    """What a run did with a source. `rows` are extracted, landed, loaded and merged."""

    rows: tuple[int, ...] = ()
    repairs: tuple[tuple[int, ...], ...] = ()
    deleted: int = 0
    begins_at: str = Field("", alias="from")
    ends_at: str = Field("", alias="to")
    read_at: str = ""
    missed: tuple[str, ...] = ()


class RunLine(Value):
    """The line of a run; the page leaves out what has its default: most runs find nothing to do.

    `steps` has the number of each step, its source and its seconds.
    """

    id: str
    job: str
    trigger: str | None = None
    status: str
    started: str
    seconds: float = 0
    revision: str = ""
    error: str = ""
    failed_at: str | None = None
    pages: tuple[str, ...] = ()
    dbt: dict[str, int] = Field(default_factory=dict)
    sources: dict[str, SourceLine] = Field(default_factory=dict)
    lags: dict[str, str] = Field(default_factory=dict)
    steps: tuple[tuple[str, str, float], ...] = ()


def describe_run(manifest: Manifest) -> RunLine:
    """Return the line of a run."""
    return RunLine(
        id=manifest.run_id,
        job=manifest.job,
        trigger=manifest.trigger,
        status=manifest.status,
        started=manifest.started_at.isoformat()[:19] + "Z",
        seconds=round(manifest.seconds, 1),
        revision=(manifest.git_revision or "")[:9],
        error=(manifest.error or "")[:ERROR_LENGTH],
        failed_at=manifest.failed_at,
        pages=manifest.pages or (),
        dbt=count_dbt(manifest.results),
        sources={
            name: describe_source(source)
            for name, source in manifest.sources.items()
            # Without rows the run never came to it.
            if source.rows
        },
        lags={name: bounds_in_words(lag) for name, lag in manifest.lags.items()},
        steps=tuple(
            (step.partition(".")[0][:2], owner, round(result.seconds, 1))
            for owner, results in manifest.steps.items()
            for step, result in results.items()
        ),
    )


def describe_source(source: SourceSummary) -> SourceLine:
    """Return what a run did with a source."""
    line = {
        "rows": counts_of(source.rows),
        "repairs": tuple(counts_of(repair.rows) for repair in source.repairs),
        "deleted": source.deleted_rows or 0,
        "from": place(source.watermark_from),
        "to": place(source.watermark_to),
        "read_at": ((source.watermark_to and source.watermark_to.snapshot_at) or "")[:19],
        "missed": source.missed_histories or (),
    }
    return SourceLine.model_validate(line)


def counts_of(rows: Mapping[str, int]) -> tuple[int, ...]:
    """Return the rows of one attempt, in the order of the steps that have ended."""
    return tuple(rows[step] for step in STEPS if step in rows)


def place(watermark: Watermark | None) -> str:
    """Return a watermark in one word: the place in the log, the cursor or the row version."""
    found = watermark or Watermark()
    return str(found.lsn or found.cursor or found.row_version or "")


def count_dbt(results: Iterable[StepResult]) -> dict[str, int]:
    """Count models and tests of all dbt calls by verdict: pass, warn or fail."""
    counts = {"pass": 0, "warn": 0, "fail": 0}
    verdicts = {"success": "pass", "pass": "pass", "warn": "warn"}
    for result in results:
        if isinstance(result, TransformResult):
            for status, number in result.dbt.items():
                counts[verdicts.get(status, "fail")] += number
    return {verdict: number for verdict, number in counts.items() if number}

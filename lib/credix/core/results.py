"""What steps and runs write: step results and the manifest, each one value with a version.

A step result is a file of the run's folder, which the following steps read. The manifest contains
them all, in the archive; `parse_manifest` also takes the manifests of earlier releases.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, PlainSerializer

from credix.core.freshness import Lag
from credix.core.run_options import RunOptions
from credix.core.watermarks import Digest, Progress, Slices, Value, Watermark

# In the form of `datetime.isoformat`, as archived manifests have it.
Instant = Annotated[datetime, PlainSerializer(datetime.isoformat, when_used="json")]
RunStatus = Literal["done", "no_changes", "failed"]
# How dbt and Elementary say that a model, a test or a monitor has failed.
FAILED = frozenset({"error", "fail", "runtime error", "partial success"})


class Fault(StrEnum):
    """What a failure is, by what the caller can do about it."""

    # Run it again: it passes by itself.
    TRANSIENT = "transient"
    # Grant a role, or correct the credentials or the project's billing.
    DENIED = "denied"
    # Create the thing, or correct its name.
    MISSING = "missing"
    # Raise a limit, or ask for less.
    EXCESSIVE = "excessive"
    # Find out who cancelled the job, then run it again.
    STOPPED = "stopped"
    # Correct the statement, the data or the request.
    INVALID = "invalid"


class EffectRecord(Value):
    """One performed effect: its name, tries and duration, and what it touched."""

    name: str
    target: str
    tries: int
    seconds: float


class JobRecord(Value):
    """One finished job: bytes are None where the server does not know them.

    `bytes_processed` and `bytes_billed` are of queries; a load is free and has `bytes_written`.
    """

    kind: str
    name: str
    target: str
    job_id: str | None = None
    bytes_processed: int | None = None
    bytes_billed: int | None = None
    bytes_written: int | None = None


class DbtNode(Value):
    """The result of one model or test of dbt; `table` is what a test looks at.

    `attempts` is one more than its executions that failed before, `earlier` what the last of these
    failed with.
    """

    name: str
    kind: str
    table: str
    status: str
    rows: int | None
    failures: int | None
    bytes_processed: int | None
    bytes_billed: int | None
    job_id: str | None
    seconds: float
    message: str
    fault: Fault | None = None
    attempts: int = 1
    earlier: str = ""

    @property
    def has_failed(self) -> bool:
        return self.status in FAILED

    def after(self, before: "DbtNode") -> "DbtNode":
        """Return the same result, which counts the executions that failed before it."""
        counted = {"attempts": before.attempts, "earlier": before.earlier}
        if before.has_failed:
            counted = {"attempts": before.attempts + 1, "earlier": before.message}
        return self.model_copy(update=counted)


class LandedPart(Value):
    """A Parquet part of a delta; `is_shipped` where 01 has uploaded it already."""

    path: str
    object_name: str
    rows: int
    size_bytes: int
    crc32c: str
    is_shipped: bool = False


class SliceNumber(Value):
    """Which slice of a large read a delta is."""

    number: int
    is_last: bool


class Repair(Value):
    """One more attempt of a run, because bronze was not proven: why, and its rows by step."""

    attempt: int
    fault: str
    rows: dict[str, int]


class MonitorVerdict(Value):
    """What one monitor of Elementary says of a table; `finding` is empty where it is quiet."""

    monitor: str
    table: str
    status: str
    seconds: float
    finding: str

    @property
    def has_failed(self) -> bool:
        return self.status in FAILED


class Monitoring(Value):
    """What Elementary did, why not more, and the address of its page."""

    status: Literal["absent", "done", "failed"] = "absent"
    reason: str = ""
    monitors: tuple[MonitorVerdict, ...] = ()
    page: str | None = None
    seconds: float | None = None


class StepResult(Value):
    """What every step writes. `Run.finish` fills in all but the status.

    `bytes_processed` is what the step's queries have read as far as it is known, None where it is
    of none; `jobs_without_bytes` counts the others.
    """

    version: Literal[1] = 1
    step: str
    status: Literal["done", "no_changes"]
    run_id: str = ""
    source: str | None = None
    attempt: int = 0
    effects: tuple[EffectRecord, ...] = ()
    bytes_processed: int | None = None
    jobs_without_bytes: int = 0
    jobs: tuple[JobRecord, ...] = ()
    seconds: float = 0

    @classmethod
    def step_name(cls) -> str:
        return str(cls.model_fields["step"].default)


class ExtractResult(StepResult):
    """01: the delta, and what 04 will commit once bronze holds it.

    `received`, `refused` and `superseded_rows` are of files from outside, and None of a snapshot.
    """

    step: Literal["01_extract"] = "01_extract"
    rows: int
    deleted_rows: int = 0
    recovered_rows: int = 0
    dropped_rows: int = 0
    compared_keys: int | None = None
    superseded_rows: int | None = None
    orders: RunOptions = RunOptions()
    messages: tuple[str, ...] = ()
    refused: tuple[str, ...] | None = None
    size_bytes: int = 0
    predicate: str
    is_full: bool = False
    watermark_from: Watermark | None
    watermark_to: Watermark | None
    lossless: bool
    missed_histories: tuple[str, ...]
    snapshot_at: Instant
    progress: Progress | None = None
    received: dict[str, str] | None = None
    slice: SliceNumber | None = None
    slices: Slices | None = None
    parts: tuple[LandedPart, ...] = ()


class LandResult(StepResult):
    """02: the files in landing."""

    step: Literal["02_land"] = "02_land"
    rows: int
    files: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()


class LoadResult(StepResult):
    """03: the tables that hold the rows, and the archived files."""

    step: Literal["03_load"] = "03_load"
    rows: int
    temp_table: str
    stable_table: str
    files: tuple[str, ...] = ()


class MergeRecord(Value):
    """`merged/<source>/<attempt>.json` in the archive: bronze was proven to hold these files.

    `digest` is None where deletes are not captured.
    """

    version: Literal[1] = 1
    source: str
    seq: int
    run_id: str
    snapshot_at: Instant
    fingerprint: str
    is_full: bool
    rows: int
    digest: Digest | None
    files: tuple[str, ...]


class TransformResult(StepResult):
    """04: what dbt has built and tested.

    From `rows` to `watermark_to` it is about bronze, None where that was not built; `gold_at` and
    `lags` are about gold.
    """

    step: Literal["04_transform"] = "04_transform"
    layers: tuple[str, ...] = ()
    business_date: str = ""
    rows: int | None = None
    repair: Repair | None = None
    deleted_rows: int | None = None
    watermark_from: Watermark | None = None
    watermark_to: Watermark | None = None
    gold_at: str | None = None
    lags: dict[str, Lag] = Field(default_factory=dict)
    dbt: dict[str, int] = Field(default_factory=dict)
    nodes: tuple[DbtNode, ...] = ()


class ReportResult(StepResult):
    """05: whether today's numbers may be used, and what Elementary has found."""

    step: Literal["05_report"] = "05_report"
    business_date: str = ""
    verdict: str = ""
    monitoring: Monitoring = Monitoring()


AnyResult = Annotated[
    ExtractResult | LandResult | LoadResult | TransformResult | ReportResult,
    Field(discriminator="step"),
]


class SourceSummary(Value):
    """What a run did with a source, over all slices; `rows` by step."""

    attempt: int
    slices: int = 0
    rows: dict[str, int]
    repairs: tuple[Repair, ...] = ()
    deleted_rows: int | None = None
    recovered_rows: int | None = None
    watermark_from: Watermark | None = None
    watermark_to: Watermark | None = None
    lossless: bool | None = None
    missed_histories: tuple[str, ...] | None = None


class BrokenStep(Value):
    """The step that has failed, and what it had done until then."""

    source: str
    step: str
    effects: tuple[EffectRecord, ...]


class Manifest(Value):
    """What a run has done.

    `steps` has each step result below its source, or below `gold`; those of slices after the first
    one, and of the delta after them, have names that end in a number. `effects` are those of the
    run's own process. `pages` and `failed_at` are files beside the manifest in the archive.
    """

    version: Literal[1] = 1
    run_id: str
    job: str
    trigger: str | None = None
    env: str
    status: RunStatus
    error: str | None
    started_at: Instant
    finished_at: Instant
    seconds: float
    business_date: str
    parameters: dict[str, JsonValue]
    sources: dict[str, SourceSummary]
    lags: dict[str, Lag] = Field(default_factory=dict)
    bytes_processed: int | None = None
    jobs_without_bytes: int = 0
    bytes_processed_by_step: dict[str, dict[str, int | None]] = Field(default_factory=dict)
    steps: dict[str, dict[str, AnyResult]]
    broken_step: BrokenStep | None = None
    git_revision: str | None
    versions: dict[str, str | None]
    effects: tuple[EffectRecord, ...] = ()
    pages: tuple[str, ...] | None = None
    failed_at: str | None = None

    @property
    def results(self) -> Iterator[StepResult]:
        """All step results, in the order in which the steps have ended."""
        return (result for steps in self.steps.values() for result in steps.values())


# What only the following steps of a run read: its forms of earlier releases are not needed again.
WITHIN_A_RUN = ("jobs", "nodes", "parts", "progress", "slices")


def parse_manifest(text: str) -> Manifest:
    """Return the manifest of this release, or of an earlier one, in the form of this release.

    Earlier ones have no version. What they lack has its default; what this release does not know,
    of an earlier or a later one, is left out.

    Raises:
        ValueError: The text is no manifest.
    """
    found = json.loads(text)
    if not isinstance(found, dict) or "version" in found:
        return Manifest.model_validate(found, extra="ignore")
    try:
        steps = {
            owner: {name: read_earlier(name, result) for name, result in results.items()}
            for owner, results in found["steps"].items()
        }
    except (AttributeError, KeyError):
        raise ValueError("it has no step results") from None
    return Manifest.model_validate({**found, "steps": steps}, extra="ignore")


def read_earlier(name: str, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a step result of an earlier release without what only its own run has read."""
    kept = {key: value for key, value in result.items() if key not in WITHIN_A_RUN}
    return {**kept, "step": name.partition(".")[0]}

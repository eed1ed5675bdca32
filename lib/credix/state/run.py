"""The run a notebook works in: opened by `01`, picked up by `02` to `05`, closed by a step result.

A run folder holds `run.json`, one folder per source with its parts and step results, and the
executed notebooks. Without parameters a notebook works in the latest sandbox run.
"""

import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from credix.clients.bigquery.job_labels import JobLabels
from credix.clients.bigquery.job_records import bytes_of_queries
from credix.clients.effects import Effects
from credix.core.contracts import Source, load_source
from credix.core.disk import disk_named, replacing
from credix.core.errors import SettingsError, StepError
from credix.core.results import StepResult
from credix.core.run_options import RunOptions
from credix.core.settings import Settings
from credix.core.watermarks import Value, Watermark
from credix.state.leases import is_abandoned, new_lease
from credix.state.states import GOLD, SourceState

if TYPE_CHECKING:
    from credix.clients.bigquery.warehouse import Warehouse
    from credix.clients.gcs.lake import Lake
    from credix.state.kernel_lease import KernelLease
    from credix.state.store import StateStore

SANDBOX_PREFIX = "sandbox"
BY_HAND = "by_hand"
LATEST = "latest_by_hand.json"
REREADS = "rereads.parquet"
JOURNAL = "effects.jsonl"

Result = TypeVar("Result", bound=StepResult)


class RunDescription(Value):
    """`run.json` in the folder of a run and a source: what a notebook continues the run by.

    `state` says whose attempts count together; files of earlier releases have none.
    """

    version: Literal[1] = 1
    run_id: str
    folder: str
    source: str | None
    attempt: int
    watermark: Watermark | None
    business_date: str
    is_sandbox: bool
    state: str | None = None
    allow_deletes: bool = False
    backfill: tuple[str, str] | None = None
    reconcile: bool = False
    from_landing: bool = False

    @property
    def orders(self) -> RunOptions:
        return RunOptions(self.allow_deletes, self.backfill, self.reconcile, self.from_landing)


class LatestRun(Value):
    """The latest run that was opened by hand."""

    folder: str
    source: str


@dataclass(frozen=True)
class Run:
    """One run as its notebooks see it. Clients are made when a cell first needs them.

    `contract` takes the place of the one that is declared for the source.
    """

    settings: Settings
    run_id: str
    folder: Path
    source_name: str | None
    attempt: int
    watermark: Watermark | None
    business_date: str
    is_sandbox: bool
    effects: Effects
    orders: RunOptions = field(default_factory=RunOptions)
    contract: Source | None = None
    started: float = field(default_factory=time.monotonic)
    # The attempt of this run that this one repairs, and what was wrong with bronze after it.
    repairs: "Run | None" = None
    fault: str = ""

    @cached_property
    def source(self) -> Source:
        """The contract; a sandbox reads by row version, its slot would hold back log for ever."""
        source = self.contract or load_source(self.source_name or "")
        if self.is_sandbox and source.capture == "log":
            return replace(source, capture="row_version")
        return source

    @property
    def is_by_hand(self) -> bool:
        """True for a run that 01 opened itself; the pipeline's runs hold and release their own."""
        return f"-{BY_HAND}-" in self.run_id or self.is_sandbox

    @property
    def source_folder(self) -> Path:
        return self.folder / (self.source_name or GOLD)

    @cached_property
    def lake(self) -> "Lake":
        from credix.clients.gcs.lake import Lake

        return Lake(self.settings, self.effects)

    @cached_property
    def warehouse(self) -> "Warehouse":
        from credix.clients.bigquery.warehouse import Warehouse

        return Warehouse(self.settings, self.effects, lambda: self.labels)

    @cached_property
    def states(self) -> "StateStore":
        from credix.state.store import StateStore

        return StateStore(self.settings, self.lake)

    @property
    def labels(self) -> JobLabels:
        """What the jobs of this run say of it."""
        settings, source = self.settings, self.source_name or GOLD
        return JobLabels(settings.env, settings.prefix, self.run_id, source, self.attempt)

    def read_result(self, kind: type[Result]) -> Result:
        """Return the result of an earlier step of this run; raises StepError when it has none."""
        step = kind.step_name()
        path = self.source_folder / f"{step}.json"
        try:
            return kind.model_validate_json(path.read_text("utf-8"))
        except FileNotFoundError:
            raise StepError(
                f"Run {self.run_id} has no result of {step} ({path}): run that notebook first."
            ) from None
        except ValidationError:
            raise StepError(
                f"{path} is no result of {step} of this release: run that notebook again."
            ) from None

    def read_state(self) -> SourceState:
        """Return the source's state as it was when the fence was raised."""
        path = self.source_folder / "state.json"
        return SourceState.from_json(path.read_text("utf-8"), str(path))

    def finish(self, result: Result, result_path: str) -> Result:
        """Add what the step has done; write the result whole or not at all, and return it."""
        known, unknown = bytes_of_queries(self.effects.jobs)
        done = {
            "run_id": self.run_id,
            "source": self.source_name,
            "attempt": self.attempt,
            "effects": tuple(self.effects.records),
            "bytes_processed": known,
            "jobs_without_bytes": unknown,
            "jobs": tuple(self.effects.jobs),
            "seconds": round(time.monotonic() - self.started, 3),
        }
        whole = result.model_copy(update=done)
        path = Path(result_path) if result_path else self.source_folder / f"{result.step}.json"
        write_value(path, whole)
        return whole


def open_run(
    source: str,
    run_id: str,
    run_folder: str,
    attempt: int,
    watermark: Watermark | None,
    business_date: str,
    *,
    commit: bool,
    orders: RunOptions | None = None,
) -> Run:
    """Return the run that the parameters name; without a run id a new one of this notebook's own.

    A run of one's own works in sandbox datasets, prefix and state, unless `commit` is true: then
    it is a real run, with fence and lease.
    """
    settings = Settings.load()
    load_source(source)
    if run_id:
        run = build_run(
            settings, run_id, Path(run_folder), source, attempt, watermark, business_date
        )
    else:
        run = open_own_run(settings, source, business_date, commit=commit)
    run = replace(run, orders=orders or RunOptions())
    write_value(run.source_folder / "run.json", describe(run))
    return run


def open_own_run(settings: Settings, source: str, business_date: str, *, commit: bool) -> Run:
    from credix.state.running_jobs import cancel_earlier_jobs

    run_id = new_run_id(BY_HAND if commit else SANDBOX_PREFIX)
    if commit:
        settings.require_confirmation()
    else:
        settings = sandbox_settings(settings)
    folder = settings.run_dir / run_id
    run = build_run(settings, run_id, folder, source, 0, None, business_date, is_sandbox=not commit)
    if not commit:
        prepare_sandbox(run)
    lease = new_lease(run_id, timedelta(seconds=settings.lease_seconds), settings.execution)
    before: list[SourceState] = []

    def raise_fence(state: SourceState) -> SourceState:
        before[:] = [state]
        return state.raise_fence(
            lease, datetime.now(UTC), lambda held: run.is_sandbox or is_abandoned(held)
        )

    state = run.states.change_source("state.raise_fence", source, raise_fence)
    run = replace(run, attempt=state.attempt, watermark=state.watermark)
    if commit:
        lease_of(run).begin()
    cancel_earlier_jobs(settings, run.effects, before[0], state, source, print)
    write_text(run.source_folder / "state.json", state.to_json())
    write_value(settings.run_dir / LATEST, LatestRun(folder=str(run.folder), source=source))
    return run


def lease_of(run: Run) -> "KernelLease":
    """Return the lease on the run's source, as a kernel of a run by hand keeps it."""
    from credix.state.kernel_lease import KernelLease

    source = run.source.name
    return KernelLease(
        source,
        run.run_id,
        run.attempt,
        lambda change: run.states.change_source("state.renew", source, change),
        run.settings,
        follows_cells=True,
    )


def resume_run(source: str, run_folder: str) -> Run:
    """Return the run of that folder, or the latest one opened by hand when no folder is named.

    A real run by hand holds its source in this kernel from here on. Raises FenceError when another
    run has begun on the source since.
    """
    run = find_run(source, run_folder)
    if run.is_by_hand and run.source_name and not run.is_sandbox:
        lease_of(run).take_over()
    return run


def find_run(source: str, run_folder: str) -> Run:
    """Return the run of that folder, or the latest one opened by hand; nothing is held."""
    settings = Settings.load()
    if run_folder:
        path = Path(run_folder) / (source or GOLD) / "run.json"
    else:
        latest = read_latest(settings)
        path = Path(latest.folder) / latest.source / "run.json"
    known = read_description(path)
    if known.is_sandbox:
        settings = sandbox_settings(settings)
    return build_run(
        settings,
        known.run_id,
        Path(known.folder),
        known.source,
        known.attempt,
        known.watermark,
        known.business_date,
        is_sandbox=known.is_sandbox,
        orders=known.orders,
    )


def build_run(
    settings: Settings,
    run_id: str,
    folder: Path,
    source: str | None,
    attempt: int,
    watermark: Watermark | None,
    business_date: str,
    *,
    is_sandbox: bool = False,
    orders: RunOptions | None = None,
) -> Run:
    return Run(
        settings=settings,
        run_id=run_id,
        folder=folder,
        source_name=source or None,
        attempt=attempt,
        watermark=watermark,
        business_date=business_date or today(settings),
        is_sandbox=is_sandbox,
        effects=Effects(settings.retry_seconds, folder / (source or GOLD) / JOURNAL),
        orders=orders or RunOptions(),
    )


def read_latest(settings: Settings) -> LatestRun:
    path = settings.run_dir / LATEST
    try:
        return LatestRun.model_validate_json(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            "There is no run to continue: run 01_extract.ipynb first, it opens a sandbox run."
        ) from None


def read_description(path: Path) -> RunDescription:
    """Return what `describe` has written into the folder of a run, also in an earlier release."""
    try:
        return RunDescription.model_validate_json(path.read_text("utf-8"), extra="ignore")
    except (FileNotFoundError, ValidationError):
        raise SettingsError(
            f"There is no run to continue in {path.parent}: run 01_extract.ipynb first, or "
            "correct run_folder."
        ) from None


def sandbox_settings(settings: Settings) -> Settings:
    return settings.with_prefix(f"{SANDBOX_PREFIX}_{settings.prefix}")


def prepare_sandbox(run: Run) -> None:
    """The sandbox's own datasets and reference tables, as Terraform makes the real ones."""
    from credix.clients.provision import provision_warehouse

    provision_warehouse(run.warehouse)


def new_run_id(job: str) -> str:
    """Sorts by time: `20261123T101500Z-full-1f2e3d`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{job}-{secrets.token_hex(3)}"


def today(settings: Settings) -> str:
    """Return the business day: today's date in the business's time zone."""
    return datetime.now(ZoneInfo(settings.timezone)).date().isoformat()


def describe(run: Run) -> RunDescription:
    return RunDescription(
        run_id=run.run_id,
        folder=str(run.folder),
        source=run.source_name,
        attempt=run.attempt,
        watermark=run.watermark,
        business_date=run.business_date,
        is_sandbox=run.is_sandbox,
        state=describe_state(run.settings),
        allow_deletes=run.orders.allow_deletes,
        backfill=run.orders.backfill,
        reconcile=run.orders.reconcile,
        from_landing=run.orders.from_landing,
    )


def describe_state(settings: Settings) -> str:
    """Whose attempts count together: runs of several environments may share a folder."""
    return f"{settings.env}: gs://{settings.lake_bucket}/{settings.prefix}/state/"


def write_value(path: Path, value: BaseModel) -> None:
    write_text(path, value.model_dump_json(indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a file; raises DiskError when the disk is full or cannot be written to."""
    with disk_named(path.parent), replacing(path) as beside:
        beside.write_text(text, "utf-8")

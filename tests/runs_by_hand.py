"""A run without notebooks: the steps as plain calls, with the real fence and state."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from credix.core.contracts import CaptureMode, source_names
from credix.core.results import ExtractResult
from credix.core.run_options import RunOptions
from credix.core.settings import Settings
from credix.state import running_jobs
from credix.state.leases import new_lease
from credix.state.run import Run, build_run, describe, new_run_id, write_text, write_value
from credix.state.states import GoldState, Lease, SourceState
from credix.warehouse import bronze
from credix.warehouse import transform as transform_step
from credix.warehouse.checkpoint import commit_watermark
from credix.warehouse.cycle import extract, land, load, open_following

BUSINESS_DATE = "2024-03-01"


def begin(
    settings: Settings,
    source: str,
    capture: CaptureMode = "row_version",
    is_dead: Callable[[Lease], bool] = lambda _: True,
) -> Run:
    """A run that has just raised the fence of its source, by default whoever held it."""
    run_id = new_run_id("by_hand")
    folder = settings.run_dir / run_id
    run = build_run(settings, run_id, folder, source, 0, None, BUSINESS_DATE)
    lease = new_lease(run_id, timedelta(minutes=5))
    before: list[SourceState] = []

    def change(state: SourceState) -> SourceState:
        before[:] = [state]
        return state.raise_fence(lease, datetime.now(UTC), is_dead)

    state = run.states.change_source("state.raise_fence", source, change)
    running_jobs.cancel_earlier_jobs(settings, run.effects, before[0], state, source, print)
    run = replace(
        run,
        attempt=state.attempt,
        watermark=state.watermark,
        contract=replace(run.source, capture=capture),
    )
    write_text(run.source_folder / "state.json", state.to_json())
    write_value(run.source_folder / "run.json", describe(run))
    return run


def carry(
    settings: Settings,
    source: str,
    capture: CaptureMode = "row_version",
    *,
    allow_deletes: bool = False,
) -> Run:
    """A whole run of one source from PostgreSQL to bronze and its watermark."""
    run = begin(settings, source, capture)
    run = replace(run, orders=RunOptions(allow_deletes=allow_deletes))
    return carry_run(run)


def carry_run(run: Run, before_merge: Callable[[Run], None] = lambda _: None) -> Run:
    """The same for a run that has begun, a read in slices to its end; the last attempt."""
    folder = run.folder
    run, extracted = carry_once(run, before_merge)
    while extracted.slice:
        run, extracted = carry_once(open_following(run, run.attempt, folder), before_merge)
    return run


def carry_once(
    run: Run, before_merge: Callable[[Run], None] = lambda _: None
) -> tuple[Run, ExtractResult]:
    """One cycle from extract to the commit; the attempt that ended it, and what it extracted."""
    extracted = extract(run)
    if extracted.status == "no_changes":
        commit(run, extracted)
        return run, extracted
    land(run)
    load(run)
    before_merge(run)
    bronze.merge_bronze(run)
    run, _ = bronze.prove_bronze(run)
    transform_step.commit_watermark(run)
    transform_step.drop_temp_tables(run)
    return run, extracted


def build_gold(run: Run) -> GoldState:
    """Silver and gold of the run's business day, as 04_transform builds them behind the sources."""
    claim = transform_step.claim_gold(run)
    for layer in ("silver", "gold"):
        transform_step.build_layer(run, layer, claim)
    return transform_step.commit_gold(run, claim)


def carry_all(settings: Settings, business_date: str = BUSINESS_DATE) -> GoldState:
    """Every source to bronze, and gold of that day over them."""
    runs = [carry(settings, source) for source in source_names()]
    return build_gold(replace(runs[-1], business_date=business_date))


def commit(run: Run, extracted: ExtractResult) -> SourceState:
    """What 04_transform does once bronze holds the rows."""
    return commit_watermark(run, extracted, is_merged=extracted.status == "done")


def read_changes(
    settings: Settings, source: str, capture: CaptureMode = "row_version"
) -> ExtractResult:
    """One run that reads changed rows and commits how far it got, without bronze; its result."""
    run = begin(settings, source, capture)
    run = replace(run, contract=replace(run.source, captures_deletes=False))
    extracted = extract(run)
    commit(run, extracted)
    return extracted


def rows_of(extracted: ExtractResult) -> list[dict[str, Any]]:
    """The rows of all parts, in the order they were written."""
    parts = [pq.read_table(Path(part.path)) for part in extracted.parts]
    return pa.concat_tables(parts).to_pylist() if parts else []


def keys_of(extracted: ExtractResult, key: str) -> list[str]:
    return sorted(row[key] for row in rows_of(extracted))

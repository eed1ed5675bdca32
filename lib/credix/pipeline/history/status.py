"""What has run: the state of each source and the list of the last runs."""

from datetime import UTC, datetime

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.clients.postgres.replication import Replication
from credix.core.addresses import run_address
from credix.core.contracts import Source, load_source, source_names
from credix.core.errors import CredixError
from credix.core.freshness import Lag, complete_up_to, seconds_between
from credix.core.jobs import SOURCE_STEPS
from credix.core.results import RunStatus
from credix.core.settings import MEBIBYTE, Settings
from credix.core.watermarks import Value, Watermark
from credix.pipeline.archive import read_manifests
from credix.state.states import LastRun
from credix.state.store import StateStore

SLOT_WARNING = "WARNING:"


class SourceStatus(Value):
    """How a source stands: watermark, attempt, last run and its page, rows, lags in seconds.

    `lag_seconds` and `gold_lag_seconds` are the ages of the snapshots up to which bronze and tested
    gold are complete, `commit_to_gold` bounds how long the changes that reached gold last waited.
    `replication_slot` is None where no log is read.
    """

    source: str
    table: str
    watermark: Watermark | None
    attempt: int
    held_by: str | None
    last_run: LastRun | None
    page: str | None
    rows_in_bronze: int | None
    lag_seconds: float | None
    gold_lag_seconds: float | None
    commit_to_gold: Lag | None
    replication_slot: str | None = None


class RunSummary(Value):
    """One of the last runs; `rows` are those that it extracted."""

    run_id: str
    job: str
    status: RunStatus
    started_at: str
    seconds: float
    rows: int
    error: str | None


def source_statuses(settings: Settings) -> list[SourceStatus]:
    """Return how every source stands."""
    effects = Effects(settings.retry_seconds)
    states, warehouse = StateStore(settings, Lake(settings, effects)), Warehouse(settings, effects)
    gold = states.read_gold()
    lines = []
    for name in source_names():
        state = states.read_source(name)
        source = load_source(name)
        reach = gold.reached.get(name)
        complete_at = complete_up_to(reach, state.reach if gold.business_date else None)
        reads_log = "log" in (source.capture, state.capture)
        lines.append(
            SourceStatus(
                source=name,
                table=source.table_in(settings.postgres_schema),
                watermark=state.watermark,
                attempt=state.attempt,
                held_by=state.lease.run_id if state.lease else None,
                last_run=state.last_run,
                page=run_address(settings, state.last_run.run_id) if state.last_run else None,
                rows_in_bronze=count_rows(warehouse, name),
                lag_seconds=lag_seconds(state.reach.snapshot_at),
                gold_lag_seconds=lag_seconds(complete_at),
                commit_to_gold=reach.lag if reach else None,
                replication_slot=describe_slot(settings, source) if reads_log else None,
            )
        )
    return lines


def describe_slot(settings: Settings, source: Source) -> str:
    """Return the slot and the size of the log kept for it, with a warning when that is much."""
    try:
        with Replication(settings, source) as replication:
            name, status = replication.name, replication.status()
    except CredixError as error:
        return f"not known: {error}"
    if status is None:
        return f"{name}: none, the next run reads in full"
    if status.lost_because:
        return f"{name}: lost ({status.lost_because}), the next run reads in full"
    retained = status.retained_bytes / MEBIBYTE
    text = f"{name}: keeps {retained:,.1f} MiB of the server's log ({status.wal_status})"
    if retained <= settings.slot_warn_mb:
        return text
    return (
        f"{text}. {SLOT_WARNING} that is more than CREDIX_SLOT_WARN_MB, {settings.slot_warn_mb}: "
        f"run the source, or drop the slot: SELECT pg_drop_replication_slot('{name}')"
    )


def recent_runs(settings: Settings, limit: int) -> list[RunSummary]:
    """Return the last runs, newest first."""
    lake = Lake(settings, Effects(settings.retry_seconds))
    return [
        RunSummary(
            run_id=manifest.run_id,
            job=manifest.job,
            status=manifest.status,
            started_at=manifest.started_at.isoformat()[:19] + "Z",
            seconds=manifest.seconds,
            rows=sum(source.rows.get(SOURCE_STEPS[0], 0) for source in manifest.sources.values()),
            error=manifest.error,
        )
        for manifest in read_manifests(lake, limit)
    ]


def count_rows(warehouse: Warehouse, source: str) -> int | None:
    """Return live rows in bronze; None before the first run."""
    if warehouse.columns("bronze", source) is None:
        return None
    table = warehouse.table_id("bronze", source)
    return int(warehouse.query(f"SELECT countif(NOT _is_deleted) AS n FROM `{table}`")[0]["n"])


def lag_seconds(snapshot_at: str | None) -> float | None:
    if snapshot_at is None:
        return None
    return seconds_between(snapshot_at, datetime.now(UTC).isoformat())

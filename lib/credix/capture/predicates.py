"""Which rows of a source a run has to read: the decision as values, the predicate as SQL.

`row_version` compares every row's xmin with the snapshot of the last run: complete, one heap scan.
`cursor` compares the greatest of the cursor columns: indexable, blind to updates that touch none.
`log` lets a replication slot name the changed keys; where it cannot, it reads by row version.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from credix.clients.postgres.pgoutput import lsn_number
from credix.core.contracts import Source
from credix.core.errors import SettingsError, TransientError
from credix.core.source_sql import quote, quote_literal
from credix.core.watermarks import Server, Watermark
from credix.state.states import SourceState

# A transaction id is compared within half of its 32-bit circle.
XID_HORIZON = 1 << 31


@dataclass(frozen=True)
class Snapshot:
    """What is known of the source at the moment the run looks at it.

    `oldest_open_at` is a lower bound of the start of every transaction whose rows the snapshot
    cannot see; None when the role may not know it. `relation_marks` change, one by relation, when
    it is rewritten or attached again. `log_position` is the place in the server's log after all
    that the snapshot sees. For capture by log `log_gap` says why the replication slot
    does not hold all changes since the watermark, `log_gap_of_slices` the same of the first
    snapshot of a read in slices, and `publication` is its version.
    """

    taken_at: datetime
    row_version: int
    next_row_version: int
    server: Server
    relation_oids: tuple[int, ...]
    column_numbers: tuple[int, ...]
    oldest_open_at: datetime | None
    is_standby: bool
    has_prepared_transactions: bool
    log_position: str
    relation_marks: tuple[str, ...] = ()
    log_gap: str | None = None
    log_gap_of_slices: str | None = None
    publication: str | None = None


@dataclass(frozen=True)
class Predicate:
    """The WHERE clause of the delta, the one that finds what the next run reads again, and why."""

    sql: str
    rereads_sql: str
    reason: str
    is_full: bool
    keys_sql: str = ""


def choose_predicate(
    source: Source, state: SourceState, snapshot: Snapshot, next_watermark: Watermark
) -> Predicate:
    """Return the rows changed since the state's watermark.

    All rows when the watermark is invalid.
    """
    rereads = rereads_sql(source, next_watermark, snapshot)
    reason = reload_reason(source, state, snapshot)
    if reason:
        return Predicate("TRUE", rereads, f"full read: {reason}", is_full=True)
    watermark = state.watermark or Watermark()
    changed = changed_sql(source, watermark)
    new_relations = sorted(set(snapshot.relation_oids) - set(state.relation_oids))
    if new_relations:
        oids = ", ".join(str(oid) for oid in new_relations)
        changed = f"(tableoid IN ({oids}) OR {changed})"
    reason = "rows written since the last snapshot"
    if source.capture == "cursor":
        reason = f"rows whose cursor is at or after {watermark.cursor}, or NULL"
    if new_relations:
        reason += f", and all rows of {len(new_relations)} new relation(s)"
    return Predicate(changed, rereads, reason, is_full=False)


def widened(predicate: Predicate, extra: str, reason: str) -> Predicate:
    """Return the same predicate, and other rows too, for a reason of their own."""
    return replace(
        predicate,
        sql=f"({predicate.sql}) OR ({extra})",
        reason=f"{predicate.reason}, and {reason}",
    )


def reload_reason(source: Source, state: SourceState, snapshot: Snapshot) -> str | None:
    """Return why the watermark cannot be used; None when it can."""
    watermark = state.watermark
    if watermark is None:
        return "there is no watermark yet"
    if state.capture != source.capture:
        return f"capture is now {source.capture}, it was {state.capture}"
    if state.fingerprint != source.fingerprint:
        return "the contract has changed"
    if state.server is None or state.server.major_version != snapshot.server.major_version:
        return "the PostgreSQL major version has changed, and with it the row hashes"
    if state.column_numbers and state.column_numbers != snapshot.column_numbers:
        return "a column was dropped and added again, which leaves no trace in the rows"
    if state.server != snapshot.server:
        return "the server or its timeline is another one"
    if is_before(snapshot, state.log_position):
        return "the server's log went back: it was restored, or lost what it had confirmed"
    if source.capture == "cursor":
        return cursor_reload_reason(watermark, snapshot)
    if snapshot.log_gap:
        return snapshot.log_gap
    if watermark.row_version is None:
        return "the watermark has no row version"
    if snapshot.row_version < watermark.row_version:
        return "the server's transaction counter went back"
    if snapshot.next_row_version - watermark.row_version >= XID_HORIZON:
        return "the watermark is older than half of all transaction ids"
    return None


def cursor_reload_reason(watermark: Watermark, snapshot: Snapshot) -> str | None:
    """Return why the cursor cannot be used; None when it can."""
    if watermark.cursor is None:
        return "the watermark has no cursor"
    if lies_ahead(watermark, snapshot):
        return "the watermark is in the future"
    if watermark.snapshot_at and snapshot.taken_at < datetime.fromisoformat(watermark.snapshot_at):
        return "the server's clock went back, so that rows may have been written before the cursor"
    return None


def is_before(snapshot: Snapshot, log_position: str | None) -> bool:
    """Return whether the server's log ends before a place that an earlier run has read."""
    if log_position is None:
        return False
    return lsn_number(snapshot.log_position) < lsn_number(log_position)


def require_caught_up(state: SourceState, snapshot: Snapshot) -> None:
    """Raise TransientError when a standby has not replayed what an earlier run has read.

    A standby that was restarted, or another one of a pool, may show an older snapshot. Bronze would
    go back with it.
    """
    is_known = snapshot.is_standby and state.watermark and state.server == snapshot.server
    if is_known and is_before(snapshot, state.log_position):
        raise TransientError(
            f"The standby has replayed the log up to {snapshot.log_position}, an earlier run of "
            f"{state.source} has read up to {state.log_position}: run again when the standby has "
            f"caught up. If it was restored from a backup, order a full read: "
            f"./run_pipeline.py rewind --source {state.source} --to none --yes."
        )


def lies_ahead(watermark: Watermark, snapshot: Snapshot) -> bool:
    """Return True for a cursor that no run can have reached; a day is left for time zones."""
    tomorrow = (snapshot.taken_at.astimezone(UTC) + timedelta(days=1)).date()
    return watermark.cursor is not None and watermark.cursor[:10] > tomorrow.isoformat()


def changed_sql(source: Source, watermark: Watermark) -> str:
    if source.capture == "cursor":
        return since_cursor(source, watermark.cursor or "")
    return since_row_version(watermark.row_version or 0)


def rereads_sql(source: Source, watermark: Watermark, snapshot: Snapshot) -> str:
    """Return a condition for rows of this snapshot that the next run will read again.

    Where no transaction was open at the snapshot, none of its rows is at or after the watermark.
    """
    if source.capture == "cursor":
        return since_cursor(source, watermark.cursor) if watermark.cursor else "TRUE"
    row_version = watermark.row_version or 0
    if watermark.follows_log or row_version >= snapshot.next_row_version:
        return "FALSE"
    return since_row_version(row_version)


def since_row_version(row_version: int) -> str:
    """Return a condition for rows written by transactions that were not over at that snapshot.

    Rows frozen more than 2^31 transactions ago have a negative age; the bound is an InitPlan, so
    that it is computed once and not per row.
    """
    bound = f"(SELECT age('{row_version % (1 << 32)}'::xid))"
    return f"age(xmin) BETWEEN 0 AND {bound}"


def since_cursor(source: Source, cursor: str) -> str:
    """Return the overlap: inclusive, as the last day or instant may have been open.

    NULL cursors too.
    """
    expression = cursor_sql(source)
    literal = f"{quote_literal(cursor)}::{cursor_type(source)}"
    return f"({expression} >= {literal} OR {expression} IS NULL)"


def in_period(source: Source, first: str, last: str) -> str:
    """Return a condition for rows whose cursor is in the period, both days included."""
    if not source.cursor:
        raise SettingsError(
            f"Source '{source.name}' names no cursor in sources.yml: nothing identifies the "
            "rows of a period."
        )
    expression, kind = cursor_sql(source), cursor_type(source)
    if kind == "date":
        return f"{expression} BETWEEN {quote_literal(first)}::date AND {quote_literal(last)}::date"
    return (
        f"{expression} >= {quote_literal(first)}::date::timestamp AT TIME ZONE 'UTC' AND "
        f"{expression} < ({quote_literal(last)}::date + 1)::timestamp AT TIME ZONE 'UTC'"
    )


def cursor_sql(source: Source) -> str:
    """Return the greatest cursor column; PostgreSQL's GREATEST skips NULL."""
    return f"GREATEST({', '.join(quote(column) for column in source.cursor)})"


def cursor_type(source: Source) -> str:
    types = {column.type for column in source.columns if column.name in source.cursor}
    if len(types) != 1 or not types <= {"DATE", "TIMESTAMP"}:
        raise SettingsError(
            f"Source '{source.name}' in sources.yml: cursor columns must all be DATE or all "
            f"TIMESTAMP, they are {sorted(types)}."
        )
    return "date" if types == {"DATE"} else "timestamptz"


def next_watermark(
    source: Source,
    previous: Watermark | None,
    snapshot: Snapshot,
    greatest_cursor: date | datetime | None,
    timezone: str,
    lag: timedelta,
) -> Watermark:
    """Return where the next run begins: never ahead of the snapshot.

    A cursor is capped at the oldest transaction that was open, or held back by the configured lag
    where the role may not know it; a date in the future does not move it. It does not go back
    unless the server's clock did.
    """
    snapshot_at = snapshot.taken_at.astimezone(UTC).isoformat()
    if source.capture == "row_version":
        return Watermark(row_version=snapshot.row_version, snapshot_at=snapshot_at)
    bound = snapshot.oldest_open_at or snapshot.taken_at - lag
    cursor = previous.cursor if previous else None
    if previous and cursor_reload_reason(previous, snapshot):
        cursor = None
    if greatest_cursor is not None:
        reached = min(
            as_instant(greatest_cursor, timezone),
            as_instant(as_cursor(bound, source, timezone), timezone),
        )
        text = cursor_text(reached, source, timezone)
        cursor = text if cursor is None else max(cursor, text)
    return Watermark(cursor=cursor, snapshot_at=snapshot_at)


def as_cursor(instant: datetime, source: Source, timezone: str) -> date | datetime:
    """Return the instant in the cursor's type: a day in the business time zone for DATE."""
    if cursor_type(source) == "date":
        return instant.astimezone(ZoneInfo(timezone)).date()
    return instant


def as_instant(value: date | datetime, timezone: str) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return datetime(value.year, value.month, value.day, tzinfo=ZoneInfo(timezone))


def cursor_text(instant: datetime, source: Source, timezone: str) -> str:
    """Return the instant as a text; texts of one source sort like their values."""
    value = as_cursor(instant, source, timezone)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value.isoformat()


def missed_histories(source: Source, snapshot: Snapshot) -> list[str]:
    """Return the histories that this capture can miss, a phrase each; empty when it is lossless."""
    missed = []
    if not source.captures_deletes:
        missed.append("rows deleted in the source stay in bronze")
    if source.capture == "cursor":
        missed.append("an update that touches no cursor column is not seen")
        if snapshot.is_standby or snapshot.has_prepared_transactions:
            missed.append("a transaction open at the snapshot may commit after the watermark")
        elif snapshot.oldest_open_at is None:
            missed.append(
                "a transaction open for longer than the lag may commit after the watermark"
            )
    return missed

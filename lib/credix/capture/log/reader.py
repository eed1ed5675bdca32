"""Capture by log: a replication slot names the changed keys, the snapshot has their values.

The slot is only ever peeked into. It is advanced after the state was committed, up to the first
transaction that this run's snapshot could not see.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from credix.capture.log.changed_keys import (
    Key,
    LogRead,
    LogReader,
    VisibleTransactions,
    key_names,
    unnested,
)
from credix.capture.log.requirements import key_types, require_log
from credix.capture.predicates import Predicate, Snapshot, choose_predicate, since_row_version
from credix.capture.source_table import SourceTable
from credix.clients.postgres.connection import SourceConnection
from credix.clients.postgres.pgoutput import lsn_number, lsn_text
from credix.clients.postgres.replication import Replication, SlotStatus
from credix.core.contracts import Source
from credix.core.watermarks import Watermark
from credix.state.run import Run
from credix.state.states import SourceState

# Beyond so many changed keys one scan by row version is cheaper than as many lookups.
MOST_KEYS = 200_000


@dataclass(frozen=True)
class Log:
    """A slot and a publication that are ready.

    `gap` says why they do not contain everything since the watermark, `gap_of_slices` the same of
    the first snapshot of a read in slices.
    """

    publication: str
    gap: str | None
    gap_of_slices: str | None


def open_log(run: Run, connection: SourceConnection, state: SourceState) -> Log:
    """Make sure, before the snapshot, that the slot contains all changes from now on.

    A full read in slices relies on the slot from the snapshot of its first slice on: the slot is
    created again only where it serves neither that nor the watermark. Raises SourceError when
    server, table or role do not allow it.
    """
    require_log(SourceTable(connection, run.source))
    with Replication(run.settings, run.source) as replication:
        status = replication.status()
        known = replication.find_publication()
        first = state.slices.first.watermark if state.slices else None
        gap = find_gap(state.watermark, known, status, replication.name)
        gap_of_slices = find_gap(first, known, status, replication.name)
        publication = replication.ensure_publication()
        if gap and gap_of_slices:
            run.effects.perform("source.create_slot", replication.name, replication.recreate_slot)
    return Log(publication, gap, gap_of_slices)


def find_gap(
    watermark: Watermark | None, publication: str | None, status: SlotStatus | None, name: str
) -> str | None:
    """Return why changes since the watermark may be missing in the slot.

    None when all are there.
    """
    if watermark is None or watermark.lsn is None:
        return "there is no place in the server's log yet to begin at"
    if status is None:
        return f"the replication slot {name} was gone"
    if status.lost_because:
        return f"the server has given up the replication slot {name} ({status.lost_because})"
    if status.confirmed_lsn > lsn_number(watermark.lsn):
        return f"another process has read from the replication slot {name}"
    if publication is None or publication != watermark.publication:
        return f"the publication {name} was missing or has been changed"
    return None


def choose_rows(
    run: Run, connection: SourceConnection, snapshot: Snapshot, state: SourceState
) -> tuple[Watermark, Predicate]:
    """Peek into the slot; read its keys, all rows by row version, or the whole table."""
    before = state.watermark if state.watermark and not snapshot.log_gap else Watermark()
    read = peek(run, connection, before)
    watermark = Watermark(
        row_version=snapshot.row_version,
        lsn=lsn_text(read.next_lsn),
        log_since=before.log_since or snapshot.next_row_version,
        publication=snapshot.publication,
        snapshot_at=snapshot.taken_at.astimezone(UTC).isoformat(),
    )
    predicate = choose_predicate(run.source, state, snapshot, watermark)
    if predicate.is_full:
        return watermark, predicate
    if read.full_reason:
        reason = f"full read: {read.full_reason}"
        return watermark, Predicate("TRUE", predicate.rereads_sql, reason, is_full=True)
    if read.keys is None:
        why = f"the log names more than {MOST_KEYS:,} keys"
        return watermark, replace(predicate, reason=f"{predicate.reason}: {why}")
    if not before.follows_log:
        why = "transactions older than the replication slot were still open"
        return watermark, replace(predicate, reason=f"{predicate.reason}: {why}")
    types = key_types(SourceTable(connection, run.source))
    return watermark, by_keys(run.source, read.keys, types, state, snapshot, predicate)


def peek(run: Run, connection: SourceConnection, watermark: Watermark) -> LogRead:
    """Return what the slot contains, judged by the snapshot that the connection holds."""
    text = connection.rows("SELECT pg_current_snapshot()::text")[0][0]
    since = lsn_number(watermark.lsn) if watermark.lsn else 0
    reader = LogReader(run.source.key, VisibleTransactions.parse(text), since, MOST_KEYS)
    with Replication(run.settings, run.source) as replication:
        end = replication.mark()
        return reader.read(replication.peek(end), end)


def by_keys(
    source: Source,
    keys: frozenset[Key],
    types: Sequence[str],
    state: SourceState,
    snapshot: Snapshot,
    by_row_version: Predicate,
) -> Predicate:
    """Return the predicate for these keys.

    The log says nothing of rows that came with a new relation, that a rewriting ALTER changed, or
    that were written while a partition was detached: such a relation is read by itself.
    """
    marks = dict(zip(state.relation_oids, state.relation_marks, strict=False))
    found = dict(zip(snapshot.relation_oids, snapshot.relation_marks, strict=True))
    new = sorted(oid for oid in found if oid not in state.relation_oids)
    changed = sorted(oid for oid in found if oid not in new and marks.get(oid) != found[oid])
    keys_sql = unnested(keys, types) if keys else ""
    conditions = [f"{key_names(source)} IN ({keys_sql})"] if keys else []
    if new:
        conditions.append(f"tableoid IN ({', '.join(map(str, new))})")
    if changed:
        written = since_row_version((state.watermark or Watermark()).row_version or 0)
        conditions.append(f"tableoid IN ({', '.join(map(str, changed))}) AND {written}")
    reason = f"{len(keys):,} keys that the log names"
    if new or changed:
        reason += f", and rows of {len(new) + len(changed)} relation(s) that it does not contain"
    sql = " OR ".join(f"({condition})" for condition in conditions) or "FALSE"
    return replace(by_row_version, sql=sql, reason=reason, keys_sql=keys_sql)

"""01: the rows of a source that changed since the watermark, from one snapshot into Parquet."""

import sys
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pandas as pd

from credix.capture import predicates
from credix.capture.compare.key_comparison import query_keys
from credix.capture.compare.value_comparison import Comparison, compare
from credix.capture.delta import MISSING_AT_A_TIME, Delta, DeltaPlan, write_delta
from credix.capture.drift import describe_drift
from credix.capture.log import reader
from credix.capture.predicates import Predicate, Snapshot
from credix.capture.slices import add_slice, find_slices
from credix.capture.source_table import SourceTable
from credix.capture.upload import describe_part
from credix.clients.postgres.connection import SourceConnection
from credix.core.paths import paths_of
from credix.core.results import ExtractResult, SliceNumber
from credix.core.source_sql import any_sql, key_hash_sql, select_sql
from credix.core.watermarks import Progress, Watermark
from credix.state.fencing import fenced
from credix.state.run import Run
from credix.state.states import SourceState


@dataclass
class SnapshotExtraction:
    """The rows that changed since the watermark, from one snapshot of PostgreSQL."""

    run: Run
    connection: SourceConnection
    snapshot: Snapshot
    chosen: DeltaPlan = field(init=False)
    delta: Delta = field(init=False)

    def describe(self) -> pd.DataFrame:
        """Return the snapshot as a table of facts."""
        return describe_snapshot(self.snapshot)

    def check(self) -> tuple[pd.DataFrame, str]:
        """Return contract and source side by side, and how the key is known to be one."""
        return check_source(self.run, self.connection)

    def plan(self) -> str:
        """Choose the predicate; return its reason and the statement that reads the rows."""
        self.chosen = plan_delta(self.run, self.connection, self.snapshot)
        return f"{self.chosen.predicate.reason}\n\n{self.chosen.shown_sql}"

    def write(self) -> Delta:
        """Write the changed rows and the keys that are gone as parts, then end the snapshot."""
        self.delta = write_delta(self.run, self.connection, self.snapshot, self.chosen)
        self.close()
        return self.delta

    def summarize(self) -> str:
        """Return what was read, in a few lines."""
        return describe_delta(self.delta, self.chosen)

    def write_result(self, result_path: str) -> ExtractResult:
        """Write the step result: what 02 lands and what 04 will commit."""
        return finish(self.run, self.snapshot, self.chosen, self.delta, result_path)

    def close(self) -> None:
        """End the snapshot and its session."""
        self.connection.close()


def open_snapshot(run: Run) -> SnapshotExtraction:
    """Connect to the source and take the snapshot that all later steps read."""
    connection = connect(run)
    try:
        return SnapshotExtraction(run, connection, take_snapshot(run, connection))
    except BaseException:
        connection.close()
        raise


def connect(run: Run) -> SourceConnection:
    """Open a session on the source; nothing is read yet."""
    return SourceConnection(run.settings)


@fenced
def take_snapshot(run: Run, connection: SourceConnection) -> Snapshot:
    """Return the moment that all following steps see, however long they take.

    The replication slot of a source that is captured by log is made ready before.
    """
    state, table = read_state(run), SourceTable(connection, run.source)
    if run.source.capture != "log":
        snapshot = table.take_snapshot()
        predicates.require_caught_up(state, snapshot)
        return snapshot
    log = reader.open_log(run, connection, state)
    snapshot = table.take_snapshot()
    return replace(
        snapshot,
        log_gap=log.gap,
        log_gap_of_slices=log.gap_of_slices,
        publication=log.publication,
    )


def describe_snapshot(snapshot: Snapshot) -> pd.DataFrame:
    """Return the snapshot as a table of facts."""
    facts = {
        "taken at (UTC)": f"{snapshot.taken_at:%Y-%m-%d %H:%M:%S.%f}",
        "row version (oldest open transaction)": f"{snapshot.row_version:,}",
        "next row version": f"{snapshot.next_row_version:,}",
        "PostgreSQL": snapshot.server.major_version,
        "server identity": snapshot.server.system_identifier,
        "timeline": snapshot.server.timeline,
        "place in the log": snapshot.log_position,
        "relations": len(snapshot.relation_oids),
    }
    return pd.DataFrame({"fact": list(facts), "value": [str(value) for value in facts.values()]})


def check_source(run: Run, connection: SourceConnection) -> tuple[pd.DataFrame, str]:
    """Return contract and source side by side, and how the key is known to be one."""
    table = SourceTable(connection, run.source)
    checks = table.check_columns()
    compared = pd.DataFrame(
        {
            "column": [check.name for check in checks],
            "contract": [check.contract or "(not in the contract)" for check in checks],
            "source": [check.source for check in checks],
        }
    )
    return compared, table.check_key()


@fenced
def plan_delta(run: Run, connection: SourceConnection, snapshot: Snapshot) -> DeltaPlan:
    """Choose the predicate from the watermark and the orders; fix where the next run begins."""
    state, table = read_state(run), SourceTable(connection, run.source)
    watermark, predicate = choose_rows(run, connection, snapshot, state)
    if run.orders.backfill:
        first, last = run.orders.backfill
        period = predicates.in_period(run.source, first, last)
        predicate = predicates.widened(predicate, period, f"all rows of {first} to {last}")
    comparison = None
    if run.orders.reconcile:
        # This run holds the source: no other one merges meanwhile.
        comparison = compare_values(run, connection, snapshot, state, sys.maxsize)
        differing = any_sql(key_hash_sql(run.source), comparison.wanted)
        predicate = predicates.widened(predicate, differing, "all rows that differ from bronze")
    predicate = reread_external(run, state, predicate)
    slices = find_slices(run.source, state, snapshot, predicate, run.orders)
    if slices:
        watermark = slices.first.watermark
        rereads = predicates.rereads_sql(run.source, watermark, snapshot)
        predicate = replace(predicate, rereads_sql=rereads)
    is_large = predicate.is_full or slices is not None
    return DeltaPlan(
        state,
        watermark,
        predicate,
        sql=select_sql(
            run.source, table.schema, predicate.sql, None if is_large else predicate.rereads_sql
        ),
        messages=describe_drift(table),
        drops_known=not (predicate.is_full or run.orders.reads_again),
        comparison=comparison,
        slices=slices,
    )


def reread_external(run: Run, state: SourceState, predicate: Predicate) -> Predicate:
    """Return the same, and the keys that files from outside have written since the last extract."""
    if state.external is None or predicate.is_full:
        return predicate
    first, last = state.external
    hashes = query_keys(run, f"_seq BETWEEN {first} AND {last}")["_key_hash"].to_numpy()
    if len(hashes) > MISSING_AT_A_TIME:
        reason = f"full read: files from outside wrote {len(hashes):,} keys since the last one"
        return replace(predicate, sql="TRUE", reason=reason, is_full=True)
    written = any_sql(key_hash_sql(run.source), hashes)
    return predicates.widened(predicate, written, f"the {len(hashes):,} keys of files from outside")


def choose_rows(
    run: Run, connection: SourceConnection, snapshot: Snapshot, state: SourceState
) -> tuple[Watermark, Predicate]:
    """Return where the next run begins, and the rows that this one has to read for it."""
    if run.source.capture == "log":
        return reader.choose_rows(run, connection, snapshot, state)
    watermark = predicates.next_watermark(
        run.source,
        state.watermark,
        snapshot,
        greatest_cursor(run, connection),
        run.settings.timezone,
        timedelta(seconds=run.settings.cursor_lag_seconds),
    )
    return watermark, predicates.choose_predicate(run.source, state, snapshot, watermark)


def compare_values(
    run: Run,
    connection: SourceConnection,
    snapshot: Snapshot,
    state: SourceState,
    newest_seq: int,
) -> Comparison:
    """Compare every value of the snapshot with bronze.

    Rows that no run has loaded yet are pending, and what attempts above `newest_seq` have merged.
    """
    predicate = predicates.choose_predicate(
        run.source, state, snapshot, state.watermark or Watermark()
    )
    return compare(run, connection, predicate.sql, newest_seq)


@fenced
def finish(
    run: Run,
    snapshot: Snapshot,
    plan: DeltaPlan,
    delta: Delta,
    result_path: str,
) -> ExtractResult:
    """Write the step result: what 02 lands and what 04 will commit."""
    progress = Progress(
        attempt=run.attempt,
        watermark=plan.watermark,
        capture=run.source.capture,
        server=snapshot.server,
        log_position=snapshot.log_position,
        relation_oids=snapshot.relation_oids,
        relation_marks=snapshot.relation_marks,
        column_numbers=snapshot.column_numbers,
        fingerprint=run.source.fingerprint,
        rereads=rereads_path(run) if len(delta.rereads) else None,
        digest=delta.digest,
    )
    if plan.slices:
        own = {
            "attempt": run.attempt,
            "rereads": progress.rereads,
            "log_position": snapshot.log_position,
        }
        progress = plan.slices.first.model_copy(update=own)
    slices = None
    if delta.next_block is not None:
        is_full = plan.predicate.is_full
        slices = add_slice(
            plan.slices, plan.state, progress, delta.next_block, run.orders, is_full=is_full
        )
    missed = predicates.missed_histories(run.source, snapshot)
    # After a failed attempt, bronze may hold more than the state knows: it is proven again.
    is_slice = bool(plan.slices or slices)
    is_quiet = delta.rows == 0 and plan.state.knows_bronze and not is_slice
    result = ExtractResult(
        status="no_changes" if is_quiet else "done",
        rows=delta.rows,
        deleted_rows=delta.deleted_rows,
        recovered_rows=delta.recovered_rows,
        dropped_rows=delta.dropped_rows,
        compared_keys=delta.compared_keys,
        orders=run.orders,
        messages=tuple(plan.messages),
        size_bytes=delta.size_bytes,
        predicate=plan.predicate.reason,
        is_full=plan.predicate.is_full,
        watermark_from=plan.state.watermark,
        watermark_to=plan.watermark,
        lossless=not missed,
        missed_histories=tuple(missed),
        snapshot_at=snapshot.taken_at,
        progress=progress,
        slice=number_slice(plan, delta),
        slices=slices,
        parts=tuple(describe_part(part, delta.shipped) for part in delta.parts),
    )
    return run.finish(result, result_path)


def number_slice(plan: DeltaPlan, delta: Delta) -> SliceNumber | None:
    """Return which slice of a large read this was; None for a delta that is whole."""
    if plan.slices is None and delta.next_block is None:
        return None
    number = plan.slices.number + 1 if plan.slices else 1
    return SliceNumber(number=number, is_last=delta.next_block is None)


def describe_delta(delta: Delta, plan: DeltaPlan) -> str:
    """Return what was read, in a few lines."""
    lines = [
        f"{delta.rows:,} rows in {delta.seconds} s, {delta.dropped_rows:,} known ones dropped",
        f"{delta.deleted_rows:,} of them deleted, {delta.recovered_rows:,} missing in bronze",
    ]
    found = number_slice(plan, delta)
    if found:
        rest = "the last one" if found.is_last else f"it ends at block {delta.next_block:,}"
        lines.append(
            f"slice {found.number} of a large read, {rest}: deletes are looked for after it"
        )
    return "\n".join(lines)


def read_state(run: Run) -> SourceState:
    """Return the state of when the fence was raised, with the run's own watermark.

    Under another watermark than the committed one nothing is dropped: the operator reads again on
    purpose.
    """
    state = run.read_state()
    if run.watermark == state.watermark:
        return state
    return state.model_copy(update={"watermark": run.watermark, "rereads": None})


def greatest_cursor(run: Run, connection: SourceConnection) -> Any:
    """Return the greatest cursor value in the snapshot; only asked where the watermark needs it.

    Infinite values and years that Python cannot hold are left to the writer, which refuses them.
    """
    if run.source.capture != "cursor":
        return None
    expression = predicates.cursor_sql(run.source)
    table = SourceTable(connection, run.source)
    return connection.rows(
        f"SELECT max({expression}) FROM {table.sql} "
        f"WHERE {expression} BETWEEN '0001-01-01' AND '9999-12-31'"
    )[0][0]


def rereads_path(run: Run) -> str:
    return f"{paths_of(run.settings).rereads(run.source.name)}{run.attempt:06d}.parquet"

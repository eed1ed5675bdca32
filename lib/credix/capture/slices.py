"""A large read in slices, each merged before the next one is read: which one is next.

Every slice reads some blocks of the heap in a snapshot of its own. The deltas begin after the
first of these snapshots, so they bring what was written, moved to another block or deleted
meanwhile; a row that was not written to stays in its block as long as no relation is rewritten.
"""

from credix.capture.predicates import XID_HORIZON, Predicate, Snapshot, is_before
from credix.core.contracts import Source
from credix.core.run_options import RunOptions
from credix.core.watermarks import Progress, Slices
from credix.state.states import SourceState


def find_slices(
    source: Source, state: SourceState, snapshot: Snapshot, predicate: Predicate, orders: RunOptions
) -> Slices | None:
    """Return the read in slices that this run goes on with.

    None where there is none, or it is invalid.

    It must be one of the same rows, and no relation may have been rewritten, taken away or attached
    again since its first snapshot.
    """
    slices = state.slices
    if slices is None:
        return None
    first = slices.first
    known_marks = dict(zip(snapshot.relation_oids, snapshot.relation_marks, strict=True))
    marks = zip(first.relation_oids, first.relation_marks, strict=True)
    row_version = first.watermark.row_version or snapshot.row_version
    goes_on = (
        slices.is_full == predicate.is_full
        and slices.watermark_from == state.watermark
        and (slices.backfill, slices.reconcile) == (orders.backfill, orders.reconcile)
        and first.capture == source.capture
        and first.fingerprint == source.fingerprint
        and first.server == snapshot.server
        and not is_before(snapshot, slices.log_position)
        and first.column_numbers == snapshot.column_numbers
        and row_version <= snapshot.row_version
        and snapshot.next_row_version - row_version < XID_HORIZON
        and not snapshot.log_gap_of_slices
        and all(known_marks.get(oid) == mark for oid, mark in marks)
    )
    return slices if goes_on else None


def add_slice(
    before: Slices | None,
    state: SourceState,
    progress: Progress,
    next_block: int,
    orders: RunOptions,
    *,
    is_full: bool,
) -> Slices:
    """Return the read with one slice more, which ended before this block."""
    return Slices(
        number=before.number + 1 if before else 1,
        attempt=progress.attempt,
        rereads=progress.rereads,
        next_block=next_block,
        first=before.first if before else progress,
        log_position=progress.log_position,
        is_full=is_full,
        watermark_from=state.watermark,
        backfill=orders.backfill,
        reconcile=orders.reconcile,
    )


def after_slices(orders: RunOptions) -> RunOptions:
    """Return the options of the delta after the slices, which have read all that was asked for.

    It has to drop what it meets again, or it could be cut for ever.
    """
    return RunOptions(allow_deletes=orders.allow_deletes)

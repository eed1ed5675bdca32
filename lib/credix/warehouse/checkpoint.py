"""The one place where a run moves its watermark: after bronze holds the rows, never before."""

from credix.capture.external.arrivals import archive_received
from credix.clients.postgres.pgoutput import lsn_number
from credix.clients.postgres.replication import Replication
from credix.core.errors import StepError
from credix.core.paths import paths_of
from credix.core.results import ExtractResult
from credix.state.run import REREADS, Run
from credix.state.states import SourceState, commit_external


def commit_watermark(run: Run, extracted: ExtractResult, *, is_merged: bool) -> SourceState:
    """Write what the extract has reached into the state; a superseded run raises FenceError.

    The row versions that the next run reads again are stored beside the state, under the attempt's
    own name, before the state names them. After a slice that others follow the watermark stays, and
    after files from outside.
    """
    if run.orders.from_landing:
        return commit_received(run, extracted.received or {})
    progress, slices = extracted.progress, extracted.slices
    if progress is None:
        raise StepError(
            f"Run {run.run_id} has no progress in its result of 01_extract: run it again."
        )
    before = run.states.read_source(run.source.name)
    if progress.rereads:
        path = run.source_folder / REREADS
        run.lake.upload("state.rereads", run.settings.lake_bucket, progress.rereads, path)
    after = run.states.change_source(
        "state.commit",
        run.source.name,
        lambda state: (
            state.commit_slice(slices) if slices else state.commit(progress, is_merged=is_merged)
        ),
    )
    forget_rereads(run, after)
    if slices is None:
        release_log(run, before, after)
    return after


def commit_received(run: Run, received: dict[str, str]) -> SourceState:
    """Record that bronze holds these files, then move them to the archive."""
    after = run.states.change_source(
        "state.commit",
        run.source.name,
        lambda state: commit_external(state, run.attempt, received) if received else state,
    )
    archive_received(run, received)
    forget_rereads(run, after)
    return after


def forget_rereads(run: Run, state: SourceState) -> None:
    """Delete the files that no run will compare with, also those of runs that died before this.

    Those of a later attempt are not this run's to delete.
    """
    bucket = run.settings.lake_bucket
    begin = paths_of(run.settings).rereads(run.source.name)
    for stored in run.lake.objects(bucket, begin):
        attempt = stored.name.removeprefix(begin).removesuffix(".parquet")
        is_own = attempt.isdecimal() and int(attempt) <= run.attempt
        if is_own and stored.name not in state.reread_files:
            run.lake.delete("state.forget_rereads", bucket, stored.name)


def release_log(run: Run, before: SourceState, after: SourceState) -> None:
    """Let the server forget the log that is replicated; all of it when another capture took over.

    A run that dies before only leaves the next one the same changes to peek at.
    """
    if "log" not in (before.capture, after.capture):
        return
    with Replication(run.settings, run.source) as replication:
        name = replication.name
        if after.capture != "log":
            run.effects.perform("source.drop_slot", name, replication.drop)
        elif after.watermark and after.watermark.lsn:
            lsn = lsn_number(after.watermark.lsn)
            run.effects.perform("source.advance_slot", name, lambda: replication.advance(lsn))

"""Hold the sources of a run: fence, lease, renewal and release."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from credix.core.contracts import load_source
from credix.core.errors import CredixError
from credix.core.settings import Settings
from credix.pipeline.clear_parts import clear_superseded
from credix.pipeline.manifest import RunRecord
from credix.state.lease_keeper import LeaseKeeper, wait_while_busy
from credix.state.leases import is_abandoned, new_lease
from credix.state.run import Run, build_run, new_run_id, today
from credix.state.running_jobs import cancel_earlier_jobs
from credix.state.states import SourceState
from credix.state.store import StateStore


def say_nothing(_: str) -> None:
    """Report to no one."""


@contextmanager
def hold_sources(
    states: StateStore,
    sources: tuple[str, ...],
    record: RunRecord,
    warn: Callable[[str], None] = say_nothing,
) -> Iterator[dict[str, SourceState]]:
    """Yield the states of the sources with their fences raised, all of them or none.

    Every run takes its sources in one order, that of their names: two runs that want the same ones
    cannot wait for each other. The leases are kept alive meanwhile and released on every way out,
    with what the record says then. A lease that cannot be released ends by itself: that is a
    warning and changes nothing about the run.

    Raises:
        BusyError: Another run has held one of them for longer than a run waits.
    """
    settings = states.settings
    for source in sources:
        load_source(source)
    held: dict[str, SourceState] = {}
    keeper = LeaseKeeper(
        lambda now, term: renew(states, list(held), record.run_id, now, term),
        timedelta(seconds=settings.lease_seconds),
    )
    keeper.start()
    try:
        for source in sorted(sources):
            held[source] = wait_while_busy(
                partial(raise_fence, states, source, record.run_id, warn),
                settings.source_wait_seconds,
                warn,
            )
            record.attempts[source] = held[source].attempt
        yield {source: held[source] for source in sources}
    finally:
        keeper.stop()
        # A run that has not got all of them has worked on none.
        way_back = release if len(held) == len(sources) else give_back
        for source in held:
            try:
                way_back(states, source, record)
            except CredixError as error:
                warn(f"{source} could not be released: {error} Its lease ends by itself.")


def raise_fence(
    states: StateStore, source: str, run_id: str, warn: Callable[[str], None] = say_nothing
) -> SourceState:
    """Return the state with the next attempt; delete the parts of earlier ones, cancel their jobs.

    Raises BusyError while another run may hold the source.
    """
    settings = states.settings
    term = timedelta(seconds=settings.lease_seconds)
    before: list[SourceState] = []

    def change(state: SourceState) -> SourceState:
        before[:] = [state]
        lease = new_lease(run_id, term, settings.execution)
        return state.raise_fence(lease, datetime.now(UTC), is_abandoned)

    raised = states.change_source("state.raise_fence", source, change)
    clear_superseded(settings, source, raised.attempt)
    cancel_earlier_jobs(settings, states.lake.effects, before[0], raised, source, warn)
    return raised


def renew(
    states: StateStore, sources: Iterable[str], run_id: str, now: datetime, term: timedelta
) -> None:
    for source in sources:
        states.change_source(
            "state.renew", source, partial(SourceState.renew, run_id=run_id, now=now, term=term)
        )


def release(states: StateStore, source: str, record: RunRecord) -> None:
    """Release a source, and record in its state how the run stands."""
    last = record.last_run(source)
    states.change_source("state.release", source, partial(SourceState.release, last_run=last))


def give_back(states: StateStore, source: str, record: RunRecord) -> None:
    """Release a source that the run has not worked on: the run before it stays the last one."""
    lease = new_lease(record.run_id, timedelta())
    states.change_source("state.release", source, lambda state: state.give_back(lease))


def correct_last_run(states: StateStore, source: str, record: RunRecord) -> None:
    """Record how a run ended that had released the source before; a newer run's record stays."""
    last = record.last_run(source)
    states.change_source("state.note_end", source, partial(SourceState.note_end, last_run=last))


@contextmanager
def held_alone(settings: Settings, source: str, job: str) -> Iterator[Run]:
    """Yield a run that holds the source with its fence raised.

    Raises BusyError when another run has held it for longer than a run waits.
    """
    run_id = new_run_id(job)
    run = build_run(settings, run_id, settings.run_dir / run_id, source, 0, None, "")
    record = RunRecord(run_id, job, settings.trigger, settings.env, today(settings), {})
    with hold_sources(run.states, (source,), record) as held:
        yield replace(run, attempt=held[source].attempt)
        record.status = "done"

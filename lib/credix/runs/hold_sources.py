"""A run holds its sources from the first kernel to the manifest: fence, lease, and the way back.

While another run's lease lasts (`SourceState.raise_fence`) a run is refused with BusyError and does
not wait, unless that run's process is dead (`leases.is_abandoned`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from credix.clients.state_store import StateStore
from credix.errors import CredixError
from credix.leases import is_abandoned, new_lease
from credix.runs.clear_parts import clear_parts, superseded_runs
from credix.runs.manifest import Manifest
from credix.sources import load_source
from credix.state import Lease, SourceState
from credix.steps.lease_keeper import LeaseKeeper


@contextmanager
def hold_sources(
    states: StateStore, sources: tuple[str, ...], manifest: Manifest
) -> Iterator[dict[str, SourceState]]:
    """The states of the sources with their fences raised, all of them or none.

    Their leases are kept alive meanwhile and given free on every way out, with what the manifest
    says then. Raises BusyError when another run holds one.
    """
    term = timedelta(seconds=states.settings.lease_seconds)
    lease = new_lease(manifest.run_id, term)
    held: dict[str, SourceState] = {}
    try:
        for source in sources:
            load_source(source)
            held[source] = raise_fence(states, source, lease)
            manifest.attempts[source] = held[source].attempt
        keeper = LeaseKeeper(
            lambda now, term: renew(states, held, manifest.run_id, now, term), term
        )
        keeper.start()
        try:
            yield held
        finally:
            keeper.stop()
    except BaseException:
        # A lease that cannot be given free ends by itself; it must not hide this error.
        with suppress(CredixError):
            release(states, held, manifest)
        raise
    release(states, held, manifest)


def raise_fence(states: StateStore, source: str, lease: Lease) -> SourceState:
    """The state with the next attempt; the parts of runs that this one makes late are deleted."""
    superseded: set[str] = set()

    def change(state: SourceState) -> SourceState:
        superseded.update(superseded_runs(state))
        return state.raise_fence(lease, datetime.now(UTC), is_abandoned)

    raised = states.change_source("state.raise_fence", source, change)
    for run_id in superseded - {lease.run_id}:
        clear_parts(states.settings.run_dir / run_id, source)
    return raised


def renew(
    states: StateStore,
    held: Mapping[str, SourceState],
    run_id: str,
    now: datetime,
    term: timedelta,
) -> None:
    for source in held:
        states.change_source(
            "state.renew", source, partial(SourceState.renew, run_id=run_id, now=now, term=term)
        )


def release(states: StateStore, held: Mapping[str, SourceState], manifest: Manifest) -> None:
    for source in held:
        last = manifest.last_run(source)
        states.change_source("state.release", source, partial(SourceState.release, last_run=last))

"""A run that holds one source without carrying it: what erases and replays work in."""

from collections.abc import Iterator
from contextlib import contextmanager

from credix.core.settings import Settings
from credix.runs.hold_sources import hold_sources
from credix.runs.manifest import Manifest
from credix.state.run import Run, build_run, new_run_id, today


@contextmanager
def held_alone(settings: Settings, source: str, job: str) -> Iterator[Run]:
    """Yield a run that holds the source with its fence raised.

    Raises BusyError when another run has held it for longer than a run waits.
    """
    run_id = new_run_id(job)
    run = build_run(settings, run_id, settings.run_dir / run_id, source, 0, None, "")
    manifest = Manifest(run_id, job, settings.trigger, settings.env, today(settings), {})
    with hold_sources(run.states, (source,), manifest) as held:
        run.attempt = held[source].attempt
        yield run
        manifest.status = "done"

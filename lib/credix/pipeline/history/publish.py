"""The history page into its bucket: what the archive has gained since the page was written."""

import webbrowser
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.addresses import history_address, runs_folder_address, shows_pages
from credix.core.errors import StateError
from credix.core.paths import paths_of
from credix.core.settings import Settings
from credix.pipeline.archive import read_manifest
from credix.pipeline.history.page import Days, add_lines, decode_day, read_days, render_page
from credix.pipeline.history.run_line import RunLine, describe_run

# Runs that end at the same moment write the page one after another.
ATTEMPTS = 10
# A page that is missing is made of so many runs; `runs --rebuild` makes it of all.
MOST_AT_ONCE = 1_000
# The page of all runs, as it is opened from this machine.
COPY = "all_runs.html"
# A run is stored under the day it began, and may end after runs of the days after it.
LOOKS_BACK = timedelta(days=2)


def publish_history(lake: Lake, *, is_rebuilt: bool = False) -> None:
    """Write the page with every archived run that it lacks, and nothing when it lacks none.

    The page is derived from the archive alone, so whatever a failed run left out, one of the
    next two days adds. `is_rebuilt` rebuilds it from the whole archive.
    """
    settings = lake.settings
    bucket, path = settings.runs_bucket, paths_of(settings).history
    for _ in range(ATTEMPTS):
        page, generation = lake.read_text(bucket, path) or ("", 0)
        days = {} if is_rebuilt else read_days(page)
        most = None if is_rebuilt else MOST_AT_ONCE
        lines = list(missing_lines(lake, days, most))
        if page and not lines and not is_rebuilt:
            return
        written = lake.write_if_unchanged(
            "history.publish",
            bucket,
            path,
            render_page(
                add_lines(days, lines),
                prefix=settings.prefix,
                env=settings.env,
                archive=runs_folder_address(settings),
            ),
            generation,
            content_type="text/html; charset=utf-8",
            cache_control="no-cache",
        )
        if written:
            return
    raise StateError(f"gs://{bucket}/{path} changes too often to be written.")


def missing_lines(lake: Lake, days: Days, most: int | None) -> Iterator[RunLine]:
    """Yield the lines of archived runs that the page lacks, from two days before its newest one on.

    A day whose block is damaged is dropped from `days` and read again.
    """
    bucket, root = lake.settings.archive_bucket, paths_of(lake.settings).runs
    # A clock that was ahead once must not hide what comes after.
    newest = min(max(days, default=""), datetime.now(UTC).date().isoformat())
    oldest = (date.fromisoformat(newest) - LOOKS_BACK).isoformat() if days else ""
    found = 0
    for folder in reversed(lake.folders(bucket, root)):
        day = folder.rstrip("/").rpartition("dt=")[2]
        if day < oldest:
            return
        known = known_runs(days, day)
        for run in reversed(lake.folders(bucket, folder)):
            if found == most:
                return
            if run.rstrip("/").rpartition("/")[2] in known:
                continue
            line = read_line(lake, run)
            if line is not None:
                found += 1
                yield line


def read_line(lake: Lake, folder: str) -> RunLine | None:
    """Return a run's line; None while it runs, when it left no manifest or a foreign one."""
    with suppress(StateError):
        manifest = read_manifest(lake, folder)
        return describe_run(manifest) if manifest else None
    return None


def known_runs(days: Days, day: str) -> set[str]:
    """Return the ids of the runs of a day."""
    if day not in days:
        return set()
    try:
        return {line.id for line in decode_day(days[day])}
    except StateError:
        del days[day]
        return set()


def show_history(settings: Settings, *, is_rebuilt: bool, is_opened: bool) -> str:
    """Write the page where it lacks a run, and open it in this machine's browser; its address.

    Where its address only offers it for download, a copy in the folder of runs is opened: the
    links of the page are absolute there.
    """
    lake = Lake(settings, Effects(settings.retry_seconds))
    publish_history(lake, is_rebuilt=is_rebuilt)
    address = history_address(settings)
    if is_opened and not shows_pages(settings):
        address = save_page(lake).as_uri()
    if is_opened:
        webbrowser.open(address)
    return address


def save_page(lake: Lake) -> Path:
    """Write the page into the folder of runs on this machine."""
    settings = lake.settings
    path = settings.run_dir / COPY
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lake.read_bytes(settings.runs_bucket, paths_of(settings).history))
    return path

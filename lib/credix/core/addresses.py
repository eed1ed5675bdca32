"""Where people open a page: the one place of every address that is shown, sent or linked.

Buckets are reached in three ways. Locally the server of the buckets shows their pages. On Google a
server of one's own shows them after a login, where CREDIX_PAGES_URL names it; else the console
does, to a user who may read the object, and offers it for download. Google's plain addresses of
objects are none of the three: they take no login while Data Access logs are on, and Terraform turns
these on.
"""

import posixpath
from urllib.parse import quote

from credix.core.paths import paths_of
from credix.core.settings import Settings

CONSOLE = "https://console.cloud.google.com/storage/browser"
# Folders of runs are called `dt=2026-03-31`.
SAFE = "/="


def shows_pages(settings: Settings) -> bool:
    """True where a browser shows a page at its address, rather than what there is to download."""
    return bool(settings.pages_url or settings.storage_endpoint)


def page_address(settings: Settings, bucket: str, path: str) -> str:
    """Return where a browser finds an object."""
    base = settings.pages_url or settings.storage_endpoint or f"{CONSOLE}/_details"
    return f"{base}/{bucket}/{quote(path, safe=SAFE)}"


def history_address(settings: Settings) -> str:
    """Return where a browser finds the page of all runs."""
    return page_address(settings, settings.runs_bucket, paths_of(settings).history)


def run_address(settings: Settings, run_id: str) -> str:
    """Return where a browser finds a run: its line on the page of all runs.

    In the console its folder.
    """
    if shows_pages(settings):
        return f"{history_address(settings)}#{run_id}"
    folder = paths_of(settings).run(run_id).rstrip("/")
    return f"{CONSOLE}/{settings.archive_bucket}/{quote(folder, safe=SAFE)}"


def runs_folder_address(settings: Settings) -> str:
    """Return the archive's folder of runs, as the page of all runs leads there.

    Relative where the buckets are folders of one place, so that a copy of them on a disk works too:
    on the local server. Absolute on Google.
    """
    paths = paths_of(settings)
    if settings.pages_url or not settings.storage_endpoint:
        return page_address(settings, settings.archive_bucket, paths.runs)
    page = posixpath.dirname(f"{settings.runs_bucket}/{paths.history}")
    return posixpath.relpath(f"{settings.archive_bucket}/{paths.runs}", page) + "/"

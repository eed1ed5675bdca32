"""The audit trail: executed notebooks and their pages into the archive, the manifest last."""

import contextlib
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import google_crc32c

from credix.clients.dbt import results as dbt_results
from credix.clients.gcs.lake import Lake
from credix.core.errors import StateError
from credix.core.paths import paths_of
from credix.pipeline.notebooks.pages import Pages

MANIFEST = "manifest.json"
CONTENT_TYPES = {
    ".ipynb": "application/x-ipynb+json",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
}


def archive_run(
    lake: Lake, run_id: str, folder: Path, manifest: dict[str, Any], pages: Pages
) -> str:
    """Upload notebooks, their HTML pages, dbt's results and the manifest; the folder's address.

    The manifest gains the names of the pages, and which page and cell a run failed at. Beside each
    notebook its page is kept on disk too. A full disk costs that copy only. Raises StateError when
    the archive has another manifest of the run.
    """
    names: list[str] = []
    failed_at: str | None = None
    for notebook in sorted(folder.glob("*.ipynb")):
        upload(lake, run_id, notebook.name, notebook.read_bytes())
        page = pages.page(notebook)
        if page is not None:
            path = notebook.with_suffix(".html")
            upload(lake, run_id, path.name, page.html.encode())
            names.append(path.name)
            if page.failed_cell:
                failed_at = f"{path.name}#cell-id={page.failed_cell}"
            with contextlib.suppress(OSError):
                path.write_text(page.html, "utf-8")
    results = "".join(file.read_text("utf-8") for file in sorted(folder.rglob(dbt_results.FILE)))
    if results:
        upload(lake, run_id, dbt_results.FILE, results.encode())
    manifest |= {"pages": names, "failed_at": failed_at}
    text = json.dumps(manifest, indent=2, default=str) + "\n"
    with contextlib.suppress(OSError):
        (folder / MANIFEST).write_text(text, "utf-8")
    upload(lake, run_id, MANIFEST, text.encode(), crc32c=crc32c_of(text.encode()))
    return f"gs://{lake.settings.archive_bucket}/{paths_of(lake.settings).run(run_id)}"


def upload(
    lake: Lake, run_id: str, name: str, content: bytes, *, crc32c: str | None = None
) -> None:
    lake.upload(
        "archive.upload",
        lake.settings.archive_bucket,
        paths_of(lake.settings).run(run_id) + name,
        content,
        content_type=CONTENT_TYPES[Path(name).suffix],
        crc32c=crc32c,
    )


def crc32c_of(content: bytes) -> str:
    """Return the checksum as Cloud Storage has it."""
    return b64encode(google_crc32c.Checksum(content).digest()).decode()


def read_manifests(lake: Lake, limit: int) -> list[dict[str, Any]]:
    """The manifests of the last runs, newest first; reads no more days than it needs."""
    bucket, root = lake.settings.archive_bucket, paths_of(lake.settings).runs
    manifests: list[dict[str, Any]] = []
    for day in reversed(lake.folders(bucket, root)):
        for run in reversed(lake.folders(bucket, day)):
            if len(manifests) == limit:
                return manifests
            found = read_manifest(lake, run)
            if found is not None:
                manifests.append(found)
    return manifests


def read_manifest(lake: Lake, folder: str) -> dict[str, Any] | None:
    """The manifest in a run's folder; None when it has none, StateError when it is damaged."""
    bucket = lake.settings.archive_bucket
    found = lake.read_text(bucket, folder + MANIFEST)
    if found is None:
        return None
    try:
        return json.loads(found[0])
    except json.JSONDecodeError as error:
        raise StateError(
            f"The manifest gs://{bucket}/{folder}{MANIFEST} cannot be read: {error}."
        ) from None

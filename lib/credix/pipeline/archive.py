"""The audit trail: executed notebooks and their pages into the archive, the manifest last."""

import contextlib
from base64 import b64encode
from pathlib import Path

import google_crc32c
from pydantic import ValidationError

from credix.clients.dbt import results as dbt_results
from credix.clients.gcs.lake import Lake
from credix.core.errors import StateError, first_fault
from credix.core.paths import paths_of
from credix.core.results import Manifest, parse_manifest
from credix.pipeline.notebooks.pages import Pages

MANIFEST = "manifest.json"
CONTENT_TYPES = {
    ".ipynb": "application/x-ipynb+json",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
}


def archive_run(lake: Lake, folder: Path, manifest: Manifest, pages: Pages) -> tuple[Manifest, str]:
    """Upload notebooks, their HTML pages, dbt's results and the manifest.

    The manifest gains the names of the pages, and which page and cell a run failed at; it is
    returned with the address of the folder. Beside each
    notebook its page is kept on disk too. A full disk costs that copy only. Raises StateError when
    the archive has another manifest of the run.
    """
    run_id = manifest.run_id
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
    whole = manifest.model_copy(update={"pages": tuple(names), "failed_at": failed_at})
    text = whole.model_dump_json(indent=2) + "\n"
    with contextlib.suppress(OSError):
        (folder / MANIFEST).write_text(text, "utf-8")
    upload(lake, run_id, MANIFEST, text.encode(), crc32c=crc32c_of(text.encode()))
    return whole, f"gs://{lake.settings.archive_bucket}/{paths_of(lake.settings).run(run_id)}"


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


def read_manifests(lake: Lake, limit: int) -> list[Manifest]:
    """Return the manifests of the last runs, newest first; reads no more days than it needs."""
    bucket, root = lake.settings.archive_bucket, paths_of(lake.settings).runs
    manifests: list[Manifest] = []
    for day in reversed(lake.folders(bucket, root)):
        for run in reversed(lake.folders(bucket, day)):
            if len(manifests) == limit:
                return manifests
            found = read_manifest(lake, run)
            if found is not None:
                manifests.append(found)
    return manifests


def read_manifest(lake: Lake, folder: str) -> Manifest | None:
    """Return the manifest in a run's folder.

    None when it has none, StateError when it is damaged.
    """
    bucket = lake.settings.archive_bucket
    found = lake.read_text(bucket, folder + MANIFEST)
    if found is None:
        return None
    try:
        return parse_manifest(found[0])
    except ValueError as error:
        reason = first_fault(error) if isinstance(error, ValidationError) else error
        raise StateError(
            f"The manifest gs://{bucket}/{folder}{MANIFEST} cannot be read: {reason}."
        ) from None

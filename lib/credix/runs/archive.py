"""The audit trail: executed notebooks and their pages into the archive, the manifest last."""

import contextlib
import json
from pathlib import Path
from typing import Any

import bleach
import nbformat
from bleach.css_sanitizer import CSSSanitizer
from nbconvert import HTMLExporter
from traitlets.config import Config

from credix.clients.lake import Lake
from credix.errors import StateError
from credix.paths import paths_of
from credix.runs.mark_end import find_error

MANIFEST = "manifest.json"
# What prose, tables and plots need; a script or a frame in an output stays text.
SAFE_TAGS = {
    *("a", "b", "blockquote", "br", "caption", "code", "div", "em", "h1", "h2", "h3", "h4", "hr"),
    *("i", "img", "li", "ol", "p", "pre", "span", "strong", "style", "table", "tbody", "td", "th"),
    *("thead", "tr", "ul"),
}
SAFE_ATTRIBUTES = {
    "*": ["class", "id", "style"],
    "a": ["href"],
    "img": ["src", "alt", "width", "height"],
}
CONTENT_TYPES = {
    ".ipynb": "application/x-ipynb+json",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
}


def archive_run(lake: Lake, run_id: str, folder: Path, manifest: dict[str, Any]) -> str:
    """Upload the run's notebooks, their HTML pages and its manifest; the folder's address.

    The manifest gains the names of the pages, and which page and cell a run failed at. Beside each
    notebook its page is kept on disk too. A full disk costs that copy only.
    """
    pages: list[str] = []
    failed_at: str | None = None
    for notebook in sorted(folder.glob("*.ipynb")):
        content = notebook.read_bytes()
        upload(lake, run_id, notebook.name, content)
        page = notebook.with_suffix(".html")
        html = render_page(content.decode())
        if html is not None:
            upload(lake, run_id, page.name, html.encode())
            pages.append(page.name)
            failed_cell = find_failed_cell(content.decode())
            if failed_cell:
                failed_at = f"{page.name}#cell-id={failed_cell}"
            with contextlib.suppress(OSError):
                page.write_text(html, "utf-8")
    manifest |= {"pages": pages, "failed_at": failed_at}
    text = json.dumps(manifest, indent=2, default=str) + "\n"
    with contextlib.suppress(OSError):
        (folder / MANIFEST).write_text(text, "utf-8")
    upload(lake, run_id, MANIFEST, text.encode())
    return f"gs://{lake.settings.archive_bucket}/{paths_of(lake.settings).run(run_id)}"


def upload(lake: Lake, run_id: str, name: str, content: bytes) -> None:
    lake.upload(
        "archive.upload",
        lake.settings.archive_bucket,
        paths_of(lake.settings).run(run_id) + name,
        content,
        content_type=CONTENT_TYPES[Path(name).suffix],
    )


def render_page(notebook: str) -> str | None:
    """The notebook as one HTML page that opens without a network, now and in ten years.

    None for half a notebook, which a full disk leaves behind.
    """
    exporter = HTMLExporter(
        template_name="lab",
        config=Config(
            {
                "HTMLExporter": {
                    "mathjax_url": "",
                    "require_js_url": "",
                    "jquery_url": "",
                    "widget_renderer_url": "",
                    "mermaid_js_url": "",
                    "html_manager_semver_range": "",
                    "sanitize_html": True,
                    "embed_images": True,
                },
            }
        ),
    )
    exporter.register_filter("clean_html", clean_html)
    try:
        body, _ = exporter.from_notebook_node(nbformat.reads(notebook, as_version=4))
    except nbformat.reader.NotJSONError:
        return None
    return body


def find_failed_cell(notebook: str) -> str | None:
    """The id of the cell that raised; on its page the element `cell-id=<id>`."""
    for cell in nbformat.reads(notebook, as_version=4).cells:
        if find_error(cell):
            return str(cell.id)
    return None


def clean_html(element: str) -> str:
    """An output's HTML with safe tags only; nbconvert's list has no table heads."""
    return bleach.clean(
        str(element), tags=SAFE_TAGS, attributes=SAFE_ATTRIBUTES, css_sanitizer=CSSSanitizer()
    )


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

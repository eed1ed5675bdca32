"""The pages of executed notebooks, made in a thread while the next notebook runs."""

import importlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# nbconvert and its templates: as long to import as a page takes to render.
RENDERER = "credix.pipeline.notebooks.render_page"


@dataclass(frozen=True)
class Page:
    """The HTML of a notebook, and the id of the cell that failed in it."""

    html: str
    failed_cell: str | None


class Pages:
    """Renders notebooks ahead of the archive; a context, so that no thread outlives the run."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pages")
        self._made: dict[Path, Future[Page | None]] = {}

    def __enter__(self) -> Self:
        # The first kernel starts meanwhile.
        self._pool.submit(importlib.import_module, RENDERER)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begin(self, notebook: Path) -> None:
        """Begin to render a notebook that will not be written to any more."""
        self._made[notebook] = self._pool.submit(render, notebook)

    def page(self, notebook: Path) -> Page | None:
        """Return the notebook's page; None for half a notebook, which a full disk leaves."""
        made = self._made.get(notebook)
        return made.result() if made else render(notebook)


def render(notebook: Path) -> Page | None:
    from credix.pipeline.notebooks.render_page import find_failed_cell, render_page

    content = notebook.read_text("utf-8")
    html = render_page(content)
    return None if html is None else Page(html, find_failed_cell(content))

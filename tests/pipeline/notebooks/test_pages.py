"""Pages rendered ahead: the same pages, whoever made them."""

from pathlib import Path

import nbformat

from credix.pipeline.notebooks.pages import Pages


def write_notebook(path: Path, text: str) -> Path:
    output = nbformat.v4.new_output("stream", text=text)
    cell = nbformat.v4.new_code_cell("1", outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_a_page_is_the_same_whether_it_was_begun_or_not(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "01.ipynb", "12 rows")
    with Pages() as pages:
        pages.begin(notebook)
        ahead = pages.page(notebook)
    assert ahead is not None
    assert "12 rows" in ahead.html
    assert ahead.failed_cell is None
    assert Pages().page(notebook) == ahead


def test_a_page_that_was_begun_is_not_rendered_again(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "01.ipynb", "12 rows")
    with Pages() as pages:
        pages.begin(notebook)
        ahead = pages.page(notebook)
        notebook.unlink()
        assert pages.page(notebook) is ahead


def test_half_a_notebook_has_no_page(tmp_path: Path) -> None:
    half = tmp_path / "01.ipynb"
    half.write_text('{"cells": [')
    with Pages() as pages:
        pages.begin(half)
        assert pages.page(half) is None

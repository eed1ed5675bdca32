"""How an executed notebook tells that it did not reach its end."""

from datetime import UTC, datetime

import nbformat
import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.execute import ERROR_MARKER_TAG

from credix.core.interrupts import TerminatedError
from credix.pipeline.notebooks.mark_end import NOT_RUN, mark_end
from credix.pipeline.notebooks.render_page import find_failed_cell, render_page


def executed(*outputs: NotebookNode | None) -> NotebookNode:
    """Prose, then a cell for each: None was never started, `stream` has run, `error` has raised."""
    cells = [nbformat.v4.new_markdown_cell("# Load")]
    for output in outputs:
        cell = nbformat.v4.new_code_cell("work()", outputs=[output] if output else [])
        started = datetime.now(UTC).isoformat() if output else None
        cell.metadata["papermill"] = NotebookNode(
            start_time=started, status="completed" if output else "pending", exception=False
        )
        cells.append(cell)
    found: NotebookNode = nbformat.v4.new_notebook(cells=cells)
    return found


def stream() -> NotebookNode:
    found: NotebookNode = nbformat.v4.new_output("stream", name="stdout", text="12 rows\n")
    return found


def raised(name: str, value: str) -> NotebookNode:
    found: NotebookNode = nbformat.v4.new_output(
        "error", ename=name, evalue=value, traceback=[value]
    )
    return found


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DeadKernelError("Kernel died"), "Its kernel died"),
        (CellTimeoutError("A cell timed out\nwhile"), "CREDIX_NOTEBOOK_TIMEOUT_SECONDS"),
        (KeyboardInterrupt(), "**Interrupted by the user.**"),
        (TerminatedError(), "**Ended by SIGTERM.**"),
        (OSError("no <space>\nmore"), "**OSError: no &lt;space&gt;** ["),
    ],
)
def test_what_ended_it_from_outside_is_named_at_the_top_at_the_cell_and_behind_it(
    error: BaseException, words: str
) -> None:
    notebook = executed(stream(), stream(), None, None)

    mark_end(notebook, error)

    banner, _, first, ended, *rest = notebook.cells
    assert words in banner.source
    assert f"#cell-id={ended.id}" in banner.source
    assert [output.output_type for output in first.outputs] == ["stream"]
    assert ended.outputs[-1].ename == type(error).__name__
    assert ended.metadata.papermill.status == "failed"
    assert [cell.outputs[0].text for cell in rest] == [NOT_RUN, NOT_RUN]
    assert {cell.metadata.papermill.status for cell in rest} == {"not run"}
    nbformat.validate(notebook)


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("DataError", "Table x: 3 NULL values", "**DataError: Table x: 3 NULL values** ["),
        ("ValueError", "no number: 'Maria'", "**ValueError: no number: "),
        ("SystemExit", "", "**A cell left it early by SystemExit.** ["),
        ("SystemExit", "0", "**A cell left it early by SystemExit.** ["),
    ],
)
def test_a_cell_that_raised_is_named_at_the_top_with_its_cause_and_no_value(
    name: str, value: str, cause: str
) -> None:
    notebook = executed(stream(), raised(name, value), None)

    mark_end(notebook)

    banner, _, _, ended, behind = notebook.cells
    assert cause in banner.source
    assert "Maria" not in banner.source
    assert f"#cell-id={ended.id}" in banner.source
    assert behind.outputs[0].text == NOT_RUN


def test_the_page_leaves_out_what_papermill_says_at_the_top() -> None:
    notebook = executed(stream())
    theirs = nbformat.v4.new_markdown_cell("An Exception was encountered")
    theirs.metadata["tags"] = [ERROR_MARKER_TAG]
    notebook.cells.insert(0, theirs)
    assert "An Exception" not in (render_page(nbformat.writes(notebook)) or "")


def test_a_whole_notebook_is_left_alone() -> None:
    notebook = executed(stream(), stream())
    before = nbformat.writes(notebook)
    mark_end(notebook)
    assert nbformat.writes(notebook) == before


def test_a_notebook_of_which_nothing_ran_is_left_alone() -> None:
    notebook = executed(None, None)
    mark_end(notebook, KeyboardInterrupt())
    assert [cell.get("outputs", []) for cell in notebook.cells] == [[], [], []]


def test_the_page_leads_from_the_banner_to_the_cell() -> None:
    notebook = executed(stream(), stream(), None)
    mark_end(notebook, DeadKernelError("Kernel died"))
    text = nbformat.writes(notebook)
    page = render_page(text) or ""
    cell = find_failed_cell(text)
    assert f'href="#cell-id={cell}"' in page
    assert f'id="cell-id={cell}"' in page
    assert "Not run: the notebook ended before this cell." in page

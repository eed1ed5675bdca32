"""A notebook that did not reach its end says so: at its top, at the cell, at the cells never run.

papermill marks a cell that raised, without the cause at the top. It knows nothing of a kernel that
died, a timeout, an interrupt or `sys.exit(0)`, and calls the cells after them completed.
"""

from html import escape

import nbformat
from nbformat import NotebookNode

from credix.core.errors import find_own_error
from credix.core.redaction import without_values
from credix.pipeline.results import describe_error

TAG = "did-not-finish"
NOT_RUN = "Not run: the notebook ended before this cell.\n"
BANNER = """## ✗ This notebook did not reach its end

**{cause}** [Go to the cell where it ended.](#cell-id={cell})
"""
LONGEST_CAUSE = 500


def mark_end(notebook: NotebookNode, error: BaseException | None = None) -> None:
    """Mark an executed notebook whose cells did not all run; a whole one is left alone.

    `error` is what ended it from outside; None where its own cell did.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    ended_at = next((cell for cell in cells if find_error(cell)), None)
    if ended_at is None and error is not None:
        ended_at = next((cell for cell in reversed(cells) if was_started(cell)), None)
        if ended_at is not None:
            add_error(ended_at, error)
    if ended_at is None:
        return
    for cell in cells[cells.index(ended_at) + 1 :]:
        cell.outputs = [nbformat.v4.new_output("stream", name="stderr", text=NOT_RUN)]
        mark(cell, "not run")
    cause = first_line(describe_error(error)) if error else describe_raised(ended_at)
    banner = nbformat.v4.new_markdown_cell(BANNER.format(cause=escape(cause), cell=ended_at.id))
    mark(banner, "completed")
    notebook.cells.insert(0, banner)


def find_error(cell: NotebookNode) -> NotebookNode | None:
    return next((one for one in cell.get("outputs", []) if one.output_type == "error"), None)


def was_started(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("papermill", {}).get("start_time"))


def add_error(cell: NotebookNode, error: BaseException) -> None:
    cause = first_line(describe_error(error))
    kind = type(error).__name__
    cell.outputs.append(
        nbformat.v4.new_output("error", ename=kind, evalue=cause, traceback=[cause])
    )
    cell.metadata.papermill.update(status="failed", exception=True)


def mark(cell: NotebookNode, status: str) -> None:
    known = {"exception": False, **cell.metadata.get("papermill", {}), "status": status}
    cell.metadata["papermill"] = NotebookNode(known)
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), TAG]


def describe_raised(cell: NotebookNode) -> str:
    """Return what a cell raised; only errors of this product quote no values."""
    error = next(one for one in cell.outputs if one.output_type == "error")
    if error.ename == "SystemExit" and error.evalue in ("", "0"):
        return "A cell left it early by SystemExit."
    is_own = find_own_error(error.ename) is not None
    message = error.evalue if is_own else without_values(error.evalue)
    return f"{error.ename}: {first_line(message)}"


def first_line(message: str) -> str:
    return message.strip().partition("\n")[0][:LONGEST_CAUSE]

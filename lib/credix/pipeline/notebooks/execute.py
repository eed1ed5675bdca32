"""One notebook executed by papermill: redacted before every save, truthful about how it ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import nbformat
from nbclient.exceptions import CellControlSignal
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook
from papermill.inspection import inspect_notebook
from papermill.log import logger

from credix.core.disk import disk_error, reported_error
from credix.core.errors import (
    CredixError,
    SettingsError,
    StepError,
    UnexpectedError,
    find_own_error,
)
from credix.core.jobs import NOTEBOOKS
from credix.core.progress import find_line
from credix.core.redaction import Redactor, traceback_without_values, without_values
from credix.pipeline.notebooks.kernels import Kernels
from credix.pipeline.notebooks.mark_end import first_line, mark_end
from credix.pipeline.results import describe_error

ENGINE = "credix"
KERNEL_START_SECONDS = 120
# Parameters that hold a run together: no user may set them from outside.
SET_BY_RUN = {
    *("attempt", "business_date", "commit", "result_path", "run_folder", "run_id", "source"),
    "watermark",
    "allow_deletes",
    "backfill",
    "reconcile",
}


class Reporter(Protocol):
    """Receives the progress of a notebook."""

    def cell_started(self, notebook: str, number: int, count: int, heading: str) -> None: ...
    def progressed(self, line: str) -> None: ...


@dataclass(frozen=True)
class NotebookJob:
    """A notebook to execute, under which name, with which parameters.

    `foresee` is asked before each cell which notebooks will follow; none while that is open.
    """

    notebook: str
    output: Path
    parameters: Mapping[str, object]
    foresee: Callable[[], Sequence[str]]


class ListeningClient(PapermillNotebookClient):
    """Papermill's client, and the listener for a line of progress that a cell shows."""

    heard: Callable[[str], None]

    def __init__(self, manager: NotebookExecutionManager, **options: Any) -> None:
        PapermillNotebookClient.__init__(self, manager, **options)

    def process_message(self, message: dict[str, Any], *place: Any) -> Any:
        line = find_line(message["content"])
        if line is not None:
            self.heard(line)
        return PapermillNotebookClient.process_message(self, message, *place)


@dataclass(frozen=True)
class Audit:
    """What goes on around the cells of a notebook, and how long one of them may take."""

    job: NotebookJob
    redactor: Redactor
    reporter: Reporter
    kernels: Kernels
    cell_timeout: int


class AuditedNotebook(NotebookExecutionManager):
    """Papermill's record of an execution, redacted before every save and reported cell by cell."""

    def __init__(self, notebook: nbformat.NotebookNode, output: str | None, audit: Audit) -> None:
        NotebookExecutionManager.__init__(self, notebook, output, progress_bar=False)
        self.audit, self.headings = audit, cell_headings(notebook)

    def save(self, **keywords: Any) -> None:
        redact_cells(self.nb, self.audit.redactor)
        super().save(**keywords)

    def cell_start(self, cell: Any, cell_index: int | None = None, **keywords: Any) -> None:
        job, headings = self.audit.job, self.headings
        if cell.cell_type == "code" and cell_index is not None:
            number, heading = headings[cell_index]
            self.audit.reporter.cell_started(job.notebook, number, len(headings), heading)
        self.audit.kernels.prepare(*job.foresee())
        super().cell_start(cell, cell_index, **keywords)


class AuditEngine(Engine):
    """An engine of papermill's that executes an audited notebook on a kernel of the run."""

    @classmethod
    def execute_notebook(
        cls, nb: Any, kernel_name: Any, output_path: Any = None, *_: Any, **options: Any
    ) -> nbformat.NotebookNode:
        audit: Audit = options["audit"]
        audited = AuditedNotebook(nb, output_path, audit)
        audited.notebook_start()
        client = ListeningClient(
            audited,
            kernel_name=kernel_name,
            timeout=audit.cell_timeout,
            startup_timeout=KERNEL_START_SECONDS,
            shutdown_kernel="immediate",
            log=logger,
        )
        client.heard = audit.reporter.progressed
        try:
            with audit.kernels.serving(audit.job.notebook, client):
                PapermillNotebookClient.execute(client, cleanup_kc=True)
            mark_end(audited.nb)
        except BaseException as error:
            mark_end(audited.nb, error)
            raise
        finally:
            audited.notebook_complete()
        found: nbformat.NotebookNode = audited.nb
        return found


def execute(
    job: NotebookJob, redactor: Redactor, reporter: Reporter, kernels: Kernels, cell_timeout: int
) -> None:
    """Execute a notebook to its end.

    Raises the error of this product that a cell raised, as the class it was, else StepError.
    """
    papermill_engines.register(ENGINE, AuditEngine)
    job.output.parent.mkdir(parents=True, exist_ok=True)
    try:
        execute_notebook(
            NOTEBOOKS / f"{job.notebook}.ipynb",
            job.output,
            parameters=dict(job.parameters),
            engine_name=ENGINE,
            progress_bar=False,
            cwd=NOTEBOOKS,
            audit=Audit(job, redactor, reporter, kernels, cell_timeout),
        )
    except PapermillExecutionError as error:
        own = reported_error(error.ename, error.evalue, job.output.parent)
        raise own or as_own_error(job.notebook, error.ename, redactor.text(error.evalue)) from None
    except (RuntimeError, OSError, CellControlSignal) as error:  # a dead kernel, a timeout
        of_disk = disk_error(error, job.output.parent)
        if of_disk:
            raise of_disk from None
        raise StepError(
            f"{job.notebook} did not finish. {redactor.text(first_line(describe_error(error)))} "
            f"The executed part is in {job.output.name}."
        ) from None


def refuse_unknown_parameters(notebooks: Sequence[str], parameters: Mapping[str, object]) -> None:
    """Raise SettingsError for a parameter that no notebook has or that is the run's own."""
    known = {name for notebook in notebooks for name in declared_parameters(notebook)}
    settable = ", ".join(sorted(known - SET_BY_RUN)) or "none"
    unknown = sorted(set(parameters) - known)
    if unknown:
        raise SettingsError(
            f"No notebook of this job has a parameter {', '.join(unknown)}; "
            f"parameters that can be set: {settable}."
        )
    own = sorted(set(parameters) & SET_BY_RUN)
    if own:
        raise SettingsError(
            f"The run sets {', '.join(own)} itself; parameters that can be set: {settable}. "
            "For a watermark or a business day use --watermark and --business-date."
        )


def declared_parameters(notebook: str) -> set[str]:
    """Return the names in the notebook's `parameters` cell."""
    return set(inspect_notebook(str(NOTEBOOKS / f"{notebook}.ipynb")))


def as_own_error(notebook: str, ename: str, evalue: str) -> CredixError:
    kind = find_own_error(ename)
    if kind is not None:
        return kind(evalue)
    return UnexpectedError(
        f"{notebook} failed: {ename}: {without_values(evalue)}",
        summary=f"{notebook} failed with {ename}.",
    )


def cell_headings(notebook: nbformat.NotebookNode) -> dict[int, tuple[int, str]]:
    """Return for each code cell its number and the last heading before it."""
    headings: dict[int, tuple[int, str]] = {}
    heading = ""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            lines = [line for line in cell.source.splitlines() if line.startswith("#")]
            heading = lines[-1].lstrip("# ").strip() if lines else heading
        elif cell.cell_type == "code":
            headings[index] = (len(headings) + 1, heading)
    return headings


def redact_cells(notebook: nbformat.NotebookNode, redactor: Redactor) -> None:
    """Redact outputs, and sources too: they hold the run's parameters and how it ended.

    Errors of other software lose the values that they quote, which may be a person's.
    """
    for cell in notebook.cells:
        cell.source = redactor.text(cell.source)
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                if find_own_error(output.ename) is None:
                    output.evalue = without_values(output.evalue)
                output.traceback = [traceback_without_values(part) for part in output.traceback]
        if cell.get("outputs"):
            cell.outputs = [
                nbformat.from_dict(redactor.value(dict(output))) for output in cell.outputs
            ]

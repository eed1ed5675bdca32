"""The kernels of a run: each serves one notebook, those of the next start while that one works."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from traitlets.config import Config

from credix.core.jobs import NOTEBOOKS
from credix.pipeline.notebooks import templates
from credix.pipeline.notebooks.templates import Template, TemplatedManager

KERNEL = "python3"
# Keys for each kernel: other users of the host can neither read nor send.
CONFIG = Config({"KernelManager": {"transport_encryption": "auto"}})


class Kernels:
    """Starts kernels and ends every one of them when it is left, whichever way.

    There is at most one spare kernel for a notebook. It has the environment of the moment it was
    started in, and what its notebook imports, from a template that serves all sources.
    """

    def __init__(self) -> None:
        self._templates: dict[str, Template] = {}
        self._spares: dict[str, AsyncKernelManager] = {}
        self._living: list[AsyncKernelManager] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def prepare(self, *notebooks: str) -> None:
        """Start a spare kernel for each of these that has none; it imports what they need."""
        for notebook in notebooks:
            if notebook not in self._spares:
                self._spares[notebook] = self._start(workbook_module(notebook))

    def take(self, notebook: str) -> AsyncKernelManager:
        """Return the spare kernel of a notebook, or a new one where there is none or it has died.

        A new one imports nothing ahead: an import that kills a kernel then kills it in its cell.
        """
        spare = self._spares.pop(notebook, None)
        if spare is not None:
            if run_sync(spare.is_alive)():
                return spare
            self.end(spare)
        return self._start("")

    @contextmanager
    def serving(self, notebook: str, client: NotebookClient) -> Iterator[None]:
        """Connect the client of a notebook to a kernel, and end that kernel after it.

        A kernel that dies before it answers is replaced once: a spare may die as it is taken.
        """
        client.km = kernel = self.take(notebook)
        try:
            try:
                client.start_new_kernel_client()
            except RuntimeError:
                self.end(kernel)
                client.km = kernel = self.take(notebook)
                client.start_new_kernel_client()
            yield
        finally:
            self.end(kernel)

    def end(self, kernel: AsyncKernelManager) -> None:
        """Kill a kernel; nothing happens when it has ended."""
        if kernel.has_kernel:
            run_sync(kernel.shutdown_kernel)(now=True)
        else:
            run_sync(kernel.cleanup_resources)()
        if kernel in self._living:
            self._living.remove(kernel)

    def close(self) -> None:
        self._spares.clear()
        # First of all what would still start a kernel; the first one ends those that branch off.
        for template in self._templates.values():
            template.close()
        self._templates.clear()
        for kernel in list(self._living):
            self.end(kernel)

    def _start(self, module: str) -> AsyncKernelManager:
        kernel = TemplatedManager(self._template_of(module), kernel_name=KERNEL, config=CONFIG)
        self._living.append(kernel)
        arguments = ["--HistoryManager.hist_file=:memory:"]
        run_sync(kernel.start_kernel)(extra_arguments=arguments, cwd=str(NOTEBOOKS))
        return kernel

    def _template_of(self, module: str) -> Template:
        """Return the template of a module: a branch of the one that has what all of them need."""
        found = self._templates.get(module)
        if found is None or found.is_spent:
            is_branch = module and templates.CAN_FORK
            found = self._template_of("").branch(module) if is_branch else Template.start(module)
            self._templates[module] = found
        return found


def workbook_module(notebook: str) -> str:
    """Return the module of the workbook that a notebook imports: `extract` for `01_extract`."""
    return f"credix.workbook.{notebook.partition('_')[2]}"

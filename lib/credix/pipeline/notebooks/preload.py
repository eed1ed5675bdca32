"""What a notebook needs, made ready in its kernel while the kernel still waits for its turn."""

import contextlib
import importlib
import os

from credix.core.quick_imports import skip_uri_grammar


def preload(module: str, parent: int) -> None:
    """Import a notebook's module of the workbook, and what its `warm_up` imports for later cells.

    What fails is left to the notebook to raise.

    Args:
        module: The full name of the module.
        parent: The process id of the run. ipykernel's poller ends a kernel whose parent dies, but
            not where the run died before the poller looked and another process than 1 took the
            orphan.
    """
    if os.getppid() != parent:
        os._exit(1)
    skip_uri_grammar()
    with contextlib.suppress(Exception):
        importlib.import_module(module).warm_up()

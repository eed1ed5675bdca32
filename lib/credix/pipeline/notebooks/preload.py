"""What a notebook needs, made ready in its kernel while the kernel still waits for its turn."""

import contextlib
import importlib
import os
from collections.abc import Iterable

from credix.core.quick_imports import skip_uri_grammar


def preload(modules: Iterable[str], parent: int) -> None:
    """Import what can be imported, and call a module's `warm_up` where it has one.

    What fails is left to the notebook to raise.

    `parent` is the process id of the run. ipykernel's poller ends a kernel whose parent dies, but
    not where the run died before the poller looked and another process than 1 took the orphan.
    """
    if os.getppid() != parent:
        os._exit(1)
    skip_uri_grammar()
    for module in modules:
        with contextlib.suppress(Exception):
            warm_up = getattr(importlib.import_module(module), "warm_up", None)
            if warm_up:
                warm_up()

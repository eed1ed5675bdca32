"""The process of a template: imports once, then becomes a kernel as often as it is asked.

Started as `python -m`, by `templates.Template`, with the number of its control socket, the module
to import, the process id of the run, and whether it may fork. A request is one line of JSON. It
ends when the run closes the other side, whichever way the run ends.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import warnings
from pathlib import Path
from typing import NoReturn

from credix.core.quick_imports import skip_uri_grammar
from credix.pipeline.notebooks.templates import FORKS, KERNEL_NAME

MOST_BYTES = 1 << 20


def serve(control: socket.socket, module: str, parent: int, *, can_fork: bool) -> None:
    """Import what a notebook needs, then answer requests until the run ends.

    What fails to be imported is left to the notebook to raise.
    """
    import_ahead(module)
    while True:
        line, descriptors = read_request(control)
        if not line:
            return
        request = json.loads(line)
        if not can_fork:
            become_kernel(**request, parent=parent)
        template = os.getpid()
        forked = os.fork()
        if forked == 0 and "module" in request:
            control.close()
            control = socket.socket(fileno=descriptors[0])
            import_ahead(request["module"])
        elif forked == 0:
            control.close()
            name_process()
            become_kernel(**request, parent=template)
        elif descriptors:
            os.close(descriptors[0])
        else:
            control.sendall(f"{forked}\n".encode())


def import_ahead(module: str) -> None:
    """Import a module of the workbook, or what all of them need where there is no name.

    `warm_up` of a module imports what later cells need. Nothing may have been started that a fork
    would leave: a connection, or a thread of Python.
    """
    skip_uri_grammar()
    with contextlib.suppress(Exception):
        importlib.import_module("ipykernel.ipkernel")
        importlib.import_module("matplotlib_inline.backend_inline")
        if module:
            importlib.import_module(module).warm_up()
        else:
            importlib.import_module("credix.workbook.land").warm_up()
    # Kernels share these objects' memory as long as no garbage collection writes to it.
    gc.freeze()


def read_request(control: socket.socket) -> tuple[bytes, list[int]]:
    """Return a line, empty at the end, and the descriptor that came with it, if any."""
    line, descriptors, _, _ = socket.recv_fds(control, MOST_BYTES, 1)
    while line and not line.endswith(b"\n"):
        line += control.recv(MOST_BYTES)
    return line, descriptors


def name_process() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(KERNEL_NAME, "utf-8")


def become_kernel(
    arguments: list[str], folder: str, environment: dict[str, str], parent: int
) -> NoReturn:
    """Be what `python -m ipykernel_launcher` would be with these arguments.

    ipykernel's poller ends a kernel whose parent dies, but not one whose parent died before.
    """
    from ipykernel.kernelapp import IPKernelApp

    try:
        if os.getppid() != parent:
            os._exit(1)
        if os.getpgrp() != os.getpid():
            os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["ipykernel_launcher", *arguments]
        IPKernelApp.launch_instance([*arguments, f"--IPKernelApp.parent_handle={parent}"])
    finally:
        os._exit(1)


def main() -> None:
    descriptor, module, parent, mode = sys.argv[1:]
    # Python warns of every native thread, of numpy's and Arrow's, which are prepared for a fork.
    warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
    # Ended kernels leave no zombies.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=int(descriptor)) as control:
        serve(control, module, int(parent), can_fork=mode == FORKS)


if __name__ == "__main__":
    main()

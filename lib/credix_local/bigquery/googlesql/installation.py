"""Whether Google's analyzer is installed here, and where its compiled module is kept."""

import hashlib
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

WHEELS = ("zetasql", "wasmtime")


def is_installed() -> bool:
    """Return whether the two wheels are there; without them the local BigQuery does not judge."""
    return all(find_spec(wheel) is not None for wheel in WHEELS)


def module_file() -> Path:
    """The file of the compiled module: beside the environment's packages, else in the home cache.

    Its name changes with whatever makes a compiled module unusable.
    """
    parts = (*map(version, WHEELS), platform.machine(), sys.platform)
    mark = hashlib.sha256(":".join(parts).encode()).hexdigest()[:12]
    name = f"googlesql-{mark}.cwasm"
    beside = Path(sys.prefix) / "share" / "credix" / name
    if beside.exists() or os.access(sys.prefix, os.W_OK):
        return beside
    return Path.home() / ".cache" / "credix" / name


def compile_once() -> bool:
    """Compile the module where that has not happened yet, which takes 20 s of CPU.

    In a process of its own, whose gigabyte of memory goes with it. Returns whether it was needed;
    one that fails is left to the server, which then says why.
    """
    if not is_installed() or module_file().exists():
        return False
    command = [sys.executable, "-m", "credix_local.bigquery.googlesql"]
    subprocess.run(command, check=False, capture_output=True)
    return True

"""Run JupyterLab over the workbook, and keep its notebooks free of outputs."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from socket import create_server
from typing import Any, Self

import psutil
import requests

from credix.core.disk import make_folder
from credix.core.errors import SettingsError, StackError
from credix.core.jobs import REPORT_STEP, SOURCE_STEPS
from credix.core.settings import PROJECT_DIR, Settings

LOOPBACK = "127.0.0.1"
FIRST_PORT, LAST_PORT = 8888, 8988
START_HERE = "notebooks/00_start_here.ipynb"
SECONDS_TO_START = 60.0
# A kernel at work gets five of them before JupyterLab kills it.
SECONDS_TO_END = 15.0
LINES_OF_LOG = 15


@dataclass
class Lab:
    """A JupyterLab of this project: its process, its address, its log."""

    process: subprocess.Popen[bytes]
    port: int
    token: str
    log: Path

    @classmethod
    def start(
        cls, settings: Settings, port: int | None, environ: Mapping[str, str], ip: str = LOOPBACK
    ) -> Self:
        """Start it and return when it answers; raises SettingsError, StackError.

        Its kernels get the variables of the settings. The token travels in the environment: a
        command line can be read by others.
        """
        chosen, token = choose_port(port), secrets.token_hex(16)
        folder = settings.local_dir / "lab"
        make_folder(folder, "chown it to this user, or name another folder in CREDIX_LOCAL_DIR")
        log = folder / "jupyterlab.log"
        variables = {**environ, **settings.variables(), "JUPYTER_TOKEN": token}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(chosen, folder, ip),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=PROJECT_DIR,
                env=variables,
                # Ctrl-C is ours: JupyterLab would ask whether it is meant.
                start_new_session=True,
            )
        lab = cls(process, chosen, token, log)
        try:
            lab._await_answer()
        except BaseException:
            lab.stop()
            raise
        return lab

    @property
    def address(self) -> str:
        """Where a browser opens the first notebook; it holds the token."""
        return f"http://127.0.0.1:{self.port}/lab/tree/{START_HERE}?token={self.token}"

    def stop(self) -> None:
        """End JupyterLab and its kernels; by force what does not end in time."""
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.process.pid).children(recursive=True)
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(SECONDS_TO_END)
            for left in [psutil.Process(self.process.pid), *family]:
                with suppress(psutil.NoSuchProcess):
                    left.kill()
        self.process.wait()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                lines = self.log.read_text("utf-8", "replace").splitlines()[-LINES_OF_LOG:]
                raise StackError("\n".join([f"JupyterLab did not start ({self.log}):", *lines]))
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            found = requests.get(
                f"http://127.0.0.1:{self.port}/api/status",
                headers={"Authorization": f"token {self.token}"},
                timeout=2,
            )
        except requests.exceptions.RequestException:
            return False
        return found.ok


def command(port: int, folder: Path, ip: str) -> list[str]:
    """JupyterLab without questions, news, or outputs in the project's notebooks."""
    options = {
        "ServerApp.ip": ip,
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": PROJECT_DIR,
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": os.geteuid() == 0,
        "FileContentsManager.pre_save_hook": "credix.operations.lab.forget_outputs",
        "KernelManager.transport_encryption": "auto",
        "LabApp.default_url": f"/lab/tree/{START_HERE}",
        "LabApp.workspaces_dir": folder / "workspaces",
        "LabApp.app_settings_dir": write_defaults(folder / "defaults"),
    }
    given = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "jupyterlab", *given]


def write_defaults(folder: Path) -> Path:
    """Write JupyterLab's defaults, which its user may override: no request to the internet."""
    folder.mkdir(exist_ok=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    read = {"defaultViewers": {"markdown": "Markdown Preview"}}
    overrides = {
        "@jupyterlab/apputils-extension:notification": quiet,
        "@jupyterlab/docmanager-extension:plugin": read,
    }
    (folder / "overrides.json").write_text(json.dumps(overrides), "utf-8")
    return folder


def choose_port(port: int | None) -> int:
    """Return the port that is asked for, else the first free one; raises SettingsError."""
    if port is not None:
        if not is_free(port):
            raise SettingsError(f"Port {port} is taken: name another one with --port.")
        return port
    for candidate in range(FIRST_PORT, LAST_PORT):
        if is_free(candidate):
            return candidate
    raise SettingsError(f"Ports {FIRST_PORT} to {LAST_PORT} are taken: name another with --port.")


def is_free(port: int) -> bool:
    try:
        with closing(create_server(("127.0.0.1", port))):
            return True
    except OSError:
        return False


FOLDER = "notebooks"
OWN = {"00_start_here", *SOURCE_STEPS, REPORT_STEP, "explore"}
METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def forget_outputs(model: dict[str, Any], path: str, **_: Any) -> None:
    """Called before a save: outputs may hold rows, and would be in every diff.

    They stay in the browser. Notebooks of other names keep theirs.
    """
    place = PurePosixPath(path.lstrip("/"))
    if model.get("type") != "notebook" or place.parent.name != FOLDER or place.stem not in OWN:
        return
    content = model["content"]
    content["metadata"] = METADATA
    for cell in content["cells"]:
        cell["metadata"] = {k: v for k, v in cell["metadata"].items() if k == "tags"}
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}

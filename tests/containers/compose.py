"""The compose file of a copy of the clone, with a project and ports of its own."""

import json
import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT_DIR = Path(__file__).resolve().parents[2]
PORTS = ("POSTGRES", "GCS", "BIGQUERY", "BIGQUERY_GRPC", "JUPYTER")
# A build on a slow machine; everything else is far below.
SECONDS = 3600


class CheckError(Exception):
    """What the containers did is not what they should."""


@dataclass(frozen=True)
class Ended:
    """A command that has come to its end: how, and what it wrote."""

    code: int
    output: str


@dataclass(frozen=True)
class Compose:
    """A project of Compose in a folder."""

    folder: Path
    variables: Mapping[str, str]

    def __call__(self, *words: str, code: int | None = 0) -> str:
        """Type a command; what it wrote. Raises CheckError where it ends with another code."""
        ended = self.run(*words)
        if code is not None and ended.code != code:
            raise CheckError(
                f"docker compose {' '.join(words)}: exit {ended.code}, not {code}\n{ended.output}"
            )
        return ended.output

    def run(self, *words: str) -> Ended:
        return run(["docker", "compose", *words], self.folder, self.variables)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command and leave it running; its output is for whoever waits for it."""
        return subprocess.Popen(
            ["docker", "compose", *words],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def port(self, name: str) -> int:
        return int(self.variables[f"COMPOSE_{name}_PORT"])

    def ask(self, name: str, path: str, token: str = "", put: Any = None) -> Any:
        """The JSON that a published port answers with; raises CheckError where it refuses."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port(name)}{path}")
        if token:
            request.add_header("Authorization", f"token {token}")
        if put is not None:
            request.method, request.data = "PUT", json.dumps(put).encode()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except OSError as error:
            raise CheckError(f"{request.method or 'GET'} {path}: {error}") from None


def run(words: list[str], folder: Path, variables: Mapping[str, str]) -> Ended:
    ended = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return Ended(ended.returncode, ended.stdout)


def find_fault_of_engine() -> str | None:
    """Why there is no engine to run anything on, in one sentence; None where there is one."""
    if shutil.which("docker") is None:
        return "Nothing was run: there is no docker on this machine."
    if run(["docker", "version"], PROJECT_DIR, {}).code:
        return "Nothing was run: no Docker engine answers here."
    if run(["docker", "compose", "version"], PROJECT_DIR, {}).code:
        return "Nothing was run: docker has no Compose here."
    return None


def copy_clone(folder: Path) -> Path:
    """What git holds, as a clone under umask 077 has it: closed to all other users."""
    listed = run(["git", "ls-files", "-z"], PROJECT_DIR, {}).output
    for name in filter(None, listed.split("\0")):
        if (PROJECT_DIR / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT_DIR / name, target)
            target.chmod(0o600)
    for inner in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        inner.chmod(0o700)
    return folder


def choose_ports() -> dict[str, str]:
    """Free ports, so that a stack on the usual ones is left alone."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    found = {
        f"COMPOSE_{name}_PORT": str(one.getsockname()[1])
        for name, one in zip(PORTS, sockets, strict=True)
    }
    for one in sockets:
        with closing(one):
            pass
    return found

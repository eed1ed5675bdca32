"""A reader who types a page from top to bottom, in a fresh clone with a stack of its own."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

from credix.core.settings import PROJECT_DIR
from tests.pages.blocks import Piece

# What the reader's own shell would bring along.
FOREIGN = re.compile(r"^(CREDIX_|POSTGRES_|PG|GCP_|GOOGLE_|BIGQUERY_|STORAGE_|VIRTUAL_ENV|PYTHON)")
ADDRESS = re.compile(r"http://127\.0\.0\.1:\S+")
LONGEST_SECONDS = 1800
STARTED_SECONDS, ENDED_SECONDS = 180, 60
# Stands in for a browser: what would be opened has to be there.
OPENER = """#!/bin/sh
for place in "$@"; do
    case "$place" in
        http://*) ;;
        *) test -s "${place#file://}" || { echo "open: there is no $place" >&2; exit 1; } ;;
    esac
    echo "opened $place"
done
"""


class PageError(Exception):
    """A line of the page does not do what the page says."""


class Reader:
    """One page's clone and shell: what a piece exports, the next one finds."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.after = folder / "clone", folder / "environment"
        copy_tree(self.clone)
        openers = folder / "bin"
        openers.mkdir()
        for name in ("open", "xdg-open"):
            (openers / name).write_text(OPENER)
            (openers / name).chmod(0o755)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not FOREIGN.match(name)},
            "PATH": f"{openers}{os.pathsep}{os.environ['PATH']}",
            "BROWSER": str(openers / "open"),
            # For make, where no Python of the right age is on the PATH.
            "PYTHON": getattr(sys, "_base_executable", sys.executable),
        }

    def type(self, piece: Piece) -> None:
        """Raises PageError when it fails or does not end."""
        if piece.until:
            self.type_until(piece)
        elif piece.language == "python":
            self.execute([".venv/bin/python", "-c", piece.text], piece)
        elif piece.language == "sql":
            self.execute(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", piece.text], piece)
        else:
            script = f"set -aeuo pipefail\n{piece.text}\nenv -0 > {shlex.quote(str(self.after))}"
            self.execute(["bash", "-c", script], piece)
            lines = self.after.read_text("utf-8").split("\0")
            self.environment = dict(line.split("=", 1) for line in lines if line)

    def execute(self, command: list[str], piece: Piece) -> None:
        try:
            ended = subprocess.run(
                command, cwd=self.clone, env=self.environment, timeout=LONGEST_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise PageError(f"{piece.page}:{piece.line} has not ended.") from None
        if ended.returncode:
            raise PageError(f"{piece.page}:{piece.line} ended with exit code {ended.returncode}.")

    def type_until(self, piece: Piece) -> None:
        """Wait for what it has to say, look at the address it names, and press Ctrl-C."""
        started = subprocess.Popen(
            shlex.split(piece.text, comments=True),
            cwd=self.clone,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said = read_until(started, piece)
            address = ADDRESS.search(said)
            if address and not requests.get(address[0], timeout=30).ok:
                raise PageError(f"{piece.page}:{piece.line}: {address[0]} does not answer.")
            started.send_signal(signal.SIGINT)
            started.wait(ENDED_SECONDS)
        except subprocess.TimeoutExpired:
            raise PageError(f"{piece.page}:{piece.line} does not end by Ctrl-C.") from None
        finally:
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)

    def leave(self) -> None:
        """Stop the servers and delete everything."""
        if (self.clone / ".venv").exists():
            command = ["./run_pipeline.py", "reset", "--yes"]
            subprocess.run(command, cwd=self.clone, env=self.environment, check=False)
        shutil.rmtree(self.clone, ignore_errors=True)


def read_until(started: subprocess.Popen[str], piece: Piece) -> str:
    """The line that has it."""
    deadline = time.monotonic() + STARTED_SECONDS
    assert started.stdout
    for line in started.stdout:
        print(line, end="", flush=True)
        if piece.until in line:
            return line
        if time.monotonic() > deadline:
            break
    raise PageError(f"{piece.page}:{piece.line} never said '{piece.until}'.")


def copy_tree(folder: Path) -> None:
    """What git would hand out if the tree were committed as it is, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT_DIR / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT_DIR / name, folder / name)
    author = ["-c", "user.name=reader", "-c", "user.email=reader@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "As it is"]):
        subprocess.run(["git", *command], cwd=folder, check=True)

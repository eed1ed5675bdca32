"""Processes that do runs, forked from one that is warm, so that a run costs what its work costs."""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from typing import Any

from credix.clients.dbt import project
from credix.clients.dbt.project import Dbt
from credix.clients.effects import Effects
from credix.core.settings import Settings
from tests.oracle.child import Outcome, Stop, Task, prepare, serve
from tests.oracle.defects import REWRITES_ITS_PROJECT, change

FORKED = multiprocessing.get_context("forkserver")
PRELOADED = ["tests.oracle.child", "dbt.cli.main", "dbt.adapters.bigquery"]
PATIENCE_SECONDS = 300
POLL_SECONDS = 0.05
call_project = Dbt._invoke


class Runner:
    """A process that does one run after another, until one of them is its last."""

    def __init__(self, line: Connection, pid: int) -> None:
        self.line, self.pid = line, pid

    def run(self, task: Task) -> Outcome:
        self.line.send(task)
        return self.wait()

    def resume(self, stop: Stop | None = None) -> Outcome:
        """Let a held run go on, perhaps to another stop."""
        self.line.send(stop)
        return self.wait()

    def run_until(self, task: Task, is_held: Callable[[], bool]) -> Outcome | None:
        """The outcome of a task; None as soon as its job is held at BigQuery."""
        self.line.send(task)
        while not self.line.poll(POLL_SECONDS):
            if is_held():
                return None
        return self.wait()

    def wait(self) -> Outcome:
        """The next thing the run says; `died` when it can say nothing any more."""
        if not self.line.poll(PATIENCE_SECONDS):
            self.kill()
            raise TimeoutError("A run said nothing for five minutes.")
        try:
            outcome: Outcome = self.line.recv()
        except (EOFError, ConnectionResetError):
            return Outcome("died")
        return outcome

    def kill(self) -> None:
        """End the process, and return when it has ended."""
        os.kill(self.pid, signal.SIGKILL)
        self.line.poll(PATIENCE_SECONDS)


class WarmProcess:
    """A process that has imported and parsed everything, and in which nothing has run yet."""

    def __init__(self, settings: Settings) -> None:
        FORKED.set_forkserver_preload(PRELOADED)
        self.requests, theirs = FORKED.Pipe()
        arguments = (settings.variables(), theirs)
        self.process = FORKED.Process(target=warm_and_fork, args=arguments, daemon=True)
        self.process.start()
        theirs.close()

    def fork(self, defect: str | None) -> tuple[Connection, int]:
        """Fork a process that has the defect and forks runners; its line and its pid."""
        self.requests.send(defect)
        return fork_over(self.requests, self.process.pid)

    def close(self) -> None:
        self.process.kill()
        self.process.join()


class Runners:
    """Runners that have nothing to do, and the process that more are forked from."""

    are_notebooks = False

    def __init__(self, defect: str | None, warm: WarmProcess) -> None:
        self.requests, self.pid = warm.fork(defect)
        self.idle: list[Runner] = []

    def take(self) -> Runner:
        return self.idle.pop() if self.idle else Runner(*fork_over(self.requests, self.pid))

    def give_back(self, runner: Runner) -> None:
        self.idle.append(runner)

    def close(self) -> None:
        for runner in self.idle:
            runner.kill()
        os.kill(self.pid, signal.SIGKILL)
        self.requests.close()


def fork_over(requests: Connection, pid: int | None) -> tuple[Connection, int]:
    """Let the process at the other end fork a child; the line to the child, and its pid."""
    line, theirs = FORKED.Pipe()
    send_handle(requests, theirs.fileno(), pid)
    theirs.close()
    return line, requests.recv()


def warm_and_fork(variables: dict[str, str], requests: Connection) -> None:
    """Fork a process for each defect that is named."""
    os.environ.update(variables)
    # Its threads do not survive a fork.
    os.environ["DBT_STATIC_PARSER"] = "false"
    manifest = parse_project()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for defect in received(requests):
        fork_child(requests, partial(fork_runners, defect, manifest))


def fork_runners(defect: str | None, manifest: Any, requests: Connection) -> None:
    """Plant the defect and fork a runner for each line that is sent."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sound = project.PROJECT
    prepare(defect)
    if defect not in REWRITES_ITS_PROJECT:
        parse_never_again(manifest if sound == project.PROJECT else parse_project())
    while True:
        fork_child(requests, serve)


def received(requests: Connection) -> Iterator[Any]:
    """What is sent, until nobody is left who could send it."""
    try:
        while True:
            yield requests.recv()
    except (EOFError, OSError):
        os._exit(0)


def fork_child(requests: Connection, work: Callable[[Connection], None]) -> None:
    """Fork a child that works for the line that is sent, and answer with its pid."""
    try:
        line = Connection(recv_handle(requests))
    except (EOFError, OSError):
        os._exit(0)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        requests.close()
        work(line)
        os._exit(0)
    line.close()
    requests.send(pid)


def parse_project() -> Any:
    """Parse dbt's project once; it makes most of its classes when it first needs them."""
    with tempfile.TemporaryDirectory(prefix="credix-warm-") as folder:
        parsed = call_project(Dbt(Settings.load(), Effects(), Path(folder)), ["parse"], {})
    if not parsed.success:
        raise RuntimeError(f"dbt does not parse: {parsed.exception}")
    return parsed.result


def parse_never_again(manifest: Any) -> None:
    """Let every call of dbt begin with this parsed project."""
    from dbt.cli.main import dbtRunner

    begin = dbtRunner.__init__

    def begin_parsed(self: dbtRunner) -> None:
        begin(self, manifest)

    change(dbtRunner, "__init__", begin_parsed)

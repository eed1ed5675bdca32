"""Processes that do runs, forked from one that is warm, so that a run costs what its work costs."""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from typing import Any

from credix.clients.dbt.project import Dbt
from credix.clients.effects import Effects
from credix.core.settings import Settings
from tests.oracle.child import Outcome, Stop, Task, prepare, serve

FORKED = multiprocessing.get_context("forkserver")
PRELOADED = ["tests.oracle.child", "dbt.cli.main", "dbt.adapters.bigquery"]
PATIENCE_SECONDS = 300
POLL_SECONDS = 0.05


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


class Runners:
    """Runners that have nothing to do, and the process that more are forked from."""

    are_notebooks = False

    def __init__(self, defect: str | None, settings: Settings) -> None:
        FORKED.set_forkserver_preload(PRELOADED)
        self.requests, theirs = FORKED.Pipe()
        arguments = (defect, settings.variables(), theirs)
        self.origin = FORKED.Process(target=fork_on_demand, args=arguments, daemon=True)
        self.origin.start()
        theirs.close()
        self.idle: list[Runner] = []

    def take(self) -> Runner:
        return self.idle.pop() if self.idle else self._fork()

    def give_back(self, runner: Runner) -> None:
        self.idle.append(runner)

    def close(self) -> None:
        for runner in self.idle:
            runner.kill()
        self.origin.kill()
        self.origin.join()

    def _fork(self) -> Runner:
        line, theirs = FORKED.Pipe()
        send_handle(self.requests, theirs.fileno(), self.origin.pid)
        theirs.close()
        return Runner(line, self.requests.recv())


def fork_on_demand(defect: str | None, variables: dict[str, str], requests: Connection) -> None:
    """Fork a runner for each line that is sent; says its process id."""
    os.environ.update(variables)
    # Its threads do not survive a fork.
    os.environ["DBT_STATIC_PARSER"] = "false"
    manifest = warm_up()
    prepare(defect)
    if defect is None:
        parse_never_again(manifest)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        try:
            line = Connection(recv_handle(requests))
        except (EOFError, OSError):
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            serve(line)
        line.close()
        requests.send(pid)


def warm_up() -> Any:
    """Parse dbt's project once; it makes most of its classes when it first needs them."""
    with tempfile.TemporaryDirectory(prefix="credix-warm-") as folder:
        parsed = Dbt(Settings.load(), Effects(), Path(folder))._invoke(["parse"], {})
    if not parsed.success:
        raise RuntimeError(f"dbt does not parse: {parsed.exception}")
    return parsed.result


def parse_never_again(manifest: Any) -> None:
    """Let every call of dbt begin with this parsed project; a planted defect may change it."""
    from dbt.cli.main import dbtRunner

    begin = dbtRunner.__init__
    dbtRunner.__init__ = lambda self: begin(self, manifest)

"""Runs of a history as a user starts them: the command line, papermill and one kernel each."""

import subprocess
import sys

from credix.settings import PROJECT_DIR
from tests.oracle.child import Outcome, Stop, Task

COMMAND = PROJECT_DIR / "run_pipeline.py"
JOBS = {"cnpj_ws": "cnpj", "installments": "installments"}
PATIENCE_SECONDS = 300


class NotebookRunner:
    """Does a run up to bronze; it can die, and can neither be held nor replay."""

    def run(self, task: Task) -> Outcome:
        arguments = ["--business-date", task.business_date, "-p", "layers", '["bronze"]']
        if task.orders.allow_deletes:
            arguments.append("--allow-deletes")
        death = {"CREDIX_DIE_AT": f"{task.stop.place}:{task.stop.moment}"} if task.stop else {}
        ended = subprocess.run(
            [sys.executable, str(COMMAND), "run", JOBS[task.source], *arguments],
            env=task.variables | death,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        if ended.returncode == 0:
            return Outcome("done", day=task.business_date)
        # A kernel that dies fails its run; what dies between the notebooks is the run itself.
        is_dead = ended.returncode < 0 or "did not finish" in ended.stdout
        return Outcome("died" if task.stop and is_dead else "refused", ended.stdout[-2000:])

    def resume(self, stop: Stop | None = None) -> Outcome:
        raise NotImplementedError("A run in its notebooks is never held.")

    def kill(self) -> None:
        """Nothing outlives `run`."""


class NotebookRunners:
    """The same as `Runners`, for runs in notebooks."""

    are_notebooks = True

    def take(self) -> NotebookRunner:
        return NotebookRunner()

    def give_back(self, runner: NotebookRunner) -> None:
        """Each run has processes of its own."""

    def close(self) -> None:
        """Nothing is kept."""

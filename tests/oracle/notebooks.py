"""Runs of a history as a user starts them: the command line, papermill and one kernel each."""

import os
import subprocess
import sys

from credix.core.jobs import all_jobs
from credix.core.settings import PROJECT_DIR
from tests.death import dying_at
from tests.oracle.child import Outcome, Task

COMMAND = PROJECT_DIR / "run_pipeline.py"
PATIENCE_SECONDS = 300


class NotebookRunner:
    """Does a run up to bronze; it can die, and can neither be held nor replay."""

    def run(self, task: Task) -> Outcome:
        arguments = ["--business-date", task.business_date, "-p", "layers", '["bronze"]']
        if task.orders.allow_deletes:
            arguments.append("--allow-deletes")
        death = dying_at(f"{task.stop.place}:{task.stop.moment}") if task.stop else {}
        ended = subprocess.run(
            [sys.executable, str(COMMAND), "run", job_of(task.source), *arguments],
            env={**os.environ, **task.variables, **death},
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


class NotebookRunners:
    """The same as `Runners`, for runs in notebooks: each has processes of its own."""

    are_notebooks = True

    def take(self) -> NotebookRunner:
        return NotebookRunner()

    def close(self) -> None:
        """Nothing is kept."""


def job_of(source: str) -> str:
    """The job that carries this source and nothing else."""
    return next(name for name, job in all_jobs().items() if job.sources == (source,))

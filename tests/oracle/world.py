"""The world of one history: writers on the source, runs and zombies, and the verdict on bronze.

Every method named like a rule does one thing that may happen; none of them may ever fail but by
`WrongError`, the verdict that bronze is not what the source says.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.postgres.replication import Replication
from credix.clients.provision import provision_warehouse
from credix.core.contracts import CaptureMode, load_source
from credix.core.run_options import RunOptions
from credix.core.settings import Settings
from tests.conftest import connected
from tests.holds import Holds
from tests.oracle.child import IN_FLIGHT, Outcome, Stop, Task
from tests.oracle.notebooks import NotebookRunner, NotebookRunners
from tests.oracle.runners import Runner, Runners
from tests.oracle.source import KEYS, SourceTable
from tests.oracle.verdict import Verdict, WrongError

LOCK_TIMEOUT = "300ms"
FIRST_DAY = date(2024, 3, 1)
DELETES = RunOptions(allow_deletes=True)
HELD = "held"


@dataclass(frozen=True)
class Zombie:
    """A run that is held, or whose job at BigQuery is."""

    runner: Runner
    job: str = ""


class World:
    """One source table with its writers, and everything that carries it."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        source: str = "cnpj_ws",
        *,
        capture: CaptureMode = "row_version",
        captures_deletes: bool = True,
        is_partitioned: bool = False,
        runners: Runners | NotebookRunners,
    ) -> None:
        self.settings, self.folder = settings, folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.capture, self.captures_deletes, self.runners = capture, captures_deletes, runners
        provision_warehouse(Warehouse(settings, Effects(settings.retry_seconds)))
        self.writers = [self._writer() for _ in range(3)]
        self.table = SourceTable(
            self.writers[0], settings.postgres_schema, load_source(source), is_partitioned
        )
        self.day = FIRST_DAY
        self.zombies: list[Zombie] = []
        # Jobs at BigQuery whose processes are gone.
        self.jobs: list[str] = []
        self.holds = Holds(settings.bigquery_endpoint or "")
        self.verdict = Verdict(
            settings,
            self.table,
            folder,
            captures_deletes=captures_deletes,
            has_snapshots=not runners.are_notebooks,
        )
        self.counts: Counter[str] = Counter()

    def _writer(self) -> psycopg2.extensions.connection:
        connection = connected(self.settings)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        return connection

    def write(self, sql: str, writer: int = 0) -> bool:
        """One statement of a writer; False when it could not be done, and then nothing is."""
        connection = self.writers[writer]
        is_open = connection.info.transaction_status != 0
        try:
            with connection.cursor() as cursor:
                if is_open:
                    cursor.execute("SAVEPOINT statement")
                cursor.execute(self.table.in_place(sql))
        except psycopg2.Error:
            with connection.cursor() as cursor:
                if is_open:
                    cursor.execute("ROLLBACK TO SAVEPOINT statement")
            return False
        return True

    def insert(self, *keys: str, text: str = "Santos", writer: int = 0) -> None:
        for key in keys:
            self.write(self.table.insert_sql(key, text), writer)

    def begin(self, writer: int) -> None:
        if self.writers[writer].info.transaction_status == 0:
            self.write("BEGIN", writer)

    def end(self, writer: int, command: str = "COMMIT") -> None:
        if self.writers[writer].info.transaction_status != 0:
            with self.writers[writer].cursor() as cursor:
                cursor.execute(command)

    def run(self, stop: Stop | None = None, *, orders: RunOptions | None = None) -> Outcome:
        """A run of the source from extract to gold's state, and what is to be true after it."""
        return self._judge(self._give(self._task(stop=stop, orders=orders or RunOptions())), stop)

    def run_on_another_machine(self, stop: Stop | None = None) -> Outcome:
        """A run as `run`, which looks at leases, of a machine that is called like this one."""
        task = self._task(stop=stop, respects_leases=True, machine="another")
        return self._judge(self._give(task), stop)

    def run_beside(self) -> Outcome:
        """A run as `run`, which looks at leases."""
        return self._judge(self._give(self._task(respects_leases=True)), None)

    def lose_a_merge_of_another_source(self, name: str) -> None:
        """A run of another source is killed in its merge, and its job goes on for a while."""
        table = SourceTable(
            self.writers[0], self.settings.postgres_schema, load_source(name), is_partitioned=False
        )
        self.write(table.in_place(table.insert_sql(KEYS[0], "Santos")))
        stop = Stop("bronze.merge", "commit")
        outcome = self._give(self._task(source=name, capture="row_version", stop=stop))
        if outcome.status != "died":
            raise LookupError(f"The run of {name} did not come to its merge: {outcome}")

    def let_a_job_end(self, number: int = 0) -> None:
        """A job at BigQuery goes on whose process is gone."""
        self.holds.release(self.jobs.pop(number % len(self.jobs)))
        self.counts["jobs that outlived their process"] += 1
        self.verdict.check_bronze()

    def touch_bronze(self) -> None:
        """Somebody changes rows of bronze beside the pipeline, and no value of the source."""
        warehouse, name = self.verdict.warehouse, self.table.source.name
        if warehouse.columns("bronze", name) is not None:
            table = warehouse.table_id("bronze", name)
            warehouse.query(f"UPDATE `{table}` SET _loaded_at = current_timestamp() WHERE TRUE")

    @property
    def has_claims(self) -> bool:
        """Whether a transaction at BigQuery is about to commit: others that change bronze wait."""
        return bool(self.holds.claims())

    def resume(self, number: int = 0, stop: Stop | None = None) -> Outcome:
        """A held run wakes up and goes on as if nothing had happened, perhaps to another stop."""
        zombie = self.zombies.pop(number % len(self.zombies))
        runner = zombie.runner
        if zombie.job:
            self.holds.release(zombie.job)
            outcome = runner.wait()
        else:
            outcome = runner.resume(stop)
        self._keep(runner, outcome)
        self.counts["zombies"] += 1
        return self._judge(outcome, stop, is_late=True)

    def replay(self, number: int) -> None:
        """Merge any file of the archive once more."""
        files = self.verdict.lake.objects(
            self.settings.archive_bucket, f"{self.settings.prefix}/archive/"
        )
        if files:
            file = sorted(files, key=lambda blob: blob.name)[number % len(files)]
            task = self._task(replayed=(file.name, int(file.metadata["seq"])))
            self._judge(self._give(task), None)

    def delete_from_bronze(self, key: str) -> None:
        """Somebody writes to bronze beside the pipeline."""
        warehouse = self.verdict.warehouse
        table = warehouse.table_id("bronze", self.table.source.name)
        warehouse.query(f"DELETE FROM `{table}` WHERE {self.table.key} = '{key}'")
        del self.verdict.seen_seqs[key]

    def advance_day(self) -> None:
        self.day += timedelta(days=1)

    def finish(self) -> None:
        """End every transaction and zombie, run twice: bronze equals the source."""
        for writer in range(len(self.writers)):
            self.end(writer)
        self.table.drop_extra_column(self.write)
        while self.zombies:
            self.resume()
        while self.jobs:
            self.let_a_job_end()
        for _ in range(2):
            outcome = self.run(orders=DELETES)
            if outcome.status not in ("done", "quiet"):
                raise WrongError(f"The last runs do not end well: {outcome}")
        self.verdict.check_end()

    def close(self, steps: int = 0) -> None:
        """Let nobody wait any longer, and leave the counts of this history beside it.

        A second call does nothing.
        """
        if not self.writers:
            return
        self.counts["steps"] = steps
        (self.folder / "counts.json").write_text(json.dumps(self.counts), "utf-8")
        for zombie in self.zombies:
            zombie.runner.kill()
        self.holds.clear()
        for writer in range(len(self.writers)):
            self.end(writer, "ROLLBACK")
        if self.capture == "log":
            with Replication(self.settings, self.table.source) as replication:
                replication.drop()
        while self.writers:
            self.writers.pop().close()

    def _task(self, **given: Any) -> Task:
        base: dict[str, Any] = {
            "variables": self.settings.variables(),
            "source": self.table.source.name,
            "capture": self.capture,
            "captures_deletes": self.captures_deletes,
            "business_date": self.day.isoformat(),
            "orders": RunOptions(),
            "folder": self.folder,
        }
        return Task(**{**base, **given})

    def _give(self, task: Task) -> Outcome:
        runner = self.runners.take()
        if task.stop and task.stop.moment in IN_FLIGHT and isinstance(runner, Runner):
            return self._give_in_flight(runner, task, task.stop)
        outcome = runner.run(task)
        self._keep(runner, outcome)
        return outcome

    def _give_in_flight(self, runner: Runner, task: Task, stop: Stop) -> Outcome:
        """Let a run come to a job that BigQuery holds, and kill its process or let it wait."""
        known = set(self.holds.under_way())
        found: list[str] = []

        def is_held() -> bool:
            states = self.holds.under_way()
            found[:] = [job for job in states if states[job] == "HELD" and job not in known]
            return bool(found)

        outcome = runner.run_until(task, is_held)
        if outcome is not None:
            self.holds.forget()
            self._keep(runner, outcome)
            return outcome
        if stop.is_death:
            runner.kill()
            self.jobs.append(found[0])
            return Outcome("died")
        self.zombies.append(Zombie(runner, found[0]))
        return Outcome(HELD, f"{stop.place}:{stop.moment}")

    def _keep(self, runner: Runner | NotebookRunner, outcome: Outcome) -> None:
        if outcome.status == HELD and isinstance(runner, Runner):
            self.zombies.append(Zombie(runner))
        elif (
            outcome.status != "died"
            and isinstance(runner, Runner)
            and isinstance(self.runners, Runners)
        ):
            self.runners.give_back(runner)

    def _judge(self, outcome: Outcome, stop: Stop | None, *, is_late: bool = False) -> Outcome:
        self.counts[f"outcome:{outcome.status}"] += 1
        if outcome.status == "died" and not (stop and stop.is_death):
            raise RuntimeError("A run died that nobody has killed.")
        if outcome.status == "broken":
            raise RuntimeError(outcome.error)
        self.verdict.check_bronze()
        if outcome.status in ("done", "quiet"):
            self.verdict.check_files()
            # While a late run held gold's lease, others may have committed newer bronze.
            if not is_late and not self.runners.are_notebooks:
                self.verdict.check_gold(outcome.day)
        return outcome

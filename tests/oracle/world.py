"""The world of one history: writers on the source, runs and zombies, and the verdict on bronze.

Every method named like a rule does one thing that may happen; none of them may ever fail but by
`WrongError`, the verdict that bronze is not what the source says.
"""

import json
import pickle
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from credix.clients.effects import Effects
from credix.clients.lake import Lake
from credix.clients.replication import Replication
from credix.clients.state_store import StateStore
from credix.clients.warehouse import Warehouse
from credix.orders import Orders
from credix.paths import paths_of
from credix.settings import Settings
from credix.sources import CaptureMode, load_source
from credix.steps.provision import provision_warehouse
from tests.conftest import connected
from tests.oracle.child import Outcome, Stop, Task
from tests.oracle.notebooks import NotebookRunner, NotebookRunners
from tests.oracle.runners import Runner, Runners
from tests.oracle.source import SourceTable

LOCK_TIMEOUT = "300ms"
FIRST_DAY = date(2024, 3, 1)
HELD = "held"


class WrongError(AssertionError):
    """Bronze, its files or its states are not what the source and the rules demand."""


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
        self.lake = Lake(settings, Effects(settings.retry_seconds))
        self.warehouse = Warehouse(settings, self.lake.effects)
        self.states = StateStore(settings, self.lake)
        provision_warehouse(self.warehouse)
        self.writers = [self._writer() for _ in range(3)]
        self.table = SourceTable(
            self.writers[0], settings.postgres_schema, load_source(source), is_partitioned
        )
        self.day = FIRST_DAY
        self.zombies: list[Runner | NotebookRunner] = []
        self.proven_attempt = 0
        self.seen_seqs: dict[str, int] = {}
        self.snapshots: dict[int, dict[str, dict[str, Any]]] = {}
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

    def begin(self, writer: int) -> None:
        if self.writers[writer].info.transaction_status == 0:
            self.write("BEGIN", writer)

    def end(self, writer: int, command: str = "COMMIT") -> None:
        if self.writers[writer].info.transaction_status != 0:
            with self.writers[writer].cursor() as cursor:
                cursor.execute(command)

    def run(self, stop: Stop | None = None, *, orders: Orders | None = None) -> Outcome:
        """A run of the source from extract to gold's state, and what is to be true after it."""
        outcome = self._give(self._task(stop=stop, orders=orders or Orders()))
        return self._judge(outcome)

    def resume(self, number: int = 0, stop: Stop | None = None) -> Outcome:
        """A held run wakes up and goes on as if nothing had happened, perhaps to another stop."""
        runner = self.zombies.pop(number % len(self.zombies))
        outcome = runner.resume(stop)
        self._keep(runner, outcome)
        self.counts["zombies"] += 1
        return self._judge(outcome, is_late=True)

    def replay(self, number: int) -> None:
        """Merge any file of the archive once more."""
        files = self._blobs(self.settings.archive_bucket, f"{self.settings.prefix}/archive/")
        if files:
            file = sorted(files, key=lambda blob: blob.name)[number % len(files)]
            task = self._task(replayed=(file.name, int(file.metadata["seq"])))
            self._judge(self._give(task))

    def delete_from_bronze(self, key: str) -> None:
        """Somebody writes to bronze beside the pipeline."""
        table = self.warehouse.table_id("bronze", self.table.source.name)
        self.warehouse.query(f"DELETE FROM `{table}` WHERE {self.table.key} = '{key}'")
        del self.seen_seqs[key]

    def advance_day(self) -> None:
        self.day += timedelta(days=1)

    def finish(self) -> None:
        """End every transaction and zombie, run twice: bronze equals the source."""
        for writer in range(len(self.writers)):
            self.end(writer)
        self.table.drop_extra_column(self.write)
        while self.zombies:
            self.resume()
        for _ in range(2):
            outcome = self.run(orders=Orders(allow_deletes=True))
            if outcome.status not in ("done", "quiet"):
                raise WrongError(f"The last runs do not end well: {outcome}")
        self.compare(self.live_rows(), "the source at the end", self.table.rows())

    def close(self, steps: int = 0) -> None:
        """Let nobody wait any longer, and leave the counts of this history beside it.

        A second call does nothing.
        """
        if not self.writers:
            return
        self.counts["steps"] = steps
        (self.folder / "counts.json").write_text(json.dumps(self.counts), "utf-8")
        for zombie in self.zombies:
            zombie.kill()
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
            "orders": Orders(),
            "folder": self.folder,
        }
        return Task(**{**base, **given})

    def _give(self, task: Task) -> Outcome:
        runner = self.runners.take()
        outcome = runner.run(task)
        self._keep(runner, outcome)
        return outcome

    def _keep(self, runner: Runner | NotebookRunner, outcome: Outcome) -> None:
        if outcome.status == HELD:
            self.zombies.append(runner)
        elif outcome.status != "died":
            self.runners.give_back(runner)

    def _judge(self, outcome: Outcome, *, is_late: bool = False) -> Outcome:
        self.counts[f"outcome:{outcome.status}"] += 1
        if outcome.status == "broken":
            raise RuntimeError(outcome.error)
        self.check_bronze()
        if outcome.status in ("done", "quiet"):
            self.check_files()
            # While a late run held gold's lease, others may have committed newer bronze.
            if not is_late:
                self.check_gold(outcome.day)
        return outcome

    def check_bronze(self) -> None:
        """One row per key, no key goes back, and the watermark is not ahead of bronze.

        Notebooks leave no snapshots behind to compare with: they are judged by the end alone.
        """
        rows = self._bronze()
        keys = [row[self.table.key] for row in rows]
        if len(keys) != len(set(keys)):
            raise WrongError("bronze holds a key more than once")
        seqs = {row[self.table.key]: row["_seq"] for row in rows}
        back = [key for key, seq in self.seen_seqs.items() if seqs.get(key, -1) < seq]
        if back:
            raise WrongError(f"keys went back in bronze: {back}")
        self.seen_seqs = seqs
        if self.runners.are_notebooks:
            return
        for row in rows:
            self.check_row(row)
        state = self.states.read_source(self.table.source.name)
        if state.watermark_attempt > self.proven_attempt:
            self.proven_attempt = state.watermark_attempt
            snapshot = self.snapshot(state.watermark_attempt)
            what = f"the snapshot of attempt {state.watermark_attempt}"
            self.compare(self.by_key(rows), what, snapshot)

    def check_row(self, row: dict[str, Any]) -> None:
        """A row of bronze is what the snapshot of its own attempt says, or was deleted by then."""
        expected = self.snapshot(row["_seq"]).get(row[self.table.key])
        if expected != (None if row["_is_deleted"] else self.values(row)):
            raise WrongError(
                f"{row[self.table.key]} in bronze is not what attempt {row['_seq']} saw: "
                "they differ"
            )

    def snapshot(self, attempt: int) -> dict[str, dict[str, Any]]:
        """What the source held when that attempt took its snapshot, by key."""
        if attempt not in self.snapshots:
            kept = self.folder / f"snapshot-{attempt}.pickle"
            self.snapshots[attempt] = self.table.by_key(pickle.loads(kept.read_bytes()))
        return self.snapshots[attempt]

    def check_files(self) -> None:
        """Each file lies in one place, and the archived ones were loaded."""
        folders = [
            (self.settings.lake_bucket, paths_of(self.settings).landing),
            (self.settings.lake_bucket, f"{self.settings.prefix}/failed/"),
            (self.settings.archive_bucket, f"{self.settings.prefix}/archive/"),
        ]
        blobs = [blob for bucket, folder in folders for blob in self._blobs(bucket, folder)]
        places = Counter(blob.name.rpartition("/")[2] for blob in blobs)
        doubled = [name for name, count in places.items() if count > 1]
        if doubled:
            raise WrongError(f"files lie in more than one place: {doubled}")
        if not self.runners.are_notebooks:
            self.check_archive()

    def check_gold(self, day: str) -> None:
        """Gold is of this day and of the committed bronze; notebooks build none here."""
        if self.runners.are_notebooks:
            return
        name = self.table.source.name
        committed = {name: self.states.read_source(name).committed_seq}
        gold = self.states.read_gold()
        if not (gold.business_date == day and gold.seen == committed):
            raise WrongError(f"gold has seen {gold.seen} of {gold.business_date}, not {committed}")

    def check_archive(self) -> None:
        """A file is archived only after BigQuery has it."""
        folder = f"{self.settings.prefix}/archive/"
        for blob in self._blobs(self.settings.archive_bucket, folder):
            log = self.folder / f"effects-{blob.metadata['seq']}.txt"
            # The one more attempt of a repair writes into the log of its run.
            if log.exists() and "warehouse.load_hashed" not in log.read_text("utf-8").split():
                raise WrongError(f"{blob.name} was archived before it was loaded")

    def compare(
        self, live: dict[str, dict[str, Any]], what: str, expected: dict[str, dict[str, Any]]
    ) -> None:
        """Raises WrongError unless the live rows of bronze are exactly these."""
        if not self.captures_deletes:
            live = {key: row for key, row in live.items() if key in expected}
        if live != expected:
            wrong = sorted(
                key for key in live.keys() | expected.keys() if live.get(key) != expected.get(key)
            )
            raise WrongError(f"bronze is not {what}: {wrong[:10]} differ")

    def live_rows(self) -> dict[str, dict[str, Any]]:
        """The rows of bronze that are not deleted, by key."""
        return self.by_key(self._bronze())

    def by_key(self, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {row[self.table.key]: self.values(row) for row in rows if not row["_is_deleted"]}

    def values(self, row: dict[str, Any]) -> dict[str, Any]:
        """The columns of the contract of a row of bronze."""
        return {name: row[name] for name in self.table.source.column_names}

    def _bronze(self) -> list[dict[str, Any]]:
        name = self.table.source.name
        if self.warehouse.columns("bronze", name) is None:
            return []
        columns = ", ".join(self.table.source.column_names)
        table = self.warehouse.table_id("bronze", name)
        return self.warehouse.query(f"SELECT {columns}, _is_deleted, _seq FROM `{table}`")

    def _blobs(self, bucket: str, folder: str) -> list[Any]:
        return self.lake.blobs(bucket, folder)

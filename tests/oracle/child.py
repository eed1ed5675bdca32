"""What a runner does: one run after another, which can be killed or held at any side effect."""

import os
import pickle
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from credix.capture import extract as extracting
from credix.capture.predicates import Snapshot
from credix.clients.bigquery.job_labels import label_value
from credix.clients.dbt.project import Dbt, project_fingerprint
from credix.clients.effects import Effects
from credix.clients.postgres import replication
from credix.clients.postgres.connection import SourceConnection
from credix.core.contracts import CaptureMode
from credix.core.errors import CredixError
from credix.core.results import ExtractResult
from credix.core.run_options import RunOptions
from credix.core.settings import Settings
from credix.core.source_sql import quote, table_sql
from credix.state import leases
from credix.state import run as context
from credix.warehouse import transform
from tests.conftest import connected
from tests.holds import Holds
from tests.oracle import defects
from tests.runs_by_hand import begin, carry_run

take_snapshot = extracting.take_snapshot
# Moments at which not the run but its job at BigQuery is held, which outlives the run's process.
IN_FLIGHT = ("snapshot", "commit")
# Not a side effect, but a moment at which a run may be held: its snapshot is taken, nothing read.
SNAPSHOT = "snapshot"


@dataclass(frozen=True)
class Stop:
    """Where a run dies or is held: before or after its first side effect of that name.

    Or in it, while BigQuery works: its job has taken its `snapshot`, or is about to `commit`.
    """

    place: str
    moment: str
    is_death: bool = True


@dataclass(frozen=True)
class Task:
    """What a child is to do."""

    variables: dict[str, str]
    source: str
    capture: CaptureMode
    captures_deletes: bool
    business_date: str
    orders: RunOptions
    folder: Path
    stop: Stop | None = None
    replayed: tuple[str, int] | None = None
    # A run that looks at leases, and the machine that it seems to run on.
    respects_leases: bool = False
    machine: str = ""


@dataclass
class Outcome:
    """How a task ended: `done`, `quiet`, `replayed`, `refused`, `died` or, for now, `held`."""

    status: str
    error: str = ""
    day: str = ""


class ProbedEffects(Effects):
    """Side effects that are written down, and at one of which the process dies or waits."""

    stop: Stop | None = None
    line: Connection | None = None
    log: Path | None = None
    task: Task | None = None

    def perform(self, name: str, target: str, action: Callable[[], Any]) -> Any:
        self._meet(name, "before")
        self._hold_job(name)
        result = super().perform(name, target, action)
        self._write_down(name)
        self._meet(name, "after")
        return result

    def _meet(self, name: str, moment: str) -> None:
        stop = type(self).stop
        if stop is None or (stop.place, stop.moment) != (name, moment):
            return
        type(self).stop = None
        self._write_down(f"{'died' if stop.is_death else 'held'} {name}:{moment}")
        if stop.is_death:
            os.kill(os.getpid(), signal.SIGKILL)
        hold(type(self).line, f"{name}:{moment}")

    def _hold_job(self, name: str) -> None:
        stop, task = type(self).stop, type(self).task
        if stop is None or task is None or stop.place != name or stop.moment not in IN_FLIGHT:
            return
        type(self).stop = None
        self._write_down(f"{'died' if stop.is_death else 'held'} {name}:in flight, {stop.moment}")
        Holds(task.variables["BIGQUERY_EMULATOR_HOST"]).next(
            stop.moment, credix_source=task.source, credix_step=label_value(name)
        )

    def _write_down(self, what: str) -> None:
        path = type(self).log
        if path:
            with path.open("a", encoding="utf-8") as log:
                log.write(f"{what}\n")


def hold(line: Connection | None, where: str) -> None:
    """Say that the run is held, and wait for the word to go on, perhaps to another stop."""
    if line:
        line.send(Outcome("held", error=where))
        ProbedEffects.stop = line.recv()


def serve(line: Connection) -> None:
    """What a runner does until it is killed, or nobody is left to ask it."""
    while True:
        try:
            line.send(work(line.recv(), line))
        except (EOFError, OSError):
            os._exit(0)


def prepare(defect: str | None) -> None:
    """Make this process one whose runs can be stopped, and which has the defect."""
    defects.change(Dbt, "_invoke", without_tests(Dbt._invoke))
    defects.change(context, "Effects", ProbedEffects)
    extracting.take_snapshot = take_and_keep
    # A writer of a history never ends while a run waits for it.
    replication.Replication.create_slot.__defaults__ = (1,)
    defects.plant(defect)


def without_tests(invoke: Callable[..., Any]) -> Callable[..., Any]:
    """The models alone: what their tests claim, the oracle looks at itself."""

    def models_only(self: Dbt, arguments: Sequence[str], values: Mapping[str, str]) -> Any:
        return invoke(self, [*arguments, "--exclude-resource-type", "test"], values)

    return models_only


def work(task: Task, line: Connection) -> Outcome:
    """One task; an error of the product is a run that refused, any other one breaks the test."""
    os.environ.update(task.variables)
    ProbedEffects.stop, ProbedEffects.line, ProbedEffects.task = task.stop, line, task
    settings = Settings.load()
    try:
        return replay(settings, task) if task.replayed else carry(settings, task)
    except CredixError as error:
        return Outcome("refused", f"{type(error).__name__}: {error}")
    except BaseException as error:
        line.send(Outcome("broken", "".join(traceback.format_exception(error))))
        raise


def carry(settings: Settings, task: Task) -> Outcome:
    """What the pipeline does for one source, with its decisions, then gold's state."""
    if task.machine:
        leases.boot_id = leases.machine_id = lambda: task.machine
    is_dead = leases.is_abandoned if task.respects_leases else lambda _: True
    run = begin(settings, task.source, task.capture, is_dead)
    run = replace(
        run,
        contract=replace(run.source, captures_deletes=task.captures_deletes),
        business_date=task.business_date,
        orders=task.orders,
    )
    ProbedEffects.log = task.folder / f"effects-{run.attempt}.txt"
    ProbedEffects.log.write_text("state.raise_fence\n", "utf-8")
    first = run.folder
    run = carry_run(run, note_and_spoil)
    is_quiet = run.folder == first and not (run.source_folder / "02_land.json").exists()
    committed = {task.source: run.states.read_source(task.source).committed_seq}
    if not run.states.read_gold().is_current(run.business_date, committed, project_fingerprint()):
        build_gold(run)
    return Outcome("quiet" if is_quiet else "done", day=run.business_date)


def note_and_spoil(run: context.Run) -> None:
    """Before a merge: write down whether it is of a slice; a planted defect does its harm."""
    found = run.read_result(ExtractResult).slice
    if found and ProbedEffects.task:
        (ProbedEffects.task.folder / f"slice-{run.attempt}.txt").write_text(f"{found.number}")
    defects.before_merge(run)


def build_gold(run: context.Run) -> None:
    """Gold's fence and state without its models, which are tested on their own."""
    claim = transform.claim_gold(run)
    seen = {run.source.name: claim.seen[run.source.name]}
    transform.commit_gold(run, replace(claim, seen=seen, has_written=True))


def replay(settings: Settings, task: Task) -> Outcome:
    """Merge one file of the archive again under the `_seq` it was written with."""
    from credix.cli.recovery import open_run
    from credix.operations.replay.batches import ArchivedAttempt
    from credix.operations.replay.replay import merge_batch

    file, seq = task.replayed or ("", 0)
    run = open_run(settings, task.source, "replay")
    attempt = ArchivedAttempt(seq, run.run_id, (file,), 0, False, run.source.fingerprint, None)
    merge_batch(run, [attempt], (), raises_guard=False)
    return Outcome("replayed")


def take_and_keep(run: context.Run, connection: SourceConnection) -> Snapshot:
    """Take the snapshot and write down what it holds, seen through its own connection."""
    snapshot = take_snapshot(run, connection)
    task = ProbedEffects.task
    columns = ", ".join(quote(name) for name in run.source.column_names)
    table = table_sql(run.source, run.settings.postgres_schema)
    # Over a connection of its own: reading here would hold the lock that the product has to take.
    with connected(run.settings) as reader, reader.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute("COMMIT")
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute(f"SET TRANSACTION SNAPSHOT '{connection.snapshot_id}'")
        cursor.execute(f"SELECT {columns} FROM {table}")
        rows = cursor.fetchall()
    reader.close()
    if task:
        kept = task.folder / f"snapshot-{run.attempt}.pickle"
        kept.write_bytes(pickle.dumps(rows))
        if task.stop and task.stop.place == SNAPSHOT:
            hold(ProbedEffects.line, SNAPSHOT)
    return snapshot

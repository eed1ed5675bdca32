"""Faults planted on purpose into a run, each of which the oracle has to find."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from credix.capture import predicates
from credix.clients.dbt import project
from credix.clients.postgres import connection
from credix.core import watermarks
from credix.core.paths import control_table, hashed_table
from credix.core.results import ExtractResult
from credix.state import leases, running_jobs, states
from credix.state import run as context
from credix.warehouse import bronze, checkpoint, temp_layer

Plant = Callable[[], None]
# What a defect does between loading and merging; nothing unless one is planted.
steps_before_merge: list[Callable[[context.Run], None]] = []


def plant(name: str | None) -> None:
    """Break this process in the way that the name says."""
    if name:
        DEFECTS[name]()


def change(owner: object, name: str, planted: object) -> None:
    """Put something else in the place of what a module or class has under this name."""
    setattr(owner, name, planted)


def before_merge(run: context.Run) -> None:
    for step in steps_before_merge:
        step(run)


def read_strictly_behind_the_cursor() -> None:
    inclusive = predicates.since_cursor
    predicates.since_cursor = lambda source, cursor: inclusive(source, cursor).replace(">=", ">")


def take_the_number_from_the_committed_state() -> None:
    raise_fence = states.SourceState.raise_fence

    def with_committed(self: Any, lease: Any, now: Any, is_dead: Any) -> Any:
        raised = raise_fence(self, lease, now, is_dead)
        if isinstance(self, states.SourceState):
            return raised.model_copy(update={"attempt": self.committed_seq + 1})
        return raised

    change(states.SourceState, "raise_fence", with_committed)


def commit_before_the_merge() -> None:
    def commit(run: context.Run) -> None:
        checkpoint.commit_watermark(run, run.read_result(ExtractResult), is_merged=True)

    steps_before_merge.append(commit)


def count_due_dates_into_the_cursor() -> None:
    """The well-known recipe: the greatest of all dates, and nothing caps it."""

    def greatest(_: Any, previous: Any, snapshot: Any, reached: Any, *__: Any) -> Any:
        cursor = reached.isoformat() if reached else previous.cursor if previous else None
        return watermarks.Watermark(cursor=cursor, snapshot_at=snapshot.taken_at.isoformat())

    with_due_date = predicates.cursor_sql
    predicates.cursor_sql = lambda source: with_due_date(
        replace(source, cursor=(*source.cursor, "due_date"))
    )
    change(predicates, "next_watermark", greatest)
    change(predicates, "lies_ahead", lambda *_: False)


def archive_before_loading() -> None:
    archive, files = temp_layer.archive_files, temp_layer.landed_files

    def archived_first(run: context.Run, columns: Any) -> int:
        archive(run)
        prefix = f"{run.settings.prefix}/"
        uris = [
            f"gs://{run.settings.archive_bucket}/"
            + file.replace(f"{prefix}landing/", f"{prefix}archive/")
            for file in files(run)
        ]
        table = hashed_table(run.source, run.run_id, run.attempt)
        job_id = f"credix-{run.run_id}-{run.attempt}-{table}"
        return run.warehouse.load_parquet(
            "warehouse.load_hashed", uris, "temp", table, columns, job_id
        )

    temp_layer.load_hashed = archived_first
    temp_layer.load_stable = lambda *_: 0


def take_the_snapshot_without_a_lock() -> None:
    begin = connection.SourceConnection.begin
    change(connection.SourceConnection, "begin", lambda self, _: begin(self, None))


def overlook_new_partitions() -> None:
    choose = predicates.choose_predicate

    def overlooking(source: Any, held: Any, snapshot: Any, watermark: Any) -> Any:
        as_if_known = held.model_copy(update={"relation_oids": snapshot.relation_oids})
        return choose(source, as_if_known, snapshot, watermark)

    change(predicates, "choose_predicate", overlooking)


def be_quiet_without_looking_at_gold() -> None:
    change(states.GoldState, "is_current", lambda *_: True)


def render_the_guard_before_the_statement() -> None:
    """Without the claim: it keeps a superseded run out before the guard does."""
    with_project({MERGE: [("max(reconciled_seq),", "GUARD,"), CLAIMED]})()
    build = project.Dbt.build
    macro = project.PROJECT / MERGE
    template = macro.read_text("utf-8")

    def rendered(self: Any, effect: str, selectors: Any, values: Any) -> Any:
        from credix.clients.bigquery.warehouse import Warehouse

        warehouse = Warehouse(self.settings, self.effects)
        name = control_table(selectors[0].removeprefix("bronze."))
        guard = 0
        if warehouse.columns("bronze", name) is not None:
            control = warehouse.table_id("bronze", name)
            found = warehouse.query(f"SELECT reconciled_seq AS seq FROM `{control}`")
            guard = found[0]["seq"]
        macro.write_text(template.replace("GUARD,", f"{guard},"), "utf-8")
        return build(self, effect, selectors, values)

    change(project.Dbt, "build", rendered)


def merge_from_the_stable_table() -> None:
    """Without the proof: it notices what is missing, and one more attempt would bring it.

    And without the look at the fence that keeps a superseded run from replacing the table.
    """
    with_project(
        {"macros/run_values.sql": [(OWN_TABLE, "{{- temp_relation(this.identifier ~ '_dbt') -}}")]}
    )()
    bronze.find_fault = lambda *_: None
    change(temp_layer, "require_fence", lambda _: None)


def leave_earlier_jobs_alone() -> None:
    running_jobs.cancel_earlier_jobs = lambda *_: []


def share_the_control_table() -> None:
    with_project({CONTROL: [("'capture_control_' ~ bronze.identifier", "'capture_control'")]})()
    change(bronze, "control_table", lambda _: "capture_control")


def judge_leases_by_the_name_of_the_host() -> None:
    """The rule that Cloud Run breaks: there every machine is called localhost."""

    def judged(held: states.Lease) -> bool:
        return held.host == socket.gethostname() and held.boot_id != leases.boot_id()

    change(leases, "is_abandoned", judged)


def with_project(changes: dict[str, list[tuple[str, str]]]) -> Plant:
    """Run dbt with a copy of its project in which these texts are replaced."""

    def use_copy() -> None:
        import shutil
        import tempfile

        copy = Path(tempfile.mkdtemp(prefix="credix-defect-")) / "business_case"
        ignored = shutil.ignore_patterns("target", "logs")
        shutil.copytree(project.PROJECT, copy, ignore=ignored)
        for name, replacements in changes.items():
            path = copy / name
            content = path.read_text("utf-8")
            for old, new in replacements:
                if old not in content:
                    raise LookupError(f"{name} has no {old!r} to replace")
                content = content.replace(old, new)
            path.write_text(content, "utf-8")
        project.PROJECT = copy

    return use_copy


MERGE = "macros/fenced_merge.sql"
MATCHED = "when matched and delta._seq > bronze._seq and delta._seq > delta._reconciled_seq then"
INSERTED = "when not matched and delta._seq > delta._reconciled_seq then"
CLAIMED = ("where guard.claimed_seq = {{ fencing_token('attempt') }}", "")
OWN_TABLE = "{{- temp_relation(own[0] if own else this.identifier ~ '_schema') -}}"

CONTROL = "macros/capture_control.sql"
ALONE = ("{{- claimed_merge_sql(", "{{- fenced_merge_sql(")

DEFECTS: dict[str, Plant] = {
    "strict cursor": read_strictly_behind_the_cursor,
    "blind merge": with_project({MERGE: [(MATCHED, "when matched then")]}),
    "seq from committed state": take_the_number_from_the_committed_state,
    "merge from the stable table": merge_from_the_stable_table,
    "watermark before bronze": commit_before_the_merge,
    "due_date in the cursor": count_due_dates_into_the_cursor,
    "no insert guard": with_project({MERGE: [(INSERTED, "when not matched then")]}),
    "guard rendered before the statement": render_the_guard_before_the_statement,
    "archive before load": archive_before_loading,
    "no lock before the snapshot": take_the_snapshot_without_a_lock,
    "new partition not read in full": overlook_new_partitions,
    "quiet without looking at gold": be_quiet_without_looking_at_gold,
    "no claim in the merge": with_project({MERGE: [ALONE, CLAIMED]}),
    "jobs of earlier attempts left alone": leave_earlier_jobs_alone,
    "one control table for all sources": share_the_control_table,
    "leases judged by the host's name": judge_leases_by_the_name_of_the_host,
}
# Where dbt has to read the project before every call.
REWRITES_ITS_PROJECT = ("guard rendered before the statement",)

__all__ = ["DEFECTS", "REWRITES_ITS_PROJECT", "before_merge", "change", "plant"]

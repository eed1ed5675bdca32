"""Archived files merged again: onto bronze, where they change nothing, or into an empty dataset.

Every file keeps the `_seq` of the attempt that wrote it, and attempts are merged in that order.
Only attempts whose merge was proven and recorded count: files of others lie in the archive too.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from credix.clients.erasure_store import ErasureStore
from credix.clients.lake import Lake
from credix.erasure import Erasure, Matcher
from credix.errors import DataError
from credix.paths import SHARED_CONTROL, control_table, hashed_table, paths_of
from credix.sources import Source
from credix.state import Digest, GoldState
from credix.steps.bronze import build_dbt
from credix.steps.context import Run
from credix.steps.deletes import bronze_digest
from credix.steps.erase_files import delete_keys, erased_hashes
from credix.steps.provision import provision_warehouse


@dataclass(frozen=True)
class ArchivedAttempt:
    """One proven attempt: its files in the archive, by the day they landed."""

    seq: int
    run_id: str
    files: tuple[str, ...]
    rows: int
    is_full: bool
    fingerprint: str
    digest: Digest | None

    @property
    def days(self) -> tuple[str, ...]:
        return tuple(day_of(file) for file in self.files)


def find_attempts(lake: Lake, source: Source, first: str, last: str) -> list[ArchivedAttempt]:
    """The proven attempts with files of these days (ISO, both included), in the order of `_seq`.

    Raises DataError when a file that was merged under another contract would be needed.
    """
    bucket = lake.settings.archive_bucket
    folder = paths_of(lake.settings).merged(source.name, 0).rpartition("/")[0] + "/"
    records = [
        read_record(lake.read_bytes(bucket, blob.name).decode())
        for blob in lake.blobs(bucket, folder)
    ]
    chosen = [
        attempt
        for attempt in sorted(records, key=lambda attempt: attempt.seq)
        if attempt.files and any(first <= day <= last for day in attempt.days)
    ]
    return under_one_contract(source, chosen)


def under_one_contract(
    source: Source, attempts: Sequence[ArchivedAttempt]
) -> list[ArchivedAttempt]:
    """The attempts behind the last change of the contract, which begin with a full read."""
    own = [attempt.fingerprint == source.fingerprint for attempt in attempts]
    if all(own):
        return list(attempts)
    last_other = max(index for index, is_own in enumerate(own) if not is_own)
    rest = list(attempts[last_other + 1 :])
    if not rest or not rest[0].is_full:
        raise DataError(
            f"{attempts[last_other].files[0]} was written under another contract of "
            f"{source.name}: choose a period that begins behind it."
        )
    return rest


def replay(run: Run, attempts: Sequence[ArchivedAttempt], into: str | None) -> Digest:
    """Merge the attempts into bronze of the run's prefix, or of `into`; bronze's digest then.

    Into an empty bronze the guard begins at nothing and follows each attempt. Raises DataError when
    a bronze rebuilt from its beginning does not hold the keys of the last attempt.
    """
    target = run if into is None else replace(run, settings=run.settings.with_prefix(into))
    target.source = run.source
    if into is not None:
        provision_warehouse(target.warehouse)
    store = ErasureStore(run.lake)
    erased = [
        (record, Matcher(run.source, store.secret(), frozenset(record.keys)))
        for record in store.records(run.source.name)
    ]
    is_empty = bronze_digest(target).rows == 0
    if is_empty:
        forget_guard(target)
        # Its rows come back below what gold has seen.
        target.states.change_gold("gold.distrust", GoldState.distrust)
    for attempt in attempts:
        merge_attempt(target, attempt, erased, raises_guard=is_empty)
    held = bronze_digest(target)
    # Erased keys are no longer in files from a time at which the record's digest had them.
    is_whole = bool(attempts) and attempts[0].is_full
    is_whole = is_whole and not any(record.attempt > attempts[-1].seq for record, _ in erased)
    if is_empty and is_whole and attempts[-1].digest not in (None, held):
        raise DataError(
            f"The rebuilt bronze holds {held.rows} live keys, attempt {attempts[-1].seq} was "
            f"proven with {attempts[-1].digest}: files of the archive are missing or were changed."
        )
    return held


def merge_attempt(
    run: Run,
    attempt: ArchivedAttempt,
    erased: Sequence[tuple[Erasure, Matcher]],
    *,
    raises_guard: bool,
) -> None:
    """Load one attempt's files into a temp table and merge it under its own `_seq`.

    Rows that were erased, but that a file must keep until its retention is over, are left out.
    """
    table = hashed_table(run.source, run.run_id, attempt.seq)
    uris = [f"gs://{run.settings.archive_bucket}/{file}" for file in attempt.files]
    columns = run.source.landing_columns
    job_id = f"credix-{run.run_id}-{attempt.seq}-{table}"
    run.warehouse.load_parquet("warehouse.load_archived", uris, "temp", table, columns, job_id)
    leave_out_erased(run, attempt, erased, table)
    values = {
        "CREDIX_DBT_TEMP_TABLE": table,
        "CREDIX_DBT_RECONCILED_SEQ": str(attempt.seq) if raises_guard else "",
    }
    build_dbt(run).build("bronze.merge", [f"bronze.{run.source.name}"], values)
    run.warehouse.drop("temp", table)


def leave_out_erased(
    run: Run, attempt: ArchivedAttempt, erased: Sequence[tuple[Erasure, Matcher]], table: str
) -> None:
    """Delete from the temp table what erasures up to now could not take out of the files."""
    hashes: set[int] = set()
    for record, matcher in erased:
        held = {file.path for file in record.pending}
        is_meant = attempt.seq <= record.attempt
        for file in attempt.files:
            if is_meant and (file in held or record.status == "begun"):
                hashes.update(erased_hashes(run, matcher, file))
    target = run.warehouse.table_id("temp", table)
    delete_keys(run, "replay.leave_out_erased", target, sorted(hashes))


def forget_guard(run: Run) -> None:
    """An empty bronze was proven at nothing, whatever the control table says of its predecessor."""
    name = control_table(run.source.name)
    own, shared = (run.warehouse.table_id("bronze", table) for table in (name, SHARED_CONTROL))
    if run.warehouse.columns("bronze", name) is not None:
        sql = f"UPDATE `{own}` SET reconciled_seq = 0 WHERE TRUE"
        run.warehouse.execute("bronze.forget_guard", own, sql)
    elif run.warehouse.columns("bronze", SHARED_CONTROL) is not None:
        # The first merge would take over the guard that an earlier version has left here.
        sql = f"DELETE FROM `{shared}` WHERE source = '{run.source.name}'"
        run.warehouse.execute("bronze.forget_guard", shared, sql)


def read_record(text: str) -> ArchivedAttempt:
    record: dict[str, Any] = json.loads(text)
    return ArchivedAttempt(
        seq=record["seq"],
        run_id=record["run_id"],
        files=tuple(record["files"]),
        rows=record["rows"],
        is_full=record["is_full"],
        fingerprint=record["fingerprint"],
        digest=Digest(**record["digest"]) if record["digest"] else None,
    )


def day_of(file: str) -> str:
    """`2026-03-31` of `…/archive/ingestion_dt=2026-03-31/…`."""
    return file.rpartition("/")[0].rpartition("ingestion_dt=")[2]

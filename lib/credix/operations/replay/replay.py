"""Archived files merged again: onto bronze, where they change nothing, or into an empty dataset.

Every row keeps the `_seq` of the attempt that wrote it, and attempts are merged in that order, many
at a time. The replay holds the source, as a run does. Only attempts whose merge was proven and
recorded count: files of others lie in the archive too.
"""

from collections.abc import Sequence
from itertools import count

from credix.capture.compare.key_comparison import bronze_digest
from credix.clients.gcs.lake import Lake
from credix.clients.provision import provision_warehouse
from credix.core.contracts import Source
from credix.core.errors import DataError
from credix.core.paths import SHARED_CONTROL, control_table, hashed_table, paths_of
from credix.core.results import MergeRecord
from credix.core.settings import Settings
from credix.core.watermarks import Digest
from credix.operations.erasure.files import delete_keys, erased_hashes
from credix.operations.erasure.request import Erasure, Matcher
from credix.operations.erasure.store import ErasureStore
from credix.operations.replay.batches import PASSES, ArchivedAttempt, pass_sql, split
from credix.pipeline.locks import held_alone
from credix.state.run import Run
from credix.state.states import GoldState
from credix.warehouse.bronze import build_dbt

JOB = "replay"


def find_attempts(lake: Lake, source: Source, first: str, last: str) -> list[ArchivedAttempt]:
    """The proven attempts with files of these days (ISO, both included), in the order of `_seq`.

    Raises DataError when a file that was merged under another contract would be needed.
    """
    bucket = lake.settings.archive_bucket
    folder = paths_of(lake.settings).merged(source.name, 0).rpartition("/")[0] + "/"
    records = [
        read_record(lake.read_bytes(bucket, stored.name).decode())
        for stored in lake.objects(bucket, folder)
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
    """Return the attempts after the last change of the contract, which begin with a full read."""
    own = [attempt.fingerprint == source.fingerprint for attempt in attempts]
    if all(own):
        return list(attempts)
    last_other = max(index for index, is_own in enumerate(own) if not is_own)
    rest = list(attempts[last_other + 1 :])
    if not rest or not rest[0].is_full:
        raise DataError(
            f"{attempts[last_other].files[0]} was written under another contract of "
            f"{source.name}: choose a period that begins after it."
        )
    return rest


def replay(
    settings: Settings, source: Source, attempts: Sequence[ArchivedAttempt], into: str | None
) -> Digest:
    """Merge the attempts into bronze of the settings' prefix, or of `into`; return bronze's digest.

    The source is held meanwhile, under the prefix that is merged into. Into an empty bronze the
    guard begins at nothing and follows the attempts.

    Raises:
        BusyError: Another run has held the source for longer than a run waits.
        DataError: A bronze rebuilt from its beginning lacks keys of the last attempt.
    """
    target = settings if into is None else settings.with_prefix(into)
    with held_alone(target, source.name, JOB) as run:
        if into is not None:
            provision_warehouse(run.warehouse)
        return merge_attempts(run, attempts, erasures(settings, run))


def erasures(settings: Settings, run: Run) -> list[tuple[Erasure, Matcher]]:
    """Return what was erased from the source whose archive is replayed."""
    store = ErasureStore(Lake(settings, run.effects))
    return [
        (record, Matcher(run.source, store.secret(), frozenset(record.keys)))
        for record in store.records(run.source.name)
    ]


def merge_attempts(
    run: Run, attempts: Sequence[ArchivedAttempt], erased: Sequence[tuple[Erasure, Matcher]]
) -> Digest:
    is_empty = bronze_digest(run).rows == 0
    if is_empty:
        forget_guard(run)
        # Its rows come back below what gold has seen.
        run.states.change_gold("gold.invalidate", GoldState.invalidate)
    for batch in split(attempts):
        merge_batch(run, batch, erased, raises_guard=is_empty)
    held = bronze_digest(run)
    # Erased keys are no longer in files from a time at which the record's digest had them.
    is_whole = bool(attempts) and attempts[0].is_full
    is_whole = is_whole and not any(record.attempt > attempts[-1].seq for record, _ in erased)
    if is_empty and is_whole and attempts[-1].digest not in (None, held):
        raise DataError(
            f"The rebuilt bronze holds {held.rows} live keys, attempt {attempts[-1].seq} was "
            f"proven with {attempts[-1].digest}: files of the archive are missing or were changed."
        )
    return held


def merge_batch(
    run: Run,
    batch: Sequence[ArchivedAttempt],
    erased: Sequence[tuple[Erasure, Matcher]],
    *,
    raises_guard: bool,
) -> None:
    """Load the files of the attempts into one temp table, and merge it in a few passes.

    Rows that were erased, but that a file must keep until its retention is over, are left out. Each
    merge is a transaction that a run's merge cannot commit beside.
    """
    last, columns = batch[-1].seq, run.source.landing_columns
    loaded = hashed_table(run.source, run.run_id, last)
    uris = [f"gs://{run.settings.archive_bucket}/{file}" for a in batch for file in a.files]
    job_id = f"credix-{run.run_id}-{last}-{loaded}"
    run.warehouse.load_parquet("warehouse.load_archived", uris, "temp", loaded, columns, job_id)
    for attempt in batch:
        leave_out_erased(run, attempt, erased, loaded)
    guard = str(last) if raises_guard else ""
    if len(batch) == 1:
        merge_table(run, loaded, guard)
    else:
        for number, chosen in zip(count(1), PASSES, strict=False):
            table = hashed_table(run.source, f"{run.run_id}/{number}", last)
            names = [column.name for column in columns]
            target, whole = (run.warehouse.table_id("temp", name) for name in (table, loaded))
            sql = pass_sql(whole, target, run.source.key, names, chosen)
            run.warehouse.execute("replay.choose_rows", target, sql)
            # Nothing may enter below the guard, so the last pass raises it.
            merge_table(run, table, guard if number == len(PASSES) else "")
            run.warehouse.drop("temp", table)
    run.warehouse.drop("temp", loaded)


def merge_table(run: Run, table: str, reconciled_seq: str) -> None:
    values = {
        "CREDIX_DBT_TEMP_TABLE": table,
        "CREDIX_DBT_ATTEMPT": "",
        "CREDIX_DBT_RECONCILED_SEQ": reconciled_seq,
    }
    build_dbt(run).build("bronze.merge", [f"bronze.{run.source.name}"], values)


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
    target, own = run.warehouse.table_id("temp", table), f"_seq = {attempt.seq}"
    delete_keys(run, "replay.leave_out_erased", target, sorted(hashes), own)


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
    record = MergeRecord.model_validate_json(text)
    return ArchivedAttempt(
        seq=record.seq,
        run_id=record.run_id,
        files=record.files,
        rows=record.rows,
        is_full=record.is_full,
        fingerprint=record.fingerprint,
        digest=record.digest,
    )

"""Bronze: the fenced merge, the proof that it holds the snapshot's keys, and the repair if not."""

from dataclasses import dataclass, replace

import pandas as pd

from credix.capture.compare.key_comparison import bronze_digest
from credix.clients.bigquery.job_labels import JobLabels
from credix.clients.dbt.project import Dbt
from credix.core.errors import DataError
from credix.core.paths import control_table, hashed_table, paths_of
from credix.core.results import DbtNode, ExtractResult, LoadResult, MergeRecord
from credix.core.watermarks import Digest
from credix.state.fencing import fenced, require_fence
from credix.state.run import Run
from credix.warehouse import cycle


@fenced
def merge_bronze(run: Run) -> list[DbtNode]:
    """Build and test the source's bronze model from this run's table.

    The merge raises the guard: no row of this or an earlier attempt enters any more. A run without
    rows raises the guard only; it follows one that died and may still wake up. After a slice the
    guard stays: the deletes are not known yet. Raises FenceError when a newer attempt has begun.
    """
    rows = run.read_result(LoadResult).rows
    captures_deletes = run.source.captures_deletes and not run.read_result(ExtractResult).slice
    table = hashed_table(run.source, run.run_id, run.attempt) if rows else ""
    if run.orders.reconcile:
        # What a superseded run would delete here, the fence would not let it bring again.
        require_fence(run)
        delete_duplicates(run)
    return claim_and_merge(run, "bronze.merge", table, raises_guard=captures_deletes)


@fenced
def claim_and_merge(run: Run, effect: str, table: str, *, raises_guard: bool) -> list[DbtNode]:
    """Claim the source for this attempt and merge the table, both in one transaction.

    An empty `table` claims and raises the guard only. A merge that fails because a newer attempt
    has claimed the source, or cancelled this one's job, raises FenceError.
    """
    values = {
        "CREDIX_DBT_TEMP_TABLE": table,
        "CREDIX_DBT_ATTEMPT": str(run.attempt),
        "CREDIX_DBT_RECONCILED_SEQ": str(run.attempt) if raises_guard else "",
    }
    return build_dbt(run).build(effect, [f"bronze.{run.source.name}"], values)


def delete_duplicates(run: Run) -> None:
    """Drop all rows of keys that bronze holds more than once; this run's delta brings them again.

    Only a write to bronze beside the pipeline can have doubled them.
    """
    table = run.warehouse.table_id("bronze", run.source.name)
    keys = ", ".join(f"`{column}`" for column in run.source.key)
    own = " AND ".join(f"bronze.`{column}` = doubled.`{column}`" for column in run.source.key)
    run.warehouse.execute(
        "bronze.delete_duplicates",
        table,
        f"DELETE FROM `{table}` AS bronze WHERE EXISTS (SELECT 1 FROM (SELECT {keys} "
        f"FROM `{table}` GROUP BY {keys} HAVING count(*) > 1) AS doubled WHERE {own})",
    )


def executed_merge(run: Run) -> str:
    """Return the MERGE that the build sent to BigQuery."""
    return build_dbt(run).executed_sql(run.source.name)


@dataclass(frozen=True)
class BronzeCounts:
    """What bronze holds, seen from one attempt.

    `newest_seq` is the newest attempt of which bronze or its control table knows.
    """

    rows: int
    keys: int
    deleted: int
    merged: int
    newest_seq: int
    digest: Digest


@fenced
def prove_bronze(run: Run) -> tuple[Run, pd.DataFrame]:
    """Check that bronze holds what was loaded and exactly the snapshot's keys, one row each.

    Where it does not, because another run merged in between or another process wrote to it, one
    more attempt of this run reads and merges the difference; the run returned is that attempt.
    Raises DataError when bronze still differs, FenceError when a newer run has begun.
    """
    counts = count_bronze(run)
    fault = find_fault(run, counts)
    if fault:
        run = repair(run, counts.newest_seq, fault)
        counts = count_bronze(run)
        remaining = find_fault(run, counts)
        if remaining:
            raise DataError(f"{fault} One more attempt has not repaired it: {remaining}")
    return run, describe_proof(run, counts, fault)


def find_fault(run: Run, counts: BronzeCounts) -> str | None:
    """Return what is wrong with bronze in a sentence; None when it is proven."""
    loaded = run.read_result(LoadResult).rows
    expected = expected_digest(run)
    table = run.warehouse.table_id("bronze", run.source.name)
    if counts.newest_seq > run.attempt:
        run.states.read_source(run.source.name).require(run.attempt)
        return (
            f"{table} knows attempt {counts.newest_seq}, the state file counts only "
            f"{run.attempt}: it was deleted or set back."
        )
    if counts.merged != loaded:
        return (
            f"{table}: {loaded} rows were loaded, {counts.merged} have _seq {run.attempt} "
            "after the merge."
        )
    if counts.keys != counts.rows:
        return (
            f"{table} has {counts.rows - counts.keys} rows too many for its keys: another "
            "process wrote to it beside the pipeline. ./run_pipeline.py reconcile fixes it."
        )
    held = counts.digest
    if expected and held != expected:
        return (
            f"{table} holds {held.rows} live keys, the snapshot has {expected.rows}"
            + (", and others" if held.rows == expected.rows else "")
            + "."
        )
    return None


def expected_digest(run: Run) -> Digest | None:
    """Return the keys of the snapshot; None without one, and where deletes are not captured."""
    progress = run.read_result(ExtractResult).progress
    return progress.digest if progress else None


def count_bronze(run: Run) -> BronzeCounts:
    """Return all that the proof needs in one query: each column of bronze is read once.

    The keys themselves are counted, although they are most of what it reads: a row that another
    process wrote beside the pipeline may have any `_key_hash` and any `_seq`.
    """
    keys = ", ".join(f"`{column}`" for column in run.source.key)
    table = run.warehouse.table_id("bronze", run.source.name)
    control = run.warehouse.table_id("bronze", control_table(run.source.name))
    counts = run.warehouse.query(
        f"SELECT count(*) AS n_rows, countif(_is_deleted) AS deleted, "
        f"countif(_seq = @seq) AS merged, greatest(coalesce(max(_seq), 0), "
        f"(SELECT max(claimed_seq) FROM `{control}`)) AS newest_seq, "
        "coalesce(bit_xor(IF(_is_deleted, 0, _key_hash)), 0) AS key_xor, "
        f"(SELECT count(*) FROM (SELECT DISTINCT {keys} FROM `{table}`)) AS n_keys "
        f"FROM `{table}`",
        seq=run.attempt,
    )[0]
    rows = counts.pop("n_rows")
    live = Digest(rows=rows - counts["deleted"], key_xor=counts.pop("key_xor"))
    return BronzeCounts(rows=rows, keys=counts.pop("n_keys"), digest=live, **counts)


def repair(run: Run, newest_seq: int, fault: str) -> Run:
    """Read, land, load and merge the difference again, under a new fencing token."""
    again = cycle.next_attempt(run, newest_seq, run.folder / "repair")
    again = replace(again, repairs=run, fault=fault)
    cycle.extract(again)
    cycle.land(again)
    cycle.load(again)
    merge_bronze(again)
    return again


def describe_proof(run: Run, counts: BronzeCounts, fault: str | None) -> pd.DataFrame:
    """Return the counts of the proof as a table."""
    expected = expected_digest(run)
    lines = {
        "loaded by this run": run.read_result(LoadResult).rows,
        "merged by this run": counts.merged,
        "keys in the snapshot": expected.rows if expected else "not counted",
        "live rows in bronze": counts.rows - counts.deleted,
        "deleted rows in bronze": counts.deleted,
        "digests of the keys": "equal" if expected else "not compared",
    }
    if fault:
        lines["repaired by one more attempt"] = fault
    return pd.DataFrame({"what": list(lines), "value": [str(value) for value in lines.values()]})


@fenced
def confirm_merge(run: Run) -> None:
    """Leave a record in the archive that bronze was proven to hold this attempt's files.

    A replay into an empty dataset takes only files with such a record. Without a snapshot the
    digest is that of bronze itself.
    """
    extracted = run.read_result(ExtractResult)
    digest = bronze_digest(run) if run.orders.from_landing else expected_digest(run)
    record = MergeRecord(
        source=run.source.name,
        seq=run.attempt,
        run_id=run.run_id,
        snapshot_at=extracted.snapshot_at,
        fingerprint=run.source.fingerprint,
        is_full=extracted.is_full,
        rows=extracted.rows,
        digest=digest,
        files=run.read_result(LoadResult).files,
    )
    run.lake.upload(
        "lake.confirm_merge",
        run.settings.archive_bucket,
        paths_of(run.settings).merged(run.source.name, run.attempt),
        (record.model_dump_json(indent=2) + "\n").encode(),
        content_type="application/json",
    )


def build_dbt(run: Run, labels: JobLabels | None = None) -> Dbt:
    return Dbt(run.settings, run.effects, run.source_folder, labels=labels or run.labels)

"""A person's or company's rows erased from bronze to gold, and from every file that may change.

A key can be erased when the source no longer has it and bronze knows that: then its tombstone and
its history are all there is, and no digest changes. The fence is raised first, and the guard of the
merge with it, so that no run in flight brings a row back.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa

from credix.capture.compare.key_comparison import query_keys
from credix.core.contracts import references_to
from credix.core.errors import DataError, SettingsError
from credix.core.jobs import GOLD_LAYERS
from credix.core.paths import DATASETS, is_hashed_table, stable_table
from credix.core.settings import Settings
from credix.operations.erasure.files import delete_keys, find_files, rewrite_files
from credix.operations.erasure.request import Erasure, Matcher, match_keys
from credix.operations.erasure.store import ErasureStore
from credix.operations.erasure.traces import find_rows, prefixes_of, require_carried, require_gone
from credix.pipeline.clear_parts import clear_parts
from credix.pipeline.locks import held_alone
from credix.state.run import Run
from credix.state.states import GoldState
from credix.warehouse import transform
from credix.warehouse.bronze import claim_and_merge

JOB = "erase"


def erase(
    settings: Settings, source: str, keys: pa.Table, requested_by: str, *, asks_source: bool
) -> Erasure:
    """Erase the rows of these keys, once more looked for now that no run can bring them.

    Raises BusyError while a run holds the source, SettingsError while the keys are not deleted.
    """
    with held_alone(settings, source, JOB) as run:
        found = find_rows(run, keys, asks_source=asks_source)
        require_gone(run, found)
        require_carried(run, found)
        matcher = match_keys(run.source, ErasureStore(run.lake).secret(), keys)
        return finish(run, matcher, begin(run, matcher, requested_by))


def carry_out(settings: Settings, record: Erasure) -> Erasure:
    """Do what is left of an erasure, of which only the record is known.

    Raises BusyError while a run holds the source.
    """
    with held_alone(settings, record.source, JOB) as run:
        secret = ErasureStore(run.lake).secret()
        return finish(run, Matcher(run.source, secret, frozenset(record.keys)), record)


def begin(run: Run, matcher: Matcher, requested_by: str) -> Erasure:
    """Write the record, with all of the work before it; of the same keys it is the same record.

    Only rows that attempts have read so far are meant: a key may come back to stay. A request that
    ended in the middle goes on, with what it has counted.
    """
    store = ErasureStore(run.lake)
    before = store.read(run.source.name, matcher.id)
    # This erasure's own attempt reads nothing.
    attempt, now = run.attempt - 1, datetime.now(UTC)
    if before and before.status == "begun":
        again = before.model_copy(update={"attempt": attempt, "repeated_at": now})
        return store.save("erasure.begin", again)
    record = Erasure(
        id=matcher.id,
        source=run.source.name,
        keys=tuple(sorted(matcher.wanted)),
        requested_by=requested_by,
        requested_at=now,
        attempt=attempt,
        earlier=before.requests if before else (),
    )
    return store.save("erasure.begin", record)


def finish(run: Run, matcher: Matcher, record: Erasure) -> Erasure:
    """Do what an erasure does after its record; it may die anywhere and be called again."""
    store = ErasureStore(run.lake)
    is_new = record.status == "begun"
    if is_new:
        record = erase_rows(run, matcher, record)
    record = erase_files(run, matcher, record)
    if is_new:
        drop_temp_tables(run)
        rebuild_gold(run)
    status = "pending" if record.pending else "done"
    done = {"status": status, "finished_at": datetime.now(UTC)}
    return store.save("erasure.finish", record.model_copy(update=done))


def erase_rows(run: Run, matcher: Matcher, record: Erasure) -> Erasure:
    """Bronze, the sandbox's tables and this machine's parts; gold is distrusted.

    The guard comes first: after it no older run can insert what is deleted here. How many rows
    there are is noted before they are deleted, so that an erasure that dies reports them, too.
    """
    claim_and_merge(run, "erasure.raise_guard", "", raises_guard=True)
    run.states.read_source(run.source.name).require(run.attempt)
    for folder in run.settings.run_dir.glob("*"):
        clear_parts(folder, run.source.name)
    reset_sandbox(run)
    # Without tombstones a key that has come back since is known by the attempt that loaded it.
    deleted = "_is_deleted" if run.source.captures_deletes else f"_seq <= {record.attempt}"
    keys = query_keys(run, deleted)
    hashes = keys.filter(pa.array(matcher.mask(keys)))["_key_hash"].to_numpy().tolist()
    noted = {"bronze_rows": max(record.bronze_rows, len(hashes))}
    record = record.model_copy(update=noted)
    ErasureStore(run.lake).save("erasure.note_rows", record)
    run.states.change_gold("gold.invalidate", GoldState.invalidate)
    table_id = run.warehouse.table_id("bronze", run.source.name)
    delete_keys(run, "erasure.delete_rows", table_id, hashes, deleted)
    return record


def reset_sandbox(run: Run) -> None:
    """Drop the sandbox's tables and state, which are not kept consistent: 01 creates them."""
    sandbox = prefixes_of(run)[1]
    for layer in DATASETS[:4]:
        try:
            tables = sandbox.warehouse.tables(layer, "")
        except (SettingsError, DataError):
            # There is no such dataset: the sandbox was never used.
            continue
        for table in tables:
            if not table.endswith("_schema"):
                sandbox.warehouse.drop(layer, table)
    for name in (run.source.name, "gold"):
        path = sandbox.states.path(name)
        sandbox.lake.delete("erasure.forget_sandbox", sandbox.settings.lake_bucket, path)


def drop_temp_tables(run: Run) -> None:
    """The latest delta for people, and what runs that died have left."""
    for table in run.warehouse.tables("temp", f"{run.source.name}_"):
        if is_hashed_table(table, run.source) or table == stable_table(run.source):
            run.warehouse.drop("temp", table)


def erase_files(run: Run, matcher: Matcher, record: Erasure) -> Erasure:
    """Return every file of the prefix and of the sandbox; what the retention keeps waits.

    How many there are is noted before the first is written, as of the rows.
    """
    own, sandbox = prefixes_of(run)
    found = [(own, find_files(own, matcher, record)), (sandbox, find_files(sandbox, matcher))]
    files = [file for _, some in found for file in some]
    counts = {
        "files": sum(bool(file.rows) for file in files),
        "file_rows": sum(file.rows or 0 for file in files),
    }
    if record.status == "begun":
        counts = {name: max(getattr(record, name), count) for name, count in counts.items()}
        record = record.model_copy(update=counts)
        ErasureStore(run.lake).save("erasure.note_files", record)
    else:
        counts = {name: getattr(record, name) + count for name, count in counts.items()}
    retained = [
        file
        for each, some in found
        for file in rewrite_files(each, matcher, [file for file in some if file.rows])
    ]
    facts: dict[str, object] = {
        "files": counts["files"] - len(retained),
        "file_rows": counts["file_rows"] - sum(file.rows for file in retained),
        "pending": tuple(retained),
        "unreadable": tuple(file.address for file in files if file.rows is None),
    }
    return record.model_copy(update=facts)


def rebuild_gold(run: Run) -> None:
    """Silver and gold whole, as of today, from a bronze that no longer has the rows."""
    if not any(run.warehouse.tables(layer, "") for layer in GOLD_LAYERS):
        return
    gold = replace(run, source_name=None, attempt=0)
    claim = transform.claim_gold(gold)
    for layer in GOLD_LAYERS:
        transform.build_layer(gold, layer, claim)
    transform.commit_gold(gold, claim)


def interrupted(run: Run) -> list[Erasure]:
    """Erasures that ended in the middle, of this source or of those whose rows name its keys.

    Files and bronze may be done, and what was built from them not: no search for keys finds these.
    """
    naming = {reference.source for reference in references_to(run.source.name)}
    records = unfinished(run, sorted({run.source.name, *naming}))
    return [record for record in records if record.status == "begun"]


def unfinished(run: Run, sources: Sequence[str]) -> list[Erasure]:
    """Erasures that were begun or wait for the retention of some file."""
    store = ErasureStore(run.lake)
    records = [record for source in sources for record in store.records(source)]
    return [record for record in records if record.status != "done"]

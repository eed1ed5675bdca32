"""Where keys are found before anything is touched, and whether they may be erased."""

from dataclasses import dataclass, replace

import pyarrow as pa

from credix.capture.compare.key_comparison import has_bronze
from credix.clients.postgres.connection import SourceConnection
from credix.core.errors import SettingsError
from credix.core.postgres_hash import key_hashes
from credix.core.source_sql import any_sql, key_hash_sql, table_sql
from credix.operations.erasure.files import HoldingFile, find_files
from credix.operations.erasure.request import Matcher
from credix.state.run import Run, sandbox_settings


@dataclass(frozen=True)
class Traces:
    """Where keys are found: rows in the source (None: not asked) and in bronze, and files."""

    source_rows: int | None
    live_rows: int
    deleted_rows: int
    files: tuple[HoldingFile, ...] = ()

    @property
    def is_nothing(self) -> bool:
        return not (self.source_rows or self.live_rows or self.deleted_rows or self.holding)

    @property
    def holding(self) -> list[HoldingFile]:
        return [file for file in self.files if file.rows]

    @property
    def unreadable(self) -> list[str]:
        return [file.address for file in self.files if file.rows is None]


def find_traces(run: Run, matcher: Matcher, keys: pa.Table, *, asks_source: bool) -> Traces:
    """Return all that a person is shown before anything is touched."""
    files = [file for each in prefixes_of(run) for file in find_files(each, matcher)]
    return replace(find_rows(run, keys, asks_source=asks_source), files=tuple(files))


def find_rows(run: Run, keys: pa.Table, *, asks_source: bool) -> Traces:
    """Return those in the source and in bronze alone, which cost little to find."""
    hashes = key_hashes(run.source, keys).tolist()
    source_rows = count_in_source(run, hashes) if asks_source else None
    counts = {True: 0, False: 0}
    if has_bronze(run):
        table = run.warehouse.table_id("bronze", run.source.name)
        for line in run.warehouse.query(
            f"SELECT _is_deleted, count(*) AS n FROM `{table}` "
            "WHERE _key_hash IN UNNEST(@keys) GROUP BY 1",
            keys=hashes,
        ):
            counts[line["_is_deleted"]] = line["n"]
    return Traces(source_rows, counts[False], counts[True])


def count_in_source(run: Run, hashes: list[int]) -> int:
    table = table_sql(run.source, run.settings.postgres_schema)
    condition = any_sql(key_hash_sql(run.source), hashes)
    with SourceConnection(run.settings) as connection:
        return int(connection.rows(f"SELECT count(*) FROM {table} WHERE {condition}")[0][0])


def require_gone(run: Run, traces: Traces) -> None:
    """Raise SettingsError while the source holds a key: the next full read would bring it back."""
    if traces.source_rows:
        name = run.source.table_in(run.settings.postgres_schema)
        raise SettingsError(
            f"{name} still holds {traces.source_rows} of these keys: the next full read would "
            "bring them back. Delete them there first, then ./run_pipeline.py erase again."
        )


def require_carried(run: Run, traces: Traces) -> None:
    """Raise SettingsError while bronze does not know that keys are deleted: no tombstones then."""
    if traces.live_rows and run.source.captures_deletes:
        raise SettingsError(
            f"Bronze holds {traces.live_rows} of these keys as live: replicate their deletes "
            "first, by "
            f"./run_pipeline.py run {run.source_name}, or by a file and that with --from-landing."
        )


def prefixes_of(run: Run) -> list[Run]:
    """Return the run, and the same in the sandbox."""
    return [run, replace(run, settings=sandbox_settings(run.settings), contract=run.source)]

"""Versions of rows in the files: one key through all runs, all keys between two runs."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from credix.core.column_types import arrow_schema
from credix.core.contracts import Source
from credix.core.errors import SettingsError
from credix.core.masking import MASK, mask_value
from credix.core.source_sql import quote
from credix.operations.explore.listing import SourceFile

# A row of the files: its columns are those of a contract.
Row = Mapping[str, object]
FACTS = ["version", "change", "run", "_seq", "read_at", "merged", "file"]
# Run ids sort by time.
RUN_ID = re.compile(r"\d{8}T\d{6}Z-")
DIFFERENCE = ["change", "column", "before", "after"]


def history(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    files: Sequence[SourceFile],
    key: Sequence[Any],
) -> pd.DataFrame:
    """Return one line per version, the oldest first.

    What changed, by which run, then the columns.
    """
    if len(key) != len(source.key):
        names = ", ".join(source.key)
        raise SettingsError(
            f"The key of {source.name} is ({names}): history('{source.name}', {names}), "
            "a value for each."
        )
    names = ", ".join(quote(name) for name in source.column_names)
    condition = " AND ".join(f"{quote(name)} = ?" for name in source.key)
    found = rows_of(
        connection,
        f"SELECT _seq, _row_hash, _is_deleted, _extracted_at, _source_file, {names} FROM files "
        f"WHERE {condition} ORDER BY _seq, _extracted_at",
        list(key),
    )
    by_name: dict[tuple[object, object], SourceFile] = {
        (file.seq, file.stem): file for file in files
    }
    lines: list[Row] = []
    previous: Row | None = None
    for number, row in enumerate(found, 1):
        file = by_name.get((row["_seq"], row["_source_file"]))
        facts = {
            "version": number,
            "change": describe_change(previous, row, source.column_names),
            "run": file.run_id if file else None,
            "_seq": row["_seq"],
            "read_at": row["_extracted_at"],
            "merged": bool(file and file.is_merged),
            "file": file.address if file else row["_source_file"],
        }
        lines.append({**facts, **{name: row[name] for name in source.column_names}})
        previous = row
    return pd.DataFrame(lines, columns=[*FACTS, *source.column_names], dtype=object)


def busiest_key(connection: duckdb.DuckDBPyConnection, source: Source) -> tuple[Any, ...]:
    """Return a key that most attempts have loaded, the first by its order.

    Nulls without any row.
    """
    keys = ", ".join(quote(name) for name in source.key)
    found = rows_of(
        connection,
        f"SELECT {keys} FROM files GROUP BY ALL ORDER BY count(*) DESC, {keys} LIMIT 1",
        [],
    )
    return key_of(found[0], source) if found else (None,) * len(source.key)


def describe_change(before: Row | None, after: Row, columns: Sequence[str]) -> str:
    """Return what a version brought, in a phrase; the values of the two are those of the files."""
    if after["_is_deleted"]:
        return "read again, deleted" if before and before["_is_deleted"] else "deleted"
    if before is None:
        return "first seen"
    if before["_is_deleted"]:
        return "back"
    if before["_row_hash"] == after["_row_hash"]:
        return "read again, unchanged"
    return f"changed: {', '.join(differing(before, after, columns))}"


def differing(before: Row, after: Row, columns: Sequence[str]) -> list[str]:
    return [name for name in columns if before[name] != after[name]]


def attempts_of(files: Sequence[SourceFile], before: str, after: str) -> tuple[int, int]:
    """The newest attempt of each of two runs; of a run that loaded nothing, the one it found.

    An attempt 0 is older than all files; where no two runs are named and there are none, both are.
    Raises SettingsError for a name of no run, and for the wrong order.
    """
    runs = sorted({file.run_id for file in files})
    if not (before or after or len(runs) > 1):
        return 0, 0
    after = after or runs[-1]
    before = before or max((run for run in runs if run < after), default="")
    for name in (before, after):
        if name and not RUN_ID.match(name):
            raise SettingsError(
                f"'{name}' is no run: the runs with files are {', '.join(runs[-5:])}."
            )
    if not before < after:
        raise SettingsError(
            f"Run '{before}' is not older than '{after}': name the older one first."
        )
    attempts = [
        max((f.seq for f in files if f.run_id <= run), default=0) for run in (before, after)
    ]
    return attempts[0], attempts[1]


def compare(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    before: int,
    after: int,
    hidden: Collection[str],
    limit: int,
) -> pd.DataFrame:
    """Return what bronze gained, lost and changed after one attempt and up to another.

    One line per key and differing column; a key that is new or deleted has one line. The values
    are texts; those of `hidden` columns are masked.
    """
    lines: list[Row] = []
    for old, new in pairs(connection, source, before, after, limit):
        for change, column in changes_of(old, new, source.column_names):
            values = [
                mask_value(row[column]) if column in hidden else row[column]
                for row in (old, new)
                if row is not None and column
            ]
            texts = [None if value is None else str(value) for value in values] or [None, None]
            key = {name: MASK if name in hidden else new[name] for name in source.key}
            lines.append({**key, **dict(zip(DIFFERENCE, (change, column, *texts), strict=True))})
    return pd.DataFrame(lines, columns=[*source.key, *DIFFERENCE], dtype=object)


def pairs(
    connection: duckdb.DuckDBPyConnection, source: Source, before: int, after: int, limit: int
) -> list[tuple[Row | None, Row]]:
    """Return the rows of both moments by key, of the keys that an attempt in between has loaded."""
    keys = ", ".join(quote(name) for name in source.key)
    names = ", ".join(quote(name) for name in [*source.column_names, "_row_hash", "_is_deleted"])
    by_age = f"PARTITION BY {keys} ORDER BY _seq DESC, _extracted_at DESC"
    newest = f"QUALIFY row_number() OVER ({by_age}) = 1"
    new = rows_of(
        connection,
        f"SELECT {names} FROM files WHERE _seq > ? AND _seq <= ? {newest} "
        f"ORDER BY {keys} LIMIT {limit}",
        [before, after],
    )
    connection.register("moved", pa.Table.from_pylist(new, moved_schema(source)))
    old = rows_of(
        connection,
        f"SELECT {names} FROM files SEMI JOIN moved USING ({keys}) WHERE _seq <= ? {newest}",
        [before],
    )
    by_key = {key_of(row, source): row for row in old}
    return [(by_key.get(key_of(row, source)), row) for row in new]


def moved_schema(source: Source) -> pa.Schema:
    return arrow_schema(column for column in source.columns if column.name in source.key)


def key_of(row: Row, source: Source) -> tuple[Any, ...]:
    return tuple(row[name] for name in source.key)


def changes_of(old: Row | None, new: Row, columns: Sequence[str]) -> list[tuple[str, str]]:
    """Return what happened to a key.

    (change, column), the column empty where it is the whole row.
    """
    was_there = old is not None and not old["_is_deleted"]
    is_there = not new["_is_deleted"]
    if old is None or not was_there:
        return [("new", "")] if is_there else []
    if not is_there:
        return [("deleted", "")]
    return [("changed", name) for name in differing(old, new, columns)]


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any]) -> list[Row]:
    """Return the rows of a small result, values as Python has them."""
    found: Sequence[Row] = connection.sql(sql, params=parameters).to_arrow_table().to_pylist()
    return list(found)

"""Files of an outside writer against the contract: what they must hold, what they may add.

Required are the contract's columns. Four more may say what a change was and when: see MARKS.
Everything else is refused by name, so that nothing is dropped in silence. Files elsewhere in the
landing folder are swept out by 02 (`warehouse/landing.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from credix.capture.parts import READ_AT, convert
from credix.core.column_types import HOLDING, NUMERIC_PRECISION, NUMERIC_SCALE, Column, can_hold
from credix.core.contracts import Source, technical_columns
from credix.core.errors import DataError
from credix.core.postgres_hash import key_hashes, row_hashes

# What each mark is called: our name first, then that of Airbyte's change data capture.
MARKS = {
    "is_deleted": ("_is_deleted",),
    "operation": ("_op",),
    "deleted_at": ("_ab_cdc_deleted_at",),
    "committed_at": ("_committed_at", "_ab_cdc_updated_at"),
    "order": ("_order", "_ab_cdc_lsn"),
}
# Columns of a writer's own that say nothing about the row.
IGNORED = ("_airbyte_", "_ab_cdc_")
# In the metadata of a file that was rewritten.
WRITTEN_AT = "written_at"
# Values of `_op`, as Datastream, Debezium and people write them.
DELETES = {"D", "DELETE", "UPDATE-DELETE"}
WRITES = {"C", "I", "INSERT", "R", "READ", "U", "UPDATE", "UPDATE-INSERT", "UPSERT"}
ORDER_DIGITS = 20
# Clocks differ; a change that claims to be of tomorrow would win over all that follow today.
LONGEST_SKEW = timedelta(minutes=5)
# What a received file holds after the contract's columns, one line per change.
CHANGE: list[Any] = [
    pa.field("_row_hash", pa.int64()),
    pa.field("_key_hash", pa.int64()),
    pa.field("_is_deleted", pa.bool_()),
    pa.field("_extracted_at", READ_AT),
    pa.field("_order", pa.string()),
    pa.field("_file", pa.int64()),
]


@dataclass(frozen=True)
class Layout:
    """The columns of one file that are read, and what its marks are called there."""

    columns: tuple[str, ...]
    marks: dict[str, str]


def change_schema(source: Source) -> pa.Schema:
    """Return the schema of changes: the contract's types, nullable, and marks of each change."""
    own = [column.arrow.with_nullable(True) for column in source.columns]
    return pa.schema(own + CHANGE)


def written_at(created: datetime, metadata: Mapping[str, str] | None) -> datetime:
    """Return when the writer wrote a file; an erasure, which rewrites it, notes that."""
    try:
        noted = datetime.fromisoformat((metadata or {}).get(WRITTEN_AT, ""))
        return min(created, noted).astimezone(UTC)
    except (ValueError, TypeError):
        return created.astimezone(UTC)


def read_layout(source: Source, schema: pa.Schema) -> Layout:
    """Raise DataError naming what is missing, of another type, or not known."""
    names = set(schema.names)
    if len(names) < len(schema.names):
        raise DataError("a column occurs twice")
    missing = [column.name for column in source.columns if column.name not in names]
    if missing:
        raise DataError(f"column {', '.join(missing)} is missing")
    wrong = [
        f"column {column.name} is {schema.field(column.name).type}, which is not {column.type}"
        for column in source.columns
        if not fits(schema.field(column.name).type, column)
    ]
    if wrong:
        raise DataError("; ".join(wrong))
    marks = {
        mark: next(name for name in candidates if name in names)
        for mark, candidates in MARKS.items()
        if names.intersection(candidates)
    }
    known = {*source.column_names, *marks.values(), *source.ignored}
    unknown = sorted(name for name in names - known if not name.startswith(IGNORED))
    if unknown:
        own = {column.name for column in technical_columns()}
        hint = " (the pipeline writes these itself)" if own.intersection(unknown) else ""
        raise DataError(f"column {', '.join(unknown)} is not in the contract{hint}")
    if "is_deleted" in marks and "operation" in marks:
        raise DataError("_is_deleted and _op are both there: one of them must say what is deleted")
    return Layout((*source.column_names, *marks.values()), marks)


def fits(found: pa.DataType, column: Column) -> bool:
    """Return True where each value of the type has one meaning in the contract's.

    Values are cast safely.

    An instant without a zone, a date as text and a fraction of unknown precision have none.
    """
    if pa.types.is_null(found):
        return True
    value: Any = found.value_type if pa.types.is_dictionary(found) else found
    if pa.types.is_decimal(value):
        whole = NUMERIC_PRECISION - NUMERIC_SCALE
        if value.scale > NUMERIC_SCALE or value.precision - value.scale > whole:
            return False
    return can_hold(found, column.type)


def as_changes(
    source: Source, layout: Layout, rows: pa.Table, written_at: datetime, number: int
) -> pa.Table:
    """Return some rows of a file as `change_schema` has them.

    `written_at` is the time of rows that name none, `number` the file's place among the files.
    Raises DataError naming the column whose value does not fit.
    """
    deleted = find_deleted(layout, rows)
    columns = [convert(rows[column.name], column, source) for column in source.columns]
    live = pa.table(columns, names=source.column_names)
    hashes = row_hashes(source, live)
    is_gone = deleted.to_numpy(zero_copy_only=False)
    changes: dict[str, Any] = {
        column.name: live[column.name]
        if column.name in source.key
        else pc.if_else(deleted, pa.scalar(None, column.arrow.type), live[column.name])
        for column in source.columns
    }
    changes |= {
        "_row_hash": pa.array(hashes, mask=is_gone),
        "_key_hash": pa.array(key_hashes(source, live)),
        "_is_deleted": deleted,
        "_extracted_at": find_instants(layout, rows, written_at),
        "_order": find_order(layout, rows),
        "_file": pa.array(np.full(len(rows), number, np.int64)),
    }
    return pa.table(changes, schema=change_schema(source))


def find_deleted(layout: Layout, rows: pa.Table) -> Any:
    """Return True where the change is a delete; raises DataError on a mark that says neither."""
    marks = layout.marks
    found: Any
    if "is_deleted" in marks:
        found = rows[marks["is_deleted"]]
        if not pa.types.is_boolean(found.type):
            raise DataError(f"column _is_deleted is {found.type}, not BOOLEAN")
        return found.fill_null(False).combine_chunks()
    if "operation" in marks:
        words = pc.utf8_upper(as_text(rows[marks["operation"]], "_op"))
        known = pc.is_in(words, pa.array(sorted(DELETES | WRITES)))
        if not pc.all(known, min_count=0).as_py():
            raise DataError(
                f"_op has values that are none of {', '.join(sorted(WRITES | DELETES))}"
            )
        found = pc.is_in(words, pa.array(sorted(DELETES)))
        return found.combine_chunks()
    if "deleted_at" in marks:
        found = pc.is_valid(rows[marks["deleted_at"]])
        return found.combine_chunks()
    return pa.array(np.zeros(len(rows), bool))


def find_instants(layout: Layout, rows: pa.Table, written_at: datetime) -> Any:
    """Return when each change was committed, or when the file was written where it says nothing."""
    otherwise = pa.scalar(written_at, READ_AT)
    name = layout.marks.get("committed_at")
    if name is None:
        return pa.chunked_array([pa.repeat(otherwise, len(rows))])
    found: Any = rows[name]
    is_instant = pa.types.is_timestamp(found.type) and found.type.tz is not None
    is_text = HOLDING["STRING"](found.type) or pa.types.is_null(found.type)
    try:
        if not (is_instant or is_text):
            raise pa.ArrowInvalid
        # Text without a zone is refused: whose clock it shows is not known.
        instants = found.cast(READ_AT, safe=not is_instant)
    except pa.ArrowInvalid:
        raise DataError(
            f"column {name} is {found.type}: write a TIMESTAMP, or text with a zone as in "
            "2026-03-31T10:15:00.123456Z"
        ) from None
    if pc.any(pc.greater(instants, pa.scalar(written_at + LONGEST_SKEW, READ_AT))).as_py():
        raise DataError(f"column {name} is after the time the file was written")
    return instants.fill_null(otherwise)


def find_order(layout: Layout, rows: pa.Table) -> "pa.ChunkedArray[Any]":
    """Return what distinguishes changes of one instant, as a text that sorts.

    NULL where nothing does.
    """
    name = layout.marks.get("order")
    if name is None:
        return pa.chunked_array([pa.nulls(len(rows), pa.string())])
    found = rows[name]
    if pa.types.is_integer(found.type) or pa.types.is_floating(found.type):
        try:
            digits = found.cast(pa.int64()).cast(pa.string())
        except pa.ArrowInvalid:
            raise DataError(f"column {name} has a number that is not whole") from None
        return pc.utf8_lpad(digits, ORDER_DIGITS, "0")
    return as_text(found, name)


def as_text(values: "pa.ChunkedArray[Any]", name: str) -> "pa.ChunkedArray[Any]":
    try:
        return values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(f"column {name} is {values.type}, not STRING") from None

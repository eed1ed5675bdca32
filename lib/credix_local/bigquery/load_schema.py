"""What a Parquet file holds in BigQuery's terms, and whether a table may take it.

Rules: BigQuery, "Loading Parquet data", conversions; "Manually change table schemas".
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from bqemulator.catalog.models import TableFieldSchema

# The names under which the REST API knows the types of GoogleSQL.
REST_TYPES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}
# BigQuery's NUMERIC: 29 digits before the point, 9 after it.
NUMERIC_DIGITS, NUMERIC_SCALE = 29, 9


class LoadError(Exception):
    """A load job that BigQuery would fail; `reason` is its error reason."""

    def __init__(self, message: str, reason: str = "invalid") -> None:
        super().__init__(message)
        self.reason = reason


def rest_type(name: str) -> str:
    """INT64 and INTEGER are one type; the REST API's name of it."""
    return REST_TYPES.get(name.upper(), name.upper())


def read_fields(path: Path) -> tuple[TableFieldSchema, ...]:
    """Return the columns of a Parquet file as BigQuery would make them; raises LoadError."""
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise LoadError(f"Input file is not in Parquet format. File: {path} ({error})") from error
    return tuple(to_field(field) for field in schema)


def to_field(field: "pa.Field[Any]") -> TableFieldSchema:
    """Return one Parquet column, read as Arrow, as a BigQuery field."""
    if pa.types.is_list(field.type) or pa.types.is_large_list(field.type):
        element = to_field(field.type.value_field.with_name(field.name))
        return element.model_copy(update={"mode": "REPEATED"})
    inner = tuple(to_field(part) for part in field.type) if pa.types.is_struct(field.type) else ()
    return TableFieldSchema(
        name=field.name,
        type=to_type(field),
        mode="NULLABLE" if field.nullable else "REQUIRED",
        fields=inner,
    )


def to_type(field: "pa.Field[Any]") -> str:
    """BigQuery's type of one Parquet column; raises LoadError for those it cannot load."""
    given = field.type
    if pa.types.is_timestamp(given):
        if given.unit == "ns":
            return "INTEGER"
        return "TIMESTAMP" if given.tz else "DATETIME"
    if pa.types.is_decimal(given):
        is_numeric = (
            given.scale <= NUMERIC_SCALE and given.precision - given.scale <= NUMERIC_DIGITS
        )
        return "NUMERIC" if is_numeric else "BIGNUMERIC"
    for matches, name in (
        (pa.types.is_struct, "RECORD"),
        (pa.types.is_integer, "INTEGER"),
        (pa.types.is_floating, "FLOAT"),
        (pa.types.is_boolean, "BOOLEAN"),
        (pa.types.is_string, "STRING"),
        (pa.types.is_large_string, "STRING"),
        (pa.types.is_binary, "BYTES"),
        (pa.types.is_date, "DATE"),
        (pa.types.is_time, "TIME"),
    ):
        if matches(given):
            return name
    raise LoadError(f"Parquet column '{field.name}' has unsupported type {given}")


def check_file(
    path: Path, fields: Sequence[TableFieldSchema], ignores_unknown: bool = False
) -> None:
    """Raise LoadError unless the table's columns can be filled from the file, by name.

    Types must match exactly, a required column must be there, and a column that the table lacks
    is an error unless the job ignores unknown values.
    """
    found = {field.name.lower(): field for field in read_fields(path)}
    for field in fields:
        column = found.pop(field.name.lower(), None)
        if column is not None:
            check_column(path, field, column)
        elif field.mode == "REQUIRED":
            raise LoadError(
                f"Error while reading data, error message: Required field {field.name} "
                f"is missing. File: {path}"
            )
    if found and not ignores_unknown:
        unknown = next(iter(found.values())).name
        raise LoadError(
            f"Provided Schema does not match Table. Cannot add fields (field: {unknown})"
        )


def check_column(path: Path, field: TableFieldSchema, column: TableFieldSchema) -> None:
    wanted, given = rest_type(field.type), column.type
    is_wider = (wanted, given) == ("BIGNUMERIC", "NUMERIC")
    is_same_shape = (field.mode == "REPEATED") == (column.mode == "REPEATED")
    if not is_same_shape or not (wanted == given or is_wider):
        raise LoadError(
            f"Error while reading data, error message: Parquet column '{field.name}' has type "
            f"{given} which does not match the target cpp_type {wanted}. File: {path}"
        )


def check_schema(
    table: str, fields: Sequence[TableFieldSchema], given: Sequence[TableFieldSchema]
) -> None:
    """Raise LoadError unless a job's schema agrees with the table that it appends to."""
    existing = {field.name.lower(): field for field in fields}
    for field in given:
        old = existing.get(field.name.lower())
        if old is None:
            raise LoadError(
                f"Provided Schema does not match Table {table}. "
                f"Cannot add fields (field: {field.name})"
            )
        if rest_type(old.type) != rest_type(field.type):
            raise LoadError(
                f"Provided Schema does not match Table {table}. Field {field.name} has changed "
                f"type from {rest_type(old.type)} to {rest_type(field.type)}"
            )

"""One column, three worlds: BigQuery's type, Arrow's type and the PostgreSQL types that fit it."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

# BigQuery's NUMERIC: 29 digits before the point, 9 after it.
NUMERIC_PRECISION, NUMERIC_SCALE = 38, 9
# BigQuery's DATE and TIMESTAMP hold the years 1 to 9999.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
MICROSECONDS_PER_DAY = 86_400_000_000
FIRST_MICROSECOND = FIRST_DAY * MICROSECONDS_PER_DAY
LAST_MICROSECOND = (LAST_DAY + 1) * MICROSECONDS_PER_DAY - 1


@dataclass(frozen=True)
class TypeMapping:
    """How one BigQuery type is written in Arrow, created in PostgreSQL and recognized there."""

    arrow: pa.DataType
    postgres: str
    accepted: frozenset[str]


TYPES: dict[str, TypeMapping] = {
    "STRING": TypeMapping(
        pa.string(), "text", frozenset({"text", "character varying", "character", "uuid"})
    ),
    "INTEGER": TypeMapping(pa.int64(), "bigint", frozenset({"smallint", "integer", "bigint"})),
    "FLOAT": TypeMapping(pa.float64(), "double precision", frozenset({"real", "double precision"})),
    "BOOLEAN": TypeMapping(pa.bool_(), "boolean", frozenset({"boolean"})),
    "NUMERIC": TypeMapping(
        pa.decimal128(NUMERIC_PRECISION, NUMERIC_SCALE), "numeric", frozenset({"numeric"})
    ),
    "DATE": TypeMapping(pa.date32(), "date", frozenset({"date"})),
    "TIMESTAMP": TypeMapping(
        pa.timestamp("us", tz="UTC"), "timestamptz", frozenset({"timestamp with time zone"})
    ),
}


# Arrow types of a file that can hold a contract type; whether each value fits is found by the cast.
HOLDING: dict[str, Callable[[pa.DataType], bool]] = {
    "STRING": lambda found: kinds.is_string(found) or kinds.is_large_string(found),
    "INTEGER": kinds.is_integer,
    "FLOAT": kinds.is_floating,
    "BOOLEAN": kinds.is_boolean,
    "NUMERIC": lambda found: kinds.is_decimal(found) or kinds.is_integer(found),
    "DATE": kinds.is_date,
    "TIMESTAMP": lambda found: kinds.is_timestamp(found) and found.tz is not None,
}


def can_hold(found: pa.DataType, name: str) -> bool:
    """Return True where the Arrow type can hold a contract type, directly or as a dictionary."""
    return HOLDING[name](found.value_type if kinds.is_dictionary(found) else found)


@dataclass(frozen=True)
class Column:
    """One column of a contract; `type` is BigQuery's name in REST form (INTEGER, BOOLEAN)."""

    name: str
    type: str
    mode: str = "NULLABLE"
    description: str = ""

    @property
    def is_required(self) -> bool:
        return self.mode == "REQUIRED"

    @property
    def arrow(self) -> "pa.Field[Any]":
        return pa.field(self.name, TYPES[self.type].arrow, nullable=not self.is_required)


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Return the Arrow schema in which Parquet parts of these columns are written."""
    return pa.schema([column.arrow for column in columns])


def fingerprint(columns: Iterable[Column]) -> str:
    """16 hex digits that change when a name, type or mode changes, and not with a description."""
    shape = [[column.name, column.type, column.mode] for column in columns]
    return hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]

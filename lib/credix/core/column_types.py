"""One column, three worlds: BigQuery's type, Arrow's type and the PostgreSQL types that fit it."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

# BigQuery's NUMERIC: 29 digits before the point, 9 behind it.
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
    def arrow(self) -> pa.Field:
        return pa.field(self.name, TYPES[self.type].arrow, nullable=not self.is_required)


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """The Arrow schema in which Parquet parts of these columns are written."""
    return pa.schema([column.arrow for column in columns])


def fingerprint(columns: Iterable[Column]) -> str:
    """16 hex digits that change when a name, type or mode changes, and not with a description."""
    shape = [[column.name, column.type, column.mode] for column in columns]
    return hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]

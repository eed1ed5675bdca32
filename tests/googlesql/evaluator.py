"""Google's reference evaluator: the rows that a query has by GoogleSQL's own definition.

It executes queries over given rows; MERGE it does not know.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service
from zetasql.wasi._pb2.zetasql.public import type_pb2, value_pb2

from credix_local.bigquery.googlesql.analyzer import split_paths
from credix_local.bigquery.googlesql.engine import Engine, EngineError, StatementRefusedError
from credix_local.bigquery.googlesql.language import analyzer_options, language_options
from credix_local.bigquery.googlesql.tables import Field, Table, catalog_message, field_type

WIDE = Context(prec=100)
NUMERIC_DIGITS, BIGNUMERIC_DIGITS = 9, 38
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The types of GoogleSQL by the names that BigQuery's REST API has for them.
REST_TYPES = {"INT64": "INTEGER", "DOUBLE": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}


@dataclass(frozen=True)
class Rows:
    """Rows with their columns: names, and types as in REST schemas."""

    fields: tuple[Field, ...]
    rows: list[tuple[Any, ...]]


class Evaluator:
    """Evaluates queries over tables that are given by their names in the query."""

    def __init__(self) -> None:
        self._engine = Engine()

    def query(self, sql: str, tables: dict[str, Rows] | None = None) -> Rows:
        """The result of a query; raises StatementRefusedError where it has none.

        A table is named by its last part: the service gives rows only to names without dots.
        """
        sql = split_paths(sql)
        request = service.PrepareQueryRequest(sql=sql, options=analyzer_options())
        # To evaluate, each would need a value.
        request.options.ClearField("system_variables")
        named = {Table((name,), one.fields): [(name,)] for name, one in (tables or {}).items()}
        catalog = catalog_message(named, (), language_options())
        request.simple_catalog.CopyFrom(catalog)
        for name, one in (tables or {}).items():
            content = request.table_content[name].table_data
            content.SetInParent()
            kinds = [field_type(field) for field in one.fields]
            for row in one.rows:
                cells = (to_value(value, kind) for value, kind in zip(row, kinds, strict=True))
                content.row.add().cell.extend(cells)
        answer = self._engine.call("PrepareQuery", request)
        prepared = service.PrepareQueryResponse.FromString(answer).prepared
        number = prepared.prepared_query_id
        try:
            evaluate = service.EvaluateQueryRequest(prepared_query_id=number)
            answer = self._engine.call("EvaluateQuery", evaluate)
        finally:
            with suppress(StatementRefusedError, EngineError):
                gone = service.UnprepareQueryRequest(prepared_query_id=number)
                self._engine.call("UnprepareQuery", gone)
        found = service.EvaluateQueryResponse.FromString(answer).content.table_data
        columns = prepared.columns
        return Rows(
            tuple(Field(column.name, *rest_type(column.type)) for column in columns),
            [
                tuple(
                    from_value(cell, column.type)
                    for cell, column in zip(row.cell, columns, strict=True)
                )
                for row in found.row
            ],
        )


def as_names(sql: str, names: Sequence[str]) -> str:
    """The query with tables by their last part alone, as the evaluator wants them."""
    sql = split_paths(sql)
    for name in names:
        sql = re.sub(rf"(?:`?[\w-]+`?\.){{1,2}}`?{re.escape(name)}`?(?!\w)", f"`{name}`", sql)
    return sql


def name_of(kind: type_pb2.TypeProto) -> str:
    """The name of a type, as `INT64`."""
    # A wrapper of an enum, to which the library gives this method when it is loaded.
    kinds: Any = type_pb2.TypeKind
    return str(kinds.Name(kind.type_kind)).removeprefix("TYPE_")


def rest_type(kind: type_pb2.TypeProto) -> tuple[str, str]:
    """Type and mode of a column."""
    if kind.type_kind == type_pb2.TYPE_ARRAY:
        return rest_type(kind.array_type.element_type)[0], "REPEATED"
    name = name_of(kind)
    return REST_TYPES.get(name, name), "NULLABLE"


def to_value(value: Any, kind: type_pb2.TypeProto) -> value_pb2.ValueProto:
    made = value_pb2.ValueProto()
    if value is None:
        return made
    name = name_of(kind)
    if name == "NUMERIC":
        made.numeric_value = to_scaled(value, NUMERIC_DIGITS)
    elif name == "DATE":
        made.date_value = (value - EPOCH.date()).days
    elif name == "TIMESTAMP":
        delta = value.astimezone(UTC) - EPOCH
        made.timestamp_value.seconds = delta.days * 86400 + delta.seconds
        made.timestamp_value.nanos = delta.microseconds * 1000
    else:
        setattr(made, f"{name.lower()}_value", value)
    return made


def to_scaled(value: Decimal, digits: int) -> bytes:
    number = int(WIDE.scaleb(Decimal(value), digits))
    return number.to_bytes(max(1, (number.bit_length() + 8) // 8), "little", signed=True)


def from_scaled(value: bytes, digits: int) -> Decimal:
    return WIDE.scaleb(Decimal(int.from_bytes(value, "little", signed=True)), -digits)


def from_value(value: value_pb2.ValueProto, kind: type_pb2.TypeProto) -> Any:
    which = value.WhichOneof("value")
    if which is None:
        # BigQuery has no NULL in place of an array.
        return [] if kind.type_kind == type_pb2.TYPE_ARRAY else None
    if kind.type_kind == type_pb2.TYPE_NUMERIC:
        return from_scaled(value.numeric_value, NUMERIC_DIGITS)
    if kind.type_kind == type_pb2.TYPE_BIGNUMERIC:
        return from_scaled(value.bignumeric_value, BIGNUMERIC_DIGITS)
    if kind.type_kind == type_pb2.TYPE_DATE:
        return EPOCH.date() + timedelta(days=value.date_value)
    if kind.type_kind == type_pb2.TYPE_TIMESTAMP:
        at = value.timestamp_value
        return EPOCH + timedelta(seconds=at.seconds, microseconds=at.nanos // 1000)
    if kind.type_kind == type_pb2.TYPE_DATETIME:
        bits = value.datetime_value.bit_field_datetime_seconds
        day = (bits >> 26, bits >> 22 & 15, bits >> 17 & 31)
        time = (bits >> 12 & 31, bits >> 6 & 63, bits & 63)
        micros = value.datetime_value.nanos // 1000
        return datetime(*day, *time, micros, tzinfo=UTC).replace(tzinfo=None)
    if kind.type_kind == type_pb2.TYPE_ARRAY:
        element = kind.array_type.element_type
        return [from_value(item, element) for item in value.array_value.element]
    return getattr(value, which)


def shown(value: Any) -> str:
    """One text per value: NaN is itself, and NUMERIC 1.50 is 1.5."""
    if isinstance(value, Decimal):
        return f"{WIDE.normalize(value):f}" if value else "0"
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return repr(value)

"""Repairs of the metadata views that dbt and Elementary read.

Added or completed: `__TABLES__`, `INFORMATION_SCHEMA.COLUMNS`, `.COLUMN_FIELD_PATHS`,
`.TABLE_OPTIONS`, `.MATERIALIZED_VIEWS`, `.OBJECT_PRIVILEGES`. Each reference in a query becomes a
subquery that spells out the rows.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bqemulator.catalog.models import TableFieldSchema, TableMeta
from bqemulator.catalog.repository import CatalogRepository
from bqemulator.sql import inner_query

from credix_local.bigquery.patching import replace

Value = str | int | None
SQL_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}
TABLE_KINDS = {"TABLE": 1, "VIEW": 2, "MATERIALIZED_VIEW": 1}
DATASET = r"(?:`?(?P<project>[\w-]+)`?\s*\.\s*)?`?(?P<dataset>[\w-]+)`?\s*\.\s*"


@dataclass(frozen=True)
class View:
    """One metadata view: how a query names it, its columns, its rows for a dataset's tables."""

    pattern: str
    columns: dict[str, str]
    rows: Callable[[list[TableMeta]], Iterable[list[Value]]]


def apply() -> None:
    """Replace the references before the emulator expands the views that it knows."""

    def expand(sql: str, project: str, catalog: CatalogRepository) -> str:
        for view in VIEWS:
            if re.search(view.pattern, sql, re.IGNORECASE):
                sql = expand_view(view, sql, project, catalog)
        found: str = original(sql, project, catalog)
        return found

    original = replace(inner_query, "expand_information_schema", expand)


def expand_view(view: View, sql: str, project: str, catalog: CatalogRepository) -> str:
    """Return the query with every reference to one view as a subquery."""

    def subquery(reference: re.Match[str]) -> str:
        tables = catalog.list_tables(reference["project"] or project, reference["dataset"])
        return as_subquery(view.columns, list(view.rows(list(tables))))

    return re.sub(DATASET + view.pattern, subquery, sql, flags=re.IGNORECASE)


def as_subquery(columns: dict[str, str], rows: list[list[Value]]) -> str:
    """Return rows as a subquery in GoogleSQL; without rows it has the columns all the same."""
    names = list(columns)
    shown = rows or [[None] * len(names)]
    selects = (
        "SELECT "
        + ", ".join(
            f"CAST({literal(value)} AS {columns[name]}) AS {name}"
            for name, value in zip(names, row, strict=True)
        )
        for row in shown
    )
    return f"(SELECT * FROM ({' UNION ALL '.join(selects)}){'' if rows else ' WHERE FALSE'})"


def literal(value: Value) -> str:
    """Return a value as a literal of GoogleSQL."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def sql_type(field: TableFieldSchema) -> str:
    name = SQL_TYPES.get(field.type, field.type)
    return f"ARRAY<{name}>" if field.mode == "REPEATED" else name


def table_rows(tables: list[TableMeta]) -> Iterable[list[Value]]:
    for table in tables:
        yield [
            *(table.project_id, table.dataset_id, table.table_id),
            int(table.creation_time.timestamp() * 1000),
            int(table.last_modified_time.timestamp() * 1000),
            *(table.num_rows, table.num_bytes, TABLE_KINDS.get(table.table_type, 3)),
        ]


def column_rows(tables: list[TableMeta]) -> Iterable[list[Value]]:
    for table in tables:
        partition = table.time_partitioning.field if table.time_partitioning else None
        clusters = table.clustering.fields if table.clustering else ()
        for position, field in enumerate(table.schema_.fields, 1):
            yield [
                *(table.project_id, table.dataset_id, table.table_id, field.name, position),
                "NO" if field.mode == "REQUIRED" else "YES",
                sql_type(field),
                *("NO", "NO", "YES" if field.name == partition else "NO"),
                clusters.index(field.name) + 1 if field.name in clusters else None,
            ]


def field_path_rows(tables: list[TableMeta]) -> Iterable[list[Value]]:
    for table in tables:
        for field in table.schema_.fields:
            yield [
                *(table.project_id, table.dataset_id, table.table_id, field.name, field.name),
                *(sql_type(field), field.description),
            ]


def option_rows(tables: list[TableMeta]) -> Iterable[list[Value]]:
    for table in tables:
        if table.description:
            yield [
                *(table.project_id, table.dataset_id, table.table_id),
                *("description", "STRING", json.dumps(table.description)),
            ]


def no_rows(_tables: list[TableMeta]) -> Iterable[list[Value]]:
    return []


def information_schema(name: str) -> str:
    return rf"`?INFORMATION_SCHEMA`?\s*\.\s*`?{name}\b`?"


def text(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "STRING")


TABLE = text("table_catalog", "table_schema", "table_name")
VIEWS = (
    View(
        "`?__TABLES__`?",
        {
            **text("project_id", "dataset_id", "table_id"),
            **dict.fromkeys(("creation_time", "last_modified_time"), "INT64"),
            **dict.fromkeys(("row_count", "size_bytes", "type"), "INT64"),
        },
        table_rows,
    ),
    View(
        information_schema("COLUMNS"),
        {
            **TABLE,
            "column_name": "STRING",
            "ordinal_position": "INT64",
            **text("is_nullable", "data_type", "is_hidden", "is_system_defined"),
            "is_partitioning_column": "STRING",
            "clustering_ordinal_position": "INT64",
        },
        column_rows,
    ),
    View(
        information_schema("COLUMN_FIELD_PATHS"),
        {**TABLE, **text("column_name", "field_path", "data_type", "description")},
        field_path_rows,
    ),
    View(
        information_schema("TABLE_OPTIONS"),
        {**TABLE, **text("option_name", "option_type", "option_value")},
        option_rows,
    ),
    View(information_schema("MATERIALIZED_VIEWS"), TABLE, no_rows),
    View(
        information_schema("OBJECT_PRIVILEGES"),
        text("object_schema", "object_name", "object_type", "privilege_type", "grantee"),
        no_rows,
    ),
)

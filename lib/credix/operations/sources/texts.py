"""The texts of a new source: its section of sources.yml, its bronze model and what describes it."""

import json
from collections.abc import Iterable

import yaml

from credix.core.column_types import Column
from credix.core.contracts import Source

DDL_TYPES = {"INTEGER": "int64", "FLOAT": "float64"}
# BigQuery clusters by four columns at most.
MOST_CLUSTERED = 4
NEVER_NULL = (
    *("_seq", "_key_hash", "_is_deleted", "_extracted_at", "_source_file"),
    *("_changed_at", "_loaded_at", "_source_table"),
)
OF_BRONZE = (
    Column(
        "_changed_at",
        "TIMESTAMP",
        description="Snapshot in which the contract's columns or _is_deleted last changed (UTC); a "
        "re-read of equal values does not move it",
    ),
    Column("_loaded_at", "TIMESTAMP", description="When a merge last wrote the row (UTC)"),
    Column("_source_table", "STRING", description="Schema and table the row comes from"),
)
SQL = """{{{{ config(unique_key={key}, cluster_by={cluster}) }}}}
{{{{- require_merge() -}}}}

select
    delta.*,
    delta._extracted_at as _changed_at,
    current_timestamp() as _loaded_at,
    '{{{{ source_table({table}) }}}}' as _source_table
from {{{{ run_delta() }}}} as delta
"""


def section_of(source: Source) -> str:
    """Return the section of sources.yml."""
    values = {
        "table": source.table,
        "schema": source.schema,
        "key": list(source.key),
        "capture": source.capture,
        "cursor": list(source.cursor),
        "deletes": source.captures_deletes,
        "drift": source.drift,
        "ignored": sorted(source.ignored),
        "personal_data": [name for name in source.column_names if name in source.personal_data],
    }
    section = {name: value for name, value in values.items() if value is not None}
    # Lists are written in their line, mappings in several.
    return yaml.safe_dump(
        {source.name: section},
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=1000,
    )


def model_sql(source: Source) -> str:
    """Return the bronze model, the same as of every source but for key and table."""
    key = list(source.key)
    table = [source.table, *([source.schema] if source.schema else [])]
    return SQL.format(
        key=quoted(key[0]) if len(key) == 1 else listed(key),
        cluster=listed(key[:MOST_CLUSTERED]),
        table=", ".join(quoted(name) for name in table),
    )


def model_yml(source: Source) -> str:
    """Return what describes and tests the bronze model: every column as the contract has it."""
    lines = [
        "version: 2",
        "",
        "models:",
        f"  - name: {source.name}",
        "    description: >-",
        f"      One row per key ({', '.join(source.key)}) that the source table holds or held: its",
        "      newest version. A key that is gone from the source stays as a tombstone",
        "      (_is_deleted, its columns NULL). Only the fenced merge writes here.",
        "    data_tests:",
        "      - never_null:",
        "          arguments:",
        "            columns:",
        *(f"              - {name}" for name in NEVER_NULL),
        *unique_lines(source.key),
        "    columns:",
    ]
    for column in (*source.landing_columns, *OF_BRONZE):
        lines += column_lines(column, is_key=source.key == (column.name,))
    return "\n".join([*lines, ""])


def unique_lines(key: tuple[str, ...]) -> list[str]:
    """Return the test of a key of several columns; that of one column stands at the column."""
    if len(key) == 1:
        return []
    return [
        "      - unique_together:",
        "          arguments:",
        f"            columns: [{', '.join(key)}]",
    ]


def column_lines(column: Column, *, is_key: bool) -> list[str]:
    lines = [
        f"      - name: {column.name}",
        f"        description: {json.dumps(column.description, ensure_ascii=False)}",
        f"        data_type: {DDL_TYPES.get(column.type, column.type.lower())}",
    ]
    return [*lines, "        data_tests: [unique, not_null]"] if is_key else lines


def listed(names: Iterable[str]) -> str:
    return f"[{', '.join(quoted(name) for name in names)}]"


def quoted(name: str) -> str:
    return "'" + name.replace("'", "\\'") + "'"

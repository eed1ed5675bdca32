"""What is asked of a source table: its columns as they travel, hashes, keys, quoted names."""

from collections.abc import Sequence

import numpy as np

from credix.core.column_types import Column
from credix.core.contracts import Source


def select_sql(source: Source, schema: str, condition: str, rereads_sql: str | None = None) -> str:
    """Return rows of the delta.

    The contract's columns, row hash, key hash, and the mark of re-reads.
    """
    columns = [f"{read_sql(column)} AS {quote(column.name)}" for column in source.columns]
    columns += [f"{row_hash_sql(source)} AS _row_hash", f"{key_hash_sql(source)} AS _key_hash"]
    if rereads_sql:
        columns.append(f"coalesce({rereads_sql}, TRUE) AS _is_reread")
    return (
        "SELECT " + ",\n       ".join(columns) + "\n"
        f"FROM {table_sql(source, schema)}\n"
        f"WHERE {condition}"
    )


def versions_sql(source: Source, schema: str, condition: str, place: str) -> str:
    """Key hash and row hash of the rows there for which the condition is true or unknown."""
    return (
        f"SELECT {key_hash_sql(source)} AS _key_hash, {row_hash_sql(source)} AS _row_hash "
        f"FROM {table_sql(source, schema)} WHERE {place} AND coalesce({condition}, TRUE)"
    )


def row_hash_sql(source: Source) -> str:
    names = ", ".join(quote(column.name) for column in source.columns)
    return f"hash_record_extended(ROW({names}), 0)"


def read_sql(column: Column) -> str:
    """NUMERIC travels as text: the binary protocol has no decimal type that Arrow shares."""
    casts = {"STRING": "text", "NUMERIC": "text", "INTEGER": "bigint", "FLOAT": "float8"}
    cast = casts.get(column.type)
    return f"{quote(column.name)}::{cast}" if cast else quote(column.name)


def key_hash_sql(source: Source) -> str:
    keys = [f"{quote(column)}::text" for column in source.key]
    text = keys[0] if len(keys) == 1 else f"ROW({', '.join(keys)})::text"
    return f"hashtextextended({text}, 0)"


def any_sql(expression: str, numbers: Sequence[int] | np.ndarray) -> str:
    """Return True where a whole number is one of these; a hash lookup, however many they are."""
    return f"{expression} = ANY ('{{{','.join(map(str, numbers))}}}'::bigint[])"


def table_sql(source: Source, schema: str) -> str:
    return f"{quote(source.schema_in(schema))}.{quote(source.table)}"


def quote(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

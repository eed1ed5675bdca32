"""The source table of a history, plain or partitioned, and the statements that change it."""

from collections.abc import Callable
from typing import Any

import psycopg2.extensions

from credix.core.column_types import TYPES
from credix.core.contracts import Source
from tests.tables import ROWS

# Keys of a history: few, so that they meet again and again.
KEYS = [f"k{number:02}" for number in range(24)]
# The business day: the server's own day is another one for some hours.
TODAY = "(now() AT TIME ZONE 'America/Sao_Paulo')::date"
Write = Callable[..., bool]


class SourceTable:
    """Creates the table from the contract; keys `k00` to `k23`, and ranges behind to attach."""

    def __init__(
        self,
        connection: psycopg2.extensions.connection,
        schema: str,
        source: Source,
        is_partitioned: bool,
    ) -> None:
        self.connection, self.schema, self.source = connection, schema, source
        self.name = f"{schema}.{source.table}"
        self.key = source.key[0]
        self.is_partitioned = is_partitioned
        self.made = 0
        self.waiting: str | None = None
        self.has_extra_column = False
        columns = ", ".join(f"{c.name} {TYPES[c.type].postgres}" for c in source.columns)
        body = f"({columns}, PRIMARY KEY ({self.key}))"
        self._execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        if is_partitioned:
            self._execute(f"CREATE TABLE {self.name} {body} PARTITION BY RANGE ({self.key})")
            self._execute(
                f"CREATE TABLE {self.name}_k PARTITION OF {self.name} "
                "FOR VALUES FROM (MINVALUE) TO ('l')"
            )
        else:
            # A few rows lie in several blocks.
            self._execute(f"CREATE TABLE {self.name} {body} WITH (fillfactor = 10)")

    def _execute(self, sql: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)

    def in_place(self, sql: str) -> str:
        return sql.replace("{table}", self.name).replace("{key}", self.key)

    @property
    def text_column(self) -> str:
        """A column that no cursor is made of."""
        return "city" if self.source.name == "cnpj_ws" else "invoice_id"

    @property
    def touched(self) -> str:
        """What an application sets when it changes a row."""
        if self.source.name == "cnpj_ws":
            return "updated_at = now()"
        return f"paid_date = {TODAY}"

    def insert_sql(self, key: str, text: str) -> str:
        row = {**ROWS[self.source.name], self.key: key, self.text_column: text}
        values = {
            name: f"'{value}'" if value is not None else "NULL" for name, value in row.items()
        }
        if self.source.name == "cnpj_ws":
            values |= {"created_at": "now()", "updated_at": "NULL"}
        else:
            values |= {"invoice_issue_date": TODAY, "due_date": f"{TODAY} + 20"}
        names = ", ".join(values)
        return f"INSERT INTO {{table}} ({names}) VALUES ({', '.join(values.values())})"

    def update_sql(self, key: str, text: str, *, touches: bool) -> str:
        touched = f", {self.touched}" if touches else ""
        return (
            f"UPDATE {{table}} SET {self.text_column} = '{text}'{touched} WHERE {{key}} = '{key}'"
        )

    def upsert_sql(self, key: str, text: str) -> str:
        """Certain to write a row, new or old."""
        return (
            f"{self.insert_sql(key, text)} ON CONFLICT ({{key}}) DO UPDATE "
            f"SET {self.text_column} = excluded.{self.text_column}, {self.touched}"
        )

    def prepare_partition(self, write: Write) -> None:
        """A table with a row, to become a partition later, when the row's xmin is old."""
        if not self.is_partitioned or self.waiting:
            return
        self.made += 1
        part = f"{self.name}_p{self.made}"
        low, high = f"p{self.made:03}", f"p{self.made:03}~"
        if write(f"CREATE TABLE {part} (LIKE {{table}} INCLUDING ALL)"):
            write(self.insert_sql(f"{low}a", "attached").replace("{table}", part))
            bounds = f"FROM ('{low}') TO ('{high}')"
            self.waiting = f"ALTER TABLE {{table}} ATTACH PARTITION {part} FOR VALUES {bounds}"

    def attach_waiting(self, write: Write) -> None:
        if self.waiting and write(self.waiting):
            self.waiting = None

    def swap(self, write: Write, text: str) -> None:
        """A rebuilt copy takes the table's name, in one transaction, as migrations do."""
        if self.is_partitioned:
            return
        self.made += 1
        copy, old = f"{self.source.table}_c{self.made}", f"{self.source.table}_o{self.made}"
        write(
            f"DO $$ BEGIN "
            f"CREATE TABLE {self.schema}.{copy} (LIKE {{table}} INCLUDING ALL); "
            f"INSERT INTO {self.schema}.{copy} SELECT * FROM {{table}}; "
            f"UPDATE {self.schema}.{copy} SET {self.text_column} = '{text}' "
            f"WHERE {{key}} = (SELECT min({{key}}) FROM {{table}}); "
            f"ALTER TABLE {{table}} RENAME TO {old}; "
            f"ALTER TABLE {self.schema}.{copy} RENAME TO {self.source.table}; END $$"
        )

    def add_extra_column(self, write: Write) -> None:
        if write("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS extra text DEFAULT 'x'"):
            self.has_extra_column = True

    def drop_extra_column(self, write: Write) -> None:
        if write("ALTER TABLE {table} DROP COLUMN IF EXISTS extra"):
            self.has_extra_column = False

    def rows(self) -> dict[str, dict[str, Any]]:
        """All committed rows by key."""
        columns = ", ".join(self.source.column_names)
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM {self.name}")
            return self.by_key(cursor.fetchall())

    def by_key(self, rows: list[tuple[Any, ...]]) -> dict[str, dict[str, Any]]:
        named = [dict(zip(self.source.column_names, row, strict=True)) for row in rows]
        return {row[self.key]: row for row in named}

"""Repairs of scripts: a transaction is one of DuckDB's, on a connection of its own.

The emulator copied each table before its first change and copied it back on ROLLBACK: a transaction
cost as much as its tables, others saw it half done, and it committed at the end of its script.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import duckdb
import sqlglot
from bqemulator.jobs import executor
from bqemulator.scripting.interpreter import ScriptInterpreter, ScriptResult
from bqemulator.storage.engine import CATALOG_SCHEMA, DuckDBEngine

from credix_local.bigquery.concurrency import Work
from credix_local.bigquery.patching import replace

# Reading a table of the file begins DuckDB's transaction: from then on it sees one snapshot.
TAKE_SNAPSHOT = f'SELECT 1 FROM "{CATALOG_SCHEMA}"."jobs" LIMIT 1'


@dataclass
class Script:
    """A script that runs: the connection of its open transaction, and the tables it has changed.

    `work` is what the transaction is to others, where jobs are held (held_jobs.py).
    """

    connection: duckdb.DuckDBPyConnection | None = None
    work: Work | None = None
    changed: set[tuple[str, str, str]] = field(default_factory=set)

    def begin(self, engine: DuckDBEngine) -> None:
        """Open a transaction unless one is open."""
        if self.connection is None:
            self.connection = open_snapshot(engine)

    def end(self, statement: str) -> None:
        """End the open transaction, if there is one."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        try:
            connection.execute(statement)
        except duckdb.TransactionException:
            # DuckDB has rolled back already what met a conflict.
            if statement == "COMMIT":
                raise
        finally:
            connection.close()


def open_snapshot(engine: DuckDBEngine) -> duckdb.DuckDBPyConnection:
    """Begin a transaction that sees the tables as they are now."""
    connection = engine.connection.cursor()
    connection.execute("BEGIN TRANSACTION")
    connection.execute(TAKE_SNAPSHOT)
    return connection


running_script: ContextVar[Script | None] = ContextVar("running_script", default=None)


def apply() -> None:
    """Make all repairs of this module."""
    execute_inside_transactions()
    use_transactions_of_duckdb()
    note_changed_tables()


def execute_inside_transactions() -> None:
    """Statements of a script with an open transaction run on its connection."""

    def execute(
        self: DuckDBEngine, sql: str, parameters: list[Any] | None = None
    ) -> duckdb.DuckDBPyConnection:
        script = running_script.get()
        if script is None or script.connection is None:
            found: duckdb.DuckDBPyConnection = original(self, sql, parameters)
            return found
        connection = script.connection
        return (
            connection.execute(sql) if parameters is None else connection.execute(sql, parameters)
        )

    original = replace(DuckDBEngine, "execute", execute)


def use_transactions_of_duckdb() -> None:
    """BEGIN takes a snapshot, COMMIT shows everything at once, any other end undoes everything.

    "If a query ends before reaching either of these statements, then BigQuery automatically rolls
    back the transaction" (BigQuery, *Multi-statement transactions*). The catalog counts the rows
    of what a script has changed, as it does for statements.
    """

    async def handle(self: ScriptInterpreter, statement: str) -> None:
        script = running_script.get()
        if script is None:
            return
        if statement == "BEGIN":
            script.begin(self._ctx.engine)
        else:
            script.end(statement)

    async def run(self: ScriptInterpreter, source: str) -> ScriptResult:
        script = Script()
        token = running_script.set(script)
        try:
            found: ScriptResult = await original(self, source)
            return found
        finally:
            script.end("ROLLBACK")
            running_script.reset(token)
            for table in script.changed:
                self._ctx.snapshots.record_change(*table)

    replace(ScriptInterpreter, "_handle_txn_statement", handle)
    original = replace(ScriptInterpreter, "run", run)


def note_changed_tables() -> None:
    """Remember which tables a script has changed."""

    async def execute(self: ScriptInterpreter, sql: str) -> None:
        await original(self, sql)
        script, tree = running_script.get(), parse(sql)
        if script is not None and tree is not None and executor._is_dml(tree):
            script.changed.update(executor._dml_target_tables(tree, self._project_id))

    original = replace(ScriptInterpreter, "_exec_sql", execute)


def parse(sql: str) -> Any:
    """Return the tree of a statement; None where it is none."""
    try:
        return sqlglot.parse_one(sql, read="bigquery")
    except sqlglot.errors.SqlglotError:
        return None

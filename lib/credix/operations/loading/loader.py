"""Load Parquet files into the source tables: each file wholly or not at all.

`python -m credix.operations.loading.loader FOLDER_OR_FILES...` does it for the server in
POSTGRES_*; it needs nothing of Google.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import format_tb
from types import TracebackType
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.csv as csv
from psycopg2 import sql
from sqlalchemy import URL, Engine, create_engine, exc

from credix.core.column_types import TYPES
from credix.core.contracts import Source, load_source
from credix.core.errors import CredixError, DataError, SettingsError, SourceError, TransientError
from credix.core.progress import Meter, Show, hide, on_terminal
from credix.operations.loading.source_files import (
    as_contract,
    check_columns,
    find_files,
    open_parquet,
)

CONNECT_SECONDS = 10
# A refused connection has no SQLSTATE: as libpq words it.
REFUSED_LOGIN = ("authentication failed", "no pg_hba.conf entry")
NO_DATABASE = re.compile(r'database ".*" does not exist')
DEFAULT_SCHEMA = "oltp"
COPY_BYTES = 1 << 20
# Arrow's CSV leaves NULL bare and puts all strings into quotes, as PostgreSQL's format reads them.
CSV_OPTIONS = csv.WriteOptions(include_header=False, quoting_style="needed")

# Decimals are kept with two places where none are lost: 1500.00, not 1500.000000000.
CENTS = pa.decimal128(38, 2)


def load_files(
    engine: Engine,
    schema: str,
    files: Mapping[str, Path],
    *,
    replace: bool = False,
    show: Show = hide,
) -> dict[str, int]:
    """Load one file per source, each in one transaction; rows by source.

    Schema and table are created where they are missing. A table that holds rows is refused, or
    emptied first with `replace`. Raises DataError for a file that does not fit its contract: its
    table is then as before, and files before it stay loaded. `show` gets lines of progress.
    """
    return {
        name: load_file(engine, schema, load_source(name), path, show, replace=replace)
        for name, path in files.items()
    }


def load_file(
    engine: Engine, schema: str, source: Source, path: Path, show: Show, *, replace: bool
) -> int:
    """Load one file in one transaction and return its number of rows."""
    schema = source.schema_in(schema)
    table = f"{schema}.{source.table}"
    with open_parquet(path) as parquet:
        check_columns(parquet.schema_arrow, source, path)
        meter = Meter(f"Loading {path.name}", show, parquet.metadata.num_rows)
        stream = CsvStream(metered(as_contract(parquet, source, path), meter))
        with meter, translated(path, table), engine.begin() as connection:
            cursor = connection.connection.cursor()
            prepare_table(cursor, schema, source, replace=replace)
            columns = sql.SQL(", ").join(map(sql.Identifier, source.column_names))
            target = sql.Identifier(schema, source.table)
            copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(target, columns)
            with stream.own_failures():
                cursor.copy_expert(copy, stream, size=COPY_BYTES)
            ensure_primary_key(cursor, target, source)
            cursor.execute(sql.SQL("ANALYZE {}").format(target))
        return parquet.metadata.num_rows


def prepare_table(cursor: Any, schema: str, source: Source, *, replace: bool) -> None:
    """Create what is missing and make sure that the table is empty."""
    # Two loaders of one schema wait for each other: CREATE IF NOT EXISTS fails in a race.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [schema])
    cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = %s", [schema])
    # IF NOT EXISTS alone demands the right to create schemas where one exists already.
    if cursor.fetchone()[0] == 0:
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    cursor.execute(create_table(schema, source))
    target = sql.Identifier(schema, source.table)
    if replace:
        cursor.execute(sql.SQL("TRUNCATE {}").format(target))
        return
    cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(target))
    if cursor.fetchone()[0]:
        raise DataError(
            f"Table {schema}.{source.table} already holds rows: nothing was loaded. "
            "Replace them with --replace."
        )


def create_table(schema: str, source: Source) -> sql.Composed:
    """Return the table of a contract: its columns and types, NOT NULL for REQUIRED, no key yet."""
    columns = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.name),
            sql.SQL(TYPES[column.type].postgres),
            sql.SQL(" NOT NULL" if column.is_required else ""),
        )
        for column in source.columns
    ]
    return sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(
        sql.Identifier(schema, source.table), sql.SQL(", ").join(columns)
    )


def ensure_primary_key(cursor: Any, target: sql.Identifier, source: Source) -> None:
    """Make the contract's key the primary key; after the rows, which is five times as fast."""
    name = target.as_string(cursor)
    cursor.execute(
        "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass AND indisprimary", [name]
    )
    if cursor.fetchone()[0] == 0:
        key = sql.SQL(", ").join(map(sql.Identifier, source.key))
        cursor.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(target, key))


def metered(batches: Iterator[pa.RecordBatch], meter: Meter) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        meter.add(batch.num_rows, batch.nbytes)


def shorten_decimals(batch: pa.RecordBatch) -> pa.RecordBatch:
    for position, field in enumerate(batch.schema):
        if pa.types.is_decimal(field.type):
            # Values with more places stay as they are.
            with suppress(pa.ArrowInvalid):
                short = batch.column(position).cast(CENTS)
                batch = batch.set_column(position, field.name, short)
    return batch


class CsvStream:
    """Record batches as a readable file of CSV, one batch in memory at a time."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._text = memoryview(b"")
        self._failure: Exception | None = None

    def read(self, size: int) -> bytes:
        while not self._text:
            batch = self._next_batch()
            if batch is None:
                return b""
            buffer = pa.BufferOutputStream()
            csv.write_csv(shorten_decimals(batch), buffer, CSV_OPTIONS)
            self._text = memoryview(buffer.getvalue())
        part, self._text = self._text[:size], self._text[size:]
        return bytes(part)

    @contextmanager
    def own_failures(self) -> Iterator[None]:
        """Raise what failed here, not what the server said when the stream broke off."""
        try:
            yield
        except psycopg2.Error as error:
            raise (self._failure or error) from None

    def _next_batch(self) -> pa.RecordBatch | None:
        try:
            return next(self._batches, None)
        except (CredixError, pa.ArrowException, OSError) as error:
            self._failure = error
            raise


def build_engine(host: str, port: int, db: str, user: str, password: str) -> Engine:
    """Return an engine for the loader and the passing of time; nothing is connected yet."""
    url = URL.create("postgresql+psycopg2", user, password, host, port, db)
    options = {"connect_timeout": CONNECT_SECONDS, "client_encoding": "UTF8"}
    return create_engine(
        url, connect_args=options | {"options": "-c TimeZone=UTC"}, hide_parameters=True
    )


def engine_from(variables: Mapping[str, str]) -> Engine:
    """Return the engine that POSTGRES_* describe.

    Raises SettingsError naming those that are missing.
    """
    needed = ["POSTGRES_HOST", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"]
    missing = [name for name in needed if not variables.get(name)]
    port = variables.get("POSTGRES_PORT") or "5432"
    if missing:
        raise SettingsError(f"Not set: {', '.join(missing)}. The loader needs them.")
    if not port.isdecimal():
        raise SettingsError("POSTGRES_PORT is not a number.")
    host, db, user, password = (variables[name] for name in needed)
    return build_engine(host, int(port), db, user, password)


@contextmanager
def translated(path: Path, table: str) -> Iterator[None]:
    """Errors of the driver as ours, naming file and table; a row's values never reach them."""
    try:
        yield
    except exc.DBAPIError as error:
        raise describe(error.orig, path, table) from None
    except psycopg2.Error as error:
        raise describe(error, path, table) from None


def describe(error: BaseException | None, path: Path, table: str) -> CredixError:
    """Return the product's error by SQLSTATE (PostgreSQL appendix A).

    Messages may quote rows, so no.
    """
    code = getattr(error, "pgcode", None) or ""
    where = f"{path.name} was not loaded into {table}"
    if code == "23505":
        return DataError(f"{where}: its key is not unique. Remove the duplicates.")
    if code == "23502":
        column = error.diag.column_name if isinstance(error, psycopg2.Error) else None
        return DataError(f"{where}: column '{column}' is required and has nulls.")
    if code[:2] in ("22", "23"):
        return DataError(f"{where}: PostgreSQL refused a value ({type(error).__name__}, {code}).")
    if code == "42501":
        return SourceError(f"{where}: the role may not create or write it. Grant it CREATE.")
    if code in ("42703", "42804"):
        return SourceError(f"{where}: the table has other columns than the contract. Drop it.")
    if code == "3D000" or NO_DATABASE.search(str(error)):
        return SourceError(f"{where}: there is no such database. Correct POSTGRES_DB.")
    if code[:2] == "28" or any(words in str(error) for words in REFUSED_LOGIN):
        return SourceError(f"{where}: the login was refused. Correct POSTGRES_USER and _PASSWORD.")
    if code:
        return SourceError(f"{where}: {type(error).__name__}, SQLSTATE {code}.")
    return TransientError(f"{where}: PostgreSQL does not answer. Check that it runs.")


def show_without_message(
    kind: type[BaseException], _error: BaseException, trace: TracebackType | None
) -> None:
    """An exception that was not caught, by its place and type: its message may quote a row.

    psycopg2 hands one over, without raising it, where the server ends the session within a COPY.
    """
    print(*format_tb(trace), f"{kind.__name__}, message left out.", sep="", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Load what the command line names; 0 done, 1 refused, 2 wrong usage or settings."""
    sys.excepthook = show_without_message
    parser = argparse.ArgumentParser(
        "python -m credix.operations.loading.loader", description=main.__doc__
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FOLDER_OR_FILE")
    parser.add_argument("--replace", action="store_true", help="empty tables that hold rows first")
    options = parser.parse_args(arguments)
    try:
        files = find_files(options.paths)
        engine = engine_from(os.environ)
        schema = os.environ.get("POSTGRES_SCHEMA") or DEFAULT_SCHEMA
        with on_terminal(sys.stderr) as show:
            loaded = load_files(engine, schema, files, replace=options.replace, show=show)
        for name, rows in loaded.items():
            print(f"{files[name].name}: {rows:,} rows loaded")
    except CredixError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

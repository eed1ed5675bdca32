"""PostgreSQL: one snapshot, asked by several connections."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, Self

import adbc_driver_manager
import psycopg2
import psycopg2.errors
import pyarrow as pa
from psycopg2.extensions import make_dsn

from credix.core.errors import CredixError, DataError, SourceError, TransientError
from credix.core.settings import Settings

CONNECT_SECONDS = 10
# An analyst who leaves a notebook half run must not hold back the server's vacuum for ever.
IDLE_SECONDS = 1800
# Client and server notice within about two minutes that the other one is gone.
KEEPALIVE = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}
# A batch of the driver's own 16 MiB would be most of what a connection needs.
BATCH_OPTION = {"adbc.postgresql.batch_size_hint_bytes": str(4 << 20)}
# libpq gives no SQLSTATE for a connection that the server answered and refused.
REFUSED_CONNECTION = ("does not exist", "no pg_hba.conf entry", "permission denied for database")
REFUSED_ENCRYPTION = ("does not support SSL", "certificate")
# What versions of PostgreSQL say of a snapshot whose session has ended.
ENDED_SNAPSHOT = ("22023", "42704", "55000")
# The error to raise for an SQLSTATE.
Refusals = Mapping[str, CredixError]


class SourceConnection:
    """A read-only session that holds one REPEATABLE READ snapshot from `begin` to `close`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.address = (
            f"{settings.postgres_host}:{settings.postgres_port}, database {settings.postgres_db}"
        )
        with self._translated():
            self._connection = psycopg2.connect(**self._arguments())
            self._connection.autocommit = True
        self.snapshot_id: str | None = None
        self._streams, self._streams_lock = 0, Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, lock_sql: str | None) -> None:
        """Begin the transaction; the lock comes first, it is not MVCC-safe to read before it."""
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if lock_sql:
            self.execute(lock_sql)
        self.snapshot_id = self.rows("SELECT pg_export_snapshot()")[0][0]

    def execute(self, sql: str, refusals: Refusals | None = None) -> None:
        with self._translated(refusals), self._connection.cursor() as cursor:
            cursor.execute(sql)

    def rows(
        self,
        sql: str,
        parameters: dict[str, Any] | None = None,
        refusals: Refusals | None = None,
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a result; `refusals` says what some errors mean for this statement."""
        with self._translated(refusals), self._connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The result as Arrow batches over a second connection that sees the same snapshot."""
        return self.stream_each([sql])

    def stream_each(self, statements: Iterable[str]) -> Iterator[pa.RecordBatch]:
        """The results one after another over one more connection; threads may do so side by side.

        A statement is asked for when the result of the one before it is read.
        """
        # It imports pandas, which the process that holds a run together never needs.
        import adbc_driver_postgresql.dbapi as adbc

        with (
            self._translated(),
            self._kept_alive(),
            adbc.connect(make_dsn(**self._arguments()), autocommit=True) as reader,
            reader.cursor() as cursor,
        ):
            cursor.adbc_statement.set_options(**BATCH_OPTION)
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{self.snapshot_id}'")
            for sql in statements:
                cursor.execute(sql)
                yield from cursor.fetch_record_batch()

    @contextmanager
    def _kept_alive(self) -> Iterator[None]:
        """Let the session that holds the snapshot idle while others read with it."""
        with self._streams_lock:
            self._streams += 1
            if self._streams == 1:
                self.execute("SET idle_in_transaction_session_timeout = 0")
        try:
            yield
        finally:
            with self._streams_lock:
                self._streams -= 1
                if self._streams == 0:
                    # Where this session has ended, the error that says so is on its way.
                    with suppress(CredixError):
                        self.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")

    def flush_log(self) -> str:
        """Return a place in the server's log after every commit that is visible so far.

        A commit with `synchronous_commit` off is visible before it is on disk; committing an empty
        message of our own flushes everything before it. No privilege is needed, and no table is
        written.
        """
        self.execute("SET synchronous_commit = local")
        rows = self.rows("SELECT pg_logical_emit_message(true, 'credix', '')::text")
        return str(rows[0][0])

    def close(self) -> None:
        self._connection.close()

    def _arguments(self) -> dict[str, Any]:
        """Keywords, never a URL: a password in a URL ends up in tracebacks."""
        settings = self.settings
        return {
            "host": settings.postgres_host,
            "port": settings.postgres_port,
            "dbname": settings.postgres_db,
            "user": settings.postgres_user,
            "password": settings.postgres_password.get_secret_value(),
            "sslmode": settings.postgres_sslmode,
            **({"sslrootcert": root} if (root := settings.postgres_sslrootcert) else {}),
            "connect_timeout": CONNECT_SECONDS,
            **KEEPALIVE,
            "application_name": "credix",
            "client_encoding": "UTF8",
            "options": (
                "-c TimeZone=UTC -c DateStyle=ISO -c row_security=off "
                "-c standard_conforming_strings=on "
                f"-c idle_in_transaction_session_timeout={IDLE_SECONDS * 1000} "
                + "".join(f"-c tcp_{name}={value} " for name, value in KEEPALIVE.items())
                + f"-c lock_timeout={max(1, round(settings.retry_seconds * 1000))}"
            ),
        }

    @contextmanager
    def _translated(self, refusals: Refusals | None = None) -> Iterator[None]:
        """Errors of the two drivers in our classes; a row's values never reach the message."""
        try:
            yield
        except CredixError:
            raise
        except psycopg2.Error as error:
            known = (refusals or {}).get(error.pgcode or "")
            if known:
                raise known from None
            raise translate(error.pgcode, str(error), self.address) from None
        except adbc_driver_manager.Error as error:
            raise translate(error.sqlstate, str(error), self.address) from None


def translate(sqlstate: str | None, message: str, address: str) -> CredixError:
    """The product's error for a PostgreSQL error, by SQLSTATE class (PostgreSQL appendix A)."""
    line = message.strip().splitlines()[0].removeprefix("[libpq] ")
    code = sqlstate or ""
    if code == "28P01" or "password authentication failed" in message:
        return SourceError(
            f"PostgreSQL at {address} refused the login: "
            "correct POSTGRES_USER and POSTGRES_PASSWORD."
        )
    if not code and any(phrase in message for phrase in REFUSED_ENCRYPTION):
        return SourceError(
            f"PostgreSQL at {address} cannot be reached as encrypted as it has to be: {line}. "
            "Correct POSTGRES_SSLMODE or POSTGRES_SSLROOTCERT, or the server's certificate."
        )
    if not code and any(phrase in message for phrase in REFUSED_CONNECTION):
        return SourceError(
            f"PostgreSQL at {address} refused the connection: {line}. Correct POSTGRES_DB or "
            "POSTGRES_USER, or let the server admit this role."
        )
    if code == "42501":
        if "row-level security" in message or "row security" in message:
            return SourceError(
                f"A row security policy hides rows from this role ({line}): "
                "use a role with BYPASSRLS."
            )
        return SourceError(f"The role may not read the source ({line}): grant it SELECT and USAGE.")
    if code == "55P03":
        return TransientError(
            "The source table is locked by another transaction, by a TRUNCATE, an ALTER or a "
            "VACUUM FULL, for longer than CREDIX_RETRY_SECONDS. Run again when it is over."
        )
    if code in ENDED_SNAPSHOT and "snapshot" in message:
        return TransientError(
            f"PostgreSQL at {address} has ended the session that holds the snapshot of this run: "
            "run again. If it happens again, look for what ends idle sessions, such as a proxy or "
            "pg_terminate_backend."
        )
    if code[:2] == "22":
        without_value = re.sub('"[^"]*"', "…", line)
        return DataError(f"PostgreSQL could not convert a value: {without_value}.")
    if code[:2] in ("42", "3D", "3F"):
        return SourceError(f"PostgreSQL at {address} refused the query: {line}.")
    return TransientError(
        f"PostgreSQL at {address} does not answer: {line}. Check that it runs and is reachable "
        "(./run_pipeline.py up starts the embedded one), then run again."
    )

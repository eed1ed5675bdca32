"""Time passing in the source: one transaction a day, decided by the seed and the source's keys.

A day's changes have that day as their date and its 00:00 UTC as their instant. The days follow
the last day seen in the source and never pass `today`: when none are left, several transactions
are of `today`. So no watermark is ever led into the future.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg2
import pyarrow as pa
from psycopg2 import sql
from sqlalchemy import Engine, exc

from credix.core.contracts import load_source
from credix.core.errors import SettingsError, SourceError
from credix.core.settings import Settings
from credix.operations.loading.loader import COPY_BYTES, CsvStream, engine_from
from credix_local.demo.changes import CHANGES, DELETES, FEWEST_ROWS, Change
from credix_local.demo.companies import build_companies
from credix_local.demo.identifiers import ROOTS, company_roots, root_sql
from credix_local.demo.installments import (
    Invoices,
    build_buyers,
    build_installments,
    draw_terms,
    fit,
)
from credix_local.demo.payers import NO_HISTORY, payer_kinds

NEW_COMPANIES_SHARE = 0.0005
NEW_INSTALLMENTS_SHARE = 0.003
NEW_STRANGERS = 3
UINT64 = (1 << 64) - 1


@dataclass(frozen=True)
class SourceDigest:
    """How many rows there are, which keys they have and the last day of anything in them."""

    rows: dict[str, int]
    keys: tuple[int, ...]
    last_day: date | None


def simulate(
    engine: Engine,
    schema: str,
    days: int,
    *,
    seed: int,
    today: date,
    with_deletes: bool = False,
) -> dict[str, int]:
    """Let days pass, each in a transaction of its own; rows by kind of change.

    The same seed does the same to the same source; done again it goes on, since the source is
    another by then. Raises SourceError when the tables are missing or not as their contracts say.
    """
    if days < 1 or seed < 0:
        raise SettingsError("At least one day must pass, and the seed cannot be negative.")
    tables = {
        "companies": sql.Identifier(schema, load_source("cnpj_ws").table),
        "installments": sql.Identifier(schema, load_source("installments").table),
    }
    summary: dict[str, int] = {}
    with translated(schema):
        with engine.begin() as connection:
            digest = read_digest(connection.connection.cursor(), tables)
        changes = CHANGES + (DELETES if with_deletes else ())
        for number, day in enumerate(operation_days(digest.last_day, days, today)):
            random = np.random.default_rng([seed, *digest.keys, number])
            with engine.begin() as connection:
                cursor = connection.connection.cursor()
                done = Day(cursor, tables, digest.rows, day, random).pass_by(changes)
            for name, rows in done.items():
                summary[name] = summary.get(name, 0) + rows
    return summary


def simulate_days(
    settings: Settings, days: int, seed: int, *, with_deletes: bool = False
) -> dict[str, int]:
    """Let days pass in the source of the settings, up to today in their time zone."""
    engine = engine_from(settings.variables())
    today = datetime.now(ZoneInfo(settings.timezone)).date()
    try:
        return simulate(
            engine,
            settings.postgres_schema,
            days,
            seed=seed,
            today=today,
            with_deletes=with_deletes,
        )
    finally:
        engine.dispose()


def operation_days(last_day: date | None, days: int, today: date) -> list[date]:
    """Return the days after the last one, as far as `today`, which takes all that are left."""
    last = today - timedelta(days) if last_day is None else last_day
    return [min(last + timedelta(number), today) for number in range(1, days + 1)]


def read_digest(cursor: Any, tables: dict[str, sql.Identifier]) -> SourceDigest:
    cursor.execute(
        sql.SQL(
            "SELECT count(*), coalesce(bit_xor(hashtextextended(cnpj, 0)), 0),"
            " (max(created_at) AT TIME ZONE 'UTC')::date FROM {companies}"
        ).format(**tables)
    )
    companies, company_keys, created = cursor.fetchone()
    cursor.execute(
        sql.SQL(
            "SELECT count(*), coalesce(bit_xor(hashtextextended(asset_id, 0)), 0),"
            " greatest(max(invoice_issue_date), max(paid_date)) FROM {installments}"
        ).format(**tables)
    )
    installments, installment_keys, changed = cursor.fetchone()
    return SourceDigest(
        rows={"cnpj_ws": companies, "installments": installments},
        keys=(company_keys & UINT64, installment_keys & UINT64),
        last_day=max((day for day in (created, changed) if day), default=None),
    )


@dataclass(frozen=True)
class Day:
    """One day in the source, within a transaction that the caller commits."""

    cursor: Any
    tables: dict[str, sql.Identifier]
    rows: dict[str, int]
    day: date
    random: np.random.Generator

    def pass_by(self, changes: tuple[Change, ...]) -> dict[str, int]:
        done = {
            "new companies": self.add_companies(),
            "new installments": self.add_installments(),
        }
        return done | {change.name: self.apply(change) for change in changes}

    def apply(self, change: Change) -> int:
        instant = datetime.combine(self.day, time(), UTC)
        parameters = {
            "day": self.day,
            "instant": instant,
            "salt": self.draw_salt(),
            "rows": self.share(change.source, change.share),
        }
        self.cursor.execute(sql.SQL(change.sql).format(**self.tables), parameters)
        return int(self.cursor.rowcount)

    def add_companies(self) -> int:
        """New companies; a number that is taken already is left out."""
        count = self.share("cnpj_ws", NEW_COMPANIES_SHARE)
        roots = self.draw_roots(count)
        batch = build_companies(self.random, roots, self.day, are_new=True)
        self.cursor.execute(
            sql.SQL("CREATE TEMP TABLE new_rows (LIKE {companies}) ON COMMIT DROP").format(
                **self.tables
            )
        )
        self.copy(batch, sql.Identifier("new_rows"))
        self.cursor.execute(
            sql.SQL(
                "INSERT INTO {companies} ({names}) SELECT {names} FROM new_rows"
                " ON CONFLICT DO NOTHING"
            ).format(names=names_of(batch), **self.tables)
        )
        return int(self.cursor.rowcount)

    def add_installments(self) -> int:
        """Add invoices of some active companies, issued on this day: a new number each day."""
        count = max(1, int(self.random.poisson(self.share("installments", NEW_INSTALLMENTS_SHARE))))
        self.cursor.execute(
            sql.SQL(
                f"SELECT {root_sql('cnpj')} FROM {{companies}}"
                " WHERE cnpj ~ '^[0-9A-J]{{8}}0001[0-9]{{2}}$' AND registration_status = 'ACTIVE'"
                " ORDER BY hashtextextended(cnpj, %(salt)s), cnpj LIMIT %(rows)s"
            ).format(**self.tables),
            {"salt": self.draw_salt(), "rows": count},
        )
        roots = np.array([root for (root,) in self.cursor.fetchall()], dtype=np.int64)
        roots = roots[payer_kinds(roots) != NO_HISTORY]
        if not len(roots):
            return 0
        buyers = build_buyers(self.random, roots, self.draw_roots(NEW_STRANGERS))
        buyer = np.minimum(
            np.searchsorted(buyers.cumulative_weight, self.random.random(count), side="right"),
            len(roots) - 1,
        )
        issued = np.full(count, np.datetime64(self.day, "D"))
        invoices = fit(Invoices(buyer, issued, draw_terms(self.random, count)), count)
        batch = build_installments(self.random, buyers, invoices, self.draw_salt(), 0, 0, self.day)
        self.copy(batch, self.tables["installments"])
        return batch.num_rows

    def copy(self, batch: pa.RecordBatch, table: sql.Identifier) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(table, names_of(batch))
        self.cursor.copy_expert(statement, CsvStream(iter([batch])), size=COPY_BYTES)

    def share(self, source: str, share: float) -> int:
        return max(FEWEST_ROWS, round(self.rows[source] * share))

    def draw_roots(self, count: int) -> np.ndarray:
        """Return roots of tax numbers; new with near certainty, the caller minds the rest."""
        return company_roots(0, self.random.choice(ROOTS, count, replace=False))

    def draw_salt(self) -> int:
        # Below 2^62, so that statements may add to it within a bigint.
        return int(self.random.integers(0, 1 << 62))


def names_of(batch: pa.RecordBatch) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, batch.schema.names))


@contextmanager
def translated(schema: str) -> Iterator[None]:
    """Errors of the driver as ours; their messages may quote rows and are left out."""
    try:
        yield
    except (psycopg2.Error, exc.DBAPIError) as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        code = getattr(cause, "pgcode", None) or "no connection"
        raise SourceError(
            f"Time cannot pass in schema {schema}: {type(cause).__name__} ({code}). The days "
            "before are kept. Check that the server runs and its tables are the demo data's."
        ) from None

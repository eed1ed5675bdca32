"""The stage of all benchmarks: servers of their own, a source of any size, settings for runs."""

import os
import shutil
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.sql import Identifier

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.clients.provision import provision_buckets, provision_warehouse
from credix.core.contracts import Source, load_source, source_names
from credix.core.settings import PROJECT_DIR, Settings
from credix.operations.loading.loader import create_table, ensure_primary_key
from credix_local import stack

WORK = PROJECT_DIR / "bench" / ".work"
INSTALLMENTS = load_source("installments")
COMPANIES = 60_000
# Keys and invoices as UUIDs, some fifty installments per company, a third of them paid.
FILL_INSTALLMENTS = """
INSERT INTO {table}
SELECT gen_random_uuid()::text, gen_random_uuid()::text,
       lpad((n::bigint * 7919 % {companies})::text, 14, '0'), 1 + n % 6, 6,
       (ARRAY['BOLETO', 'PIX', 'TED', 'CARD'])[1 + n % 4],
       DATE '2024-01-01' + n % 900, DATE '2024-02-01' + n % 900,
       CASE WHEN n % 3 = 0 THEN DATE '2024-02-05' + n % 900 END,
       (random() * 1000000)::bigint,
       CASE WHEN n % 3 = 0 THEN (random() * 1000000)::bigint END
FROM generate_series(1, {rows}) AS n
"""
FILL_COMPANIES = """
INSERT INTO {table}
SELECT lpad(n::text, 14, '0'), 'Empresa ' || n, 'contato' || n || '@empresa.example', '1133334444',
       'MICRO', 'ACTIVE', '6201501', 10000.50, lpad((n % 100000)::text, 8, '0'),
       'São Paulo', 'São Paulo', (ARRAY['SP', 'RJ', 'BA'])[1 + n % 3], DATE '2010-05-17',
       TIMESTAMPTZ '2024-01-02', TIMESTAMPTZ '2024-06-07'
FROM generate_series(0, {companies} - 1) AS n
"""


class Stage:
    """Servers in the bench's own folder, and one schema and prefix for each size of the source."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        stack.start(WORK / "stack")
        self.settings = self._settings("first")
        provision_buckets(Lake(self.settings, Effects()))

    def _settings(self, prefix: str) -> Settings:
        name = f"rows_{self.rows}"
        own = {
            "POSTGRES_SCHEMA": name,
            "CREDIX_PREFIX": f"{name}_{prefix}",
            "CREDIX_RUN_DIR": str(WORK / "runs" / name / prefix),
            **{key: value for key, value in os.environ.items() if key in PASSED_ON},
        }
        return Settings.parse({**stack.variables(WORK / "stack"), **own})

    def empty_warehouse(self, prefix: str) -> Settings:
        """Settings of a prefix that no run has used; call it with another name each time."""
        settings = self._settings(prefix)
        provision_warehouse(Warehouse(settings, Effects()))
        return settings

    def fill(self) -> None:
        """Make the source once; it stays for the next run of the bench."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {self.settings.postgres_schema}")
            for name in source_names():
                cursor.execute(create_table(self.settings.postgres_schema, load_source(name)))
            cursor.execute(f"SELECT count(*) FROM {self.table(INSTALLMENTS)}")
            (found,) = cursor.fetchone() or (0,)
            if found < self.rows:
                cursor.execute(
                    f"TRUNCATE {self.table(INSTALLMENTS)}, {self.table(load_source('cnpj_ws'))}"
                )
                filled = {"installments": FILL_INSTALLMENTS, "cnpj_ws": FILL_COMPANIES}
                for name, sql in filled.items():
                    table = self.table(load_source(name))
                    cursor.execute(sql.format(table=table, rows=self.rows, companies=COMPANIES))
                for name in source_names():
                    source = load_source(name)
                    target = Identifier(self.settings.postgres_schema, source.table)
                    ensure_primary_key(cursor, target, source)
        connection.close()
        for name in source_names():
            self.execute(f"VACUUM ANALYZE {self.table(load_source(name))}")

    def change(self, rows: int) -> None:
        """Change so many installments, as payments do."""
        self.execute(
            f"UPDATE {self.table(INSTALLMENTS)} SET paid_date = DATE '2026-01-01', "
            "paid_amount_in_cents = expected_amount_in_cents WHERE asset_id IN "
            f"(SELECT asset_id FROM {self.table(INSTALLMENTS)} TABLESAMPLE SYSTEM (10) "
            f"ORDER BY random() LIMIT {rows})"
        )

    def execute(self, sql: str) -> None:
        connection = self.connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
        connection.close()

    def connect(self) -> psycopg2.extensions.connection:
        found: psycopg2.extensions.connection = psycopg2.connect(**connect_arguments(self.settings))
        return found

    def table(self, source: Source) -> str:
        return f"{self.settings.postgres_schema}.{source.table}"


PASSED_ON = ("CREDIX_SLICE_BYTES", "CREDIX_EXTRACT_CONNECTIONS", "CREDIX_ROW_GROUP_ROWS")


def connect_arguments(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.postgres_host,
        "port": str(settings.postgres_port),
        "dbname": settings.postgres_db,
        "user": settings.postgres_user,
        "password": settings.postgres_password.get_secret_value(),
    }


def clear_folder(folder: Path) -> Path:
    """The folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder

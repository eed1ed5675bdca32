"""What tests do with a PostgreSQL server of their own, whose settings they may change."""

from contextlib import closing

import psycopg2.extensions

from credix.core.contracts import load_source
from credix.core.settings import Settings
from tests.conftest import connected
from tests.tables import Table

SOURCE = load_source("installments")


def change(settings: Settings, *statements: str) -> None:
    with closing(open_autocommit(settings)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def open_autocommit(settings: Settings) -> psycopg2.extensions.connection:
    connection = connected(settings)
    connection.autocommit = True
    return connection


def make_table(settings: Settings) -> Table:
    change(settings, f"CREATE SCHEMA {settings.postgres_schema}")
    table = Table(open_autocommit(settings), settings.postgres_schema, SOURCE)
    table.create()
    return table


def insert_and_wait(settings: Settings) -> None:
    with closing(open_autocommit(settings)) as connection:
        Table(connection, settings.postgres_schema, SOURCE).insert(asset_id="waits")

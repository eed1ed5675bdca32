"""A source table in the hands of a test."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg2.extensions

from credix.clients.bigquery.warehouse import Warehouse
from credix.core.column_types import TYPES
from credix.core.contracts import Source

COMPANY: dict[str, Any] = {
    "cnpj": "11222333000181",
    "legal_name": "Padaria Estrela Ltda",
    "email": "contato@padaria.example",
    "phone": "1133334444",
    "company_size": "MICRO",
    "registration_status": "ACTIVE",
    "main_cnae": "1091101",
    "share_capital": Decimal("10000.50"),
    "zip_code": "01001000",
    "city": "São Paulo",
    "state": "São Paulo",
    "uf": "SP",
    "opening_date": date(2010, 5, 17),
    "created_at": datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "updated_at": datetime(2024, 6, 7, 8, 9, 10, tzinfo=UTC),
}
INSTALLMENT: dict[str, Any] = {
    "asset_id": "a1",
    "invoice_id": "i1",
    "buyer_tax_id": COMPANY["cnpj"],
    "installment_number": 1,
    "installment_count": 1,
    "payment_method": "BOLETO",
    "invoice_issue_date": date(2024, 1, 10),
    "due_date": date(2024, 2, 10),
    "paid_date": None,
    "expected_amount_in_cents": 123_45,
    "paid_amount_in_cents": None,
}
ROWS = {"cnpj_ws": COMPANY, "installments": INSTALLMENT}


class Table:
    """One source table: created from the contract, changed by SQL, read back by key."""

    def __init__(
        self, connection: psycopg2.extensions.connection, schema: str, source: Source
    ) -> None:
        self.connection, self.source = connection, source
        self.name = f"{schema}.{source.table}"
        self.row = ROWS[source.name]

    def create(self) -> None:
        columns = ", ".join(f"{c.name} {TYPES[c.type].postgres}" for c in self.source.columns)
        self.execute(f"CREATE TABLE {self.name} ({columns}, PRIMARY KEY ({self.source.key[0]}))")

    def insert(self, **changes: Any) -> None:
        """Insert the standard row with these values changed."""
        row = {**self.row, **changes}
        names, places = ", ".join(row), ", ".join(f"%({name})s" for name in row)
        self.execute(f"INSERT INTO {self.name} ({names}) VALUES ({places})", row)

    def execute(self, sql: str, parameters: dict[str, Any] | None = None) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(sql.replace("{table}", self.name), parameters)

    def rows(self) -> dict[str, dict[str, Any]]:
        """All rows by key."""
        names = self.source.column_names
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(names)} FROM {self.name}")
            found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return {row[self.source.key[0]]: row for row in found}


def bronze_rows(warehouse: Warehouse, table: Table) -> dict[str, dict[str, Any]]:
    """The live rows of bronze by key, in the columns of the contract."""
    columns = ", ".join(table.source.column_names)
    target = warehouse.table_id("bronze", table.source.name)
    rows = warehouse.query(f"SELECT {columns} FROM `{target}` WHERE NOT _is_deleted")
    return {row[table.source.key[0]]: row for row in rows}


def query_bronze(warehouse: Warehouse, table: Table, sql: str) -> list[dict[str, Any]]:
    """Rows of a query in which {table} stands for the bronze table."""
    target = warehouse.table_id("bronze", table.source.name)
    return warehouse.query(sql.replace("{table}", f"`{target}`"))


# What somebody does to bronze by hand, beside the pipeline.
write_bronze = query_bronze

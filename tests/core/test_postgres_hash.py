"""Hashes of keys and rows that a file from outside brings are those of PostgreSQL itself."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from credix.core.column_types import Column, arrow_schema
from credix.core.contracts import Source, load_source
from credix.core.errors import SettingsError
from credix.core.postgres_hash import key_hashes, row_hashes
from credix.core.settings import Settings
from credix.core.source_sql import key_hash_sql, quote, row_hash_sql
from tests.conftest import connected

COLUMNS = {
    "asset_id": ("STRING", "text"),
    "number": ("INTEGER", "bigint"),
    "small": ("INTEGER", "smallint"),
    "ratio": ("FLOAT", "double precision"),
    "is_open": ("BOOLEAN", "boolean"),
    "amount": ("NUMERIC", "numeric"),
    "day": ("DATE", "date"),
    "at": ("TIMESTAMP", "timestamptz"),
}
SPECIAL: list[tuple[Any, ...]] = [
    ("", 0, 0, 0.0, True, Decimal(0), date(2000, 1, 1), datetime(2000, 1, 1, tzinfo=UTC)),
    ("a,b", -1, -1, -0.0, False, Decimal("-0.000000001"), date(1, 1, 1), None),
    ('say "no"', 2**63 - 1, 32767, float("nan"), None, Decimal(10000), date(9999, 12, 31), None),
    ("back\\slash", -(2**63), -32768, float("-inf"), None, Decimal("0.0001"), None, None),
    ("São Paulo (SP)", 1 << 40, None, 1e-300, None, Decimal("12345678901234567890.5"), None, None),
    ("38 digits", 0, 0, None, None, Decimal("12345678901234567890123456789.123456789"), None, None),
    ("only a key", None, None, None, None, None, None, None),
]


def drawn(number: int) -> tuple[Any, ...]:
    """A row of values of every length and sign, the same for the same number."""
    dice = random.Random(number)
    return (
        "".join(dice.choices('aé\u20ac ()",\\Z', k=dice.randrange(40))) + f"/{number}",
        dice.randrange(-(2**62), 2**62),
        dice.randrange(-(2**15), 2**15),
        dice.gauss(0, 1e9),
        dice.random() < 0.5,
        Decimal(dice.randrange(-(10**24), 10**24)).scaleb(-dice.randrange(10)),
        date(1900, 1, 1) + timedelta(days=dice.randrange(90_000)),
        datetime(1960, 1, 1, tzinfo=UTC) + timedelta(microseconds=dice.randrange(10**16)),
    )


@pytest.fixture
def source() -> Source:
    columns = tuple(
        Column(name, kind, "REQUIRED" if name == "asset_id" else "NULLABLE")
        for name, (kind, _) in COLUMNS.items()
    )
    return replace(load_source("installments"), columns=columns)


def test_they_are_those_of_the_server(settings: Settings, source: Source) -> None:
    rows = SPECIAL + [drawn(number) for number in range(400)]
    table = pa.Table.from_pylist(
        [dict(zip(COLUMNS, row, strict=True)) for row in rows], arrow_schema(source.columns)
    )
    composite = replace(source, key=("asset_id", "number", "day", "is_open"))
    complete = table.filter(pa.compute.invert(table["is_open"].is_null()))
    complete = complete.filter(pa.compute.invert(complete["day"].is_null()))
    definition = ", ".join(f"{quote(name)} {kind}" for name, (_, kind) in COLUMNS.items())
    places = ", ".join(["%s"] * len(COLUMNS))
    with connected(settings) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE t (place serial, {definition})")
        names = ", ".join(map(quote, COLUMNS))
        cursor.executemany(f"INSERT INTO t ({names}) VALUES ({places})", rows)
        select = f"SELECT {key_hash_sql(source)}, {row_hash_sql(source)} FROM t ORDER BY place"
        cursor.execute(select)
        keys, hashes = zip(*cursor.fetchall(), strict=True)
        cursor.execute(
            f"SELECT {key_hash_sql(composite)} FROM t "
            "WHERE is_open IS NOT NULL AND day IS NOT NULL ORDER BY place"
        )
        composites = [key for (key,) in cursor.fetchall()]
    assert key_hashes(source, table).tolist() == list(keys)
    assert row_hashes(source, table).tolist() == list(hashes)
    assert key_hashes(composite, complete).tolist() == composites


def test_a_key_that_the_server_alone_can_write_is_refused(source: Source) -> None:
    table = arrow_schema(source.columns).empty_table()
    with pytest.raises(SettingsError, match="The key column amount of installments is a NUMERIC"):
        key_hashes(replace(source, key=("amount",)), table)

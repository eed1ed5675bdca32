"""The same value has the same text in PostgreSQL and in BigQuery, after the way all rows take."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg2.extras import execute_values

from credix.capture.compare import canonical_text
from credix.capture.parts import convert
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.gcs.lake import Lake
from credix.clients.postgres.connection import SourceConnection
from credix.core.column_types import TYPES, Column, arrow_schema
from credix.core.contracts import load_source
from credix.core.settings import Settings
from credix.core.source_sql import read_sql
from tests.tables import Table

COLUMNS = (Column("id", "INTEGER"), *(Column(f"a_{name.lower()}", name) for name in TYPES))
VALUES = COLUMNS[1:]
NAMES = list(TYPES)

Row = dict[str, Any]
Carry = Callable[[Sequence[Row]], list[tuple[Row, Row]]]

EXTREMES: dict[str, list[Any]] = {
    "STRING": [
        "",
        " ",
        "a  ",
        "-",
        "|",
        "NULL",
        "é",
        "e\u0301",
        "👩‍👩‍👧",
        "\t\n\r\x01\x7f",
        "\\'\"`",
    ],
    "INTEGER": [0, -1, 2**63 - 1, -(2**63)],
    "FLOAT": [
        *(0.0, 0.1, 1.0, -1.5, 1e15, 1e16, 1e300, 5e-324, -1.7976931348623157e308),
        *(2.2250738585072014e-308, 123456.789, math.inf, -math.inf, math.nan),
    ],
    "BOOLEAN": [True, False],
    "NUMERIC": [
        *map(Decimal, ("0", "0.000", "10", "100", "10.5", "10.500", "-0.000000001", "-7.10")),
        *(Decimal(sign + "9" * 29 + "." + "9" * 9) for sign in ("", "-")),
    ],
    "DATE": [date.min, date(1582, 10, 10), date(1969, 12, 31), date(2024, 2, 29), date.max],
    "TIMESTAMP": [
        datetime.min.replace(tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 1, 0, 0, 0, 100_000, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ],
}


@st.composite
def numerics(draw: st.DrawFn) -> Decimal:
    """Up to 29 digits before and 9 behind the point, with and without trailing zeros."""
    scale = draw(st.integers(0, 9))
    bound = 10 ** (29 + scale) - 1
    return Decimal(f"{draw(st.integers(-bound, bound))}E-{scale}")


STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "STRING": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    "INTEGER": st.integers(-(2**63), 2**63 - 1),
    "FLOAT": st.floats(),
    "BOOLEAN": st.booleans(),
    "NUMERIC": numerics(),
    "DATE": st.dates(),
    "TIMESTAMP": st.datetimes(timezones=st.just(UTC)),
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | strategy for name, strategy in STRATEGIES.items()}),
    min_size=1,
    max_size=40,
)


@pytest.fixture
def carry(
    settings: Settings, tables: dict[str, Table], warehouse: Warehouse, lake: Lake, tmp_path: Path
) -> Carry:
    """Rows into PostgreSQL and, as the steps do it, into BigQuery; texts and digest of each."""
    cursor = tables["installments"].connection.cursor()
    source = f"{settings.postgres_schema}.a_values"
    types = ", ".join(f"{column.name} {TYPES[column.type].postgres}" for column in COLUMNS)
    cursor.execute(f"CREATE TABLE {source} ({types})")
    target = warehouse.table_id("temp", "a_values")
    loads: list[str] = []

    def load(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
        cursor.execute(f"TRUNCATE {source}")
        numbered = [(i, *(row.get(name) for name in NAMES)) for i, row in enumerate(rows)]
        execute_values(cursor, f"INSERT INTO {source} VALUES %s", numbered)
        reads = ", ".join(f"{read_sql(column)} AS {column.name}" for column in COLUMNS)
        with SourceConnection(settings) as connection:
            connection.begin(None)
            read = pa.Table.from_batches(connection.stream(f"SELECT {reads} FROM {source}"))
            ours = as_rows(connection.stream(texts_sql(source, "postgres")))
        contract = load_source("installments")
        columns = [convert(read[column.name], column, contract) for column in COLUMNS]
        file = tmp_path / "a_values.parquet"
        pq.write_table(pa.table(columns, schema=arrow_schema(COLUMNS)), file)
        loads.append(f"a_values_{len(loads)}_{settings.postgres_schema}")
        path = f"{loads[-1]}.parquet"
        lake.upload("lake.upload", settings.lake_bucket, path, file)
        uri = f"gs://{settings.lake_bucket}/{path}"
        warehouse.load_parquet("warehouse.load", [uri], "temp", "a_values", COLUMNS, loads[-1])
        theirs = warehouse.query(texts_sql(f"`{target}`", "bigquery"))
        return list(zip(ours, theirs, strict=True))

    return load


def texts_sql(table: str, engine: str) -> str:
    text = {"postgres": canonical_text.postgres_text, "bigquery": canonical_text.bigquery_text}[
        engine
    ]
    digest = {
        "postgres": canonical_text.postgres_digest,
        "bigquery": canonical_text.bigquery_digest,
    }[engine]
    texts = ", ".join(f"{text(column)} AS {column.type.lower()}" for column in VALUES)
    return f"SELECT {texts}, {digest(VALUES)} AS digest FROM {table} ORDER BY id"


def as_rows(batches: Any) -> list[Row]:
    return pa.Table.from_batches(batches).to_pylist()


class TestText:
    @pytest.mark.parametrize("name", NAMES)
    def test_extreme_values_have_one_text_on_both_sides(self, carry: Carry, name: str) -> None:
        pairs = carry([{name: value} for value in EXTREMES[name]])
        assert [ours for ours, _ in pairs] == [theirs for _, theirs in pairs]
        assert all(ours[name.lower()] is not None for ours, _ in pairs)

    @given(rows=ROWS)
    @hypothesis_settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_any_row_has_one_text_per_value_and_one_digest_on_both_sides(
        self, carry: Carry, rows: list[Row]
    ) -> None:
        for ours, theirs in carry(rows):
            assert ours == theirs

    @pytest.mark.parametrize(
        ("name", "value", "text"),
        [
            ("STRING", "a  ", "a  "),
            ("INTEGER", -5, "-5"),
            ("BOOLEAN", True, "true"),
            ("DATE", date(7, 1, 2), "0007-01-02"),
            ("TIMESTAMP", datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC), "1000005"),
            ("NUMERIC", Decimal("-100.500"), "-100.5"),
            ("NUMERIC", Decimal("100.000"), "100"),
            ("FLOAT", 0.1, "1.0000000000000001e-01"),
            ("FLOAT", -0.0, "0"),
        ],
    )
    def test_is_as_the_docstring_says(self, carry: Carry, name: str, value: Any, text: str) -> None:
        ((ours, theirs),) = carry([{name: value}])
        assert ours[name.lower()] == theirs[name.lower()] == text

    def test_a_date_is_iso_whatever_style_the_role_prefers(
        self, settings: Settings, tables: dict[str, Table]
    ) -> None:
        role = settings.postgres_schema
        as_role = {"POSTGRES_USER": role, "POSTGRES_PASSWORD": "a password"}
        text = canonical_text.postgres_text(Column("d", "DATE"))
        sql = f"SELECT {text} AS d FROM (SELECT %s) AS t(d)"
        with tables["installments"].connection.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'a password'")
            cursor.execute(f"ALTER ROLE {role} SET DateStyle = 'SQL, DMY'")
            try:
                parsed = Settings.parse({**settings.variables(), **as_role})
                with SourceConnection(parsed) as connection:
                    connection.begin(None)
                    found = as_rows(connection.stream(sql % "date '2024-02-29'"))
            finally:
                cursor.execute(f"DROP ROLE {role}")
        assert found == [{"d": "2024-02-29"}]


class TestDigest:
    def test_null_differs_from_every_text(self, carry: Carry) -> None:
        pairs = carry([{}, {"STRING": ""}, {"STRING": "-"}, {"STRING": "NULL"}])
        assert len({ours["digest"] for ours, _ in pairs}) == 4

    def test_neighbouring_doubles_differ(self, carry: Carry) -> None:
        doubles = [0.1, math.nextafter(0.1, 1), 1e300, math.nextafter(1e300, 0), 5e-324, 0.0]
        pairs = carry([{"FLOAT": value} for value in doubles])
        assert len({theirs["digest"] for _, theirs in pairs}) == len(doubles)

    def test_a_text_that_moves_to_the_next_column_is_seen(
        self, tables: dict[str, Table], warehouse: Warehouse
    ) -> None:
        columns = [Column("a", "STRING"), Column("b", "STRING")]
        pairs = [("x|y", "z"), ("x", "y|z"), ("xy", "z"), ("x", "yz"), ("x", "-"), ("x", None)]
        with tables["installments"].connection.cursor() as cursor:
            digest = canonical_text.postgres_digest(columns)
            cursor.execute(
                f"SELECT {digest} FROM unnest(%s, %s) AS t(a, b)",
                [list(texts) for texts in zip(*pairs, strict=True)],
            )
            ours = {digest for (digest,) in cursor.fetchall()}
        theirs = {
            warehouse.query(
                f"SELECT {canonical_text.bigquery_digest(columns)} AS digest "
                "FROM (SELECT @a AS a, nullif(@b, 'NULL') AS b)",
                a=a,
                b=b or "NULL",
            )[0]["digest"]
            for a, b in pairs
        }
        assert len(ours) == len(pairs)
        assert ours == theirs

    def test_has_60_bits(self, carry: Carry) -> None:
        pairs = carry([{"INTEGER": number} for number in range(300)])
        digests = [ours["digest"] for ours, _ in pairs]
        assert min(digests) >= 0
        assert 2**56 < max(digests) < 2**60

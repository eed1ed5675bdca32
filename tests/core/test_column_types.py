"""Columns and types in three worlds."""

from dataclasses import replace

import pyarrow as pa
import pytest

from credix.core.column_types import TYPES, Column, arrow_schema, fingerprint

COLUMNS = [Column("id", "STRING", "REQUIRED"), Column("amount", "NUMERIC")]


@pytest.mark.parametrize(
    ("kind", "arrow"),
    [
        ("STRING", pa.string()),
        ("INTEGER", pa.int64()),
        ("FLOAT", pa.float64()),
        ("BOOLEAN", pa.bool_()),
        ("NUMERIC", pa.decimal128(38, 9)),
        ("DATE", pa.date32()),
        ("TIMESTAMP", pa.timestamp("us", tz="UTC")),
    ],
)
def test_each_type_of_bigquery_has_one_of_arrow(kind: str, arrow: pa.DataType) -> None:
    assert TYPES[kind].arrow == arrow


def test_the_type_a_column_is_created_with_is_accepted_when_it_is_read() -> None:
    full_names = {"timestamptz": "timestamp with time zone"}
    for kind, mapping in TYPES.items():
        assert full_names.get(mapping.postgres, mapping.postgres) in mapping.accepted, kind


def test_a_timestamp_without_time_zone_is_not_an_instant() -> None:
    assert "timestamp without time zone" not in TYPES["TIMESTAMP"].accepted


def test_required_columns_are_not_nullable_in_parquet() -> None:
    schema = arrow_schema(COLUMNS)
    assert [(field.name, field.nullable) for field in schema] == [("id", False), ("amount", True)]


@pytest.mark.parametrize("change", [{"name": "other"}, {"type": "INTEGER"}, {"mode": "REQUIRED"}])
def test_the_fingerprint_changes_with_the_shape(change: dict[str, str]) -> None:
    changed = [COLUMNS[0], replace(COLUMNS[1], **change)]
    assert fingerprint(changed) != fingerprint(COLUMNS)


def test_the_fingerprint_changes_with_the_order() -> None:
    assert fingerprint(reversed(COLUMNS)) != fingerprint(COLUMNS)


def test_the_fingerprint_keeps_with_a_description() -> None:
    described = [replace(column, description="words") for column in COLUMNS]
    assert fingerprint(described) == fingerprint(COLUMNS)
    assert len(fingerprint(described)) == 16

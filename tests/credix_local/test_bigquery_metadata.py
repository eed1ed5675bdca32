"""The metadata views that dbt and Elementary read describe the tables."""

from collections.abc import Callable
from typing import Any

import pytest
from google.cloud import bigquery

Query = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def table(client: bigquery.Client, dataset: str) -> str:
    definition = bigquery.Table(
        f"{dataset}.t",
        schema=[
            bigquery.SchemaField("id", "INTEGER", mode="REQUIRED", description="The 'key'\nof it"),
            bigquery.SchemaField("due_date", "DATE"),
            bigquery.SchemaField("names", "STRING", mode="REPEATED"),
        ],
    )
    definition.description = 'Says "what"'
    definition.time_partitioning = bigquery.TimePartitioning(field="due_date")
    definition.clustering_fields = ["id"]
    client.create_table(definition)
    return definition.table_id


def test_tables_lists_every_table_with_its_rows(query: Query, dataset: str, table: str) -> None:
    query(f"INSERT INTO `{dataset}.{table}` (id) VALUES (1), (2)")
    query(f"CREATE VIEW `{dataset}.v` AS SELECT 1 AS id")
    rows = query(f"SELECT table_id, row_count, type FROM `{dataset}.__TABLES__` ORDER BY table_id")
    assert [tuple(row.values()) for row in rows] == [("t", 2, 1), ("v", 0, 2)]


@pytest.mark.parametrize(
    "name", ["`{}`.INFORMATION_SCHEMA.COLUMNS", "`{}.INFORMATION_SCHEMA.COLUMNS`"]
)
def test_columns_tells_types_modes_and_layout(
    query: Query, dataset: str, table: str, name: str
) -> None:
    rows = query(
        "SELECT column_name, data_type, is_nullable, is_partitioning_column AS p, "
        f"clustering_ordinal_position AS c FROM {name.format(dataset)} "
        f"WHERE table_name = '{table}' ORDER BY ordinal_position"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("id", "INT64", "NO", "NO", 1),
        ("due_date", "DATE", "YES", "YES", None),
        ("names", "ARRAY<STRING>", "YES", "NO", None),
    ]


def test_column_field_paths_tells_descriptions(query: Query, dataset: str, table: str) -> None:
    rows = query(
        f"SELECT description FROM `{dataset}`.INFORMATION_SCHEMA.COLUMN_FIELD_PATHS "
        f"WHERE table_name = '{table}' AND field_path = 'id'"
    )
    assert rows == [{"description": "The 'key'\nof it"}]


def test_table_options_tells_the_description_as_a_literal(
    query: Query, dataset: str, table: str
) -> None:
    rows = query(
        f"SELECT option_name, option_value FROM `{dataset}`.INFORMATION_SCHEMA.TABLE_OPTIONS "
        f"WHERE table_name = '{table}'"
    )
    assert rows == [{"option_name": "description", "option_value": '"Says \\"what\\""'}]


@pytest.mark.parametrize("view", ["MATERIALIZED_VIEWS", "OBJECT_PRIVILEGES"])
def test_a_view_of_what_does_not_exist_locally_is_empty(
    query: Query, dataset: str, view: str
) -> None:
    assert query(f"SELECT * FROM `{dataset}`.INFORMATION_SCHEMA.{view}") == []


def test_an_empty_dataset_has_no_columns(query: Query, dataset: str) -> None:
    assert query(f"SELECT column_name FROM `{dataset}`.INFORMATION_SCHEMA.COLUMNS") == []

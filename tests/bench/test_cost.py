"""docs/explanation/cost.md is what bench/cost.py says of the statements that runs send."""

import pytest
from bench import cost
from bench.cost_scan import scan

from credix.core.settings import PROJECT_DIR

COLUMNS = {
    "bronze.installments": {"asset_id", "_seq", "_is_deleted", "due_date"},
    "temp.installments_dbt": {"asset_id", "_seq"},
}
MODELS = sorted((PROJECT_DIR / "dbt" / "business_case" / "models").rglob("*.sql"))


def test_the_document_holds_the_tables_of_the_recorded_statements() -> None:
    document = cost.DOCUMENT.read_text("utf-8")
    assert cost.rewritten(document) == document, "run: python -m bench.cost"


@pytest.mark.parametrize(
    ("run", "reads_nothing"),
    # A build of everything asks for no change.
    [("first", {"touched_companies"}), ("later", set())],
)
def test_every_model_and_step_that_asks_bigquery_is_covered(
    run: str, reads_nothing: set[str]
) -> None:
    statements = cost.recorded()["statements"][run]
    models = {one["name"] for one in statements if cost.bytes_of(one["sql"], 10**6)}
    # A view costs whoever reads it, and nothing when it is made.
    views = {path.stem for path in MODELS if "materialized='derived'" in path.read_text("utf-8")}
    names = {path.stem for path in MODELS} - reads_nothing - views
    assert {f"model.business_case.{name}" for name in names} <= models
    steps = {step.split()[0] for step in cost.bytes_by_step(statements, 10**6)}
    assert steps >= {"03_load", "04_transform", "05_report"}
    assert not [one for one in statements if one["step"] == ""]


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT count(*) AS n FROM `p.x_bronze.t`", set()),
        (
            "WITH all_rows AS (SELECT * FROM bronze.installments) SELECT due_date FROM all_rows",
            {"due_date"},
        ),
        (
            "CREATE TABLE silver.x AS SELECT due_date FROM bronze.installments WHERE _seq = 1",
            {"due_date", "_seq"},
        ),
    ],
    ids=["another table", "a star that is not used", "a table made of a query"],
)
def test_a_column_is_read_where_it_is_used(sql: str, columns: set[str]) -> None:
    assert scan(sql, COLUMNS).read.get("bronze.installments", set()) == columns


def test_a_merge_reads_what_it_names_and_all_of_its_target() -> None:
    found = scan(
        "MERGE INTO bronze.installments AS bronze USING (SELECT * FROM temp.installments_dbt) "
        "AS delta ON bronze.asset_id = delta.asset_id "
        "WHEN MATCHED AND delta._seq > bronze._seq THEN UPDATE SET _seq = delta._seq",
        COLUMNS,
    )
    assert found.changed == {"bronze.installments"}
    assert found.read["bronze.installments"] == {"asset_id", "_seq"}
    assert found.read["temp.installments_dbt"] == {"asset_id", "_seq"}


@pytest.mark.parametrize(
    ("condition", "is_pruned"),
    [
        ("_seq > 7", True),
        ("NOT _is_deleted AND (_seq > 7)", True),
        ("_seq > 7 OR _is_deleted", False),
        ("_seq > (SELECT max(_seq) FROM temp.installments_dbt)", False),
    ],
)
def test_only_a_constant_bound_of_seq_prunes(condition: str, is_pruned: bool) -> None:
    sql = f"SELECT asset_id FROM bronze.installments WHERE {condition}"
    assert ("bronze.installments" in scan(sql, COLUMNS).pruned) is is_pruned

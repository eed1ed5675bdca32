"""Names in buckets and of temp tables."""

import pytest

from credix.core.contracts import load_source
from credix.core.paths import (
    LakePaths,
    hashed_table,
    is_hashed_table,
    reference_table,
    stable_table,
)

PATHS = LakePaths("business_case")
SOURCE = load_source("installments")
LANDED = "business_case/landing/ingestion_dt=2026-03-31/installments_x-0001-abc.parquet"


def test_a_landed_file_lies_under_its_day() -> None:
    assert PATHS.landed("2026-03-31", "installments_x-0001-abc.parquet") == LANDED


def test_archived_and_failed_files_keep_their_day_and_name() -> None:
    rest = "ingestion_dt=2026-03-31/installments_x-0001-abc.parquet"
    assert PATHS.archived(LANDED) == f"business_case/archive/{rest}"
    assert PATHS.failed(LANDED) == f"business_case/failed/{rest}"


def test_no_two_folders_hold_the_same_object() -> None:
    assert len({LANDED, PATHS.archived(LANDED), PATHS.failed(LANDED)}) == 3


def test_the_folder_of_a_run_is_found_by_its_day() -> None:
    run_id = "20260331T101500Z-full-1f2e3d"
    assert PATHS.run(run_id) == f"business_case/runs/dt=2026-03-31/{run_id}/"
    assert PATHS.run(run_id).startswith(PATHS.runs)


def test_each_run_has_a_temp_table_of_its_own() -> None:
    one, two = hashed_table(SOURCE, "run-1", 1), hashed_table(SOURCE, "run-2", 1)
    assert one != two
    assert one == hashed_table(SOURCE, "run-1", 1)
    assert hashed_table(load_source("cnpj_ws"), "run-1", 1).removeprefix("cnpj_ws_") not in one


@pytest.mark.parametrize("table", ["installments_dbt", "installments_schema", "installments_"])
def test_tables_that_stay_are_not_taken_for_those_of_a_run(table: str) -> None:
    assert not is_hashed_table(table, SOURCE)


def test_the_table_of_a_run_is_recognized_for_its_source_only() -> None:
    table = hashed_table(SOURCE, "run-1", 1)
    assert is_hashed_table(table, SOURCE)
    assert not is_hashed_table(table, load_source("cnpj_ws"))
    assert (stable_table(SOURCE), reference_table(SOURCE)) == (
        "installments_dbt",
        "installments_schema",
    )

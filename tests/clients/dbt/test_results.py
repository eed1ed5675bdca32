"""Results of dbt as lines, and lines as a table."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from credix.clients.dbt.results import (
    COLUMNS,
    FILE,
    add_lines,
    as_table,
    concatenate,
    describe_result,
)

ENDED = datetime(2026, 3, 31, 10, 15, 30, tzinfo=UTC)


def result(**facts: Any) -> SimpleNamespace:
    node = SimpleNamespace(
        unique_id="test.business_case.unique",
        name="unique",
        resource_type="test",
        config=SimpleNamespace(materialized="test"),
    )
    begun = datetime(2026, 3, 31, 10, 15, 1, 999, tzinfo=UTC)
    timing = SimpleNamespace(name="execute", started_at=begun, completed_at=ENDED)
    known = {
        "node": node,
        "status": "fail",
        "failures": 3,
        "adapter_response": {"job_id": "j1", "rows_affected": 0},
        "timing": [timing],
        "execution_time": 1.23456,
    }
    return SimpleNamespace(**{**known, **facts})


def line(**facts: Any) -> str:
    described = describe_result(result(**facts), "Got 3 results", ENDED)
    return json.dumps({"invocation_id": "i1", "selected": "bronze", **described})


def test_a_result_becomes_a_row_of_the_table() -> None:
    table = as_table([line()], "20260331T101500Z-full-1f2e3d", "full")
    [row] = table.to_pylist()
    assert table.column_names == [column.name for column in COLUMNS]
    assert row["run_id"] == "20260331T101500Z-full-1f2e3d"
    assert (row["status"], row["failures"], row["job_id"]) == ("fail", 3, "j1")
    assert (row["started_at"], row["completed_at"]) == (
        "2026-03-31 10:15:01",
        "2026-03-31 10:15:30",
    )


def test_a_node_that_was_skipped_has_a_row_too() -> None:
    table = as_table([line(timing=[], adapter_response=None, status="skipped")], "r", "full")
    [row] = table.to_pylist()
    assert (row["status"], row["started_at"]) == ("skipped", "2026-03-31 10:15:30")


def test_a_line_that_was_cut_off_costs_no_other_line() -> None:
    lines = [line(), line()[:40], "[]", "", line()]
    assert as_table(lines, "r", "full").num_rows == 2


def test_runs_without_results_make_an_empty_table() -> None:
    assert concatenate([as_table([], "r", "full")]).num_rows == 0
    assert concatenate([]).column_names == [column.name for column in COLUMNS]


def test_lines_of_several_builds_lie_in_one_file(tmp_path: Path) -> None:
    for name in ("bronze", "silver"):
        add_lines(tmp_path, [{"invocation_id": name}])
    lines = (tmp_path / FILE).read_text("utf-8").splitlines()
    assert [json.loads(text)["invocation_id"] for text in lines] == ["bronze", "silver"]

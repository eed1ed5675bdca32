"""The local BigQuery forgets the oldest query results, not the ones that may still be read."""

import pyarrow as pa
import pytest
from bqemulator.jobs import executor

from credix_local.bigquery import repairs_jobs
from credix_local.bigquery.repairs_jobs import forget_old_results

RESULT = pa.table({"n": [1, 2, 3]})


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> dict[str, pa.Table]:
    """Five results that are kept, the oldest first."""
    kept = {f"job-{number}": RESULT for number in range(5)}
    monkeypatch.setattr(executor, "JOB_RESULTS", kept)
    monkeypatch.setattr(executor, "JOB_SCHEMAS", dict.fromkeys(kept))
    return kept


def test_within_the_bounds_nothing_is_forgotten(results: dict[str, pa.Table]) -> None:
    sizes: dict[str, int] = {}
    forget_old_results(sizes)
    assert len(results) == 5
    assert set(sizes) == set(results)


@pytest.mark.parametrize(("bound", "value"), [("MOST_RESULTS", 2), ("RESULT_BYTES", 50)])
def test_the_oldest_go_beyond_a_bound_and_those_that_came_since_count(
    results: dict[str, pa.Table], monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(repairs_jobs, bound, value)
    sizes: dict[str, int] = {}
    forget_old_results(sizes)
    assert list(results) == ["job-3", "job-4"]
    results["job-5"] = RESULT
    forget_old_results(sizes)
    assert list(results) == list(sizes) == ["job-4", "job-5"]
    assert "job-3" not in executor.JOB_SCHEMAS


def test_the_newest_is_kept_however_large_it_is(
    results: dict[str, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairs_jobs, "RESULT_BYTES", 1)
    forget_old_results({})
    assert list(results) == ["job-4"]

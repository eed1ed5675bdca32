"""The tables of docs/explanation/production.md are what bench/cost_sources.py says."""

import pytest
from bench import cost_sources
from bench.cost_sources import DOCUMENT, Load, exceeded, rewritten

from credix.core.jobs import all_jobs


def test_the_document_holds_the_tables() -> None:
    document = DOCUMENT.read_text("utf-8")
    assert rewritten(document) == document, "run: python -m bench.cost_sources"


def test_cost_grows_with_sources_and_with_runs() -> None:
    one, ten, often = (
        sum(load.costs().values()) for load in (Load(1, 60), Load(10, 60), Load(1, 5))
    )
    assert ten == pytest.approx(10 * one)
    assert 11 < often / one < 12.5


@pytest.mark.parametrize(
    ("sources", "minutes", "over"),
    [
        (100, 5, []),
        (1_000, 60, []),
        (1_000, 5, ["load jobs a day", "writes a second to the page of all runs"]),
        (1_001, 1440, ["jobs of Cloud Run in a region"]),
    ],
)
def test_a_limit_that_is_exceeded_is_named(sources: int, minutes: int, over: list[str]) -> None:
    assert exceeded(Load(sources, minutes)) == over


def test_the_error_budget_is_that_of_the_schedules() -> None:
    runs_a_day = sum(
        {"*/5": 288}.get((job.cron or "").split()[0], 1) for job in all_jobs().values()
    )
    assert f"{runs_a_day * 28:,} runs" in DOCUMENT.read_text("utf-8")
    assert f"{runs_a_day * 28 // 100} failed runs" in DOCUMENT.read_text("utf-8")


def test_a_source_of_the_model_is_read_as_it_was_recorded() -> None:
    steps = {one["step"].split()[0] for one in cost_sources.statements()}
    assert steps >= {"03_load", "04_transform"}

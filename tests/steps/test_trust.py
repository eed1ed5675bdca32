"""The answer to: may today's numbers be used?"""

from typing import Any

import pytest

from credix.steps.trust import CARE, NO, YES, Verdict, judge, show_verdict

ABSENT = {"status": "absent", "reason": "Elementary is not installed.", "monitors": []}


def source(**facts: Any) -> dict[str, Any]:
    good = {"name": "installments", "age": 30.0, "status": "done", "missed": []}
    return {**good, "rows": {"01_extract": 5, "04_transform": 5}, **facts}


def verdict(**facts: Any) -> Verdict:
    good: dict[str, Any] = {
        "business_date": "2026-03-31",
        "today": "2026-03-31",
        "sources": [source()],
        "tests": [{"layer": "gold", "name": "amounts_add_up", "status": "pass"}],
        "monitoring": {"status": "done", "reason": "", "monitors": []},
        "quarantined": 0,
        "late_minutes": 60,
    }
    return judge(**{**good, **facts})


def monitor(status: str) -> dict[str, Any]:
    one = {"monitor": "gold_keeps_its_columns", "table": "gold.details", "status": status}
    return {"status": "done", "reason": "", "monitors": [one]}


def test_numbers_of_today_that_pass_every_test_may_be_used() -> None:
    assert verdict().answer == YES
    assert "Nothing speaks against it" in show_verdict(verdict()).data


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"business_date": "2026-03-30"}, "Gold is of 2026-03-30"),
        ({"business_date": None}, "nobody vouches"),
        ({"sources": [source(age=None)]}, "never built from installments"),
        ({"sources": [source(rows={"01_extract": 5, "03_load": 4})]}, "01_extract 5, 03_load 4"),
        ({"tests": [{"layer": "gold", "name": "sums", "status": "fail"}]}, "sums"),
    ],
)
def test_numbers_that_are_wrong_or_old_may_not(facts: dict[str, Any], reason: str) -> None:
    found = verdict(**facts)
    assert found.answer == NO
    assert reason in " ".join(found.against)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"sources": [source(age=3601.0)]}, "60 min ago"),
        ({"sources": [source(status="failed")]}, "last run of installments failed"),
        ({"sources": [source(missed=["deletes"])]}, "without loss: deletes"),
        ({"monitoring": monitor("fail")}, "gold_keeps_its_columns"),
        ({"monitoring": {"status": "failed", "reason": "edr", "monitors": []}}, "not watched"),
    ],
)
def test_numbers_that_somebody_should_look_at_are_used_with_care(
    facts: dict[str, Any], reason: str
) -> None:
    found = verdict(**facts)
    assert found.answer == CARE
    assert reason in " ".join(found.care)


@pytest.mark.parametrize(
    "facts",
    [
        {"tests": [{"layer": "silver", "name": "known", "status": "warn"}]},
        {"monitoring": monitor("warn")},
        {"monitoring": ABSENT},
        {"quarantined": 7},
    ],
)
def test_what_is_good_to_know_speaks_not_against_the_numbers(facts: dict[str, Any]) -> None:
    assert verdict(**facts).answer == YES
    assert len(verdict(**facts).notes) == 1


def test_a_reason_is_text_and_no_markup() -> None:
    shown = show_verdict(Verdict(care=["<script>alert(1)</script>"])).data
    assert "<script>" not in shown

"""The answer to: may today's numbers be used?"""

from dataclasses import replace
from typing import Any

import pytest

from credix.core.results import Monitoring, MonitorVerdict, Repair
from credix.core.schedules import LateBound
from credix.report.facts import LayerTest, SourceFacts
from credix.report.verdict import CARE, NO, YES, Verdict, judge, show_verdict
from tests.pipeline.manifests import node

ABSENT = Monitoring(reason="Elementary is not installed.")
REPAIR = Repair(attempt=2, fault="It holds 4 keys.", rows={"01_extract": 1})


def checked(layer: str, name: str, status: str) -> LayerTest:
    return LayerTest(layer, node(name, kind="test", status=status))


def source(**facts: Any) -> SourceFacts:
    good = SourceFacts("installments", LateBound(3600.0, "a bound of this test"), age=30.0)
    return replace(good, **{"status": "done", **facts})


def verdict(**facts: Any) -> Verdict:
    good: dict[str, Any] = {
        "business_date": "2026-03-31",
        "today": "2026-03-31",
        "has_rules_of_project": True,
        "sources": [source()],
        "tests": [checked("gold", "amounts_add_up", "pass")],
        "monitoring": Monitoring(status="done"),
        "quarantined": 0,
    }
    return judge(**{**good, **facts})


def monitor(status: str) -> Monitoring:
    one = MonitorVerdict(
        monitor="gold_keeps_its_columns",
        table="gold.details",
        status=status,
        seconds=0.1,
        finding="",
    )
    return Monitoring(status="done", monitors=(one,))


def test_numbers_of_today_that_pass_every_test_may_be_used() -> None:
    assert verdict().answer == YES
    assert "Nothing speaks against it" in show_verdict(verdict()).data


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"business_date": "2026-03-30"}, "Gold is of 2026-03-30"),
        ({"business_date": None}, "is not tested"),
        ({"has_rules_of_project": False}, "by other rules"),
        ({"sources": [source(age=None)]}, "never built from installments"),
        ({"sources": [source(differences=("extracted 5, loaded 4",))]}, "extracted 5, loaded 4"),
        ({"tests": [checked("gold", "sums", "fail")]}, "sums"),
    ],
)
def test_numbers_that_are_wrong_or_old_may_not(facts: dict[str, Any], reason: str) -> None:
    found = verdict(**facts)
    assert found.answer == NO
    assert reason in " ".join(found.against)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"sources": [source(age=3601.0)]}, "60 min ago, which is late from 60 min on: a bound"),
        ({"sources": [source(status="failed")]}, "last run of installments failed"),
        ({"sources": [source(missed=("deletes",))]}, "without loss: deletes"),
        ({"monitoring": monitor("fail")}, "gold_keeps_its_columns"),
        ({"monitoring": Monitoring(status="failed", reason="edr")}, "not watched"),
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
        {"tests": [checked("silver", "known", "warn")]},
        {"monitoring": monitor("warn")},
        {"monitoring": ABSENT},
        {"quarantined": 7},
        {"sources": [source(repairs=(REPAIR,))]},
    ],
)
def test_what_is_good_to_know_speaks_not_against_the_numbers(facts: dict[str, Any]) -> None:
    assert verdict(**facts).answer == YES
    assert len(verdict(**facts).notes) == 1


def test_a_reason_is_text_and_no_markup() -> None:
    shown = show_verdict(Verdict(care=["<script>alert(1)</script>"])).data
    assert "<script>" not in shown

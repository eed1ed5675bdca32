"""The facts of a report: rows that add up attempt by attempt, and the same for each job."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from credix.core.freshness import CompleteThrough
from credix.core.results import Monitoring
from credix.core.settings import Settings
from credix.pipeline.manifest import RunRecord
from credix.pipeline.results import read_result
from credix.report.facts import SourceFacts, describe_source, run_figures
from credix.report.verdict import CARE, NO, YES, Verdict, judge
from credix.state.run import Run, build_run, write_value
from credix.state.states import GoldState, SourceState
from tests.pipeline.manifests import extracted, landed, loaded, transformed

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
STEPS = ("01_extract", "02_land", "03_load", "04_transform")
EQUAL = dict.fromkeys(STEPS, 2)
REPAIR = {"attempt": 2, "fault": "bronze holds 9 live keys, the snapshot has 10.", "rows": EQUAL}


def run_in(settings: Settings, folder: Path) -> Run:
    return build_run(settings, folder.name, folder, None, 1, None, "2026-03-31")


def carry(run: Run, source: str, rows: int = 5, merged: int | None = None, **facts: Any) -> None:
    """The results of the steps of a run, as far as the facts of a report need them."""
    repair = facts.pop("repair", None)
    results = (
        extracted(rows=rows, **facts),
        landed(rows=rows),
        loaded(rows=rows),
        transformed(rows=rows if merged is None else merged, attempt=1, repair=repair),
    )
    for result in results:
        write_value(run.folder / source / f"{result.step}.json", result)


def kept_by(run: Run, source: str) -> SourceState:
    """The state of the source as that run has left it at its end."""
    record = RunRecord(run.run_id, "full", "command", "local", run.business_date, {})
    record.status, record.attempts = "done", {source: 1}
    for step in STEPS:
        path = run.folder / source / f"{step}.json"
        if path.exists():
            record.add(source, step, read_result(path, step))
    reach_at = (NOW - timedelta(hours=7)).isoformat()
    state = SourceState.model_validate(
        {"source": source, "committed_seq": 1, "watermark": {"snapshot_at": reach_at}}
    )
    return state.model_copy(update={"last_run": record.last_run(source)})


def facts_of(run: Run, source: str, state: SourceState) -> SourceFacts:
    gold = GoldState(business_date="2026-03-31", reached={source: CompleteThrough(1, None)})
    return describe_source(run, source, state, gold, NOW.isoformat())


def verdict_on(facts: SourceFacts) -> Verdict:
    return judge(
        business_date="2026-03-31",
        today="2026-03-31",
        has_rules_of_project=True,
        sources=[facts],
        tests=[],
        monitoring=Monitoring(status="done"),
        quarantined=0,
    )


@pytest.mark.parametrize(
    ("carried", "answer"),
    [
        ({}, YES),
        ({"repair": REPAIR}, YES),
        ({"merged": 4}, NO),
        ({"repair": {**REPAIR, "rows": {**EQUAL, "03_load": 1}}}, NO),
        ({"missed_histories": ["rows deleted in the source stay in bronze"]}, CARE),
    ],
    ids=["sound", "repaired", "a row less", "a row less in the repair", "lossy"],
)
def test_the_verdict_is_the_same_whichever_job_asks(
    settings: Settings, tmp_path: Path, carried: dict[str, Any], answer: str
) -> None:
    """`full` carries the source itself; `monitoring`, and a report by hand, read its state."""
    full = run_in(settings, tmp_path / "full")
    carry(full, "cnpj_ws", **carried)
    state = kept_by(full, "cnpj_ws")

    own = verdict_on(facts_of(full, "cnpj_ws", state))
    for name in ("monitoring", "by_hand"):
        other = verdict_on(facts_of(run_in(settings, tmp_path / name), "cnpj_ws", state))
        assert (other.answer, other.against, other.care) == (answer, own.against, own.care)
    assert own.answer == answer


def test_a_source_that_is_carried_once_a_night_may_be_used_at_noon(
    settings: Settings, tmp_path: Path
) -> None:
    """Its snapshot is seven hours old then, as the schedule has it."""
    run = run_in(settings, tmp_path / "monitoring")
    state = kept_by(run, "cnpj_ws")
    assert facts_of(run, "cnpj_ws", state).age == 7 * 3600
    assert verdict_on(facts_of(run, "cnpj_ws", state)).answer == YES
    assert verdict_on(facts_of(run, "installments", state)).answer == CARE


def test_a_repair_has_a_line_of_its_own_below_the_delta(settings: Settings, tmp_path: Path) -> None:
    run = run_in(settings, tmp_path / "full")
    carry(run, "cnpj_ws", repair=REPAIR)
    facts = facts_of(run, "cnpj_ws", kept_by(run, "cnpj_ws"))
    lines = run_figures([facts]).set_index("source")[["extracted", "merged"]]
    assert lines.to_dict("index") == {
        "cnpj_ws": {"extracted": 5, "merged": 5},
        "cnpj_ws, repair": {"extracted": 2, "merged": 2},
    }
    assert "holds 9 live keys" in verdict_on(facts).notes[0]

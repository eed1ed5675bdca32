"""When an incident begins, goes on, and is over."""

import pytest

from credix.core.errors import StateError
from credix.state.incidents import Findings, Incidents

RUN = "run installments"
NOW = "2026-03-31 10:15 UTC"
BROKEN = Findings({RUN: "03_load failed."}, frozenset({RUN}))
WHOLE = Findings({}, frozenset({RUN}))


def told(incidents: Incidents) -> Incidents:
    for key, incident in incidents.untold().items():
        incidents = incidents.mark_sent(key, incident)
    return incidents


def test_it_is_told_once_however_many_runs_it_lasts() -> None:
    incidents = Incidents()
    events = []
    for findings in (BROKEN, BROKEN, BROKEN, WHOLE, WHOLE):
        incidents = incidents.judge(findings, NOW, "r1")
        events.append([one.is_over for one in incidents.untold().values()])
        incidents = told(incidents)
    assert events == [[False], [], [], [True], []]
    assert incidents == Incidents()


def test_it_keeps_what_was_wrong_first_and_since_when() -> None:
    begun = told(Incidents().judge(BROKEN, NOW, "r1"))
    other = Findings({RUN: "01_extract failed."}, frozenset({RUN}))
    assert begun.judge(other, "later", "r2") == begun


def test_only_who_can_judge_it_ends_it() -> None:
    begun = told(Incidents().judge(BROKEN, NOW, "r1"))
    assert begun.judge(Findings({}, frozenset({"run cnpj"})), NOW, "r2") == begun


def test_what_was_not_told_is_told_by_the_next_run() -> None:
    begun = Incidents().judge(BROKEN, NOW, "r1")
    assert list(begun.judge(BROKEN, NOW, "r2").untold()) == [RUN]


def test_what_was_never_told_needs_no_all_clear() -> None:
    begun = Incidents().judge(BROKEN, NOW, "r1")
    assert begun.judge(WHOLE, NOW, "r2") == Incidents()


def test_one_that_is_back_before_its_all_clear_went_out_goes_on() -> None:
    begun = told(Incidents().judge(BROKEN, NOW, "r1"))
    over = begun.judge(WHOLE, NOW, "r2")
    assert over.judge(BROKEN, NOW, "r3") == begun


def test_incidents_survive_their_file() -> None:
    begun = Incidents().judge(BROKEN, NOW, "r1")
    assert Incidents.from_json(begun.to_json(), "x") == begun


@pytest.mark.parametrize("text", ["", "[]", '{"open": 1}', '{"opened": {}}'])
def test_a_file_that_is_none_is_named_with_the_way_out(text: str) -> None:
    with pytest.raises(StateError, match=r"gs://b/incidents\.json cannot be read\. Delete it"):
        Incidents.from_json(text, "gs://b/incidents.json")

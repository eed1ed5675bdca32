"""A lease is waited for within a bound, and renewed until the run ends or is superseded."""

import threading
from datetime import datetime, timedelta

import pytest

from credix.core.errors import BusyError, CredixError, FenceError, StateError, TransientError
from credix.state.lease_keeper import LeaseKeeper, wait_while_busy

TERM = timedelta(milliseconds=30)
SECONDS = 30


class Renewals:
    """Raises the given errors one after the other, then lets every renewal succeed."""

    def __init__(self, *errors: CredixError) -> None:
        self.errors = list(errors)
        self.ends: list[datetime] = []
        self.succeeded = threading.Event()

    def __call__(self, now: datetime, term: timedelta) -> None:
        self.ends.append(now + term)
        if self.errors:
            raise self.errors.pop(0)
        self.succeeded.set()


@pytest.mark.parametrize("error", [TransientError("no answer"), StateError("changes too often")])
def test_it_goes_on_after_an_error_that_may_pass(error: CredixError) -> None:
    renewals = Renewals(error, error)
    keeper = LeaseKeeper(renewals, TERM)
    keeper.start()
    try:
        assert renewals.succeeded.wait(SECONDS)
    finally:
        keeper.stop()
    assert renewals.ends == sorted(renewals.ends)
    assert len(renewals.ends) >= 3


def test_it_ends_when_a_newer_attempt_owns_the_state() -> None:
    renewals = Renewals(FenceError("overtaken"))
    keeper = LeaseKeeper(renewals, TERM)
    keeper.start()
    keeper._thread.join(SECONDS)
    assert not keeper._thread.is_alive()
    assert len(renewals.ends) == 1
    assert not renewals.succeeded.is_set()
    keeper.stop()


def test_none_is_made_after_it_was_stopped() -> None:
    renewals = Renewals()
    keeper = LeaseKeeper(renewals, TERM)
    keeper.start()
    assert renewals.succeeded.wait(SECONDS)
    keeper.stop()
    assert not keeper._thread.is_alive()


class Held:
    """Refuses some times, then lets go."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals

    def __call__(self) -> str:
        self.refusals -= 1
        if self.refusals >= 0:
            raise BusyError("The run r works on it.")
        return "taken"


def test_what_another_run_holds_is_waited_for_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("credix.state.lease_keeper.POLL_SECONDS", 0.01)
    told: list[str] = []
    assert wait_while_busy(Held(3), SECONDS, told.append) == "taken"
    assert told == ["Waiting up to 30 s. The run r works on it."]


def test_the_wait_has_a_bound_and_none_is_a_refusal_at_once() -> None:
    told: list[str] = []
    with pytest.raises(BusyError, match="run r"):
        wait_while_busy(Held(100), 0, told.append)
    assert told == []
    with pytest.raises(BusyError, match="run r"):
        wait_while_busy(Held(100), 0.05, told.append)

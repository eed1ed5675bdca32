"""A lease is renewed until the run ends or is overtaken."""

import threading
from datetime import datetime, timedelta

import pytest

from credix.errors import CredixError, FenceError, StateError, TransientError
from credix.steps.lease_keeper import LeaseKeeper

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

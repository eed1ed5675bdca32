"""Leases in time: waited for while another run holds one, renewed from a thread while this does."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from credix.core.errors import BusyError, CredixError, FenceError

T = TypeVar("T")

STOP_SECONDS = 5
POLL_SECONDS = 2.0


def wait_while_busy(take: Callable[[], T], seconds: float, warn: Callable[[str], None]) -> T:
    """Return what `take` returns once it no longer raises BusyError.

    The first refusal is passed to `warn`. Raises BusyError after the seconds.
    """
    deadline = time.monotonic() + seconds
    is_told = False
    while True:
        try:
            return take()
        except BusyError as busy:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            if not is_told:
                warn(f"Waiting up to {seconds:.0f} s. {busy}")
            is_told = True
            time.sleep(min(POLL_SECONDS, left))


class LeaseKeeper:
    """Calls `renew(now, term)` until it is stopped or a newer attempt owns the state.

    No error is raised: one that passes leaves time for another try within the term, and the fence
    makes a run that lost its lease harmless, so that it may fail where it commits.
    """

    def __init__(self, renew: Callable[[datetime, timedelta], object], term: timedelta) -> None:
        self._renew, self._term = renew, term
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="lease keeper", daemon=True)

    @property
    def is_alive(self) -> bool:
        """False once it was stopped, or has met an owner other than this run."""
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the renewals; returns when none is under way any more."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=STOP_SECONDS)

    def _work(self) -> None:
        while not self._stop.wait(self._term.total_seconds() / 3):
            try:
                self._renew(datetime.now(UTC), self._term)
            except FenceError:
                return
            except CredixError:
                continue

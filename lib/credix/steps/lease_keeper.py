"""Keeps a lease alive while a run works: renewed every third of its term, from a thread."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from credix.errors import CredixError, FenceError

STOP_SECONDS = 5


class LeaseKeeper:
    """Calls `renew(now, term)` until it is stopped or a newer attempt owns the state.

    No error is raised: one that passes leaves time for another try within the term, and the fence
    makes a run that lost its lease harmless, so that it may fail where it commits.
    """

    def __init__(self, renew: Callable[[datetime, timedelta], object], term: timedelta) -> None:
        self._renew, self._term = renew, term
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="lease keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the renewals; returns when none is under way any more."""
        self._stop.set()
        self._thread.join(timeout=STOP_SECONDS)

    def _work(self) -> None:
        while not self._stop.wait(self._term.total_seconds() / 3):
            try:
                self._renew(datetime.now(UTC), self._term)
            except FenceError:
                return
            except CredixError:
                continue

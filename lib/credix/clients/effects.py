"""The one door for side effects: every write outside has a name, a timing, a retry and a bound."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import requests
from google.api_core import exceptions as google
from google.auth import exceptions as auth
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from credix.clients.job_records import JobRecord, summarize
from credix.errors import TransientError

T = TypeVar("T")

TRANSIENT = (
    google.TooManyRequests,
    google.InternalServerError,
    google.BadGateway,
    google.ServiceUnavailable,
    google.GatewayTimeout,
    auth.TransportError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


@dataclass(frozen=True)
class EffectRecord:
    """One performed effect: its name, tries and duration, and what it touched."""

    name: str
    target: str
    tries: int
    seconds: float


@dataclass
class Effects:
    """Performs effects for one process and remembers them for the manifest.

    `die_at` is `<name>[#n]:before|after`: the process ends there as by `kill -9`, at the n-th
    effect of that name. It exists to prove that every point of death is survived.
    """

    retry_seconds: float = 60
    die_at: str | None = None
    records: list[EffectRecord] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    jobs: list[JobRecord] = field(default_factory=list)

    def perform(self, name: str, target: str, action: Callable[[], T]) -> T:
        """Run the action, again while it fails for now; raises TransientError after the bound."""
        self.counts[name] = self.counts.get(name, 0) + 1
        self._die_if_asked(name, "before")
        started = time.monotonic()
        tries, result = self._retry(name, target, action)
        seconds = round(time.monotonic() - started, 3)
        self.records.append(EffectRecord(name, target, tries, seconds))
        self._die_if_asked(name, "after")
        return result

    def read(self, target: str, action: Callable[[], T]) -> T:
        """Run a question that changes nothing, with the same retries."""
        return self._retry("read", target, action)[1]

    def as_dicts(self) -> list[dict[str, Any]]:
        return [asdict(record) for record in self.records]

    def jobs_as_dicts(self) -> dict[str, Any]:
        """BigQuery's jobs of this process and what they have read in sum."""
        return {**summarize(self.jobs), "jobs": [asdict(job) for job in self.jobs]}

    def _retry(self, name: str, target: str, action: Callable[[], T]) -> tuple[int, T]:
        retrying = Retrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_delay(self.retry_seconds),
            wait=wait_exponential_jitter(initial=0.2, max=10),
            reraise=True,
        )
        try:
            result = retrying(action)
        except TRANSIENT as error:
            raise TransientError(
                f"{target} does not answer ({name}: {type(error).__name__}) within "
                f"{self.retry_seconds:.0f} s. Run again when the service is back; "
                "everything already done is kept."
            ) from error
        return int(retrying.statistics.get("attempt_number", 1)), result

    def _die_if_asked(self, name: str, moment: str) -> None:
        if self.die_at is None:
            return
        point, _, when = self.die_at.partition(":")
        wanted, _, number = point.partition("#")
        if (wanted, when) == (name, moment) and self.counts[name] == int(number or 1):
            os.kill(os.getpid(), signal.SIGKILL)


def is_transient(error: BaseException) -> bool:
    """True when the same request may succeed later without anybody changing anything."""
    return isinstance(error, TRANSIENT)

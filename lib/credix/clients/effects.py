"""The one door for side effects: every write outside has a name, a timing, a retry and a bound."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import requests
from google.api_core import exceptions as google
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception,
    wait_exponential_jitter,
)

from credix.clients.bigquery.reasons import fault_of
from credix.clients.credentials import is_transient_refusal
from credix.core.errors import TransientError
from credix.core.redaction import without_values
from credix.core.results import EffectRecord, Fault, JobRecord

T = TypeVar("T")

TRANSIENT = (
    google.DataLoss,
    google.Unknown,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    # An answer that is none of Google's, as from a proxy in between.
    requests.exceptions.ContentDecodingError,
    json.JSONDecodeError,
)
LONGEST_MESSAGE = 300


@dataclass
class Effects:
    """Performs effects for one process and remembers them for the manifest.

    `journal` is a file that gains a line after each effect: it says what a process has done that
    died.
    """

    retry_seconds: float = 60
    journal: Path | None = None
    records: list[EffectRecord] = field(default_factory=list)
    jobs: list[JobRecord] = field(default_factory=list)

    def perform(self, name: str, target: str, action: Callable[[], T]) -> T:
        """Run the action, again while it fails for now; raises TransientError after the bound."""
        started = time.monotonic()
        tries, result = self._retry(name, target, action)
        seconds = round(time.monotonic() - started, 3)
        self._note(EffectRecord(name=name, target=target, tries=tries, seconds=seconds))
        return result

    def read(self, target: str, action: Callable[[], T]) -> T:
        """Run a question that changes nothing, with the same retries."""
        return self._retry("read", target, action)[1]

    def _retry(self, name: str, target: str, action: Callable[[], T]) -> tuple[int, T]:
        retrying = Retrying(
            retry=retry_if_exception(is_transient),
            stop=StopFailing(self.retry_seconds),
            # A small bound holds several tries, too.
            wait=wait_exponential_jitter(
                initial=min(0.2, self.retry_seconds / 10),
                max=10,
                jitter=min(1, self.retry_seconds / 10),
            ),
        )
        try:
            result = retrying(action)
        except RetryError as ended:
            error = ended.last_attempt.exception()
            raise TransientError(
                f"{target} does not answer ({name}: {describe(error)}) within "
                f"{self.retry_seconds:.0f} s. Run again when the service is back; "
                "everything already done is kept."
            ) from error
        return int(retrying.statistics.get("attempt_number", 1)), result

    def _note(self, record: EffectRecord) -> None:
        """A disk that is full costs the line of the journal, never the effect."""
        self.records.append(record)
        if self.journal is None:
            return
        with suppress(OSError):
            self.journal.parent.mkdir(parents=True, exist_ok=True)
            with self.journal.open("a", encoding="utf-8") as journal:
                journal.write(record.model_dump_json() + "\n")


class FailedAnew(google.ServiceUnavailable):
    """A transient failure of another part of an action than the one that failed before."""

    def __init__(self, message: str) -> None:
        google.ServiceUnavailable.__init__(self, message)


class StopFailing:
    """Gives up when an action has failed for some seconds, counted from its first failure.

    What an action takes that works for long before it fails is not counted: it is tried again. Nor
    is what one part has failed before another part fails.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.failing_since: float | None = None

    def __call__(self, state: RetryCallState) -> bool:
        failed_at = state.outcome_timestamp or time.monotonic()
        error = state.outcome.exception() if state.outcome else None
        if self.failing_since is None or isinstance(error, FailedAnew):
            self.failing_since = failed_at
        return failed_at - self.failing_since + state.upcoming_sleep >= self.seconds


def is_transient(error: BaseException) -> bool:
    """Return True when the same request may succeed later without any change."""
    if isinstance(error, google.GoogleAPICallError) and fault_of(error) is Fault.TRANSIENT:
        return True
    return isinstance(error, TRANSIENT) or is_transient_refusal(error)


def describe(error: BaseException | None) -> str:
    """Return the kind of an error, with its message where Google gives one; no value is quoted."""
    kind = type(error).__name__
    if not isinstance(error, google.GoogleAPICallError):
        return kind
    message = " ".join(without_values(str(error.message)).split())
    return f"{kind}: {message[:LONGEST_MESSAGE]}".rstrip(". ")

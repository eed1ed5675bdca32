"""Faults of BigQuery as dbt tells them, which keeps of an exception only its words."""

import re
import time
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Response
from requests.exceptions import RequestException

from credix.clients.credentials import BoundedAdapter
from credix.clients.effects import TRANSIENT_CODES
from credix.errors import CredixError, DataError, TransientError
from credix.settings import Settings

if TYPE_CHECKING:
    from dbt.adapters.bigquery.credentials import BigQueryCredentials
    from google.cloud.bigquery import Client

    from credix.clients.dbt import DbtNode

GIVEN_UP = "does not answer"
# Of Google's client library for a status that passes, and of `requests` for a broken answer.
PASSING = re.compile(
    r"\b(?:408|429|500|502|503|504) (?:GET|POST|PUT|PATCH|DELETE) |\brateLimitExceeded\b"
    r"|Timeout of [\d.]+s exceeded|timed out|IncompleteRead|RemoteDisconnected"
    rf"|Connection (?:aborted|reset|refused)|Expecting value: |{GIVEN_UP}"
)


def passes_by_itself(error: object) -> bool:
    """True where the same command may succeed later without anybody changing anything."""
    return bool(PASSING.search(str(error or "")))


def failed_build(failed: Sequence["DbtNode"], total: int) -> CredixError:
    """Nobody's fault when all of these pass by themselves, else one of the data."""
    causes = "; ".join(f"{node.kind} {node.name}: {node.message}" for node in failed[:5])
    told = f"dbt: {len(failed)} of {total} failed: {causes}"
    if all(passes_by_itself(node.message) for node in failed):
        return TransientError(f"{told}. Run again when BigQuery is back.")
    return DataError(told)


class ImpatientAdapter(BoundedAdapter):
    """Gives a server up that has only failed for some seconds.

    Google's library repeats what dbt asks for ten minutes, and dbt has no setting for that.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.google_timeout_seconds)
        self.patience = settings.retry_seconds
        self.failing_since: float | None = None

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        try:
            answer = super().send(request, *args, **options)
        except RequestException as error:
            self._give_up(type(error).__name__)
            raise
        if answer.status_code in TRANSIENT_CODES:
            self._give_up(str(answer.status_code))
        else:
            self.failing_since = None
        return answer

    def _give_up(self, fault: str) -> None:
        now = time.monotonic()
        self.failing_since = self.failing_since or now
        if now - self.failing_since > self.patience:
            raise RuntimeError(f"BigQuery {GIVEN_UP} ({fault}) within {self.patience:.0f} s")


def bound_requests(settings: Settings) -> None:
    """Let dbt wait for a server no longer than the steps do."""
    adapter: dict[str, Any] = {
        name: import_module(f"dbt.adapters.bigquery.{name}")
        for name in ("clients", "connections", "retry")
    }

    def create(credentials: "BigQueryCredentials") -> "Client":
        client: Client = adapter["clients"].create_bigquery_client(credentials)
        for scheme in ("https://", "http://"):
            client._http.mount(scheme, ImpatientAdapter(settings))
        return client

    for name in ("connections", "retry"):
        adapter[name].create_bigquery_client = create

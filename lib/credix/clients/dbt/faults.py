"""Faults of BigQuery in dbt, which keeps of an exception only its words."""

import time
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions as google
from requests import PreparedRequest, Response
from requests.exceptions import RequestException

from credix.clients.bigquery.errors import own_error
from credix.clients.bigquery.job_records import limit_error, names_limit
from credix.clients.bigquery.reasons import TRANSIENT_CODES, Fault, fault_of_text, reasons_of
from credix.clients.credentials import BoundedAdapter
from credix.core.errors import CredixError
from credix.core.settings import Settings

if TYPE_CHECKING:
    from dbt.adapters.bigquery.credentials import BigQueryCredentials
    from google.cloud.bigquery import Client

    from credix.clients.dbt.nodes import DbtNode

GIVEN_UP = "does not answer"
# Which fault decides what the caller can do, where the nodes of a build have failed differently.
GRAVEST = (
    Fault.INVALID,
    Fault.EXCESSIVE,
    Fault.DENIED,
    Fault.MISSING,
    Fault.STOPPED,
    Fault.TRANSIENT,
)
NAMED = 5


def fault_of_node(status: str, message: str) -> Fault:
    """Tell what a failed model or test means: a finding of a test is one of the data."""
    if status == "fail":
        return Fault.INVALID
    return (Fault.TRANSIENT if GIVEN_UP in message else fault_of_text(message)) or Fault.INVALID


def is_given_up(message: str) -> bool:
    """True where the patience of the settings is used up already."""
    return GIVEN_UP in message


def failed_build(failed: Sequence["DbtNode"], total: int, settings: Settings) -> CredixError:
    """The error of the gravest fault, which names what failed for another reason as well."""
    ranked = sorted(failed, key=lambda node: GRAVEST.index(node.fault or Fault.INVALID))
    over = next((node for node in ranked if names_limit(node.message)), None)
    gravest = ranked[0].fault or Fault.INVALID
    if over and over.fault is gravest:
        return limit_error(settings, f"dbt {over.kind} {over.name}", over.message)
    causes = "; ".join(describe(node) for node in one_of_each_first(ranked)[:NAMED])
    return own_error(gravest, f"dbt: {len(failed)} of {total} failed: {causes}")


def one_of_each_first(ranked: Sequence["DbtNode"]) -> list["DbtNode"]:
    """The nodes with one of each fault ahead, so that none goes unnamed."""
    heads = {node.fault: node for node in reversed(ranked)}
    first = [node for node in ranked if heads[node.fault] is node]
    return first + [node for node in ranked if heads[node.fault] is not node]


def describe(node: "DbtNode") -> str:
    times = f" ({node.attempts} attempts)" if node.attempts > 1 else ""
    return f"{node.kind} {node.name}{times}: {node.message}"


class DeadlineAdapter(BoundedAdapter):
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


def prepare_dbt(settings: Settings) -> None:
    """Let dbt wait for a server no longer than the steps do, and keep the reason of an error."""
    adapter: dict[str, Any] = {
        name: import_module(f"dbt.adapters.bigquery.{name}")
        for name in ("clients", "connections", "retry")
    }

    def create(credentials: "BigQueryCredentials") -> "Client":
        client: Client = adapter["clients"].create_bigquery_client(credentials)
        for scheme in ("https://", "http://"):
            client._http.mount(scheme, DeadlineAdapter(settings))
        return client

    for name in ("connections", "retry"):
        adapter[name].create_bigquery_client = create
    keep_reasons()


def keep_reasons() -> None:
    """Let dbt's message of a 400, 403 or 404 end with Google's reason."""
    connections: Any = import_module("dbt.adapters.bigquery.connections")
    connections.BigQueryConnectionManager.handle_error = classmethod(raise_with_reason)


def raise_with_reason(_: object, error: google.GoogleAPICallError, __: str) -> None:
    """Raise what dbt makes of such an error, of which it would keep the message alone."""
    from dbt_common.exceptions import DbtDatabaseError

    messages = [str(one["message"]) for one in error.errors if "message" in one]
    told = "\n".join(messages) or str(error.message)
    reasons = reasons_of(error)
    reason = f"; reason: {reasons[0]}" if reasons else ""
    raise DbtDatabaseError(f"{error.code} {told}{reason}")

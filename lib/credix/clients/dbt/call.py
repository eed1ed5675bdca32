"""One call of dbt in this process: all that dbt has no setting for is replaced here.

dbt reads the environment and the command line of the process, waits ten minutes for a server, and
drops the reason of an error. `tests/clients/dbt/test_call.py` fails where another version of dbt
lacks what is replaced.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions as google
from requests import PreparedRequest, Response
from requests.exceptions import RequestException

from credix.clients.bigquery.reasons import TRANSIENT_CODES, reasons_of
from credix.clients.credentials import BoundedAdapter
from credix.clients.dbt.faults import GIVEN_UP
from credix.core.quick_imports import skip_uri_grammar
from credix.core.settings import Settings

if TYPE_CHECKING:
    from dbt.adapters.bigquery.credentials import BigQueryCredentials
    from dbt.cli.main import dbtRunnerResult
    from google.cloud.bigquery import Client

ADAPTER = "dbt.adapters.bigquery"


def call_dbt(
    command: Sequence[str], options: Sequence[str], variables: Mapping[str, str]
) -> "dbtRunnerResult":
    """Run `dbt <command> <options>`; the line that dbt logs as its own is the command alone."""
    skip_uri_grammar()
    from dbt.cli.main import dbtRunner

    name_flags_without_search()
    with environment(variables), named_as(["dbt", *command]):
        return dbtRunner().invoke([*command, *options])


def name_flags_without_search() -> None:
    """Name dbt as the source of its behavior flags.

    For each flag of each adapter dbt looks up the module of every frame on the stack, which takes
    seconds in a process with many modules and a deep stack.
    """
    flags: Any = import_module("dbt_common.behavior_flags")
    flags.BehaviorFlagRendered._default_source = staticmethod(lambda: "dbt")


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for one call of dbt only, which reads its settings from the environment.

    What dbt has changed is undone variable by variable: other threads read the environment, the
    lease keeper for proxies and credentials, and must never find it empty.
    """
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        after = dict(os.environ)
        for name in after.keys() - before.keys():
            os.environ.pop(name, None)
        os.environ.update(dict(before.items() - after.items()))


@contextmanager
def named_as(line: list[str]) -> Iterator[None]:
    """Dbt logs the process's own command line as its own, which may hold a key to be erased."""
    before = sys.argv
    sys.argv = line
    try:
        yield
    finally:
        sys.argv = before


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
    create_plain: Any = import_module(f"{ADAPTER}.clients").create_bigquery_client

    def create(credentials: "BigQueryCredentials") -> "Client":
        client: Client = create_plain(credentials)
        for scheme in ("https://", "http://"):
            client._http.mount(scheme, DeadlineAdapter(settings))
        return client

    for name in ("connections", "retry"):
        module: Any = import_module(f"{ADAPTER}.{name}")
        module.create_bigquery_client = create
    keep_reasons()


def keep_reasons() -> None:
    """Let dbt's message of a 400, 403 or 404 end with Google's reason."""
    connections: Any = import_module(f"{ADAPTER}.connections")
    connections.BigQueryConnectionManager.handle_error = classmethod(raise_with_reason)


def raise_with_reason(_: object, error: google.GoogleAPICallError, __: str) -> None:
    """Raise what dbt makes of such an error, of which it would keep the message alone."""
    from dbt_common.exceptions import DbtDatabaseError

    messages = [str(one["message"]) for one in error.errors if "message" in one]
    reported = "\n".join(messages) or str(error.message)
    reasons = reasons_of(error)
    reason = f"; reason: {reasons[0]}" if reasons else ""
    raise DbtDatabaseError(f"{error.code} {reported}{reason}")

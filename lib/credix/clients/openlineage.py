"""Where lineage goes: a server that takes OpenLineage events over HTTP, as Marquez or DataHub."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from credix.core.errors import TransientError
from credix.core.settings import Settings

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

# A server that never answers delays each run that loaded something by twice that.
TIMEOUT_SECONDS = 5.0
RETRIES = {
    "total": 1,
    "backoff_factor": 0.3,
    "status_forcelist": [429, 500, 502, 503, 504],
    "allowed_methods": ["POST"],
}


def send_events(settings: Settings, events: Iterable["RunEvent"]) -> None:
    """Post the events in their order; raises TransientError at the first that is not taken."""
    # They are imported where there is something to send: quiet runs have no time for them.
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport
    from requests.exceptions import RequestException

    options: dict[str, Any] = {"timeout": TIMEOUT_SECONDS, "retry": RETRIES}
    if settings.openlineage_api_key:
        key = settings.openlineage_api_key.get_secret_value()
        options["auth"] = ApiKeyTokenProvider({"api_key": key})
    transport = HttpTransport(HttpConfig(url=settings.openlineage_url or "", **options))
    try:
        for event in events:
            transport.emit(event)
    except RequestException as error:
        raise TransientError(
            f"CREDIX_OPENLINEAGE_URL has not taken the lineage ({type(error).__name__})."
        ) from None
    finally:
        transport.close()

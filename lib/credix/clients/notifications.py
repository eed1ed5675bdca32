"""Where alerts go: any service that Apprise knows, and a Pub/Sub topic for machines."""

import json
import logging
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from credix.clients.credentials import google_credentials, open_session
from credix.clients.effects import Effects
from credix.core.errors import TransientError
from credix.core.settings import Settings

PUBSUB = "https://pubsub.googleapis.com"
# A run does not end later than that because a channel does not answer.
PUBLISH_SECONDS = 10


class Channels:
    """Sends one message to every channel of the settings; a message has neither secret nor row."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def are_configured(self) -> bool:
        return bool(self.settings.alert_addresses or self.settings.alert_topic)

    def send(self, title: str, text: str, attributes: Mapping[str, str]) -> list[str]:
        """Return which channels have not taken the message; raises TransientError when none has.

        A channel is named by its setting and place: an address holds tokens.
        """
        taken = self._notify(title, text, attributes) if self.settings.alert_addresses else {}
        if self.settings.alert_topic:
            taken["CREDIX_ALERT_TOPIC"] = self._publish(title, text, attributes)
        refused = [channel for channel, is_taken in taken.items() if not is_taken]
        if len(refused) == len(taken):
            raise TransientError(f"No channel has taken it: {', '.join(refused)}.")
        return refused

    def _notify(self, title: str, text: str, attributes: Mapping[str, str]) -> dict[str, bool]:
        # It is imported where there is something to send: quiet runs have no time for it.
        from apprise import Apprise, NotifyType

        # Its messages name the addresses.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)
        is_over = attributes["event"] == "all_clear"
        kind = NotifyType.SUCCESS if is_over else NotifyType.FAILURE
        taken = {}
        for number, address in enumerate(self.settings.alert_addresses, 1):
            is_taken = False
            # A hundred services, and whatever their adapters raise: none may end a run.
            with suppress(Exception):
                service = Apprise()
                is_known = service.add(address)
                is_taken = is_known and bool(service.notify(text, title, notify_type=kind))
            taken[f"CREDIX_ALERT_URLS, address {number}"] = is_taken
        return taken

    def _publish(self, title: str, text: str, attributes: Mapping[str, str]) -> bool:
        """Return whether the topic took it; a reader may get it twice, as is Pub/Sub's way."""
        from google.api_core.exceptions import GoogleAPICallError, from_http_response
        from google.auth.exceptions import GoogleAuthError

        message = json.dumps({"title": title, "text": text}).encode()
        content: dict[str, Any] = {"data": b64encode(message).decode()}
        content["attributes"] = dict(attributes)
        server = self.settings.pubsub_endpoint or PUBSUB

        def publish() -> None:
            session = open_session(self.settings, google_credentials(self.settings))
            answer = session.post(
                f"{server}/v1/{self.settings.alert_topic}:publish",
                json={"messages": [content]},
                timeout=PUBLISH_SECONDS,
            )
            if not answer.ok:
                raise from_http_response(answer)
            # Any other answer means that it was not accepted.
            answer.json()

        effects = Effects(min(self.settings.retry_seconds, PUBLISH_SECONDS))
        try:
            effects.perform("alert.publish", "CREDIX_ALERT_TOPIC", publish)
        except (GoogleAuthError, GoogleAPICallError, TransientError):
            return False
        return True

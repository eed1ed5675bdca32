"""Messages to a webhook and a Pub/Sub topic, both on loopback."""

import base64
import json
import logging
from typing import Any

import pytest
from pydantic import SecretStr

from credix.clients.notifications import Channels
from credix.core.errors import TransientError
from credix.core.settings import Settings
from tests.faults import FAULTS, SLOW, faulty_server
from tests.receiver import Receiver

ALERT = {"event": "alert", "incident": "run full", "env": "local"}
TOPIC = "projects/credix-local/topics/alerts"
NOBODY = "json://user:t0ken-canary@127.0.0.1:9/"


def channels(settings: Settings, *addresses: str, **more: Any) -> Channels:
    secret = SecretStr("\n".join(addresses)) if addresses else None
    return Channels(settings.model_copy(update={"alert_urls": secret, **more}))


def test_an_apprise_address_gets_title_text_and_kind(
    settings: Settings, receiver: Receiver
) -> None:
    refused = channels(settings, f"json://{receiver.address}/hook").send("Alert", "Why", ALERT)
    [(path, message)] = receiver.messages
    assert (path, refused) == ("/hook", [])
    assert (message["title"], message["message"], message["type"]) == ("Alert", "Why", "failure")


def test_an_all_clear_is_a_success(settings: Settings, receiver: Receiver) -> None:
    over = {**ALERT, "event": "all_clear"}
    channels(settings, f"json://{receiver.address}/").send("Over", "Why", over)
    assert receiver.messages[0][1]["type"] == "success"


def test_a_topic_gets_the_message_with_attributes_to_filter_by(
    settings: Settings, receiver: Receiver
) -> None:
    made = channels(settings, alert_topic=TOPIC, pubsub_endpoint=f"http://{receiver.address}")
    assert made.send("Alert", "Why", ALERT) == []
    [(path, message)] = receiver.messages
    [sent] = message["messages"]
    assert path == f"/v1/{TOPIC}:publish"
    assert json.loads(base64.b64decode(sent["data"])) == {"title": "Alert", "text": "Why"}
    assert sent["attributes"] == ALERT


def test_a_channel_that_refuses_is_named_by_its_setting_and_the_others_get_it(
    settings: Settings, receiver: Receiver
) -> None:
    made = channels(settings, NOBODY, f"json://{receiver.address}/", "nonsense")
    assert made.send("Alert", "Why", ALERT) == [
        "CREDIX_ALERT_URLS, address 1",
        "CREDIX_ALERT_URLS, address 3",
    ]
    assert receiver.titles == ["Alert"]


@pytest.mark.parametrize(
    "more", [{}, {"alert_topic": TOPIC, "pubsub_endpoint": "http://127.0.0.1:9"}]
)
def test_nobody_who_takes_it_is_an_error_without_an_address(
    settings: Settings, caplog: pytest.LogCaptureFixture, more: dict[str, str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(TransientError, match="CREDIX_ALERT_URLS, address 1") as refused:
        channels(settings, NOBODY, **more).send("Alert", "Why", ALERT)
    assert "t0ken-canary" not in str(refused.value) + caplog.text


def test_a_topic_that_answers_with_an_error_has_not_taken_it(
    settings: Settings, receiver: Receiver
) -> None:
    receiver.status = 503
    made = channels(settings, alert_topic=TOPIC, pubsub_endpoint=f"http://{receiver.address}")
    with pytest.raises(TransientError, match="CREDIX_ALERT_TOPIC"):
        made.send("Alert", "Why", ALERT)


@pytest.mark.parametrize("fault", [*FAULTS, SLOW])
def test_a_topic_that_fails_is_asked_again_and_named_when_it_goes_on(
    settings: Settings, receiver: Receiver, fault: str
) -> None:
    with faulty_server(f"http://{receiver.address}") as server:
        bounds = {"google_timeout_seconds": 0.5, "retry_seconds": 1}
        made = channels(settings, alert_topic=TOPIC, pubsub_endpoint=server.address, **bounds)
        server.plan = lambda number: fault if number == 1 else None
        assert made.send("Alert", "Why", ALERT) == []
        assert len(receiver.messages) == 1
        server.plan = lambda _: fault
        with pytest.raises(TransientError, match="CREDIX_ALERT_TOPIC"):
            made.send("Alert", "Why", ALERT)
    assert len(receiver.messages) == 1

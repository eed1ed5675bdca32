"""Events of lineage on their way to a server."""

import pytest
from pydantic import SecretStr

from credix.clients.openlineage import send_events
from credix.core.errors import TransientError
from credix.core.settings import Settings
from credix.pipeline.notify.lineage import describe_lineage
from tests.faults import faulty_server
from tests.pipeline.notify.test_lineage import LAYERS, carried
from tests.receiver import Receiver


def lineage_settings(settings: Settings, address: str) -> Settings:
    return settings.model_copy(
        update={"openlineage_url": f"http://{address}", "openlineage_api_key": SecretStr("k3y")}
    )


def test_events_arrive_in_their_order_with_the_key(settings: Settings, receiver: Receiver) -> None:
    events = describe_lineage(settings, carried(), LAYERS, "")

    send_events(lineage_settings(settings, receiver.address), events)

    assert [path for path, _ in receiver.messages] == ["/api/v1/lineage"] * len(events)
    assert [event["eventType"] for _, event in receiver.messages] == ["START", "COMPLETE"] * 2
    assert {headers["Authorization"] for headers in receiver.headers} == {"Bearer k3y"}


def test_a_server_that_takes_nothing_is_named_by_its_setting(
    settings: Settings, receiver: Receiver
) -> None:
    receiver.status = 403
    events = describe_lineage(settings, carried(), LAYERS, "")
    with pytest.raises(TransientError, match="CREDIX_OPENLINEAGE_URL has not taken"):
        send_events(lineage_settings(settings, receiver.address), events)
    assert len(receiver.messages) == 1


def test_a_server_that_is_not_there_is_named_too(settings: Settings) -> None:
    events = describe_lineage(settings, carried(), LAYERS, "")
    with pytest.raises(TransientError, match="ConnectionError"):
        send_events(lineage_settings(settings, "127.0.0.1:9"), events)


@pytest.mark.parametrize("fault", ["429", "500", "503", "connection reset"])
def test_a_server_that_fails_is_asked_once_more(
    settings: Settings, receiver: Receiver, fault: str
) -> None:
    events = list(describe_lineage(settings, carried(), LAYERS, ""))
    with faulty_server(f"http://{receiver.address}") as server:
        led = lineage_settings(settings, server.address.removeprefix("http://"))
        server.plan = lambda number: fault if number == 1 else None
        send_events(led, events)
        assert len(receiver.messages) == len(events)
        server.plan = lambda _: fault
        with pytest.raises(TransientError, match="CREDIX_OPENLINEAGE_URL has not taken"):
            send_events(led, events)

"""dbt against a BigQuery that fails."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from credix.clients.dbt import Dbt, DbtNode
from credix.clients.effects import Effects
from credix.clients.warehouse import Warehouse
from credix.errors import TransientError
from credix.settings import Settings
from credix.sources import load_source
from tests.faults import FAULTS, SLOW, FaultyServer, faulty_server

TEMP = "cnpj_ws_000000000001"


def build(settings: Settings, server: FaultyServer, folder: Path, timeout: float) -> list[DbtNode]:
    more = {"bigquery_endpoint": server.address, "google_timeout_seconds": timeout}
    led = settings.model_copy(update=more)
    dbt = Dbt(led, Effects(led.retry_seconds), folder)
    return dbt.build("bronze.merge", ["bronze.cnpj_ws"], {"CREDIX_DBT_TEMP_TABLE": TEMP})


@pytest.fixture
def server(warehouse: Warehouse) -> Iterator[FaultyServer]:
    """BigQuery with an empty delta to merge."""
    warehouse.create_table("temp", TEMP, load_source("cnpj_ws").landing_columns)
    with faulty_server(warehouse.settings.bigquery_endpoint or "") as made:
        yield made


@pytest.mark.parametrize("fault", ["503", "garbage", SLOW])
def test_a_fault_that_passes_is_not_felt(
    server: FaultyServer, settings: Settings, tmp_path: Path, fault: str
) -> None:
    """Neither of what it asks first nor of a statement."""
    statements: list[int] = []

    def plan(number: int) -> str | None:
        if server.requests[number - 1].startswith("POST"):
            statements.append(number)
        return fault if number == 1 or number == [*statements, 0, 0][1] else None

    server.plan = plan
    nodes = build(settings, server, tmp_path, 2)
    assert {node.status for node in nodes} == {"success", "pass"}


# Of a status dbt keeps no reason, so that a 403 is a denial to it.
@pytest.mark.parametrize("fault", sorted({*FAULTS, SLOW} - {"403 for too many requests"}))
def test_a_fault_that_stays_is_one_sentence_within_the_bound(
    server: FaultyServer, settings: Settings, tmp_path: Path, fault: str
) -> None:
    server.plan = lambda _: fault
    quick = settings.model_copy(update={"retry_seconds": 1})
    started = time.monotonic()
    with pytest.raises(TransientError, match=r"dbt bronze\.cnpj_ws does not answer") as told:
        build(quick, server, tmp_path, 1)
    assert "\n" not in str(told.value)
    assert time.monotonic() - started < 30


def test_a_fault_in_the_middle_is_none_of_the_data(
    server: FaultyServer, settings: Settings, tmp_path: Path
) -> None:
    server.plan = lambda number: "503" if server.requests[number - 1].startswith("POST") else None
    started = time.monotonic()
    with pytest.raises(TransientError, match=r"does not answer .*Run again when"):
        build(settings, server, tmp_path, 2)
    assert time.monotonic() - started < 60

"""Alerts behind runs: what is found, who is told, and how often."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.errors import CredixError, TransientError
from credix.core.results import Monitoring, MonitorVerdict, ReportResult
from credix.core.settings import Settings
from credix.core.watermarks import Watermark
from credix.pipeline.notify.alerts import alert, find, find_monitored, notify
from credix.state.incidents import Findings
from credix.state.states import SourceState
from credix.state.store import StateStore
from tests.pipeline.manifests import extracted, manifest
from tests.pipeline.test_pipeline import Silent, run, run_with
from tests.receiver import Receiver
from tests.tables import Table

BROKEN = Findings({"run full": "03_load failed."}, frozenset({"run full"}))
WHOLE = Findings({}, frozenset({"run full"}))
CANARY = "canary-4711-tax-number"


@pytest.fixture
def alerting(settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that alert the receiver, in child processes too."""
    address = f"json://{receiver.address}/"
    monkeypatch.setenv("CREDIX_ALERT_URLS", address)
    return settings.model_copy(update={"alert_urls": SecretStr(address)})


def states_of(settings: Settings) -> StateStore:
    return StateStore(settings, Lake(settings, Effects(settings.retry_seconds)))


def test_an_incident_of_three_runs_is_one_alert_and_one_all_clear(
    alerting: Settings, receiver: Receiver
) -> None:
    for number, findings in enumerate((BROKEN, BROKEN, BROKEN, WHOLE, WHOLE)):
        assert notify(states_of(alerting), f"r{number}", findings) == []
    name = f"{alerting.prefix} (local): run full"
    assert receiver.titles == [f"Alert: {name}", f"Over: {name}"]
    assert "index.html#r0" in receiver.messages[0][1]["message"]


def test_what_no_channel_took_is_told_by_the_next_run(
    alerting: Settings, receiver: Receiver
) -> None:
    receiver.status = 500
    with pytest.raises(TransientError):
        notify(states_of(alerting), "r1", BROKEN)
    receiver.status, receiver.messages = 200, []
    notify(states_of(alerting), "r2", BROKEN)
    assert [title[:6] for title in receiver.titles] == ["Alert:"]


def test_without_a_channel_nothing_is_noted(settings: Settings, lake: Lake) -> None:
    failed = manifest(status="failed", error="03_load failed.")
    assert alert(states_of(settings), failed, "03_load failed.") == []
    assert lake.objects(settings.lake_bucket, f"{settings.prefix}/state/") == []


def at(state: SourceState, watermark: Watermark) -> SourceState:
    return state.model_copy(update={"watermark": watermark})


def test_a_source_is_late_when_its_snapshot_is_older_than_its_schedule_allows(
    settings: Settings,
) -> None:
    states = states_of(settings)
    ages = {"cnpj_ws": 66, "installments": 66}
    for source, minutes in ages.items():
        read_at = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
        watermark = Watermark(row_version=1, snapshot_at=read_at)
        states.change_source("test", source, partial(at, watermark=watermark))

    found = find(manifest(), "", states)

    assert list(found.wrong) == ["late installments"]
    assert "CREDIX_LATE_MINUTES (60)" in found.wrong["late installments"]
    assert {"late cnpj_ws", "run full"} <= found.judged


def test_drift_that_01_has_seen_is_found_and_its_end_judged(settings: Settings) -> None:
    result = extracted(messages=["Column fee is new."])
    drifted = manifest(steps={"installments": {"01_extract": result}})
    assert find(drifted, "", states_of(settings)).wrong == {
        "drift installments": "Column fee is new."
    }
    assert "drift installments" in find(manifest(), "", states_of(settings)).judged


def test_files_of_other_software_that_are_refused_are_told_of_as_such(settings: Settings) -> None:
    result = extracted(received={}, refused=["a.parquet was refused."], messages=["b waits."])
    outside = manifest(steps={"installments": {"01_extract": result}})
    found = find(outside, "", states_of(settings))
    assert found.wrong == {"refused installments": "a.parquet was refused."}
    assert "drift installments" not in found.judged


@pytest.mark.usefixtures("warehouse")
def test_a_run_that_fails_thrice_and_then_works_alerts_once_and_clears_once(
    alerting: Settings, receiver: Receiver, tables: dict[str, Table]
) -> None:
    tables["cnpj_ws"].insert(cnpj="11222333000181")
    tables["cnpj_ws"].execute("ALTER TABLE {table} RENAME COLUMN city TO town")
    for _ in range(3):
        with pytest.raises(CredixError):
            run(alerting, "cnpj", layers=["bronze"])
    tables["cnpj_ws"].execute("ALTER TABLE {table} RENAME COLUMN town TO city")
    for _ in range(2):
        run(alerting, "cnpj", layers=["bronze"])

    assert [title.partition(":")[0] for title in receiver.titles] == ["Alert", "Over"]
    assert "city" in receiver.messages[0][1]["message"]


@pytest.mark.usefixtures("warehouse")
def test_no_value_of_a_row_and_no_secret_is_in_an_alert(
    alerting: Settings,
    receiver: Receiver,
    tables: dict[str, Table],
) -> None:
    """A fault of the product itself, whose message quotes a row and the password."""
    password = alerting.postgres_password.get_secret_value()
    tables["cnpj_ws"].insert(cnpj="11222333000181", legal_name=CANARY)

    class Failing(Silent):
        def step_finished(self, *_: Any) -> None:
            raise ValueError(f"{CANARY} {password}")

    with pytest.raises(ValueError, match=CANARY):
        run_with(Failing(), alerting, "cnpj")

    sent = str(receiver.messages)
    assert "The run failed with ValueError." in sent
    assert CANARY not in sent
    assert password not in sent


def test_a_channel_that_fails_never_fails_the_run(
    settings: Settings, warehouse: Warehouse, tables: dict[str, Table]
) -> None:
    tables["cnpj_ws"].insert(cnpj="11222333000181")
    dead = settings.model_copy(
        update={"alert_urls": SecretStr("json://127.0.0.1:9/"), "late_minutes": 1}
    )
    warned: list[str] = []

    class Warned(Silent):
        def warned(self, message: str) -> None:
            warned.append(message)

    tables["cnpj_ws"].execute("ALTER TABLE {table} RENAME COLUMN city TO town")
    with pytest.raises(CredixError, match="city"):
        run_with(Warned(), dead, "cnpj", layers=["bronze"])

    assert warehouse.columns("bronze", "cnpj_ws") is None
    assert warned == [
        "An alert was not sent: No channel has taken it: CREDIX_ALERT_URLS, address 1."
    ]


def test_a_monitor_that_fails_is_an_incident_of_its_table_and_one_that_warns_is_none() -> None:
    verdicts = [
        ("amounts", "gold.details", "fail"),
        ("columns", "gold.details", "error"),
        ("volume", "bronze.cnpj_ws", "warn"),
    ]
    found = tuple(
        MonitorVerdict(monitor=monitor, table=table, status=status, seconds=0.1, finding="")
        for monitor, table, status in verdicts
    )
    report = ReportResult(status="done", monitoring=Monitoring(status="done", monitors=found))
    wrong, judged = find_monitored(manifest(steps={"gold": {"05_report": report}}))
    assert wrong == {"monitor gold.details": "Not true any more: amounts, columns."}
    assert judged == {"monitoring", "monitor gold.details", "monitor bronze.cnpj_ws"}


def test_a_run_without_monitors_ends_no_incident_of_theirs() -> None:
    assert find_monitored(manifest()) == ({}, set())

"""What a killed run has left at BigQuery is cancelled by the run that takes its source over."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from google.api_core import exceptions as google
from google.cloud import bigquery

from credix.clients.bigquery.job_labels import JobLabels
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.core.settings import Settings
from credix.state.leases import new_lease
from credix.state.running_jobs import cancel_earlier_jobs, clients
from credix.state.states import SourceState
from tests.holds import Holds

OF_THE_KILLED = JobLabels("local", "", "killed", "installments", 6)


@pytest.fixture
def holds(settings: Settings) -> Iterator[Holds]:
    made = Holds(settings.bigquery_endpoint or "")
    yield made
    made.clear()


@pytest.fixture
def taken() -> tuple[SourceState, SourceState]:
    """The state that the killed run has left, and the one after the next run took the source."""
    lease = new_lease("killed", timedelta(minutes=5))
    before = SourceState(source="installments", attempt=6, lease=lease)
    return before, before.model_copy(update={"attempt": 7})


def start(warehouse: Warehouse, holds: Holds, labels: JobLabels) -> bigquery.QueryJob:
    own = replace(labels, prefix=warehouse.settings.prefix).at("bronze.merge")
    warehouse.query(f"CREATE TABLE IF NOT EXISTS `{warehouse.table_id('temp', 't')}` (a INT64)")
    holds.next("snapshot", credix_source=labels.source)
    job = warehouse._client.query(
        f"INSERT INTO `{warehouse.table_id('temp', 't')}` (a) VALUES (1)",
        job_config=bigquery.QueryJobConfig(labels=own),
    )
    holds.await_held()
    return job


def test_the_job_of_a_killed_attempt_is_cancelled_and_others_go_on(
    settings: Settings,
    warehouse: Warehouse,
    holds: Holds,
    taken: tuple[SourceState, SourceState],
) -> None:
    jobs = [
        start(warehouse, holds, labels)
        for labels in (OF_THE_KILLED, replace(OF_THE_KILLED, source="cnpj_ws"))
    ]
    effects, told = Effects(settings.retry_seconds), list[str]()

    cancelled = cancel_earlier_jobs(settings, effects, *taken, "installments", told.append)

    assert (cancelled, told) == ([jobs[0].job_id], [])
    assert [record.name for record in effects.records] == ["warehouse.cancel_job"]
    assert list(holds.under_way()) == [jobs[1].job_id]
    with pytest.raises(google.GoogleAPICallError, match="cancelled"):
        jobs[0].result(retry=None, job_retry=None)
    holds.release(jobs[1].job_id)
    assert warehouse.query(f"SELECT a FROM `{warehouse.table_id('temp', 't')}`") == [{"a": 1}]


def test_a_state_that_was_released_well_asks_for_no_jobs(
    settings: Settings, taken: tuple[SourceState, SourceState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credix.state.running_jobs.clients", lambda _: pytest.fail("asked"))
    before, raised = taken
    released = before.model_copy(update={"lease": None})

    assert not cancel_earlier_jobs(settings, Effects(), released, raised, "installments", print)


def test_an_identity_that_may_not_list_its_jobs_is_warned_of(
    settings: Settings, taken: tuple[SourceState, SourceState], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise google.Forbidden("Access Denied: bigquery.jobs.list")

    monkeypatch.setattr(bigquery.Client, "list_jobs", refuse)
    told: list[str] = []

    assert not cancel_earlier_jobs(settings, Effects(0), *taken, "installments", told.append)

    assert "Jobs of earlier attempts at installments may still run" in told[0]
    assert "bigquery.jobs.list" in told[0]


def test_dbts_own_identity_lists_its_jobs_itself(settings: Settings) -> None:
    account = {"dbt_account": "dbt@project.iam.gserviceaccount.com"}

    assert len(list(clients(settings))) == 1
    assert len(list(clients(settings.model_copy(update=account)))) == 2
    both = settings.model_copy(update={**account, "impersonated_account": account["dbt_account"]})
    assert len(list(clients(both))) == 1

"""Jobs of BigQuery at the same time, and jobs whose process is gone: what the fence relies on.

Locally the same is modelled: `tests/credix_local/test_bigquery_held_jobs.py`, `tests/oracle/`.
"""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from google.api_core import exceptions as google
from google.cloud import bigquery

from credix.clients.bigquery.job_labels import JobLabels
from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.state.leases import new_lease
from credix.state.running_jobs import cancel_earlier_jobs
from credix.state.states import SourceState
from tests.cloud.target import only_google

SLOW = (
    "(SELECT count(*) FROM UNNEST(generate_array(1, 300000)) a, UNNEST(generate_array(1, 30000)) b)"
)
MERGE = (
    "MERGE INTO `{table}` AS kept USING (SELECT 'n' AS name, {value} AS amount) AS came "
    "ON kept.name = came.name WHEN NOT MATCHED THEN INSERT (name, amount) VALUES (name, amount)"
)
CLAIM = (
    "BEGIN TRANSACTION; UPDATE `{control}` SET amount = 1 WHERE TRUE; {merge}; COMMIT TRANSACTION"
)


@pytest.fixture
def target(live_warehouse: Warehouse, table: str) -> str:
    address = live_warehouse.table_id("temp", table)
    live_warehouse.query(f"CREATE TABLE `{address}` (name STRING, amount INT64)")
    live_warehouse.query(f"CREATE TABLE `{address}_control` AS SELECT 0 AS amount")
    return address


def send(warehouse: Warehouse, sql: str, labels: dict[str, str] | None = None) -> bigquery.QueryJob:
    """Start a job, and do not wait for it."""
    return warehouse._client.query(sql, job_config=bigquery.QueryJobConfig(labels=labels or {}))


def count(warehouse: Warehouse, target: str) -> int:
    return int(warehouse.query(f"SELECT count(*) AS n FROM `{target}` WHERE name = 'n'")[0]["n"])


@only_google
def test_two_merges_at_once_both_insert_a_new_key(live_warehouse: Warehouse, target: str) -> None:
    jobs = [send(live_warehouse, MERGE.format(table=target, value=SLOW)) for _ in range(2)]
    for job in jobs:
        job.result()
    assert count(live_warehouse, target) == 2


@only_google
def test_of_two_merges_with_a_claim_one_commits(live_warehouse: Warehouse, target: str) -> None:
    merge = MERGE.format(table=target, value=SLOW)
    sql = CLAIM.format(control=f"{target}_control", merge=merge)
    errors = []
    for job in [send(live_warehouse, sql) for _ in range(2)]:
        try:
            job.result()
        except google.GoogleAPICallError as error:
            errors.append(str(error))
    assert count(live_warehouse, target) == 1
    assert all("due to concurrent update" in error for error in errors)


@only_google
def test_a_table_takes_two_changes_at_once_and_queues_twenty(
    live_warehouse: Warehouse, target: str
) -> None:
    slow = f"UPDATE `{target}_control` SET amount = amount + {SLOW} WHERE TRUE"
    refused = []
    for job in [send(live_warehouse, slow) for _ in range(25)]:
        try:
            job.result()
        except google.GoogleAPICallError as error:
            refused.append(str(error))
    assert any("DML statements" in error for error in refused)


@only_google
def test_a_job_goes_on_when_its_process_is_killed(live_warehouse: Warehouse, target: str) -> None:
    code = (
        "import sys, time; from credix.core.settings import Settings; "
        "from credix.clients.effects import Effects; "
        "from credix.clients.bigquery.warehouse import Warehouse; "
        "job = Warehouse(Settings.load(), Effects())._client.query(sys.argv[1]); "
        "print(job.job_id, flush=True); time.sleep(600)"
    )
    merge = MERGE.format(table=target, value=SLOW)
    with subprocess.Popen(
        [sys.executable, "-c", code, merge],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **live_warehouse.settings.variables()},
    ) as sender:
        assert sender.stdout is not None
        job_id = sender.stdout.readline().strip()
        sender.send_signal(signal.SIGKILL)
    job = live_warehouse._client.get_job(job_id)
    assert job.state != "DONE"

    job.result()

    assert count(live_warehouse, target) == 1


@only_google
def test_the_next_run_cancels_the_job_of_a_killed_one(
    live_warehouse: Warehouse, target: str, effects: Effects
) -> None:
    settings = live_warehouse.settings
    labels = JobLabels(settings.env, settings.prefix, "killed", "installments", 6)
    job = send(live_warehouse, MERGE.format(table=target, value=SLOW), labels.at("bronze.merge"))
    lease = new_lease("killed", timedelta(minutes=5))
    before = SourceState(source="installments", attempt=6, lease=lease)
    raised = before.model_copy(update={"attempt": 7})
    told: list[str] = []

    found = cancel_earlier_jobs(settings, effects, before, raised, "installments", told.append)

    assert (found, told) == ([job.job_id], [])
    with pytest.raises(google.GoogleAPICallError):
        job.result()
    assert count(live_warehouse, target) == 0

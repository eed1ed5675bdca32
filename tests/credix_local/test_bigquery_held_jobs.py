"""Jobs at the same time on the local BigQuery: snapshots, conflicts, queues, cancelled jobs."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from tests.credix_local.servers import NO_RETRY, ONCE
from tests.holds import Holds

Query = Callable[..., list[dict[str, Any]]]
MERGE = (
    "MERGE INTO {t} AS kept USING (SELECT 'n' AS name, {v} AS amount) AS came "
    "ON kept.name = came.name WHEN MATCHED THEN UPDATE SET amount = came.amount "
    "WHEN NOT MATCHED THEN INSERT (name, amount) VALUES (came.name, came.amount)"
)
CLAIM = "BEGIN TRANSACTION; UPDATE {c} SET amount = {v} WHERE TRUE; {merge}; COMMIT TRANSACTION"


@pytest.fixture
def holds(variables: dict[str, str]) -> Iterator[Holds]:
    made = Holds(variables["BIGQUERY_EMULATOR_HOST"])
    yield made
    made.clear()


@pytest.fixture
def table(query: Query, dataset: str) -> str:
    query(f"CREATE TABLE `{dataset}.accounts` AS SELECT 'a' AS name, 1 AS amount")
    query(f"CREATE TABLE `{dataset}.control` AS SELECT 'c' AS name, 0 AS amount")
    return f"`{dataset}.accounts`"


@pytest.fixture
def start(client: bigquery.Client, holds: Holds) -> Callable[..., bigquery.QueryJob]:
    """Send a job that is held, as by a process that does not wait for it."""

    def send(sql: str, moment: str = "snapshot", times: int = 1) -> bigquery.QueryJob:
        holds.next(moment, times, who="late")
        config = bigquery.QueryJobConfig(labels={"who": "late"})
        job = client.query(sql, job_config=config, **ONCE)
        holds.await_held()
        return job

    return send


def rows(query: Query, table: str) -> list[tuple[str, int]]:
    return [tuple(row.values()) for row in query(f"SELECT * FROM {table} ORDER BY name, amount")]


def error_of(job: bigquery.QueryJob) -> str:
    job.reload(**NO_RETRY)
    return str((job.error_result or {}).get("message", ""))


def control(table: str) -> str:
    return table.replace("accounts", "control")


def test_two_merges_that_only_insert_both_insert_the_key(
    query: Query, holds: Holds, table: str, start: Callable[..., bigquery.QueryJob]
) -> None:
    late = start(MERGE.format(t=table, v=6))
    query(MERGE.format(t=table, v=7))

    assert holds.release(late.job_id) == "DONE"

    assert rows(query, table) == [("a", 1), ("n", 6), ("n", 7)]
    assert late.done()


def test_a_statement_that_met_another_change_is_run_again_on_what_it_left(
    query: Query, holds: Holds, table: str, start: Callable[..., bigquery.QueryJob]
) -> None:
    late = start(f"UPDATE {table} SET amount = amount + 1 WHERE TRUE")
    query(f"UPDATE {table} SET amount = 10 WHERE TRUE")

    holds.release(late.job_id)

    assert rows(query, table) == [("a", 11)]


def test_after_three_reruns_a_statement_cannot_be_serialized(
    query: Query, holds: Holds, table: str, start: Callable[..., bigquery.QueryJob]
) -> None:
    late = start(f"UPDATE {table} SET amount = 0 WHERE TRUE", times=4)
    for number in range(4):
        query(f"UPDATE {table} SET amount = {number + 5} WHERE TRUE")
        assert holds.release(late.job_id) == ("HELD" if number < 3 else "DONE")

    assert "Could not serialize access to table" in error_of(late)
    assert rows(query, table) == [("a", 8)]


@pytest.mark.parametrize("moment", ["snapshot", "commit"])
def test_of_two_transactions_that_change_a_table_one_is_cancelled(
    query: Query, holds: Holds, table: str, moment: str, start: Callable[..., bigquery.QueryJob]
) -> None:
    claims = [CLAIM.format(c=control(table), v=v, merge=MERGE.format(t=table, v=v)) for v in (6, 7)]
    late = start(claims[0], moment)
    if moment == "commit":
        with pytest.raises(GoogleAPICallError, match="aborted due to concurrent update"):
            query(claims[1])
    else:
        query(claims[1])

    holds.release(late.job_id)

    assert rows(query, table) == [("a", 1), ("n", 7 if moment == "snapshot" else 6)]
    assert ("aborted" in error_of(late)) == (moment == "snapshot")


def test_a_cancelled_job_changes_nothing_and_is_listed_with_its_labels_until_then(
    query: Query, client: bigquery.Client, table: str, start: Callable[..., bigquery.QueryJob]
) -> None:
    late = start(CLAIM.format(c=control(table), v=6, merge=MERGE.format(t=table, v=6)), "commit")
    (listed,) = client.list_jobs(state_filter="running")
    assert (listed.job_id, listed.labels) == (late.job_id, {"who": "late"})

    listed.cancel()

    with pytest.raises(GoogleAPICallError, match="cancelled"):
        late.result(retry=None, job_retry=None)
    assert list(client.list_jobs(state_filter="running")) == []
    assert rows(query, control(table)) == [("c", 0)]
    query(MERGE.format(t=table, v=7))
    assert rows(query, table) == [("a", 1), ("n", 7)]


def test_a_table_takes_two_changes_and_queues_twenty(
    query: Query,
    client: bigquery.Client,
    holds: Holds,
    table: str,
    start: Callable[..., bigquery.QueryJob],
) -> None:
    update = f"UPDATE {table} SET amount = amount + 1 WHERE TRUE"
    running = [start(update) for _ in range(2)]
    queued = [client.query(update, **ONCE) for _ in range(20)]
    assert {job.state for job in queued} == {"PENDING"}

    with pytest.raises(GoogleAPICallError, match="Too many DML statements outstanding"):
        query(update)

    for job in running:
        holds.release(job.job_id)
    for job in queued:
        job.result(retry=None, job_retry=None)
    assert rows(query, table) == [("a", 23)]

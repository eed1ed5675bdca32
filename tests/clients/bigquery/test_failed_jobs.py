"""Jobs that BigQuery accepts and fails: of the steps, for each kind of reason.

A transient one is followed by another job, a final one by one error of the right class.
"""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.effects import Effects
from credix.clients.gcs.lake import Lake
from credix.core.column_types import Column
from credix.core.errors import CostError, CredixError, DataError, SettingsError, TransientError
from credix.core.results import Fault
from tests.clients.bigquery.test_reasons import JOBS
from tests.faults_jobs import FailingJobs, Plan, failing_jobs

COLUMNS = [Column("id", "STRING"), Column("amount", "INTEGER")]
CLASSES = {
    Fault.TRANSIENT: TransientError,
    Fault.DENIED: SettingsError,
    Fault.MISSING: SettingsError,
    Fault.EXCESSIVE: CostError,
    Fault.STOPPED: TransientError,
    Fault.INVALID: DataError,
}


@pytest.fixture
def server(warehouse: Warehouse) -> Iterator[FailingJobs]:
    with failing_jobs(warehouse.settings.bigquery_endpoint or "") as made:
        yield made


@pytest.fixture
def led(warehouse: Warehouse, server: FailingJobs) -> Warehouse:
    """A warehouse that reaches BigQuery through the server in between."""
    return patient(warehouse, server, 1)


def patient(warehouse: Warehouse, server: FailingJobs, seconds: float) -> Warehouse:
    more = {"bigquery_endpoint": server.address, "retry_seconds": seconds}
    return Warehouse(warehouse.settings.model_copy(update=more), Effects(seconds))


@pytest.fixture
def uri(lake: Lake, tmp_path: Path) -> str:
    """A Parquet file with two rows."""
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": ["a", "b"], "amount": [1, 2]}), file)
    path = f"{lake.settings.prefix}/x.parquet"
    lake.upload("lake.upload", lake.settings.lake_bucket, path, file)
    return f"gs://{lake.settings.lake_bucket}/{path}"


def load(warehouse: Warehouse, uri: str, table: str, job_id: str = "") -> int:
    return warehouse.load_parquet(
        "warehouse.load_test", [uri], "temp", table, COLUMNS, job_id or uuid4().hex
    )


def at_first(told: tuple[str, str]) -> Plan:
    """Let the first job of each statement fail with this reason and message."""
    return lambda _, number: told if number == 1 else None


def test_each_reason_of_a_query_that_passes_costs_one_more_job_and_each_other_ends_it(
    led: Warehouse, server: FailingJobs
) -> None:
    wrong = []
    for number, (reason, message, fault) in enumerate(JOBS):
        sql = f"SELECT {number} AS x"
        server.fails = at_first((reason, message))
        try:
            found: object = led.query(sql)
        except CredixError as error:
            found = type(error)
        jobs, is_transient = server.ids(sql), fault is Fault.TRANSIENT
        expected = [{"x": number}] if is_transient else CLASSES[fault]
        if found != expected or len(jobs) != len(set(jobs)) or len(jobs) != 1 + is_transient:
            wrong.append((reason, message, found, jobs))
    assert wrong == []


def test_each_reason_of_a_load_that_passes_costs_one_more_job_and_each_other_ends_it(
    led: Warehouse, server: FailingJobs, uri: str
) -> None:
    wrong = []
    for number, (reason, message, fault) in enumerate(JOBS):
        table = f"t_{number}_"
        server.fails = at_first((reason, message))
        try:
            found: object = load(led, uri, table)
        except CredixError as error:
            found = type(error)
        jobs, is_transient = server.ids(table), fault is Fault.TRANSIENT
        expected = 2 if is_transient else CLASSES[fault]
        if found != expected or len(jobs) != len(set(jobs)) or len(jobs) != 1 + is_transient:
            wrong.append((reason, message, found, jobs))
    assert wrong == []


def test_a_load_that_goes_on_failing_is_given_up_within_the_bound_after_growing_pauses(
    warehouse: Warehouse, server: FailingJobs, uri: str
) -> None:
    server.fails = lambda *_: ("backendError", "Retrying may solve the problem.")
    with pytest.raises(TransientError, match=r"Retrying may solve the problem.*within 1 s"):
        load(patient(warehouse, server, 1), uri, "t")
    ids = server.ids("t")
    assert 2 <= len(ids) <= 6
    assert [job_id.rpartition("_")[2] for job_id in ids] == [str(n) for n in range(len(ids))]


def test_a_load_that_was_denied_is_tried_again_by_the_next_process(
    led: Warehouse, server: FailingJobs, uri: str
) -> None:
    """The grant is there by then; files that were refused are refused again."""
    server.fails = lambda *_: ("accessDenied", "Access Denied: no")
    with pytest.raises(SettingsError, match="role"):
        load(led, uri, "t", "a_job")
    server.fails = lambda *_: None
    assert load(led, uri, "t", "a_job") == 2
    assert server.ids("t") == ["a_job_0", "a_job_1"]


@pytest.mark.parametrize("times", [2, 1000], ids=["for a while", "for good"])
def test_a_job_that_is_known_and_not_shown_yet_is_asked_for_again(
    led: Warehouse, server: FailingJobs, uri: str, times: int
) -> None:
    assert load(led, uri, "t", "a_job") == 2
    server.hidden = times
    if times == 2:
        assert load(led, uri, "t", "a_job") == 2
    else:
        with pytest.raises(TransientError, match=r"a_job_0 exists \(409\) and is not shown yet"):
            load(led, uri, "t", "a_job")
    assert len(server.ids("t")) > 2

"""dbt against a BigQuery that fails, and against one whose jobs fail."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from credix.clients.bigquery.warehouse import Warehouse
from credix.clients.dbt.project import Dbt
from credix.clients.dbt.results import FILE
from credix.clients.effects import Effects
from credix.core.contracts import load_source
from credix.core.errors import CostError, CredixError, DataError, SettingsError, TransientError
from credix.core.results import DbtNode
from credix.core.settings import Settings
from tests.clients.bigquery.test_reasons import CANCELLED, DENIED, RETRYING, SERIALIZE, TIMED_OUT
from tests.credix_local.servers import ONCE
from tests.faults import FAULTS, SLOW, FaultyServer, faulty_server
from tests.faults_jobs import FailingJobs, failing_jobs
from tests.holds import Holds

TEMP = "cnpj_ws_000000000001"
MERGE, UNIQUE, NOT_NULL = "merge into", "unique_cnpj_ws_cnpj", "not_null_cnpj_ws_cnpj"


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
    with pytest.raises(
        TransientError, match=r"^dbt bronze\.cnpj_ws(: BigQuery)? does not answer"
    ) as told:
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


@pytest.fixture
def jobs(warehouse: Warehouse) -> Iterator[FailingJobs]:
    """BigQuery with an empty delta to merge, whose jobs can be made to fail."""
    warehouse.create_table("temp", TEMP, load_source("cnpj_ws").landing_columns)
    with failing_jobs(warehouse.settings.bigquery_endpoint or "") as made:
        yield made


def kept(folder: Path) -> dict[str, tuple[str, int]]:
    """Status and attempts of each line that Elementary will get, of which a node has one."""
    lines = [json.loads(line) for line in (folder / FILE).read_text("utf-8").splitlines()]
    found = {line["name"]: (line["status"], line["attempts"]) for line in lines}
    assert len(found) == len(lines)
    return found


def test_jobs_that_fail_for_now_are_followed_by_others_and_only_these(
    jobs: FailingJobs, settings: Settings, tmp_path: Path
) -> None:
    """The merge, then two of its tests, each for a reason that dbt tells in another way."""
    faults = {
        MERGE: ("backendError", RETRYING),
        UNIQUE: ("invalidQuery", SERIALIZE),
        NOT_NULL: ("jobRateLimitExceeded", "A message that nobody knows."),
    }
    jobs.fails = lambda sql, number: next(
        (fault for words, fault in faults.items() if words in sql and number == 1), None
    )
    nodes = {node.name: node for node in build(settings, jobs, tmp_path, 20)}
    assert {node.status for node in nodes.values()} == {"success", "pass"}
    for words in faults:
        assert len(jobs.ids(words)) == len(set(jobs.ids(words))) == 2, words
    again = {name: node.attempts for name, node in nodes.items() if node.attempts > 1}
    assert again == {"cnpj_ws": 2, UNIQUE: 2, NOT_NULL: 2}
    assert "Retrying may solve the problem" in nodes["cnpj_ws"].earlier
    lines = kept(tmp_path)
    assert (lines["cnpj_ws"], lines[UNIQUE]) == (("success", 2), ("pass", 2))
    assert {name for name, (_, attempts) in lines.items() if attempts > 1} == set(again)


def test_a_merge_that_another_claim_has_cancelled_is_sent_again(
    jobs: FailingJobs, settings: Settings, warehouse: Warehouse, tmp_path: Path
) -> None:
    """The conflict itself: another transaction has changed the control table and not committed."""
    build(settings, jobs, tmp_path, 20)
    holds = Holds(settings.bigquery_endpoint or "")
    control = warehouse.table_id("bronze", "capture_control_cnpj_ws")
    claim = f"UPDATE `{control}` SET claimed_seq = claimed_seq WHERE TRUE"
    config = bigquery.QueryJobConfig(labels={"who": "other"})
    holds.next("commit", who="other")
    warehouse._client.query(
        f"BEGIN TRANSACTION; {claim}; COMMIT TRANSACTION", job_config=config, **ONCE
    )
    other = holds.await_held()
    jobs.submitted.clear()

    def commit_after_the_first(_: str, __: int) -> None:
        if len(jobs.ids(MERGE)) == 2 and other in holds.claims():
            assert holds.release(other) == "DONE"

    jobs.fails = commit_after_the_first
    nodes = {node.name: node for node in build(settings, jobs, tmp_path, 20)}

    assert {node.status for node in nodes.values()} == {"success", "pass"}
    assert nodes["cnpj_ws"].attempts == len(set(jobs.ids(MERGE))) == 2
    assert "aborted due to concurrent update" in nodes["cnpj_ws"].earlier


@pytest.mark.parametrize(
    ("reason", "message", "error", "code"),
    [
        ("accessDenied", DENIED, SettingsError, 2),
        ("stopped", CANCELLED, TransientError, 1),
        ("stopped", TIMED_OUT, CostError, 1),
        ("invalidQuery", "Division by zero: 1 / 0", DataError, 1),
    ],
)
def test_a_job_that_fails_for_good_is_not_followed_by_another(
    jobs: FailingJobs,
    settings: Settings,
    tmp_path: Path,
    reason: str,
    message: str,
    error: type[CredixError],
    code: int,
) -> None:
    jobs.fails = lambda sql, _: (reason, message) if MERGE in sql else None
    with pytest.raises(error, match=r"model cnpj_ws: ") as told:
        build(settings, jobs, tmp_path, 20)
    assert (type(told.value), told.value.exit_code) == (error, code)
    assert len(jobs.ids(MERGE)) == 1
    assert kept(tmp_path)["cnpj_ws"] == ("error", 1)


def test_a_fault_of_the_data_decides_and_the_one_that_passes_is_told_as_well(
    jobs: FailingJobs, settings: Settings, tmp_path: Path
) -> None:
    faults = {UNIQUE: ("invalidQuery", "Division by zero: 1 / 0"), NOT_NULL: ("x", RETRYING)}
    jobs.fails = lambda sql, _: next((f for words, f in faults.items() if words in sql), None)
    with pytest.raises(DataError, match=rf"2 of \d failed: test {UNIQUE}: .*test {NOT_NULL}: "):
        build(settings, jobs, tmp_path, 20)
    assert len(jobs.ids(UNIQUE)) == len(jobs.ids(NOT_NULL)) == 1


def test_a_job_that_goes_on_failing_for_now_is_given_up_within_the_bound(
    jobs: FailingJobs, settings: Settings, tmp_path: Path
) -> None:
    jobs.fails = lambda sql, _: ("backendError", RETRYING) if MERGE in sql else None
    quick = settings.model_copy(update={"retry_seconds": 1})
    with pytest.raises(TransientError, match=r"model cnpj_ws \(\d attempts\): .*Run again when"):
        build(quick, jobs, tmp_path, 20)
    ids = jobs.ids(MERGE)
    assert 2 <= len(ids) == len(set(ids))
    assert kept(tmp_path)["cnpj_ws"] == ("error", len(ids))

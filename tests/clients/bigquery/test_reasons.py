"""Every reason for which BigQuery fails a job or refuses a request, as the steps and dbt get it."""

from typing import Any

import pytest
from google.api_core import exceptions as google
from google.cloud.bigquery.job import base

from credix.clients.bigquery.errors import CLASSES, job_error, own_error, translated
from credix.clients.bigquery.reasons import REASONS, fault_of, fault_of_job, fault_of_text
from credix.clients.dbt.call import keep_reasons
from credix.clients.dbt.faults import failed_build, fault_of_node
from credix.clients.effects import is_transient
from credix.core.errors import (
    CostError,
    DataError,
    SettingsError,
    StateError,
    StepError,
    TransientError,
)
from credix.core.results import DbtNode, Fault
from credix.core.settings import Settings
from tests.pipeline.manifests import node as made_node

RETRYING = "Error encountered during execution. Retrying may solve the problem."
INTERNAL = (
    "An internal error occurred and the request could not be completed. This is usually caused by "
    "a transient issue. Retrying the job with back-off as described in the BigQuery SLA should "
    "solve the problem: https://cloud.google.com/bigquery/sla"
)
SERIALIZE = "Could not serialize access to table p:d.t due to concurrent update"
ABORTED = "Transaction is aborted due to concurrent update against table p:d.t. Transaction ID: x"
QUEUE = (
    "Quota exceeded: Your table exceeded quota for total number of dml jobs writing to a table, "
    "pending + running. For more information, see https://cloud.google.com/bigquery/docs/x"
)
OUTSTANDING = (
    "Resources exceeded during query execution: Too many DML statements outstanding against table "
    "p:d.t, limit is 20."
)
RATE = "Exceeded rate limits: too many table update operations for this table."
CONCURRENT = "Quota exceeded: Your project exceeded quota for concurrent queries."
DAILY = (
    "Custom quota exceeded: Your usage exceeded the custom quota for QueryUsagePerDay, which is "
    "set by your administrator."
)
APPENDS = (
    "Quota exceeded: Your table exceeded quota for imports or query appends per table. For more "
    "information, see https://cloud.google.com/bigquery/docs/troubleshoot-quotas"
)
CANCELLED = "Job execution was cancelled: User requested cancellation"
TIMED_OUT = "Job execution was cancelled: Job timed out after 30m"
SIX_HOURS = (
    "Operation timed out after 6.0 hours. Consider reducing the amount of work performed by your "
    "operation so that it can complete within this limit."
)
MEMORY = "Resources exceeded during query execution: The query could not be executed in memory."
DENIED = "Access Denied: Table p:d.t: User does not have permission to query table p:d.t."
MISSING = "Not found: Table p:d.t was not found in location southamerica-east1"
BYTES = "Query exceeded limit for bytes billed: 10485760. 20971520 or higher required."

# Reason and message of the job; what it is.
JOBS = [
    ("backendError", RETRYING, Fault.TRANSIENT),
    ("internalError", INTERNAL, Fault.TRANSIENT),
    ("jobBackendError", RETRYING, Fault.TRANSIENT),
    ("jobInternalError", "The job encountered an internal error.", Fault.TRANSIENT),
    ("jobRateLimitExceeded", RATE, Fault.TRANSIENT),
    ("rateLimitExceeded", RATE, Fault.TRANSIENT),
    ("rateLimitExceeded", "A message that nobody knows.", Fault.TRANSIENT),
    ("invalidQuery", SERIALIZE, Fault.TRANSIENT),
    ("invalidQuery", ABORTED, Fault.TRANSIENT),
    ("quotaExceeded", QUEUE, Fault.TRANSIENT),
    ("resourcesExceeded", OUTSTANDING, Fault.TRANSIENT),
    ("quotaExceeded", CONCURRENT, Fault.TRANSIENT),
    ("tableUnavailable", "The table is unavailable.", Fault.TRANSIENT),
    ("quotaExceeded", DAILY, Fault.EXCESSIVE),
    ("quotaExceeded", APPENDS, Fault.EXCESSIVE),
    ("bytesBilledLimitExceeded", BYTES, Fault.EXCESSIVE),
    ("billingTierLimitExceeded", "Query exceeded the tier.", Fault.EXCESSIVE),
    ("resourcesExceeded", MEMORY, Fault.EXCESSIVE),
    ("responseTooLarge", "Response too large to return.", Fault.EXCESSIVE),
    ("stopped", TIMED_OUT, Fault.EXCESSIVE),
    ("timeout", SIX_HOURS, Fault.EXCESSIVE),
    ("stopped", CANCELLED, Fault.STOPPED),
    ("accessDenied", DENIED, Fault.DENIED),
    ("billingNotEnabled", "Billing is not enabled.", Fault.DENIED),
    ("blocked", "The operation is blocked.", Fault.DENIED),
    ("policyViolation", "A policy forbids it.", Fault.DENIED),
    ("notFound", MISSING, Fault.MISSING),
    ("invalid", "Error while reading data, error message: no Parquet.", Fault.INVALID),
    ("invalidQuery", "Division by zero: 1 / 0", Fault.INVALID),
    ("notImplemented", "It is not implemented.", Fault.INVALID),
    ("resourceInUse", "The dataset is still in use.", Fault.INVALID),
]

PHRASES = [RETRYING, INTERNAL, SERIALIZE, ABORTED, QUEUE, OUTSTANDING, RATE, DAILY, APPENDS, BYTES]
PHRASES += [CANCELLED, TIMED_OUT, SIX_HOURS, MEMORY, DENIED, MISSING]


def raised(reason: str, message: str) -> google.GoogleAPICallError:
    """What Google's library raises of such a job."""
    error = {"reason": reason, "message": message, "location": "query"}
    found: google.GoogleAPICallError = base._error_result_to_exception(error, [error])
    return found


def told_by_dbt(error: Exception) -> str:
    """The message of a node, from dbt's own handling of an exception."""
    from dbt.adapters.bigquery.connections import BigQueryConnectionManager
    from dbt_common.exceptions import DbtDatabaseError

    manager = BigQueryConnectionManager.__new__(BigQueryConnectionManager)
    with pytest.raises(DbtDatabaseError) as told, manager.exception_handler("select 1"):
        raise error
    words = str(told.value).strip().replace("\n", "\n  ")
    return f"Database Error in model m (models/m.sql)\n  {words}\n  compiled code at /x/m.sql"


def node(message: str, **more: Any) -> DbtNode:
    fault = fault_of_node("error", message)
    facts = {"name": "m", "status": "error", "message": message, "fault": fault}
    return made_node(**{**facts, **more})


def test_every_reason_of_the_table_is_tried() -> None:
    """Those of requests and of user code, which no job of ours has, are looked up only."""
    of_requests = {
        "attributeError",
        "authError",
        "badGateway",
        "badRequest",
        "invalidUser",
        "proxyAuthenticationRequired",
        "userRateLimitExceeded",
    }
    assert {reason for reason, _, _ in JOBS} | of_requests == set(REASONS)


@pytest.mark.parametrize(("reason", "message", "fault"), JOBS)
def test_a_failed_job_means_the_same_to_the_steps_and_to_dbt(
    reason: str, message: str, fault: Fault
) -> None:
    error = raised(reason, message)
    keep_reasons()
    assert fault_of(error) is fault
    assert fault_of_job({"reason": reason, "message": message}) is fault
    assert fault_of_node("error", told_by_dbt(error)) is fault
    assert is_transient(error) is (fault is Fault.TRANSIENT)


@pytest.mark.parametrize(
    ("reason", "message", "fault"),
    [job for job in JOBS if job[1] in PHRASES],
)
def test_words_alone_say_what_it_is(reason: str, message: str, fault: Fault) -> None:
    """As dbt tells an error that it does not handle itself."""
    assert fault_of_text(f"Database Error in model m (models/m.sql)\n  {message}") is fault, reason


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (google.TooManyRequests("slow down"), Fault.TRANSIENT),
        (google.GatewayTimeout("late"), Fault.TRANSIENT),
        (google.Forbidden("x", errors=[{"reason": "rateLimitExceeded"}]), Fault.TRANSIENT),
        (google.BadRequest("x", errors=[{"reason": "jobBackendError"}]), Fault.TRANSIENT),
        (google.Forbidden("no"), Fault.DENIED),
        (google.Unauthorized("no"), Fault.DENIED),
        (google.NotFound("no"), Fault.MISSING),
        (google.BadRequest("no"), Fault.INVALID),
        (google.Conflict("no"), None),
    ],
)
def test_a_refused_request_is_judged_by_its_reason_and_else_by_its_status(
    error: google.GoogleAPICallError, fault: Fault | None
) -> None:
    assert fault_of(error) is fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("503 GET https://x/projects/p/datasets: try later", Fault.TRANSIENT),
        ("Timeout of 60.0s exceeded, last exception: 503 GET https://x: a", Fault.TRANSIENT),
        ("HTTPConnectionPool(host='x', port=1): Read timed out. (read timeout=2)", Fault.TRANSIENT),
        ("('Connection aborted.', RemoteDisconnected('closed'))", Fault.TRANSIENT),
        ("403 GET https://x/projects/p/datasets: no", Fault.DENIED),
        ("Operation did not complete within the designated timeout of 600 s", Fault.EXCESSIVE),
        ("Compilation Error in model m", None),
        ("Got 3 results, configured to fail if != 0", None),
    ],
)
def test_what_dbt_tells_of_requests_and_of_its_own(text: str, fault: Fault | None) -> None:
    assert fault_of_text(text) is fault


def test_a_finding_of_a_test_is_one_of_the_data_whatever_it_says() -> None:
    assert fault_of_node("fail", RETRYING) is Fault.INVALID


@pytest.mark.parametrize(
    ("reason", "message", "error", "code"),
    [
        ("invalid", "no Parquet", DataError, 1),
        ("accessDenied", DENIED, SettingsError, 2),
        ("notFound", "Not found: URI gs://b/x", SettingsError, 2),
        ("stopped", CANCELLED, TransientError, 1),
        ("stopped", TIMED_OUT, CostError, 1),
        ("responseTooLarge", "too large", CostError, 1),
        ("resourcesExceeded", MEMORY, CostError, 1),
        ("quotaExceeded", DAILY, CostError, 1),
        ("a reason of tomorrow", "what", StepError, 1),
    ],
)
def test_a_failed_load_is_one_of_the_data_only_where_its_files_are_refused(
    reason: str, message: str, error: type[Exception], code: int
) -> None:
    made = job_error("p.d.t", {"reason": reason, "message": message})
    assert (type(made), made.exit_code) == (error, code)


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (google.BadRequest("x"), SettingsError),
        (google.Unauthorized("x"), SettingsError),
        (google.Forbidden("x"), SettingsError),
        (google.NotFound("x"), SettingsError),
        (google.Forbidden("x", errors=[{"reason": "responseTooLarge"}]), CostError),
        (google.Conflict("x"), StateError),
        (google.PreconditionFailed("x"), StateError),
        (raised("stopped", CANCELLED), TransientError),
        (raised("stopped", TIMED_OUT), CostError),
        (google.Cancelled("x"), StepError),
    ],
)
def test_a_refused_request_has_the_class_of_what_the_caller_can_do(
    refusal: Exception, error: type[Exception]
) -> None:
    """Only settings, grants and names are a wrong usage (exit code 2)."""
    with pytest.raises(error) as told, translated("p.d.t"):
        raise refusal
    assert type(told.value) is error


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_class_and_a_way_out(fault: Fault) -> None:
    made = own_error(fault, "It failed.")
    assert type(made) is CLASSES[fault]
    assert str(made).startswith("It failed. ")


class TestFailedBuilds:
    @pytest.mark.parametrize(
        ("message", "error"),
        [
            (RETRYING, TransientError),
            (DENIED, SettingsError),
            (MISSING, SettingsError),
            (CANCELLED, TransientError),
            (MEMORY, CostError),
            ("Division by zero; reason: invalidQuery", DataError),
            ("something else", DataError),
        ],
    )
    def test_it_has_the_class_of_its_fault(
        self, variables: dict[str, str], message: str, error: type[Exception]
    ) -> None:
        made = failed_build([node(message)], 3, Settings.parse(variables))
        assert type(made) is error
        assert str(made).startswith("dbt: 1 of 3 failed: model m: ")

    def test_a_fault_of_the_data_decides_and_the_others_are_told(
        self, variables: dict[str, str]
    ) -> None:
        nodes = [node(RETRYING, name=f"t{number}") for number in range(7)]
        nodes.append(
            node("Got 3 results", name="unique_x", kind="test", status="fail", fault=Fault.INVALID)
        )
        made = failed_build(nodes, 9, Settings.parse(variables))
        assert type(made) is DataError
        assert str(made).startswith("dbt: 8 of 9 failed: test unique_x: Got 3 results; model t0: ")

    def test_a_bound_of_the_settings_is_named(self, variables: dict[str, str]) -> None:
        made = failed_build([node(BYTES), node(RETRYING)], 2, Settings.parse(variables))
        assert type(made) is CostError
        assert "CREDIX_MAXIMUM_BYTES_BILLED" in str(made)

"""What BigQuery's reasons for a failure mean: one table, for the steps and for dbt alike.

The reasons are those of https://cloud.google.com/bigquery/docs/error-messages (error table). A
reason may say too little, and dbt keeps only the text of some errors: the phrases of WORDS decide
first.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from google.api_core import exceptions as google

from credix.core.results import Fault

REASONS = {
    "accessDenied": Fault.DENIED,
    "attributeError": Fault.INVALID,
    "authError": Fault.DENIED,
    "backendError": Fault.TRANSIENT,
    "badGateway": Fault.TRANSIENT,
    "badRequest": Fault.INVALID,
    "billingNotEnabled": Fault.DENIED,
    "billingTierLimitExceeded": Fault.EXCESSIVE,
    "blocked": Fault.DENIED,
    "bytesBilledLimitExceeded": Fault.EXCESSIVE,
    "internalError": Fault.TRANSIENT,
    "invalid": Fault.INVALID,
    "invalidQuery": Fault.INVALID,
    "invalidUser": Fault.DENIED,
    "jobBackendError": Fault.TRANSIENT,
    "jobInternalError": Fault.TRANSIENT,
    "jobRateLimitExceeded": Fault.TRANSIENT,
    "notFound": Fault.MISSING,
    "notImplemented": Fault.INVALID,
    "policyViolation": Fault.DENIED,
    "proxyAuthenticationRequired": Fault.DENIED,
    # Of requests, jobs or statements at once. A quota of a day is recognized by its words.
    "quotaExceeded": Fault.TRANSIENT,
    "rateLimitExceeded": Fault.TRANSIENT,
    "resourceInUse": Fault.INVALID,
    "resourcesExceeded": Fault.EXCESSIVE,
    "responseTooLarge": Fault.EXCESSIVE,
    "stopped": Fault.STOPPED,
    "tableUnavailable": Fault.TRANSIENT,
    "timeout": Fault.EXCESSIVE,
    "userRateLimitExceeded": Fault.TRANSIENT,
}

# The first phrase that is found decides.
WORDS = [
    (re.compile(words, re.IGNORECASE), fault)
    for words, fault in (
        # A job that took longer than `job_timeout_ms`, six hours, or dbt's own bound.
        (r"\bjob timed out\b|operation timed out after", Fault.EXCESSIVE),
        (r"did not complete within the designated timeout", Fault.EXCESSIVE),
        # Quotas that do not come back within a minute.
        (r"\bcustom quota\b|\bQueryUsagePer(?:UserPer)?Day\b", Fault.EXCESSIVE),
        (r"quota for imports or query appends per table|quota for free query", Fault.EXCESSIVE),
        (r"quota exceeded: [^.]*\bper day\b", Fault.EXCESSIVE),
        (r"exceeded limit for bytes billed", Fault.EXCESSIVE),
        # Two writers of one table (reason `invalidQuery`), and the queue of a table's writers.
        (r"could not serialize access to table", Fault.TRANSIENT),
        (r"due to (?:a )?concurrent (?:update|transaction)", Fault.TRANSIENT),
        (r"dml jobs writing to a table, pending \+ running", Fault.TRANSIENT),
        (r"too many dml statements outstanding", Fault.TRANSIENT),
        (r"resources exceeded during query execution", Fault.EXCESSIVE),
        (r"\bretrying\b.{0,100}\b(?:may|should) solve the problem", Fault.TRANSIENT),
        (r"please retry the request|exceeded rate limits", Fault.TRANSIENT),
        (r"\bjob (?:execution )?was cancell?ed\b|user requested cancellation", Fault.STOPPED),
        (r"^\s*access denied: |\baccess denied: (?:project|dataset|table|bigquery)", Fault.DENIED),
        (r"\bnot found: (?:project|dataset|table|view|job|uri|files?)\b", Fault.MISSING),
    )
]
# A server's own answer, or none: of `requests` and of the repetitions of Google's library.
UNANSWERED = re.compile(
    r"Timeout of [\d.]+s exceeded|Read timed out|connect timeout|Connection to \S+ timed out"
    r"|IncompleteRead|RemoteDisconnected|Connection (?:aborted|reset|refused)|Expecting value: "
)
# How Google's library reports the reason of a failed job, and dbt that of each error.
TOLD_REASON = re.compile(r"\breason: (\w+)")
# `503 GET https://…: message` of a request, and `500 message; reason: …` of a job.
TOLD_STATUS = re.compile(
    r"^\s*([1-5]\d\d) (?=\w)|\b([1-5]\d\d) (?:GET|POST|PUT|PATCH|DELETE) ", re.MULTILINE
)

# Request timeout, too many requests, and the server's own faults.
TRANSIENT_CODES = {408, 429, 500, 502, 503, 504}
CODES = {
    **dict.fromkeys(TRANSIENT_CODES, Fault.TRANSIENT),
    400: Fault.INVALID,
    401: Fault.DENIED,
    403: Fault.DENIED,
    404: Fault.MISSING,
    407: Fault.DENIED,
}


def fault_of(error: google.GoogleAPICallError) -> Fault | None:
    """Return what an error of Google's library means; None where it says nothing that is known."""
    by_words = fault_of_words(str(error.message))
    by_reason = next((REASONS[one] for one in reasons_of(error) if one in REASONS), None)
    return by_words or by_reason or CODES.get(error.code or 0)


def fault_of_job(error_result: Mapping[str, Any]) -> Fault | None:
    """Return what the `errorResult` of a finished job means."""
    by_words = fault_of_words(str(error_result.get("message", "")))
    return by_words or REASONS.get(str(error_result.get("reason")))


def fault_of_text(message: str) -> Fault | None:
    """Return what an error means of which only the text is left."""
    by_words = fault_of_words(message)
    if by_words is None and UNANSWERED.search(message):
        return Fault.TRANSIENT
    reasons = TOLD_REASON.findall(message)
    by_reason = next((REASONS[one] for one in reasons if one in REASONS), None)
    status = TOLD_STATUS.search(message)
    by_code = CODES.get(int(status[1] or status[2])) if status else None
    return by_words or by_reason or by_code


def fault_of_words(message: str) -> Fault | None:
    return next((fault for words, fault in WORDS if words.search(message)), None)


def reasons_of(error: google.GoogleAPICallError) -> list[str]:
    """Google's own words for what is wrong, of which one status has many; the first one counts."""
    reported = list(error.errors)
    with suppress(AttributeError, LookupError, TypeError, ValueError):
        # What up- and downloads raise has them in the answer alone.
        reported = reported or json.loads(error.response.text)["error"]["errors"]
    return [str(one.get("reason")) for one in reported if isinstance(one, dict)]

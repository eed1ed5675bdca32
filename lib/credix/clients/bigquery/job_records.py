"""What the jobs of one process cost on BigQuery, as far as BigQuery says."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions as google

from credix.core.errors import CostError
from credix.core.results import JobRecord
from credix.core.settings import Settings

if TYPE_CHECKING:
    from google.cloud import bigquery

# How BigQuery refuses a query that would read more than `maximum_bytes_billed`.
LIMIT_REASON = "bytesBilledLimitExceeded"
LIMIT_WORDS = "exceeded limit for bytes billed"


def query_record(
    job: "bigquery.QueryJob", name: str, target: str, *, is_measured: bool
) -> JobRecord:
    return JobRecord(
        kind="query",
        name=name,
        target=target,
        job_id=job.job_id,
        bytes_processed=known(job.total_bytes_processed, is_measured=is_measured),
        bytes_billed=known(job.total_bytes_billed, is_measured=is_measured),
    )


def load_record(job: "bigquery.LoadJob", name: str, target: str, *, is_measured: bool) -> JobRecord:
    return JobRecord(
        kind="load",
        name=name,
        target=target,
        job_id=job.job_id,
        bytes_written=known(job.output_bytes, is_measured=is_measured),
    )


def is_measured_by(settings: Settings) -> bool:
    """Return False for a named server: the local one has no measure and says 0 of every job."""
    return settings.bigquery_endpoint is None


def known(value: Any, *, is_measured: bool) -> int | None:
    """Return the bytes that a server reports; None for the 0 of a server that does not measure."""
    if value is None or (not is_measured and int(value) == 0):
        return None
    return int(value)


def bytes_of_queries(jobs: Iterable[JobRecord]) -> tuple[int | None, int]:
    """Return the bytes that queries have processed, and of how many of them that is not known."""
    return add_up([job.bytes_processed for job in jobs if job.kind != "load"])


def add_up(values: Sequence[int | None]) -> tuple[int | None, int]:
    """Return the sum of the known values, None when none is known, and how many are not known."""
    found = [value for value in values if value is not None]
    return sum(found) if found else None, len(values) - len(found)


def is_over_limit(error: google.GoogleAPICallError) -> bool:
    """Return True when BigQuery refused a query for its bytes.

    The client library does not know the reason and raises it as a fault of the server, which would
    be tried again.
    """
    reasons = {str(detail.get("reason")) for detail in error.errors if isinstance(detail, dict)}
    return LIMIT_REASON in reasons or names_limit(str(error.message))


def names_limit(message: str) -> bool:
    return LIMIT_REASON in message or LIMIT_WORDS in message


def limit_error(settings: Settings, target: str, message: str) -> CostError:
    return CostError(
        f"{target}: the query would read more than CREDIX_MAXIMUM_BYTES_BILLED allows "
        f"({settings.maximum_bytes_billed:,} bytes): {message.strip().rstrip('.')}. Nothing was "
        "billed. Raise the setting if this size is expected (docs/explanation/cost.md says what "
        "each step reads), else build less often."
    )

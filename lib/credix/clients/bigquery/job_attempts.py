"""A job under retries: the same job while its fate is unknown, another once it has failed."""

from collections.abc import Callable
from typing import Any, TypeVar, cast
from uuid import uuid4

from google.api_core import exceptions as google
from google.cloud import bigquery

from credix.clients.bigquery.reasons import fault_of_job
from credix.core.results import Fault

Job = TypeVar("Job", bigquery.QueryJob, bigquery.LoadJob)


class QueryAttempts:
    """Runs one statement; a repeated call asks for the job whose answer was lost."""

    def __init__(
        self, client: bigquery.Client, sql: str, config: bigquery.QueryJobConfig, seconds: float
    ) -> None:
        self.client, self.sql, self.config, self.seconds = client, sql, config, seconds
        self.job_id = f"credix_{uuid4().hex}"

    def run(self, once: dict[str, Any]) -> tuple[bigquery.QueryJob, Any]:
        """Return the finished job and its rows; `once` is how a single request is made.

        Raises GoogleAPICallError when the job fails or takes longer than `seconds`.
        """
        job, _ = submit_or_ask(self.client, self.job_id, self._query, once)
        try:
            return job, job.result(retry=None, job_retry=None, timeout=self.seconds)
        except google.GoogleAPICallError:
            if job.error_result is not None:
                self.job_id = f"credix_{uuid4().hex}"
            raise
        except TimeoutError:
            raise out_of_time(self.seconds) from None

    def _query(self, job_id: str, once: dict[str, Any]) -> bigquery.QueryJob:
        return self.client.query(
            self.sql, job_id=job_id, job_config=self.config, job_retry=None, **once
        )


class LoadAttempts:
    """Loads files into one table; the job ids are the caller's with the number of the attempt.

    So another process that repeats the load asks for the jobs that were submitted.
    """

    def __init__(
        self,
        client: bigquery.Client,
        uris: list[str],
        target: str,
        config: bigquery.LoadJobConfig,
        job_id: str,
        seconds: float,
    ) -> None:
        self.client, self.uris, self.target = client, uris, target
        self.config, self.job_id, self.seconds = config, job_id, seconds
        self.number = 0

    def run(self, once: dict[str, Any]) -> bigquery.LoadJob:
        """Return the finished job, whose `error_result` says whether BigQuery refused the load.

        A job of an earlier process that failed for any reason but its files is followed by another.
        Raises GoogleAPICallError when the job failed for now, or takes longer than `seconds`.
        """
        while True:
            this_id = f"{self.job_id}_{self.number}"
            job, is_new = submit_or_ask(self.client, this_id, self._load, once)
            try:
                job.result(retry=None, timeout=self.seconds)
            except google.GoogleAPICallError:
                if job.error_result is None:
                    raise
                fault = fault_of_job(job.error_result)
                if fault is Fault.TRANSIENT or not (is_new or fault is Fault.INVALID):
                    self.number += 1
                    if is_new:
                        raise
                    continue
            except TimeoutError:
                raise out_of_time(self.seconds) from None
            return job

    def _load(self, job_id: str, once: dict[str, Any]) -> bigquery.LoadJob:
        return self.client.load_table_from_uri(
            self.uris, self.target, job_id=job_id, job_config=self.config, **once
        )


def submit_or_ask(
    client: bigquery.Client,
    job_id: str,
    submit: Callable[[str, dict[str, Any]], Job],
    once: dict[str, Any],
) -> tuple[Job, bool]:
    """Submit a job, or take the one that has the id already; True where it is new.

    Raises ServiceUnavailable where BigQuery knows the id (409) and does not show the job yet (404),
    which https://github.com/googleapis/python-bigquery/issues/2134 reports: it is asked again.
    """
    try:
        return submit(job_id, once), True
    except google.Conflict:
        pass
    try:
        return cast("Job", client.get_job(job_id, **once)), False
    except google.NotFound:
        raise google.ServiceUnavailable(
            f"the job {job_id} exists (409) and is not shown yet (404)"
        ) from None


def out_of_time(seconds: float) -> google.GoogleAPICallError:
    """The error of a job that is not waited for any longer, as BigQuery's own for such a one."""
    message = f"Job timed out after {seconds:.0f} s"
    return google.BadRequest(message, errors=[{"reason": "timeout", "message": message}])

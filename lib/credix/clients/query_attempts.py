"""A statement under retries: one job while its fate is unknown, another once it has failed."""

from typing import Any, cast
from uuid import uuid4

from google.api_core import exceptions as google
from google.cloud import bigquery


class QueryAttempts:
    """Runs one statement; a repeated call asks for the job whose answer was lost."""

    def __init__(
        self, client: bigquery.Client, sql: str, config: bigquery.QueryJobConfig, seconds: float
    ) -> None:
        self.client, self.sql, self.config, self.seconds = client, sql, config, seconds
        self.job_id = new_job_id()

    def run(self, once: dict[str, Any]) -> tuple[bigquery.QueryJob, Any]:
        """The finished job and its rows; `once` is how a single request is made.

        Raises TimeoutError when it takes longer than `seconds`, GoogleAPICallError when it fails.
        """
        try:
            job = self.client.query(
                self.sql, job_id=self.job_id, job_config=self.config, job_retry=None, **once
            )
        except google.Conflict:
            job = cast("bigquery.QueryJob", self.client.get_job(self.job_id, **once))
        try:
            return job, job.result(retry=None, job_retry=None, timeout=self.seconds)
        except google.GoogleAPICallError:
            if job.error_result is not None:
                self.job_id = new_job_id()
            raise


def new_job_id() -> str:
    return f"credix_{uuid4().hex}"

"""Jobs that BigQuery still works on, whatever became of the processes that sent them.

Each identity sees and cancels its own: the steps' and dbt's. So none needs a right on the jobs of
others; to list its own it needs `bigquery.jobs.list`.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from google.cloud import bigquery

from credix.clients.bigquery.errors import translated
from credix.clients.bigquery.job_labels import is_of_earlier_attempt
from credix.clients.credentials import dbt_credentials, google_credentials, open_session
from credix.clients.effects import Effects
from credix.core.errors import CredixError
from credix.core.settings import Settings
from credix.state.states import FencedState

Job = bigquery.QueryJob | bigquery.LoadJob
STATES = ("running", "pending")
POLL_SECONDS = 0.2
CANCEL = "warehouse.cancel_job"


def cancel_earlier_jobs(
    settings: Settings,
    effects: Effects,
    before: FencedState,
    raised: FencedState,
    source: str,
    warn: Callable[[str], None],
) -> list[str]:
    """Cancel the jobs that an attempt which did not end well has left at BigQuery; their ids.

    Args:
        before: The state in which the fence was raised.
        raised: The state after it.
        source: The source, or `gold`.
        warn: Receives why a job could not be found or cancelled. The merge's claim excludes it all
            the same: one of the two transactions fails, and the next run repeats it.
    """
    if not may_have_left_jobs(before):
        return []
    cancelled: list[str] = []
    try:
        for client in clients(settings):
            jobs = RunningJobs(client, settings, effects)
            cancelled += jobs.cancel_earlier(source, raised.attempt, warn)
    except CredixError as error:
        warn(f"Jobs of earlier attempts at {source} may still run: {error}")
    return cancelled


def may_have_left_jobs(before: FencedState) -> bool:
    """Return whether the latest attempt was not released, or ended in failure."""
    has_failed = before.last_run is not None and before.last_run.status == "failed"
    return before.lease is not None or has_failed


def clients(settings: Settings) -> Iterator[bigquery.Client]:
    """Yield a client for each identity that sends jobs: the steps' and, where it differs, dbt's."""
    has_dbt_its_own = settings.dbt_account not in (None, settings.impersonated_account)
    for make in (google_credentials, dbt_credentials)[: 1 + has_dbt_its_own]:
        with translated("BigQuery"):
            credentials = make(settings)
            endpoint = settings.bigquery_endpoint
            yield bigquery.Client(
                project=settings.gcp_project,
                credentials=credentials,
                _http=open_session(settings, credentials),
                location=settings.bigquery_location,
                client_options={"api_endpoint": endpoint} if endpoint else None,
            )


class RunningJobs:
    """The jobs of one identity that are not done."""

    def __init__(self, client: bigquery.Client, settings: Settings, effects: Effects) -> None:
        self.client, self.settings, self.effects = client, settings, effects
        self._once: dict[str, Any] = {"timeout": settings.google_timeout_seconds, "retry": None}

    def find(self) -> list[Job]:
        """Return them; raises SettingsError where this identity may not list its jobs."""

        def ask() -> list[Job]:
            return [
                job
                for state in STATES
                for job in self.client.list_jobs(state_filter=state, all_users=False, **self._once)
            ]

        target = f"the list of jobs in {self.settings.gcp_project}"
        with translated(target):
            return self.effects.read(target, ask)

    def cancel_earlier(self, source: str, attempt: int, warn: Callable[[str], None]) -> list[str]:
        """Cancel what earlier attempts have sent, and wait until BigQuery has ended it."""
        found = [
            job
            for job in self.find()
            if is_of_earlier_attempt(job.labels, self.settings, source, attempt)
        ]
        for job in found:
            with translated(f"job {job.job_id}"):
                self.effects.perform(CANCEL, str(job.job_id), partial(job.cancel, **self._once))
        deadline = time.monotonic() + self.settings.retry_seconds
        for job in found:
            if not self._has_ended(job, deadline):
                warn(f"BigQuery has not ended the cancelled job {job.job_id} of {source} yet.")
        return [str(job.job_id) for job in found]

    def _has_ended(self, job: Job, deadline: float) -> bool:
        def ask() -> bool:
            return bool(job.done(**self._once))

        while True:
            with translated(f"job {job.job_id}"):
                if self.effects.read(str(job.job_id), ask):
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)

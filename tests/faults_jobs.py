"""A server between a client and BigQuery that lets chosen jobs fail, as BigQuery fails a job.

The job exists and is done: its id is taken (409), and whoever asks for it is told why it failed.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from tests.faults import FaultyServer

Answer = tuple[int, list[tuple[str, str]], bytes]
Plan = Callable[[str, int], tuple[str, str] | None]
JOBS = re.compile(r"/projects/[^/]+/jobs/?(?:\?|$)")
JOB = re.compile(r"/projects/[^/]+/(?P<kind>jobs|queries)/(?P<id>[^/?]+)")
# The status of jobs.getQueryResults for a failed job, by its reason (BigQuery's error table).
STATUS = {
    "accessDenied": 403,
    "backendError": 500,
    "internalError": 500,
    "notFound": 404,
    "quotaExceeded": 403,
    "rateLimitExceeded": 403,
    "responseTooLarge": 403,
}


class FailingJobs(FaultyServer):
    """`fails` says by statement (or table of a load) and its number with what a job fails.

    `submitted` has the statement and the id of every job that was made.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.fails: Plan = lambda _, __: None
        self.submitted: list[tuple[str, str]] = []
        self.failed: dict[str, dict[str, Any]] = {}
        # How often a job whose id is taken is not shown yet.
        self.hidden = 0
        self.counts: dict[str, int] = {}

    def ids(self, words: str) -> list[str]:
        """The jobs of the statements that contain these words."""
        return [job_id for statement, job_id in self.submitted if words in statement]

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if method == "POST" and JOBS.search(path):
            return self._submit(method, path, headers, body)
        found = JOB.search(path)
        if method == "GET" and found and found["kind"] == "jobs" and self.hidden > 0:
            self.hidden -= 1
            return refused(404, "notFound", f"Not found: Job {found['id']}")
        job = self.failed.get(found["id"]) if found and method == "GET" else None
        if job is None or found is None:
            return super().ask(method, path, headers, body)
        if found["kind"] == "jobs":
            return answered(job)
        error = job["status"]["errorResult"]
        return refused(STATUS.get(error["reason"], 400), error["reason"], error["message"])

    def _submit(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        told = json.loads(body)
        job_id, work = told["jobReference"]["jobId"], told["configuration"]
        if job_id in self.failed:
            return refused(409, "duplicate", f"Already Exists: Job {job_id}")
        load = work.get("load", {}).get("destinationTable", {}).get("tableId")
        statement = load or work["query"]["query"]
        with self._lock:
            self.submitted.append((statement, job_id))
            number = self.counts[statement] = self.counts.get(statement, 0) + 1
        fault = self.fails(statement, number)
        if fault is None:
            return super().ask(method, path, headers, body)
        error = dict(zip(("reason", "message"), fault, strict=True))
        reference = {"projectId": "p", "location": "US", **told["jobReference"]}
        self.failed[job_id] = {
            **told,
            "jobReference": reference,
            "status": {"state": "DONE", "errorResult": error, "errors": [error]},
            "statistics": {"creationTime": "1", "startTime": "1", "endTime": "2"},
        }
        return answered(self.failed[job_id])


def answered(content: dict[str, Any], status: int = 200) -> Answer:
    return status, [("Content-Type", "application/json")], json.dumps(content).encode()


def refused(status: int, reason: str, message: str) -> Answer:
    errors = [{"reason": reason, "message": message}]
    return answered({"error": {"code": status, "message": message, "errors": errors}}, status)


@contextmanager
def failing_jobs(target: str) -> Iterator[FailingJobs]:
    made = FailingJobs(target)
    Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield made
    finally:
        made.ended.set()
        made.server.shutdown()
        made.server.server_close()

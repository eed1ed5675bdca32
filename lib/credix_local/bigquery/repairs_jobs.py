"""Repairs of jobs and requests: single-use ids, faults that no client repeats, bounded results."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import wraps
from itertools import takewhile
from typing import Any

from bqemulator.api import app as api
from bqemulator.api.dependencies import AppContext
from bqemulator.api.routes import jobs, upload
from bqemulator.catalog.models import JobMeta
from bqemulator.domain.errors import (
    AlreadyExistsError,
    DomainError,
    InternalError,
    InvalidQueryError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    UnsupportedFeatureError,
    ValidationError,
)
from bqemulator.jobs import executor
from bqemulator.observability.logging_ import get_logger
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from credix_local.bigquery.patching import replace

RESULT_BYTES = 512 << 20
MOST_RESULTS = 5_000
FAILURES = (NotFoundError, AlreadyExistsError, PermissionDeniedError, OutOfRangeError)
FIRST_COMMENT = re.compile(r"\A\s*/\*.*?\*/", re.DOTALL)


def apply() -> None:
    """Make all repairs of this module."""
    refuse_repeated_ids("_handle_query_job")
    refuse_repeated_ids("_handle_load_job_with_async_envelope")
    fail_queries_for_good()
    refuse_queries_at_once()
    answer_faults_for_good()
    # What google-cloud-bigquery declares for files that it uploads itself.
    types = upload._PERMITTED_MEDIA_CONTENT_TYPES
    replace(upload, "_PERMITTED_MEDIA_CONTENT_TYPES", (*types, "*/*"))


def refuse_repeated_ids(handler: str) -> None:
    """A job id is single-use: inserting it again answers 409 (BigQuery, `jobs.insert`)."""

    async def handle(
        project: str, job_id: str, config: dict[str, Any], *args: Any, **options: Any
    ) -> Any:
        ctx: AppContext = options["ctx"] if "ctx" in options else args[0]
        if not options.get("dry_run") and ctx.catalog.get_job(project, job_id) is not None:
            raise AlreadyExistsError(f"Already Exists: Job {project}:{job_id}")
        return with_configuration(await original(project, job_id, config, *args, **options), config)

    original = replace(jobs, handler, handle)


def with_configuration(job: Any, sent: dict[str, Any]) -> Any:
    """Return the job with all that was sent, labels too; the emulator keeps the SQL alone."""
    if not isinstance(job, JobMeta):
        return job
    kind = "query" if "query" in sent else "load"
    own = {**sent.get(kind, {}), **job.configuration.get(kind, {})}
    return job.model_copy(update={"configuration": {**sent, kind: own}})


def fail_queries_for_good() -> None:
    """Every fault of a query is the job's, with reason `invalidQuery`.

    The emulator answers HTTP 500, and Google's client repeats the request for ten minutes.
    """

    async def execute(project: str, job_id: str, sql: str, *args: Any, **options: Any) -> Any:
        # Comments of dbt name the run: without them the next one's statements are known already.
        sql = FIRST_COMMENT.sub("", sql)
        try:
            return await original(project, job_id, sql, *args, **options)
        except UnsupportedFeatureError:
            raise
        except DomainError as error:
            if error.http_status < InternalError.http_status:
                raise
            raise InvalidQueryError(error.message, location="query") from error
        except asyncio.CancelledError:
            raise
        except Exception as error:
            get_logger(__name__).exception("query.fault")
            message = f"The local BigQuery cannot run this: {type(error).__name__}: {error}"
            raise InvalidQueryError(message, location="query") from error
        finally:
            forget_old_results(sizes)

    sizes: dict[str, int] = {}
    original: Callable[..., Awaitable[Any]] = replace(jobs, "execute_query_job", execute)


def refuse_queries_at_once() -> None:
    """`jobs.query` answers a failed query with an HTTP error; it was a result without rows."""

    @wraps(jobs.query)
    async def query(*args: Any, **options: Any) -> Any:
        answer = await original(*args, **options)
        errors = answer.get("errors") if isinstance(answer, dict) else None
        if errors:
            first = errors[0]
            kind = next((one for one in FAILURES if one.bq_reason == first["reason"]), None)
            raise (kind or InvalidQueryError)(first["message"], location=first.get("location"))
        return answer

    original = jobs.query
    routes = [one for one in jobs.router.routes if isinstance(one, APIRoute)]
    (route,) = (one for one in routes if one.endpoint is original)
    route.endpoint = query


def answer_faults_for_good() -> None:
    """Faults of other requests answer HTTP 400 with their message, which no client repeats."""

    async def answer(_request: Request, fault: Exception) -> JSONResponse:
        error = ValidationError(f"The local BigQuery failed: {type(fault).__name__}: {fault}")
        return JSONResponse(error.to_bigquery_error(), error.http_status)

    def install(app: FastAPI) -> None:
        original(app)
        app.add_exception_handler(InternalError, answer)
        app.add_exception_handler(Exception, answer)

    original = replace(api, "install_exception_handlers", install)


def forget_old_results(sizes: dict[str, int]) -> None:
    """Drop the oldest query results beyond two bounds; the emulator keeps every one for ever.

    `sizes` has the bytes of each kept result: asking all tables again takes longer each time.
    """
    results = executor.JOB_RESULTS
    since = takewhile(lambda job_id: job_id not in sizes, reversed(results))
    for job_id in reversed(list(since)):
        sizes[job_id] = results[job_id].nbytes
    kept = sum(sizes.values())
    for job_id in list(sizes)[:-1]:
        if kept <= RESULT_BYTES and len(sizes) <= MOST_RESULTS:
            return
        kept -= sizes.pop(job_id)
        results.pop(job_id, None)
        executor.JOB_SCHEMAS.pop(job_id, None)

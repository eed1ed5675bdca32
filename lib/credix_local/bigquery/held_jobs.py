"""Jobs that go on while others run, so that tests meet BigQuery's concurrency.

The emulator runs one statement after another, in the request that brings it. With `--holds` a test
may ask for the next job with certain labels to be held: its snapshot is taken, its request is
answered with RUNNING, and it commits when the test releases it, whatever has become of the process
that sent it. Meanwhile the rules of `concurrency` hold for every job. Without a held job nothing
differs.

- `POST /holds` with `labels`, `moment`, `times`: holds the next matching job that changes rows,
  with its `snapshot` taken and nothing done, or before its `commit`; `times` when it is run again
- `GET /holds`: the jobs that are held or wait: id, state, moment
- `POST /holds/{job}/release`: lets it go on; answers when it is done, or held again
- `DELETE /holds/next`: holds no job that is still to come
- `DELETE /holds`: cancels all of them
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import duckdb
import sqlglot
from bqemulator.api import app as api
from bqemulator.api.dependencies import AppContext
from bqemulator.api.routes import jobs
from bqemulator.catalog.models import JobMeta
from bqemulator.domain.errors import DomainError, InvalidQueryError
from bqemulator.jobs import executor
from bqemulator.scripting.interpreter import ScriptInterpreter
from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from sqlglot import exp
from starlette.concurrency import run_in_threadpool

from credix_local.bigquery.concurrency import (
    RERUNS,
    ConcurrencyError,
    Ledger,
    Work,
    serialization_error,
)
from credix_local.bigquery.patching import replace
from credix_local.bigquery.repairs_jobs import with_configuration
from credix_local.bigquery.repairs_statements import parse_shared
from credix_local.bigquery.repairs_transactions import Script, open_snapshot, running_script

POLL_SECONDS = 10.0
STOPPED = {
    "reason": "stopped",
    "message": "Job execution was cancelled: User requested cancellation",
}


class CancelledJobError(InvalidQueryError):
    """The job was cancelled while it was held."""


@dataclass
class Hold:
    """What the next job with these labels meets."""

    labels: dict[str, str]
    moment: str = "snapshot"
    times: int = 1


@dataclass(eq=False)
class Job:
    """A job whose request was answered before it is done."""

    job_id: str
    hold: Hold | None
    work: Work
    snapshot: duckdb.DuckDBPyConnection | None = None
    state: str = "PENDING"
    is_cancelled: bool = False
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    stands: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_at(self, moment: str) -> None:
        """Wait there until the test releases the job; raises CancelledJobError."""
        if self.hold and self.hold.moment == moment and self.hold.times:
            self.hold.times -= 1
            self.state = "HELD"
            self.stands.set()
            await self.go_on.wait()
            self.go_on.clear()
            self.stands.clear()
            self.state = "RUNNING"
        if self.is_cancelled:
            raise CancelledJobError(STOPPED["message"])

    def cancel(self) -> None:
        self.is_cancelled = True
        self.go_on.set()


@dataclass
class Board:
    """The holds that wait for their job, the jobs under way, and the rules between them."""

    holds: list[Hold] = field(default_factory=list)
    under_way: dict[str, Job] = field(default_factory=dict)
    ended: dict[str, Job] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def take_hold(self, labels: dict[str, str], sql: str) -> Hold | None:
        """Return the hold that is meant for a job."""
        if not self.holds or not may_change_rows(sql):
            return None
        found = next((one for one in self.holds if one.labels.items() <= labels.items()), None)
        if found:
            self.holds.remove(found)
        return found


board = Board()
current_job: ContextVar[Job | None] = ContextVar("current_job", default=None)


def apply() -> None:
    """Make jobs of this server holdable; to be called before ids are checked."""
    hold_queries()
    hold_commits()
    run_statements_in_turn()
    run_transactions_in_turn()
    answer_while_jobs_run()
    add_routes()


def hold_queries() -> None:
    """A job that is held, or has to wait for another, is answered before it is done."""

    async def handle(project: str, job_id: str, config: dict[str, Any], **options: Any) -> Any:
        sql, labels = config.get("query", {}).get("query", ""), config.get("labels", {})
        hold = None if options["dry_run"] else board.take_hold(labels, sql)
        target = target_of(sql) if board.under_way else None
        waits = target is not None and board.ledger.must_wait(target)
        if options["dry_run"] or (hold is None and not waits):
            return await original(project, job_id, config, **options)
        ctx: AppContext = options["ctx"]
        job = Job(job_id, hold, Work(is_transaction=False, target=target_of(sql) or ""))
        if waits:
            try:
                board.ledger.queue(target or "")
            except ConcurrencyError as error:
                raise InvalidQueryError(str(error), location="query") from None
        else:
            board.ledger.begin(job.work)
            job.snapshot = open_snapshot(ctx.engine)
        board.under_way[job_id] = job
        meta = unfinished(project, job_id, config, options["now"], is_waiting=waits)
        task = asyncio.create_task(
            run(
                job,
                target if waits else None,
                meta,
                lambda: original(project, job_id, config, **options),
                ctx,
            )
        )
        TASKS.add(task)
        task.add_done_callback(TASKS.discard)
        return meta

    original = replace(jobs, "_handle_query_job", handle)


TASKS: set[asyncio.Task[None]] = set()


async def run(
    job: Job,
    waits_for: str | None,
    meta: JobMeta,
    execute: Callable[[], Awaitable[Any]],
    ctx: AppContext,
) -> None:
    """Do the job, and leave in the catalog how it ended."""
    current_job.set(job)
    # What the job writes stays apart from the request that brought it.
    await asyncio.sleep(0)
    try:
        if waits_for is not None:
            async with board.changed:
                await board.changed.wait_for(
                    lambda: job.is_cancelled or not board.ledger.must_wait(waits_for)
                )
            board.ledger.queued[waits_for] -= 1
            board.ledger.begin(job.work)
        await job.wait_at("snapshot")
        done = with_configuration(await execute(), meta.configuration)
    except CancelledJobError:
        done = failed(meta, STOPPED)
    except DomainError as error:
        done = failed(meta, {"reason": error.bq_reason, "message": error.message})
    if job.is_cancelled:
        done = failed(meta, STOPPED)
    close(job)
    board.ledger.end(job.work, is_committed=False)
    ctx.catalog.upsert_job(done)
    board.ended[job.job_id] = board.under_way.pop(job.job_id)
    job.state = "DONE"
    job.stands.set()
    job.ended.set()
    await tell_waiting()


def close(job: Job) -> None:
    """Give up a snapshot that was not used."""
    if job.snapshot is not None:
        with suppress(duckdb.Error):
            job.snapshot.execute("ROLLBACK")
        job.snapshot.close()
        job.snapshot = None


async def tell_waiting() -> None:
    async with board.changed:
        board.changed.notify_all()


def unfinished(
    project: str, job_id: str, config: dict[str, Any], now: Any, *, is_waiting: bool
) -> JobMeta:
    return JobMeta(
        project_id=project,
        job_id=job_id,
        job_type="QUERY",
        state="PENDING" if is_waiting else "RUNNING",
        configuration=config,
        creation_time=now,
        start_time=None if is_waiting else now,
        etag=job_id,
    )


def failed(meta: JobMeta, error: dict[str, str]) -> JobMeta:
    return jobs._failed_job_meta(
        meta.project_id, meta.job_id, "QUERY", meta.configuration, error, meta.creation_time
    )


def hold_commits() -> None:
    """A transaction waits before its COMMIT, and what it has changed counts from there on."""

    async def handle(self: ScriptInterpreter, statement: str) -> None:
        script, job = running_script.get(), current_job.get()
        if statement == "BEGIN" and script is not None and script.connection is None:
            if job is not None and job.snapshot is not None:
                script.connection, job.snapshot = job.snapshot, None
                job.work.is_transaction = True
                script.work = works[self] = job.work
            elif board.under_way:
                script.work = works[self] = Work(is_transaction=True)
                board.ledger.begin(script.work)
        if statement == "COMMIT" and job is not None:
            await job.wait_at("commit")
        await original(self, statement)
        if statement != "BEGIN" and script is not None:
            await settle(script, is_committed=statement == "COMMIT")

    original = replace(ScriptInterpreter, "_handle_txn_statement", handle)

    async def run_script(self: ScriptInterpreter, source: str) -> Any:
        try:
            return await original_run(self, source)
        finally:
            # What is still open here was rolled back.
            work = works.pop(self, None)
            if work is not None:
                board.ledger.end(work, is_committed=False)
                await tell_waiting()

    original_run = replace(ScriptInterpreter, "run", run_script)


works: dict[ScriptInterpreter, Work] = {}


async def settle(script: Script, *, is_committed: bool) -> None:
    """Record how a transaction ended."""
    if script.work is not None:
        board.ledger.end(script.work, is_committed=is_committed)
        script.work = None
        await tell_waiting()


def run_transactions_in_turn() -> None:
    """A transaction is cancelled when it changes rows of a table that another one changes."""

    async def execute(self: ScriptInterpreter, sql: str) -> None:
        script = running_script.get()
        work = script.work if script else None
        if work is not None:
            target = target_of(sql)
            if target and await changes_rows(sql, self._run_query):
                try:
                    board.ledger.change(work, target)
                except ConcurrencyError as error:
                    raise InvalidQueryError(str(error), location="query") from None
        await original(self, sql)

    original = replace(ScriptInterpreter, "_exec_sql", execute)


def run_statements_in_turn() -> None:
    """A statement that meets another one's change is run again, three times at most."""

    async def run_once(
        project: str, sql: str, parameters: Any, ctx: AppContext, **options: Any
    ) -> Any:
        async def ask(question: str) -> Any:
            return await original(project, question, parameters, ctx, **options)

        target = target_of(sql) if board.under_way else None
        if target is None:
            return await ask(sql)
        job = current_job.get()
        work = job.work if job else Work(is_transaction=False, target=target)
        for number in range(RERUNS + 1):
            if number or job is None:
                board.ledger.begin(work)
            if number and job is not None:
                job.snapshot = open_snapshot(ctx.engine)
                await job.wait_at("snapshot")
            try:
                return await attempt(work, target, sql, ask, job, ctx)
            except ConcurrencyError:
                continue
        board.ledger.end(work, is_committed=False)
        raise InvalidQueryError(str(serialization_error(target)), location="query")

    original = replace(executor, "_run_single_sql", run_once)


async def attempt(
    work: Work,
    target: str,
    sql: str,
    ask: Callable[[str], Awaitable[Any]],
    job: Job | None,
    ctx: AppContext,
) -> Any:
    """Run a statement on its snapshot; raises ConcurrencyError when it met another's change."""
    script = Script()
    script.connection = job.snapshot if job and job.snapshot else open_snapshot(ctx.engine)
    if job:
        job.snapshot = None
    token = running_script.set(script)
    try:
        if await changes_rows(sql, ask):
            board.ledger.change(work, target)
        if board.ledger.is_changed(work, target) and work.changes:
            raise serialization_error(target)
        result = await ask(sql)
        script.end("COMMIT")
    finally:
        script.end("ROLLBACK")
        running_script.reset(token)
    board.ledger.end(work, is_committed=True)
    await tell_waiting()
    return result


async def changes_rows(sql: str, ask: Callable[[str], Awaitable[Any]]) -> bool:
    """Return whether a statement changes or deletes rows: a MERGE may only insert."""
    tree = parse_shared(sql)
    if not isinstance(tree, exp.Merge):
        return not isinstance(tree, exp.Insert)
    whens = tree.args["whens"].expressions
    if any(not when.args.get("matched") and when.args.get("source") for when in whens):
        return True
    conditions = [
        when.args.get("condition") or exp.true() for when in whens if when.args.get("matched")
    ]
    if not conditions:
        return False
    found = exp.select("1").from_(tree.this.copy())
    found = found.join(tree.args["using"].copy(), on=tree.args["on"].copy())
    found = found.where(exp.or_(*(condition.copy() for condition in conditions))).limit(1)
    return bool((await ask(found.sql(dialect="bigquery"))).num_rows)


def may_change_rows(sql: str) -> bool:
    """Return whether a job changes rows: a script with a transaction, or a statement."""
    return "begin transaction" in sql.lower() or target_of(sql, inserts=True) is not None


def target_of(sql: str, *, inserts: bool = False) -> str | None:
    """Return the table of a statement that may change rows; None for all others."""
    kinds = (exp.Update, exp.Delete, exp.Merge, *((exp.Insert,) if inserts else ()))
    try:
        tree = parse_shared(sql)
    except sqlglot.errors.SqlglotError:
        return None
    if not isinstance(tree, kinds):
        return None
    if isinstance(tree, exp.Merge) and not inserts:
        whens = tree.args["whens"].expressions
        if not any(when.args.get("matched") or when.args.get("source") for when in whens):
            return None
    table = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    return ".".join(part.name for part in table.parts) if isinstance(table, exp.Table) else None


def answer_while_jobs_run() -> None:
    """Jobs that are not done: their results are waited for, and they can be cancelled."""

    async def get_query_results(request: Request, **given: Any) -> Any:
        job_id = given["job_id"]
        job = board.under_way.get(job_id)
        if job is not None:
            seconds = min(float(request.query_params.get("timeoutMs", 10_000)) / 1000, POLL_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(job.ended.wait(), seconds)
            if not job.ended.is_set():
                reference = {"projectId": given["project_id"], "jobId": job_id, "location": "US"}
                return {
                    "kind": "bigquery#getQueryResultsResponse",
                    "jobReference": reference,
                    "jobComplete": False,
                }
        if job_id in board.ended:
            meta = given["ctx"].catalog.get_job(given["project_id"], job_id)
            if meta is not None and meta.error_result:
                raise InvalidQueryError(meta.error_result["message"], location="query")
        return await run_in_threadpool(original_results, **given)

    async def cancel_job(**given: Any) -> Any:
        job = board.under_way.get(given["job_id"])
        if job is not None:
            job.cancel()
            await tell_waiting()
        del given["request"]
        return await run_in_threadpool(original_cancel, **given)

    original_results = replace_route(jobs.get_query_results, get_query_results)
    original_cancel = replace_route(jobs.cancel_job, cancel_job)


def replace_route(endpoint: Callable[..., Any], wrapper: Callable[..., Awaitable[Any]]) -> Any:
    """Serve a route by a function that is given the request beside the route's own arguments."""
    route = next(
        one for one in jobs.router.routes if isinstance(one, APIRoute) and one.endpoint is endpoint
    )
    signature = inspect.signature(endpoint, eval_str=True)
    request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in signature.parameters.values()
    ]
    own = signature.replace(parameters=[*parameters, request])
    vars(wrapper)["__signature__"] = own
    route.endpoint = wrapper
    return endpoint


def add_routes() -> None:
    """The routes for tests; a server without `--holds` does not have them."""
    router = APIRouter(prefix="/holds")

    @router.post("")
    async def hold(request: Request) -> dict[str, Any]:
        board.holds.append(Hold(**await request.json()))
        return {}

    @router.get("")
    async def look() -> list[dict[str, str]]:
        return [
            {"job": job.job_id, "state": job.state, "moment": job.hold.moment if job.hold else ""}
            for job in board.under_way.values()
        ]

    @router.post("/{job_id}/release")
    async def release(job_id: str) -> dict[str, str]:
        job = board.under_way.get(job_id)
        if job is None:
            return {"state": "DONE"}
        job.stands.clear()
        job.go_on.set()
        await job.stands.wait()
        return {"state": job.state}

    @router.delete("/next")
    async def forget() -> dict[str, str]:
        board.holds.clear()
        return {}

    @router.delete("")
    async def clear() -> dict[str, str]:
        board.holds.clear()
        for job in list(board.under_way.values()):
            job.cancel()
        await tell_waiting()
        for job in list(board.under_way.values()):
            await job.ended.wait()
        return {}

    def install(app: FastAPI) -> None:
        original(app)
        app.include_router(router)

    original = replace(api, "install_exception_handlers", install)

"""04: bronze by a fenced merge, the proof, the watermark, then silver, gold and their tests."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NoReturn

from credix.clients.dbt.project import project_fingerprint, sources_of_gold, table_names
from credix.core.contracts import load_source
from credix.core.errors import DataError, FenceError, StepError
from credix.core.freshness import CompleteThrough, Lag, next_gold_freshness
from credix.core.jobs import GOLD_LAYERS
from credix.core.paths import hashed_table, is_hashed_table
from credix.core.results import (
    DbtNode,
    ExtractResult,
    LandResult,
    LoadResult,
    Repair,
    TransformResult,
)
from credix.state.fencing import fenced
from credix.state.kernel_lease import KernelLease, stop_keeping
from credix.state.lease_keeper import wait_while_busy
from credix.state.leases import is_abandoned, new_lease
from credix.state.run import Run
from credix.state.running_jobs import cancel_earlier_jobs
from credix.state.states import GOLD, GoldState, LastRun, SourceState
from credix.warehouse import checkpoint
from credix.warehouse.bronze import build_dbt, confirm_merge


@fenced
def commit_watermark(run: Run) -> SourceState:
    """Record that bronze holds the rows, then, and only then, move the source's watermark."""
    confirm_merge(run)
    return checkpoint.commit_watermark(run, run.read_result(ExtractResult), is_merged=True)


def drop_temp_tables(run: Run) -> list[str]:
    """Drop this run's own hashed tables and those that have expired; a sandbox keeps its own.

    BigQuery drops an expired table itself; the local server forgets expirations, so the time of
    creation decides. A younger one may belong to a newer run or to a replay that needs it.
    """
    if run.is_sandbox:
        return []
    expired = datetime.now(UTC) - timedelta(hours=run.settings.temp_table_hours)
    attempts = [run, *([run.repairs] if run.repairs else [])]
    own = {hashed_table(each.source, each.run_id, each.attempt) for each in attempts}
    dropped = [
        table
        for table, created in run.warehouse.tables_created("temp", f"{run.source.name}_").items()
        if table in own or (is_hashed_table(table, run.source) and created < expired)
    ]
    for table in dropped:
        run.warehouse.drop("temp", table)
    return dropped


@dataclass
class GoldClaim:
    """Gold's fencing token, and the committed `_seq` of each source that this gold will have seen.

    `changes` has the range of `_seq` that is new, as dbt receives it; empty when everything is
    rebuilt in full. `has_views` is True where gold's views are those of this very project.
    `gold_at` is when gold had passed its tests, `lags` how long what is new in it has waited.
    """

    attempt: int
    seen: dict[str, int]
    keeper: KernelLease
    changes: str
    fingerprint: str
    bronze: dict[str, CompleteThrough]
    has_views: bool
    has_written: bool = False
    has_failed: bool = False
    gold_at: str | None = None
    lags: dict[str, Lag] = field(default_factory=dict)


def claim_gold(run: Run) -> GoldClaim:
    """Raise gold's fence and keep its lease alive until `commit_gold`.

    Waits for the run that holds it; raises BusyError after CREDIX_GOLD_WAIT_SECONDS. Where gold
    has to be rebuilt in full, the state says from here on that what it holds is stale.
    """
    state = wait_while_busy(partial(raise_gold_fence, run), run.settings.gold_wait_seconds, print)
    keeper = KernelLease(
        "gold",
        run.run_id,
        state.attempt,
        lambda change: run.states.change_gold("gold.renew", change),
        run.settings,
        follows_cells=False,
    ).begin()
    try:
        return plan_gold(run, state, keeper)
    except BaseException:
        keeper.give_back()
        raise


def raise_gold_fence(run: Run) -> GoldState:
    """Return gold's state with the next attempt, and cancel the jobs that an earlier one has left.

    Raises BusyError while another run holds gold.
    """
    term = timedelta(seconds=run.settings.lease_seconds)
    before: list[GoldState] = []

    def change(state: GoldState) -> GoldState:
        before[:] = [state]
        return state.raise_fence(
            new_lease(run.run_id, term, run.settings.execution),
            datetime.now(UTC),
            lambda held: run.is_sandbox or is_abandoned(held),
        )

    raised = run.states.change_gold("gold.raise_fence", change)
    cancel_earlier_jobs(run.settings, run.effects, before[0], raised, GOLD, print)
    return raised


def plan_gold(run: Run, state: GoldState, keeper: KernelLease) -> GoldClaim:
    """Decide what of gold is built: what bronze has gained, or everything."""
    fingerprint = project_fingerprint()
    bronze = {name: run.states.read_source(name).reach for name in sources_of_gold()}
    seen = {name: reach.seq for name, reach in bronze.items()}
    attempt, changes = state.attempt, ""
    if state.can_follow(run.business_date, seen, fingerprint) and can_tell_changes(run):
        changes = " ".join(f"{name}={state.seen[name]}..{seq}" for name, seq in seen.items())
    else:
        run.states.change_gold(
            "gold.require_full_rebuild",
            lambda held: held.require_full_rebuild() if held.attempt == attempt else held,
        )
    has_views = state.views == fingerprint and has_all_tables(run)
    return GoldClaim(attempt, seen, keeper, changes, fingerprint, bronze, has_views)


def can_tell_changes(run: Run) -> bool:
    """Return True when all tables exist and no row entered bronze below the `_seq` that was seen.

    The guard that keeps late rows out is raised only for sources whose deletes are captured.
    """
    captured = all(load_source(name).captures_deletes for name in sources_of_gold())
    return captured and has_all_tables(run)


def has_all_tables(run: Run) -> bool:
    """Return True when silver and gold have the tables and views of the project."""
    return all(table_names(layer) <= set(run.warehouse.tables(layer, "")) for layer in GOLD_LAYERS)


def build_layer(run: Run, layer: str, claim: GoldClaim) -> list[DbtNode]:
    """Build and test every model of a layer as of the run's business day.

    Raises FenceError when a newer run builds gold. A build that fails releases gold; where what
    changed does not build or pass its tests, the next run rebuilds everything in full.
    """
    require_claim(run, claim)
    claim.has_written = True
    values = {
        "CREDIX_DBT_BUSINESS_DATE": run.business_date,
        "CREDIX_DBT_CHANGES": claim.changes,
        "CREDIX_DBT_VIEWS": "current" if claim.has_views else "",
    }
    try:
        labels = replace(run.labels, source=GOLD, attempt=claim.attempt)
        return build_dbt(run, labels).build(f"{layer}.build", [layer], values)
    except BaseException as error:
        if isinstance(error, DataError):
            claim.has_failed = True
            run.states.change_gold("gold.invalidate", GoldState.invalidate)
        claim.keeper.give_back()
        raise


def require_claim(run: Run, claim: GoldClaim) -> None:
    """Raise FenceError unless gold is still this claim's; it is taken again after a pause."""
    if claim.has_failed:
        raise StepError(
            "The build of this claim has failed, and gold was released: execute the cell of silver "
            "again, which claims gold once more."
        )
    if run.states.read_gold().attempt != claim.attempt:
        give_up_gold(run, claim)
    try:
        claim.keeper.take_again()
    except FenceError:
        give_up_gold(run, claim)


def commit_gold(run: Run, claim: GoldClaim) -> GoldState:
    """Record the business day and the bronze that gold was built from, and release it."""
    claim.gold_at = datetime.now(UTC).isoformat()
    before = run.states.read_gold().reached
    reached = {
        name: next_gold_freshness(before.get(name), began_with(run, name), now, claim.gold_at)
        for name, now in claim.bronze.items()
    }
    last = LastRun(
        run_id=run.run_id,
        job="gold",
        status="done",
        finished_at=datetime.now(UTC),
        rows=0,
    )
    try:
        state = run.states.change_gold(
            "gold.commit",
            lambda state: state.commit(
                claim.attempt, run.business_date, claim.seen, claim.fingerprint, reached
            ).release(last),
        )
    except FenceError:
        give_up_gold(run, claim)
    except BaseException:
        claim.keeper.give_back()
        raise
    claim.keeper.stop()
    claim.lags = {
        name: reach.lag
        for name, reach in reached.items()
        if reach.lag and (name not in before or reach.is_newer_than(before[name]))
    }
    return state


def began_with(run: Run, source: str) -> CompleteThrough | None:
    """Return how far bronze held a source when this run began.

    None where the run does not load it.
    """
    path = run.folder / source / "state.json"
    if not path.exists():
        return None
    return SourceState.from_json(path.read_text("utf-8"), str(path)).reach


def give_up_gold(run: Run, claim: GoldClaim) -> NoReturn:
    """End with FenceError a run that has lost gold's fence; the next one builds what it touched."""
    claim.keeper.give_back()
    claim.keeper.stop()
    if claim.has_written:
        run.states.change_gold("gold.invalidate", GoldState.invalidate)
    raise FenceError(
        f"Another run has built gold beside {run.run_id}. Nothing is lost: the next run builds "
        "it again where this one has written."
    )


def finish(
    run: Run,
    layers: Sequence[str],
    nodes: Sequence[DbtNode],
    claim: GoldClaim | None,
    result_path: str,
) -> TransformResult:
    """Write the step result; a run opened by hand releases its source here."""
    if run.is_by_hand and run.source_name:
        release_source(run)
    delta = run.repairs or run
    result = TransformResult(
        status="done",
        layers=tuple(layers),
        business_date=run.business_date,
        dbt=dict(Counter(node.status for node in nodes).most_common()),
        nodes=tuple(nodes),
    )
    if "bronze" in layers:
        extracted, last = delta.read_result(ExtractResult), run.read_result(ExtractResult)
        carried = {
            "rows": delta.read_result(LoadResult).rows,
            "repair": describe_repair(run) if run.repairs else None,
            "deleted_rows": extracted.deleted_rows,
            "watermark_from": extracted.watermark_from,
            "watermark_to": last.progress.watermark if last.progress else last.watermark_to,
        }
        result = result.model_copy(update=carried)
    if claim and claim.gold_at:
        result = result.model_copy(update={"gold_at": claim.gold_at, "lags": claim.lags})
    return run.finish(result, result_path or str(delta.source_folder / f"{result.step}.json"))


def describe_repair(run: Run) -> Repair:
    """Return why bronze was repaired, and the rows that this took.

    As many are merged as loaded: that was proven.
    """
    loaded = run.read_result(LoadResult)
    rows = {
        ExtractResult.step_name(): run.read_result(ExtractResult).rows,
        LandResult.step_name(): run.read_result(LandResult).rows,
        LoadResult.step_name(): loaded.rows,
        TransformResult.step_name(): loaded.rows,
    }
    return Repair(attempt=run.attempt, fault=run.fault, rows=rows)


def release_source(run: Run) -> None:
    """Release the source, as the pipeline does for its own runs when they end."""
    stop_keeping(run.source.name)
    last = LastRun(
        run_id=run.run_id,
        job="by_hand",
        status="done",
        finished_at=datetime.now(UTC),
        rows=(run.repairs or run).read_result(ExtractResult).rows,
        missed=run.read_result(ExtractResult).missed_histories,
    )
    run.states.change_source(
        "state.release", run.source_name or "", lambda state: state.release(last)
    )

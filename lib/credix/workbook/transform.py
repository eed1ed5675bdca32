"""04: bronze by a fenced merge, the proof, the watermark, then silver and gold with their tests.

Each function does and shows nothing where its layer was not asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module

import pandas as pd
from IPython.display import display

from credix.clients.dbt import project
from credix.core.errors import StepError
from credix.core.results import DbtNode, TransformResult
from credix.state import run as runs
from credix.state.run import Run
from credix.state.states import SourceState
from credix.warehouse import bronze, transform
from credix.workbook import show


@dataclass
class Build:
    """What 04 builds: the run, the layers, and what dbt has built of them so far.

    The proof may replace `run` by one more attempt that has repaired bronze. `claim` is set from
    silver on: gold's fencing token and lease.
    """

    run: Run
    layers: Sequence[str]
    nodes: list[DbtNode] = field(default_factory=list)
    claim: transform.GoldClaim | None = None


def warm_up() -> None:
    """Import what the cells need later and let dbt read its project, while the kernel waits."""
    for name in ("credix.clients.bigquery.warehouse", "dbt.cli.main", "dbt.adapters.bigquery"):
        import_module(name)
    project.warm_up()


def resume_run(source: str, run_folder: str, layers: Sequence[str]) -> Build:
    """Continue the run of that folder and show it.

    Args:
        source: The source of the run; empty: none, or that of the latest run opened by hand.
        run_folder: The run's folder; empty: that of the latest run opened by hand.
        layers: Which of `bronze`, `silver` and `gold` to build.

    Raises:
        SettingsError: There is no such run: 01 opens one.
        FenceError: Another run has begun on the source since.
    """
    run = runs.resume_run(source, run_folder)
    display(show.describe_run(run))
    return Build(run, layers)


def merge_bronze(build: Build) -> None:
    """Merge the delta into bronze and test it; show the statement, the model and its tests.

    Raises:
        FenceError: A newer attempt has claimed the source.
        DataError: The model does not build, or a test fails.
    """
    if "bronze" in build.layers:
        merged = bronze.merge_bronze(build.run)
        build.nodes += merged
        print(bronze.executed_merge(build.run))
        show_nodes(merged)


def prove_bronze(build: Build) -> None:
    """Prove that bronze holds what was loaded and exactly the snapshot's keys; show the counts.

    Where it does not, one more attempt reads, lands, loads and merges the difference.

    Raises:
        DataError: Bronze still differs after that attempt.
        FenceError: A newer run has begun.
    """
    if "bronze" in build.layers:
        build.run, proof = bronze.prove_bronze(build.run)
        display(show.table(proof))


def commit_watermark(build: Build) -> None:
    """Move the source's watermark, now that bronze holds the rows; show where the next run begins.

    Raises:
        FenceError: A newer run has begun.
    """
    if "bronze" in build.layers:
        display(describe_commit(transform.commit_watermark(build.run)))


def drop_temp_tables(build: Build) -> None:
    """Drop this run's own table of the temp layer and those that have expired; print them."""
    if "bronze" in build.layers:
        dropped = transform.drop_temp_tables(build.run)
        print("dropped:", ", ".join(dropped) or "nothing")


def build_silver(build: Build) -> None:
    """Claim gold, which silver is part of, then build silver and test it; show the models.

    Raises:
        BusyError: Another run holds gold, longer than CREDIX_GOLD_WAIT_SECONDS.
        DataError: A model does not build, or a test fails.
        FenceError: A newer run builds gold.
    """
    if "silver" in build.layers:
        build.claim = transform.claim_gold(build.run)
        build_layer(build, "silver", build.claim)


def build_gold(build: Build) -> None:
    """Build gold and test it, then record its business day and release it; show the models.

    Raises:
        StepError: Silver was not built before.
        DataError: A model does not build, or a test fails.
        FenceError: A newer run builds gold.
    """
    if "gold" in build.layers:
        if build.claim is None:
            raise StepError("Gold is built after silver: execute the cell of silver first.")
        build_layer(build, "gold", build.claim)
        transform.commit_gold(build.run, build.claim)


@show.optional("The companies by tier")
def show_tiers(build: Build) -> None:
    """Show the companies by payment tier in the gold just built."""
    if "gold" in build.layers:
        display(show.table(count_tiers(build.run)))


def finish(build: Build, result_path: str) -> TransformResult:
    """Write the step result, show and return it; a run opened by hand releases its source.

    Args:
        build: What `resume_run` has returned.
        result_path: File of the step result; empty: in the run folder.
    """
    result = transform.finish(build.run, build.layers, build.nodes, build.claim, result_path)
    display(show.describe_result(result))
    return result


def build_layer(build: Build, layer: str, claim: transform.GoldClaim) -> None:
    """Build and test a layer, add its models and tests to those of the run, and show them."""
    built = transform.build_layer(build.run, layer, claim)
    build.nodes += built
    show_nodes(built)


@show.optional("The models and tests")
def show_nodes(nodes: Sequence[DbtNode]) -> None:
    """Show one line per model and test."""
    display(show.table(nodes_as_table(nodes)))


def describe_commit(state: SourceState) -> dict[str, str | int | None]:
    """Return where the next run begins: the watermark, or how far a read in slices has come."""
    watermark = dict(state.watermark) if state.watermark else {"watermark": None}
    if state.slices is None:
        return watermark
    return {**watermark, "slices": state.slices.number, "next_block": state.slices.next_block}


def count_tiers(run: Run) -> pd.DataFrame:
    """Return the companies by payment tier in the gold just built."""
    table = run.warehouse.table_id("gold", "company_payment_summary")
    return run.warehouse.query_arrow(
        f"SELECT payment_tier, count(*) AS companies FROM `{table}` "
        "GROUP BY payment_tier ORDER BY companies DESC"
    ).to_pandas()


def nodes_as_table(nodes: Sequence[DbtNode]) -> pd.DataFrame:
    """Return one line per model and test, with its message where it warns or failed at first."""
    columns = ["status", "kind", "name", "attempts", "rows", "failures", "seconds", "message"]
    frame = pd.DataFrame([node.model_dump() for node in nodes], columns=[*columns, "earlier"])
    message = frame["message"].where(frame["status"] == "warn", frame["earlier"])
    return frame.assign(message=message)[columns]

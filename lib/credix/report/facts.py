"""What the report states about each source and this run, read from states and step results."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pandas as pd

from credix.clients.dbt.project import layer_of_models, sources_of_gold
from credix.core.contracts import load_source, source_names
from credix.core.freshness import Lag, bounds_in_words, complete_up_to, in_words, seconds_between
from credix.core.jobs import STEPS, describe_difference
from credix.core.results import (
    DbtNode,
    ExtractResult,
    LandResult,
    LoadResult,
    Repair,
    TransformResult,
)
from credix.core.schedules import LateBound, late_bound
from credix.core.watermarks import Watermark
from credix.state.run import Result, Run
from credix.state.states import GOLD, GoldState, SourceState


@dataclass(frozen=True)
class SourceFacts:
    """A source as gold holds it, and as the last run has loaded it.

    `rows` and `repairs` are those of the run that reports, empty where it does not load the
    source. `read_at` is up to when gold is complete and `age` the seconds since then. `status`,
    `differences` and `missed` are those of the last run of the source, which may be this one:
    where its steps counted different rows, and which histories it may have missed.
    """

    name: str
    late: LateBound
    read_at: str | None = None
    age: float | None = None
    lag: Lag | None = None
    status: str | None = None
    differences: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    repairs: tuple[Repair, ...] = ()
    deleted: int = 0
    lossless: bool | None = None
    begins_at: Watermark | None = None
    ends_at: Watermark | None = None


COLUMNS = [
    "source",
    *STEPS.values(),
    "deleted",
    "watermark from",
    "watermark to",
    "source read (UTC)",
    "lossless",
]
# What a repair has no figure for of its own.
BLANK = dict.fromkeys(COLUMNS, "")


def source_facts(run: Run) -> list[SourceFacts]:
    """Return the facts of every source, whether or not this run loads it."""
    now = datetime.now(UTC).isoformat()
    gold = run.states.read_gold()
    return [
        describe_source(run, name, run.states.read_source(name), gold, now)
        for name in source_names()
    ]


def describe_source(
    run: Run, name: str, state: SourceState, gold: GoldState, now: str
) -> SourceFacts:
    """Return the facts of one source: how gold holds it, then how its last run went.

    A run that loads the source has come as far as its report: it went well. Otherwise the state
    says how the last one went, in the same words.
    """
    reach = gold.reached.get(name)
    read_at = complete_up_to(reach, state.reach if reach and gold.business_date else None)
    if name not in sources_of_gold():
        read_at = state.reach.snapshot_at
    facts = SourceFacts(
        name=name,
        late=late_bound(load_source(name), run.settings),
        read_at=read_at,
        age=seconds_between(read_at, now) if read_at else None,
        lag=reach.lag if reach else None,
    )
    extracted = all_results(run, name, ExtractResult)
    if not extracted:
        last = state.last_run
        return replace(
            facts,
            status=last.status if last else None,
            differences=last.differences if last else (),
            missed=last.missed if last else (),
        )
    first, newest = extracted[0], extracted[-1]
    merged = all_results(run, name, TransformResult)
    carried: tuple[Sequence[ExtractResult | LandResult | LoadResult | TransformResult], ...] = (
        extracted,
        all_results(run, name, LandResult),
        all_results(run, name, LoadResult),
        merged,
    )
    rows: dict[str, int] = {
        results[0].step: sum(result.rows or 0 for result in results)
        for results in carried
        if results
    }
    repairs = tuple(result.repair for result in merged if result.repair)
    attempts = [rows, *(repair.rows for repair in repairs)]
    return replace(
        facts,
        status="done",
        differences=tuple(filter(None, map(describe_difference, attempts))),
        missed=newest.missed_histories,
        rows=rows,
        repairs=repairs,
        deleted=newest.deleted_rows,
        lossless=newest.lossless,
        begins_at=first.watermark_from,
        ends_at=newest.watermark_to,
    )


def run_figures(facts: list[SourceFacts]) -> pd.DataFrame:
    """Return one line per source that this run loaded, and one for each repair of its bronze."""
    lines: list[dict[str, object]] = []
    for source in facts:
        if not source.rows:
            continue
        lines.append(
            {
                "source": source.name,
                **in_words_of_steps(source.rows),
                "deleted": source.deleted,
                "watermark from": place(source.begins_at),
                "watermark to": place(source.ends_at),
                "source read (UTC)": ((source.ends_at and source.ends_at.snapshot_at) or "")[:19],
                "lossless": source.lossless,
            }
        )
        lines += [
            {**BLANK, "source": f"{source.name}, repair", **in_words_of_steps(repair.rows)}
            for repair in source.repairs
        ]
    return pd.DataFrame(lines, columns=COLUMNS)


def in_words_of_steps(rows: Mapping[str, int]) -> dict[str, int | None]:
    return {word: rows.get(step) for step, word in STEPS.items()}


def freshness(facts: list[SourceFacts]) -> pd.DataFrame:
    """Return up to when gold is complete for each source, how old that is, and what came last."""
    lines = [
        {
            "source": source.name,
            "gold complete up to (UTC)": (source.read_at or "never")[:19].replace("T", " "),
            "age": in_words(source.age) if source.age is not None else "",
            "late from": in_words(source.late.seconds),
            "last changes: commit to gold": bounds_in_words(source.lag),
            "last run": (source.status or "none").replace("_", " "),
        }
        for source in facts
    ]
    return pd.DataFrame(lines)


def place(watermark: Watermark | None) -> str:
    """Return a watermark in one word."""
    found = watermark or Watermark()
    return str(found.lsn or found.cursor or found.row_version or "start")


@dataclass(frozen=True)
class LayerTest:
    """A test of dbt, and the layer of the table that it looks at."""

    layer: str
    node: DbtNode


def dbt_tests(run: Run) -> list[LayerTest]:
    """Return every test of dbt in this run."""
    layers = layer_of_models()
    return [
        LayerTest(layers.get(node.table, "across"), node)
        for owner in (*source_names(), GOLD)
        for result in all_results(run, owner, TransformResult)
        for node in result.nodes
        if node.kind == "test"
    ]


def verdicts_by_layer(tests: list[LayerTest]) -> pd.DataFrame:
    """Return tests that pass, warn and fail, a line per layer."""
    layers = ["bronze", "silver", "gold", "across"]
    verdicts = ["pass", "warn", "fail"]
    found = Counter(
        (test.layer, test.node.status if test.node.status in verdicts else "fail") for test in tests
    )
    return pd.DataFrame(
        [[found[layer, verdict] for verdict in verdicts] for layer in layers],
        index=pd.Index(layers, name="layer"),
        columns=verdicts,
    )


def tests_that_do_not_pass(tests: list[LayerTest]) -> pd.DataFrame:
    """Return layer, name, status, failures and message of each test that warns or fails."""
    columns = ["layer", "name", "table", "status", "failures", "message"]
    loud = [
        {"layer": test.layer, **test.node.model_dump()}
        for test in tests
        if test.node.status != "pass"
    ]
    return pd.DataFrame(loud, columns=columns)


def all_results(run: Run, owner: str, kind: type[Result]) -> list[Result]:
    """Return the results of a step that a source has in this run so far, slice by slice."""
    folders = [run.folder / owner, *sorted(run.folder.glob(f"slices/*/{owner}"))]
    paths = [folder / f"{kind.step_name()}.json" for folder in folders]
    return [kind.model_validate_json(path.read_text("utf-8")) for path in paths if path.exists()]

"""What the report states about each source and this run, read from states and step results."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from credix.clients.dbt.project import layer_of_models, sources_of_gold
from credix.core.contracts import load_source, source_names
from credix.core.freshness import bounds_in_words, complete_up_to, in_words, seconds_between
from credix.core.jobs import STEPS, describe_difference
from credix.core.schedules import LateBound, late_bound
from credix.state.run import Run
from credix.state.states import GoldState, SourceState, Watermark


@dataclass(frozen=True)
class Repair:
    """One more attempt of a run, because bronze was not proven: why, and its rows by step."""

    fault: str
    rows: Mapping[str, int]


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
    lag: Mapping[str, Any] | None = None
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
    """The facts of every source, whether or not this run loads it."""
    now = datetime.now(UTC).isoformat()
    gold = run.states.read_gold()
    return [
        describe_source(run, name, run.states.read_source(name), gold, now)
        for name in source_names()
    ]


def describe_source(
    run: Run, name: str, state: SourceState, gold: GoldState, now: str
) -> SourceFacts:
    """The facts of one source: how gold holds it, then how its last run went.

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
        lag=reach.lag.as_dict() if reach and reach.lag else None,
    )
    results = read_results(run, name)
    extracted = results["01_extract"]
    if not extracted:
        last = state.last_run
        return replace(
            facts,
            status=last.status if last else None,
            differences=last.differences if last else (),
            missed=last.missed if last else (),
        )
    first, newest = extracted[0], extracted[-1]
    rows = {step: rows_of(results, step) for step in STEPS if results[step]}
    repairs = tuple(
        Repair(result["repair"]["fault"], result["repair"]["rows"])
        for result in results["04_transform"]
        if result.get("repair")
    )
    differences = map(describe_difference, [rows, *(repair.rows for repair in repairs)])
    return replace(
        facts,
        status="done",
        differences=tuple(filter(None, differences)),
        missed=tuple(newest.get("missed_histories") or ()),
        rows=rows,
        repairs=repairs,
        deleted=newest.get("deleted_rows") or 0,
        lossless=newest.get("lossless"),
        begins_at=watermark_of(first.get("watermark_from")),
        ends_at=watermark_of(newest.get("watermark_to")),
    )


def watermark_of(found: dict[str, Any] | None) -> Watermark | None:
    return Watermark(**found) if found else None


def run_figures(facts: list[SourceFacts]) -> pd.DataFrame:
    """One line per source that this run loaded, and one for each repair of its bronze."""
    lines: list[dict[str, Any]] = []
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
    """One line per source: up to when gold is complete, how old that is, and what came last."""
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
    """A watermark in one word."""
    found = watermark or Watermark()
    return str(found.lsn or found.cursor or found.row_version or "start")


def dbt_tests(run: Run) -> list[dict[str, Any]]:
    """Layer, name, status and failures of every test of dbt in this run."""
    layers = layer_of_models()
    found = []
    for owner in (*source_names(), "gold"):
        for result in all_results(run, owner, "04_transform"):
            for node in result.get("nodes", []):
                if node["kind"] == "test":
                    layer = layers.get(node["table"], "across")
                    found.append({"layer": layer, **node})
    return found


def verdicts_by_layer(tests: list[dict[str, Any]]) -> pd.DataFrame:
    """Tests that pass, warn and fail, a line per layer."""
    layers = ["bronze", "silver", "gold", "across"]
    table = pd.DataFrame(0, index=pd.Index(layers, name="layer"), columns=["pass", "warn", "fail"])
    for test in tests:
        status = test["status"] if test["status"] in ("pass", "warn") else "fail"
        table.loc[test["layer"], status] += 1
    return table


def tests_that_do_not_pass(tests: list[dict[str, Any]]) -> pd.DataFrame:
    """Layer, name, status, failures and message of each test that warns or fails."""
    columns = ["layer", "name", "table", "status", "failures", "message"]
    loud = [test for test in tests if test["status"] != "pass"]
    return pd.DataFrame(loud, columns=columns)


def read_results(run: Run, source: str) -> dict[str, list[dict[str, Any]]]:
    """The results of each step that a source has in this run so far, slice by slice."""
    return {step: all_results(run, source, step) for step in STEPS}


def all_results(run: Run, owner: str, step: str) -> list[dict[str, Any]]:
    folders = [run.folder / owner, *sorted(run.folder.glob(f"slices/*/{owner}"))]
    paths = [folder / f"{step}.json" for folder in folders]
    return [json.loads(path.read_text("utf-8")) for path in paths if path.exists()]


def read_result(run: Run, owner: str, step: str) -> dict[str, Any] | None:
    """The last result of a step, which is that of the last slice."""
    found = all_results(run, owner, step)
    return found[-1] if found else None


def rows_of(results: dict[str, list[dict[str, Any]]], step: str) -> int:
    return sum(result["rows"] for result in results[step])

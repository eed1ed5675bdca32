"""05: what this run carried, read from the results of its steps."""

import json
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from credix.clients.dbt import layer_of_models
from credix.freshness import bounds_in_words, complete_up_to, in_words, seconds_between
from credix.sources import source_names
from credix.state import Watermark
from credix.steps.context import Run

CARRYING = {
    "01_extract": "extracted",
    "02_land": "landed",
    "03_load": "loaded",
    "04_transform": "merged",
}
COLUMNS = [
    "source",
    *CARRYING.values(),
    "deleted",
    "watermark from",
    "watermark to",
    "source read (UTC)",
    "lossless",
]


def source_facts(run: Run) -> list[dict[str, Any]]:
    """One entry per source, whether or not this run carried it.

    `rows` are those of this run by step, `read_at` is up to when gold is complete and `age` the
    seconds since then, `status` how the last run of the source ended: well, where that is this one,
    which has come as far as its report. `lag` bounds how long what came into gold last had waited.
    """
    now = datetime.now(UTC).isoformat()
    gold = run.states.read_gold()
    facts = []
    for name in source_names():
        results = read_results(run, name)
        state, reach = run.states.read_source(name), gold.reached.get(name)
        extracted = results["01_extract"]
        first, last = (extracted[0], extracted[-1]) if extracted else ({}, {})
        bronze = state.reach if reach and gold.business_date else None
        last_status = state.last_run.status if state.last_run else None
        read_at = complete_up_to(reach, bronze)
        facts.append(
            {
                "name": name,
                "rows": {step: rows_of(results, step) for step in CARRYING if results[step]},
                "deleted": last.get("deleted_rows") or 0,
                "missed": last.get("missed_histories") or [],
                "from": first.get("watermark_from"),
                "to": last.get("watermark_to"),
                "read_at": read_at,
                "age": seconds_between(read_at, now) if read_at else None,
                "status": "done" if extracted else last_status,
                "lag": reach.lag.as_dict() if reach and reach.lag else None,
                "lossless": last.get("lossless"),
            }
        )
    return facts


def run_figures(facts: list[dict[str, Any]]) -> pd.DataFrame:
    """One line per source that this run carried."""
    lines = [
        {
            "source": source["name"],
            **{word: source["rows"].get(step) for step, word in CARRYING.items()},
            "deleted": source["deleted"],
            "watermark from": place(source["from"]),
            "watermark to": place(source["to"]),
            "source read (UTC)": ((source["to"] or {}).get("snapshot_at") or "")[:19],
            "lossless": source["lossless"],
        }
        for source in facts
        if source["rows"]
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def freshness(facts: list[dict[str, Any]]) -> pd.DataFrame:
    """One line per source: up to when gold is complete, how old that is, and what came last."""
    lines = [
        {
            "source": source["name"],
            "gold complete up to (UTC)": (source["read_at"] or "never")[:19].replace("T", " "),
            "age": in_words(source["age"]) if source["age"] is not None else "",
            "last changes: commit to gold": bounds_in_words(source["lag"]),
            "last run": (source["status"] or "none").replace("_", " "),
        }
        for source in facts
    ]
    return pd.DataFrame(lines)


def place(watermark: dict[str, Any] | None) -> str:
    """A watermark in one word."""
    found = Watermark(**watermark) if watermark else Watermark()
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


def read_results(run: Run, source: str) -> dict[str, list[dict[str, Any]]]:
    """The results of each step that a source has in this run so far, slice by slice."""
    return {step: all_results(run, source, step) for step in CARRYING}


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

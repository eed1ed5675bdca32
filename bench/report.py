"""The kept results as docs/reference/benchmarks.md, with a plot for each question."""

import json
import math
import os
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from typing import Any

from bench import plots
from bench.stage import WORK
from credix.core.settings import PROJECT_DIR

RESULTS = WORK / "results.json"
DOCUMENT = PROJECT_DIR / "docs" / "reference" / "benchmarks.md"
VERSIONED = ("adbc-driver-postgresql", "pyarrow", "papermill", "dbt-bigquery", "duckdb")
NAMES = {
    "copy": "`COPY (FORMAT binary)` to nothing, one connection",
    "ours": "**this product**: row hash, Parquet, digest, step result",
    "dlt_connectorx": "dlt, connectorx backend",
    "dlt_pyarrow": "dlt, pyarrow backend",
    "pandas": "pandas.read_sql, whole table",
}
Results = dict[str, dict[str, Any]]


def keep(question: str, rows: int, found: Mapping[str, Any]) -> None:
    """Keep the results of one part beside those of the others."""
    kept = read_results()
    machine = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in VERSIONED},
    }
    kept.setdefault(question, {})[str(rows)] = {**machine, "results": found}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def read_results() -> Results:
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}


def write_report() -> None:
    """Every question that has results, in the order in which a reader asks them."""
    kept = read_results()
    sections: dict[str, Callable[[dict[str, Any]], str]] = {
        "extraction": tell_extraction,
        "runs": tell_runs,
        "growth of extraction": tell_growth_of_extraction,
        "growth of first loads": tell_growth_of_loads,
    }
    told = [tell(kept[name]) for name, tell in sections.items() if name in kept]
    machine = next(iter(next(iter(kept.values())).values()))
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    head = (
        "# Benchmarks\n\nWritten by `make bench` from what it measured on one machine: "
        f"{machine['date']}, {machine['cores']} cores, Python {machine['python']}, {versions}, the "
        "embedded PostgreSQL on the same cores. Ours and the others take turns in one run, each "
        "reading in a process of its own; imports are not counted, peak memory is. The rows are "
        "installments with UUIDs as keys, 11 columns, about 170 bytes each in PostgreSQL. Numbers "
        "of another machine differ; ratios are what to compare.\n"
    )
    DOCUMENT.write_text("\n".join([head, *told]), "utf-8")


def tell_extraction(by_rows: dict[str, Any]) -> str:
    rows, measured = max(by_rows.items(), key=lambda item: int(item[0]))
    found = measured["results"]
    limit = middle(found["copy"])
    ratios = {
        name: median(
            one["seconds"] / base["seconds"]
            for one, base in zip(found[name], found["copy"], strict=True)
        )
        for name in found
    }
    lines = [
        f"| {NAMES[name]} | {middle(readings):.2f} | {spread(readings)} | {ratios[name]:.2f} "
        f"| {max(one['peak_mb'] for one in readings):,} |"
        for name, readings in found.items()
    ]
    plots.bars(
        "extraction",
        {name: middle(readings) for name, readings in found.items()},
        f"{int(rows):,} rows to Parquet",
        "seconds",
    )
    return (
        f"## From PostgreSQL to Parquet\n\n{int(rows):,} rows, medians of {len(found['copy'])} "
        "turns; a ratio is the median of the ratios of a turn. "
        f"The wire's limit took {limit:.2f} s.\n\n"
        "| reader | seconds | least to most | times COPY | peak MB |\n|---|---|---|---|---|\n"
        + "\n".join(lines)
        + "\n\n![seconds by reader](../benchmarks/extraction.svg)\n\n"
        "dlt is measured up to the Parquet files of its working folder (`pipeline.extract`), that "
        "is, before its normalizing and loading. It and pandas compute no hash of a row.\n"
    )


def tell_runs(by_rows: dict[str, Any]) -> str:
    rows, measured = max(by_rows.items(), key=lambda item: int(item[0]))
    found = measured["results"]
    turns = zip(found["quiet run"], found["empty notebook"], strict=True)
    ratio = median(quiet["seconds"] / empty["seconds"] for quiet, empty in turns)
    shares = {name: found[name][-1]["spent"] for name in found if "spent" in found[name][-1]}
    kinds = list(next(iter(shares.values())))
    lines = [
        f"| {name} | {middle(runs):.2f} | {spread(runs)} | "
        + " | ".join(f"{shares[name][kind]:.2f}" if name in shares else "" for kind in kinds)
        + " |"
        for name, runs in found.items()
    ]
    plots.stacks("runs", shares, f"Runs over {int(rows):,} installments", "seconds")
    return (
        f"## Whole runs\n\nFrom the command to its exit, over {int(rows):,} installments and "
        "60,000 companies, one source; `delta to gold` changes 1,000 installments and ends behind "
        "the tests of gold. The columns behind the spread are seconds of the last run; `command` "
        f"is the process around the notebooks. A quiet run takes {ratio:.2f} times an empty "
        "notebook through papermill's command line (median of the turns).\n\n"
        f"| run | seconds | least to most | {' | '.join(kinds)} |\n"
        f"|---|---|---|{'---|' * len(kinds)}\n" + "\n".join(lines) + "\n\n"
        "![seconds by what they went into](../benchmarks/runs.svg)\n"
    )


def tell_growth_of_extraction(by_rows: dict[str, Any]) -> str:
    sizes = sorted(map(int, by_rows))
    ours = {rows: by_rows[str(rows)]["results"]["ours"] for rows in sizes}
    copies = {rows: middle(by_rows[str(rows)]["results"]["copy"]) for rows in sizes}
    seconds = {rows: middle(readings) for rows, readings in ours.items()}
    lines = [
        f"| {rows:,} | {copies[rows]:.2f} | {seconds[rows]:.2f} | "
        f"{max(one['peak_mb'] for one in ours[rows]):,} |"
        for rows in sizes
    ]
    plots.growth("growth", {"extraction": seconds}, "Extraction by size", "seconds")
    return (
        f"## Growth of the extraction\n\nExponent {exponent(seconds):.2f} (least squares of the "
        "logarithms). Full parts are uploaded meanwhile, which begins above 3 million rows "
        "and costs the storage server, on the same two cores, about as much as the reading.\n\n"
        "| rows | COPY seconds | seconds | peak MB |\n|---|---|---|---|\n"
        + "\n".join(lines)
        + "\n\n"
        "![seconds by rows](../benchmarks/growth.svg)\n"
    )


def tell_growth_of_loads(by_rows: dict[str, Any]) -> str:
    sizes = sorted(map(int, by_rows))
    loads = {rows: by_rows[str(rows)]["results"]["first load"] for rows in sizes}
    seconds = {rows: middle(found) for rows, found in loads.items()}
    kinds = list(loads[sizes[0]][-1]["spent"])
    lines = [
        f"| {rows:,} | {seconds[rows]:.1f} | "
        + " | ".join(f"{loads[rows][-1]['spent'][kind]:.1f}" for kind in kinds)
        + " |"
        for rows in sizes
    ]
    plots.growth("loads", {"first load": seconds}, "First load by size", "seconds")
    return (
        "## Growth of first loads\n\nFrom the command to tested bronze, in seconds; exponent "
        f"{exponent(seconds):.2f}.\n\n| rows | in all | {' | '.join(kinds)} |\n"
        f"|---|---|{'---|' * len(kinds)}\n" + "\n".join(lines) + "\n\n"
        "![seconds by rows](../benchmarks/loads.svg)\n"
    )


def middle(readings: list[dict[str, Any]]) -> float:
    return float(median(one["seconds"] for one in readings))


def spread(readings: list[dict[str, Any]]) -> str:
    seconds = [one["seconds"] for one in readings]
    return f"{min(seconds):.2f} to {max(seconds):.2f}"


def exponent(seconds: Mapping[int, float]) -> float:
    """The slope of log(seconds) over log(rows) by least squares; nan for one size."""
    points = [(math.log(rows), math.log(took)) for rows, took in seconds.items()]
    if len(points) < 2:
        return math.nan
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    below = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / below

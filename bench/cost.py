"""Writes the tables of docs/explanation/cost.md; `--record` first reads two runs.

Everything is derived from the statements that a run sends (bench/cost_statements.json), BigQuery's
rules of what a query is billed for, and the assumptions that stand here by name.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bench.cost_record import RECORD, record
from bench.cost_scan import Scan, scan

DOCUMENT = Path(__file__).parents[1] / "docs" / "explanation" / "cost.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"

# USD per TiB on demand and per GiB and month of active logical storage, as of July 2023.
PRICES = {"US": (6.25, 0.02), "southamerica-east1": (11.25, 0.035)}
MINIMUM_BYTES = 10 * 2**20
RUNS_A_DAY, DAYS_A_MONTH = 288, 30
SIZES = {"1 M": 10**6, "100 M": 10**8, "10 G": 10**10}
CHANGED_SHARE_A_DAY = 0.01
# `_seq > N` reads the newest partition: half of its 1,000 attempts on average.
ATTEMPTS_READ = 500
GIB, TIB = 2**30, 2**40
GOLD = "04_transform gold"


@cache
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORD.read_text("utf-8"))
    return found


def rows_of(table: str, installments: int) -> float:
    """Rows of a table at this size: in proportion to the demo data; a delta in temp."""
    tables = recorded()["tables"]
    share = tables[table]["rows"] / tables["bronze.installments"]["rows"]
    if table.startswith("bronze.capture_control"):
        return float(tables[table]["rows"])
    if table.startswith("temp."):
        source = table.removeprefix("temp.").removesuffix("_dbt").removesuffix("_schema")
        of_source = rows_of(f"bronze.{source}", installments)
        return of_source * CHANGED_SHARE_A_DAY / RUNS_A_DAY if table.endswith("_dbt") else 0
    return float(share * installments)


@cache
def scanned(sql: str) -> Scan:
    columns = {name: set(table["widths"]) for name, table in recorded()["tables"].items()}
    return scan(sql, columns)


def bytes_of(sql: str, installments: int) -> float:
    """Bytes that a statement is billed for; 0 where it names no table."""
    found = scanned(sql)
    total = 0.0
    for table, columns in found.read.items():
        widths = recorded()["tables"][width_source(table)]["widths"]
        rows = rows_of(table, installments)
        if table in found.pruned and table.startswith("bronze."):
            rows = min(rows, rows * CHANGED_SHARE_A_DAY / RUNS_A_DAY * ATTEMPTS_READ)
        size = rows * sum(widths.get(column, 0) for column in columns)
        if table in found.changed:
            size += rows * sum(widths.values())
        total += max(MINIMUM_BYTES, size)
    return total


def width_source(table: str) -> str:
    """A delta's columns are as wide as bronze's: the delta of the demo may be empty or odd."""
    return table.replace("temp.", "bronze.").removesuffix("_dbt").removesuffix("_schema")


def bytes_by_step(statements: Iterable[Mapping[str, str]], installments: int) -> dict[str, float]:
    steps: dict[str, float] = defaultdict(float)
    for statement in statements:
        steps[statement["step"]] += bytes_of(statement["sql"], installments)
    return {step: steps[step] for step in sorted(steps)}


def bytes_a_day(installments: int, runs: int, gold_builds: int) -> float:
    """Of so many runs and builds of silver and gold, the first build of the day a full one."""
    first = bytes_by_step(recorded()["statements"]["first"], installments)
    later = bytes_by_step(recorded()["statements"]["later"], installments)
    of_gold = sum(size for step, size in later.items() if step.endswith(" gold"))
    of_sources = sum(later.values()) - of_gold
    return runs * of_sources + (gold_builds - 1) * of_gold + first.get(GOLD, 0.0)


def storage_bytes(installments: int) -> float:
    tables = recorded()["tables"]
    return float(
        sum(
            rows_of(name, installments) * sum(table["widths"].values())
            for name, table in tables.items()
            if not name.startswith("temp.")
        )
    )


def tables() -> str:
    """The generated part of docs/explanation/cost.md."""
    later = recorded()["statements"]["later"]
    by_size = {name: bytes_by_step(later, size) for name, size in SIZES.items()}
    steps = [
        [step, *(gib(by_size[name][step]) for name in SIZES)]
        for step in by_size["1 M"]
        if by_size["1 M"][step]
    ]
    steps.append(["**a run**", *(gib(sum(by_size[name].values())) for name in SIZES)])
    largest = sorted(later, key=lambda one: -bytes_of(one["sql"], SIZES["100 M"]))[:12]
    costs = []
    plans = {
        "288 runs, 288 gold builds": (RUNS_A_DAY, RUNS_A_DAY),
        "288 runs, 24 gold builds": (RUNS_A_DAY, 24),
        "288 runs, 1 gold build": (RUNS_A_DAY, 1),
        "24 runs, 24 gold builds": (24, 24),
        "24 runs, 1 gold build": (24, 1),
    }
    for plan, (runs, builds) in plans.items():
        for region, (price, _) in PRICES.items():
            costs.append(
                [plan, region, *(usd(size, runs, builds, price) for size in SIZES.values())]
            )
    storage = [
        [region, *(f"{storage_bytes(size) / GIB * price:,.0f}" for size in SIZES.values())]
        for region, (_, price) in PRICES.items()
    ]
    return "\n\n".join(
        [
            "### GiB billed by step of a run with changes\n\n" + grid(["step", *SIZES], steps),
            "### The largest statements at 100 M\n\n"
            + grid(
                ["step", "statement", "reads", "GiB"],
                [
                    [
                        one["step"],
                        label(one),
                        reads(one["sql"]),
                        gib(bytes_of(one["sql"], SIZES["100 M"])),
                    ]
                    for one in largest
                ],
            ),
            "### USD a month on demand\n\n" + grid(["a day", "region", *SIZES], costs),
            "### USD a month for storage (active, logical)\n\n" + grid(["region", *SIZES], storage),
        ]
    )


def usd(installments: int, runs: int, builds: int, price: float) -> str:
    return f"{bytes_a_day(installments, runs, builds) * DAYS_A_MONTH / TIB * price:,.0f}"


def label(statement: Mapping[str, str]) -> str:
    name = statement["name"].split(".")[2:3]
    return f"`{name[0]}`" if name else f"`{' '.join(statement['sql'].split())[:60].strip()}…`"


def reads(sql: str) -> str:
    found = scanned(sql)
    notes = dict.fromkeys(found.pruned, ", pruned")
    notes |= dict.fromkeys(found.changed, " + all")
    return ", ".join(
        f"{name} ({len(columns)}{notes.get(name, '')})"
        for name, columns in sorted(found.read.items())
    )


def gib(size: float) -> str:
    return f"{size / GIB:,.2f}" if size < 100 * GIB else f"{size / GIB:,.0f}"


def grid(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows
    )


def rewritten(document: str) -> str:
    before, _, rest = document.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    if "--record" in sys.argv[1:]:
        record()
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text("utf-8")), "utf-8")

"""Writes the tables of docs/explanation/production.md: load and cost of 10, 100 and 1,000 sources.

`python -m bench.cost_sources`. Bytes come from the recorded statements (bench/cost.py); everything
else is an assumption or a rule of Google's that stands here by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.cost import (
    DAYS_A_MONTH,
    GIB,
    PRICES,
    TIB,
    bytes_by_step,
    grid,
    recorded,
    storage_bytes,
)

DOCUMENT = Path(__file__).parents[1] / "docs" / "explanation" / "production.md"
BEGIN, END = "<!-- sources: begin -->", "<!-- sources: end -->"

COUNTS = (10, 100, 1_000)
PLANS = {"every 5 minutes": 5, "every hour": 60, "every 4 hours": 240, "once a day": 1440}
REGION = "southamerica-east1"
# Of each source. It is as wide as installments, and every run finds changes: an upper bound.
ROWS = 1_000_000
MODEL = "installments"
# A run to bronze takes 13 s on a laptop (README); Google's start of a container and of its jobs is
# assumed to take the rest.
SECONDS_A_RUN = 60
CPUS, MEMORY_GIB = 2, 4
# PostgreSQL hashes every key of a table once a run, and every row where the capture reads it.
HASHING_SECONDS_A_ROW = 2 * 0.6e-6
LOADS_A_RUN, OBJECTS_A_RUN, LOG_BYTES_A_RUN = 2, 50, 20_000
# USD: a vCPU and a GiB of Cloud Run's jobs for a second, 1,000 writes of objects, a schedule a
# month, a GiB of log; as known in 2023.
CPU_SECOND, GIB_SECOND = 0.0000252, 0.0000028
THOUSAND_WRITES, SCHEDULE, LOG_GIB = 0.005, 0.10, 0.50


@dataclass(frozen=True)
class Load:
    """What so many sources ask for when each runs every so many minutes."""

    sources: int
    minutes: int

    @property
    def runs_a_day(self) -> int:
        return self.sources * 24 * 60 // self.minutes

    @property
    def runs_at_once(self) -> float:
        return self.runs_a_day * SECONDS_A_RUN / 86_400

    @property
    def page_writes_a_second(self) -> float:
        return self.runs_a_day / 86_400

    @property
    def source_cores(self) -> float:
        return self.runs_a_day * ROWS * HASHING_SECONDS_A_ROW / 86_400

    @property
    def queries_a_day(self) -> int:
        return self.runs_a_day * len(statements())

    @property
    def loads_a_day(self) -> int:
        return self.runs_a_day * LOADS_A_RUN

    def costs(self) -> dict[str, float]:
        """USD a month by what it is for."""
        per_tib, per_gib = PRICES[REGION]
        runs = self.runs_a_day * DAYS_A_MONTH
        stored = self.sources * (storage_bytes(ROWS) / GIB) * per_gib
        return {
            "BigQuery, queries": runs * bytes_a_run() / TIB * per_tib,
            "BigQuery, storage": stored,
            "Cloud Run": runs * SECONDS_A_RUN * (CPUS * CPU_SECOND + MEMORY_GIB * GIB_SECOND),
            "Cloud Storage, writes": runs * OBJECTS_A_RUN / 1_000 * THOUSAND_WRITES,
            "log and schedules": runs * LOG_BYTES_A_RUN / GIB * LOG_GIB + self.sources * SCHEDULE,
        }


# What Google allows (its pages "Quotas and limits"), and what of a load it bounds.
LIMITS: dict[str, tuple[int, Callable[[Load], float]]] = {
    "load jobs a day": (100_000, lambda load: load.loads_a_day),
    "jobs of Cloud Run in a region": (1_000, lambda load: load.sources),
    "writes a second to the page of all runs": (1, lambda load: load.page_writes_a_second),
}


def statements() -> list[dict[str, str]]:
    """What a run of one source sends up to bronze."""
    return [one for one in recorded()["statements"]["later"] if one["step"].endswith(f" {MODEL}")]


def bytes_a_run() -> float:
    return sum(bytes_by_step(statements(), ROWS).values())


def exceeded(load: Load) -> list[str]:
    return [name for name, (most, asked) in LIMITS.items() if asked(load) > most]


def loads() -> list[tuple[str, Load]]:
    return [(plan, Load(count, minutes)) for plan, minutes in PLANS.items() for count in COUNTS]


def tables() -> str:
    """The generated part of docs/explanation/production.md."""
    asked = [
        [
            plan,
            f"{load.sources:,}",
            f"{load.runs_a_day:,}",
            number(load.runs_at_once),
            number(load.source_cores),
            f"{load.queries_a_day:,}",
            f"{load.loads_a_day:,}",
            "; ".join(exceeded(load)) or "",
        ]
        for plan, load in loads()
    ]
    kinds = list(Load(1, 60).costs())
    costs = [
        [
            plan,
            f"{load.sources:,}",
            *(f"{load.costs()[kind]:,.0f}" for kind in kinds),
            f"**{sum(load.costs().values()):,.0f}**",
        ]
        for plan, load in loads()
    ]
    return "\n\n".join(
        [
            "### Load\n\n"
            + grid(
                [
                    "each source",
                    "sources",
                    "runs a day",
                    "runs at once",
                    "cores of PostgreSQL",
                    "queries a day",
                    "load jobs a day",
                    "more than Google allows",
                ],
                asked,
            ),
            f"### USD a month in {REGION}, on demand\n\n"
            + grid(["each source", "sources", *kinds, "in all"], costs),
            f"A run of a source of {ROWS:,} rows has BigQuery read {bytes_a_run() / GIB:.2f} GiB.",
        ]
    )


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def rewritten(document: str) -> str:
    before, _, rest = document.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text("utf-8")), "utf-8")

"""When each job runs, and so how old a source may be: the one place of these times.

The times that come with the product are in the contracts, which Terraform reads too. Others come
by `CREDIX_SCHEDULE`: from Terraform's `schedules` on Google, from `schedule --at` on one machine.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from credix.core import cron
from credix.core.contracts import Source, declarations, shared_jobs
from credix.core.freshness import in_words
from credix.core.settings import Settings

# The job that replicates every source.
WHOLE = "full"


@dataclass(frozen=True)
class LateBound:
    """How old a source may be, and why, for people."""

    seconds: float
    reason: str


def default_lines() -> dict[str, str]:
    """Return the cron line of each job that has one, as the contracts have them."""
    lines = {declared.job: declared.schedule for declared in declarations().values()}
    lines |= shared_jobs().model_dump()
    return {job: line for job, line in lines.items() if line is not None}


def lines_in_force(settings: Settings) -> dict[str, str]:
    return default_lines() if settings.schedule is None else cron.parse_lines(settings.schedule)


def late_bound(source: Source, settings: Settings) -> LateBound:
    """Return how old a source may be before it is late.

    The source's own `late_minutes`; else the longest time that the schedule leaves between two runs
    that load it, and CREDIX_LATE_MINUTES on top, for the run itself; those minutes alone where no
    scheduled job loads it.
    """
    if source.late_minutes is not None:
        bound = timedelta(minutes=source.late_minutes)
        return LateBound(
            bound.total_seconds(), f"late_minutes of sources.yml is {source.late_minutes}"
        )
    allowed = timedelta(minutes=settings.late_minutes)
    setting = f"CREDIX_LATE_MINUTES ({settings.late_minutes})"
    lines = lines_in_force(settings)
    carrying = frozenset(lines[job] for job in (source.job, WHOLE) if job in lines)
    if not carrying:
        return LateBound(allowed.total_seconds(), f"no schedule loads it, {setting} is the bound")
    gap = gap_of(carrying)
    return LateBound(
        (gap + allowed).total_seconds(),
        f"its schedule leaves {in_words(gap.total_seconds())} between two runs, {setting} adds "
        "to it",
    )


@cache
def gap_of(lines: frozenset[str]) -> timedelta:
    return cron.longest_gap(map(cron.parse, lines))

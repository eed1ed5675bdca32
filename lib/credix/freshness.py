"""How long a change has waited between its commit in PostgreSQL and tested gold.

A run knows the snapshot before, its own, and when gold was tested. A change that it carried was
committed between the two snapshots, so that it waited at least from the run's own snapshot, and at
most from the one before. PostgreSQL tells no closer time unless `track_commit_timestamp` is on,
which a source cannot be asked for.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Lag:
    """Seconds from commit to tested gold; `at_most` is None where nothing was read before."""

    at_least: float
    at_most: float | None

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def end_to_end(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, gold_at: str | None
) -> Lag | None:
    """The lag of what was carried between two watermarks; None where gold does not hold it."""
    read_at = (after or {}).get("snapshot_at")
    read_before = (before or {}).get("snapshot_at")
    if not read_at or not gold_at or gold_at < read_at:
        return None
    at_most = seconds_between(read_before, gold_at) if read_before else None
    return Lag(seconds_between(read_at, gold_at), at_most)


def seconds_between(start: str, end: str) -> float:
    """From one instant in ISO format to another."""
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return round(passed.total_seconds(), 1)


def in_words(seconds: float) -> str:
    """A duration as people say it: `40 s`, `12 min`, `5 h`, `3 days`."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds / HOUR:.0f} h"
    return f"{seconds / DAY:.0f} days"


def bounds_in_words(lag: Mapping[str, Any] | None) -> str:
    """`40 s to 12 min`; empty where there is no lag to tell."""
    if not lag:
        return ""
    least = in_words(lag["at_least"])
    most = lag["at_most"]
    return f"{least} to {in_words(most)}" if most is not None else f"{least} or more"

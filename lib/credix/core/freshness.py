"""Up to when gold is complete, and how long a change waited from its commit in PostgreSQL to it.

A change that is new in gold was committed between two snapshots: that up to which gold was complete
before, and that up to which it is now. So it waited at least from the second one, and at most from
the first. PostgreSQL records no closer time unless `track_commit_timestamp` is on, which a source
cannot be asked for.
"""

from dataclasses import dataclass, replace
from datetime import datetime

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Lag:
    """Seconds from commit to tested gold; `at_most` is None where nothing was in gold before."""

    at_least: float
    at_most: float | None


@dataclass(frozen=True)
class CompleteThrough:
    """How far a layer holds a source: its newest `_seq`, and the snapshot it is complete up to.

    `lag` is that of the changes that came into gold last.
    """

    seq: int
    snapshot_at: str | None
    lag: Lag | None = None

    def is_newer_than(self, before: "CompleteThrough") -> bool:
        """Return True when it holds changes of a newer snapshot."""
        return self.seq > before.seq and self.snapshot_at != before.snapshot_at


def next_gold_freshness(
    before: CompleteThrough | None,
    began: CompleteThrough | None,
    now: CompleteThrough,
    gold_at: str,
) -> CompleteThrough:
    """Return the reach of gold that was built from bronze as it is `now`, and tested at `gold_at`.

    `before` is gold's reach so far, `began` that of bronze when the run began, None where the run
    does not know it. Rows without a snapshot of their own, from outside, have no lag.
    """
    if before and not now.is_newer_than(before):
        return replace(now, lag=before.lag)
    if now.seq == 0:
        return now
    return replace(now, lag=end_to_end(complete_up_to(before, began), now.snapshot_at, gold_at))


def complete_up_to(gold: CompleteThrough | None, bronze: CompleteThrough | None) -> str | None:
    """Up to when gold is complete: as far as bronze, when gold has seen all that bronze holds."""
    seen = gold.seq if gold else 0
    if bronze and bronze.seq <= seen:
        return bronze.snapshot_at
    return gold.snapshot_at if gold else None


def end_to_end(before: str | None, after: str | None, gold_at: str) -> Lag | None:
    """Return the lag of what was committed between two snapshots.

    None where no clock measures it.
    """
    if not after:
        return None
    at_least = seconds_between(after, gold_at)
    at_most = seconds_between(before, gold_at) if before else None
    return Lag(at_least, at_most) if at_least >= 0 else None


def seconds_between(start: str, end: str) -> float:
    """From one instant in ISO format to another."""
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return round(passed.total_seconds(), 1)


def in_words(seconds: float) -> str:
    """Return a duration as people say it: `40 s`, `12 min`, `5 h`, `3 days`."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds / HOUR:.0f} h"
    return f"{seconds / DAY:.0f} days"


def bounds_in_words(lag: Lag | None) -> str:
    """`40 s to 12 min`; empty where there is no lag."""
    if not lag:
        return ""
    least = in_words(lag.at_least)
    return f"{least} to {in_words(lag.at_most)}" if lag.at_most is not None else f"{least} or more"

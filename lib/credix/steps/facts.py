"""What the report knows of a source, whichever job asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from credix.core.schedules import LateBound
from credix.state.states import Watermark


@dataclass(frozen=True)
class Repair:
    """One more attempt of a run, because bronze was not proven: why, and its rows by step."""

    fault: str
    rows: Mapping[str, int]


@dataclass(frozen=True)
class SourceFacts:
    """A source as gold holds it, and as the last run has carried it.

    `rows` and `repairs` are those of the run that reports, empty where it does not carry the
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

"""What a person may ask of a run beyond what changed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class RunOptions:
    """What a person asked of this run beyond what changed.

    `backfill` is the first and the last day of a period that is read again by cursor; `reconcile`
    reads what differs in value from bronze, and takes out what the source does not hold.
    `from_landing` takes files that outside writers put into landing, and asks PostgreSQL nothing.
    """

    allow_deletes: bool = False
    backfill: tuple[str, str] | None = None
    reconcile: bool = False
    from_landing: bool = False

    @property
    def reads_again(self) -> bool:
        """True when rows that did not change are asked for."""
        return self.backfill is not None or self.reconcile

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> "RunOptions":
        """From a notebook's parameters or `run.json`, where the period is a list."""
        period = parameters.get("backfill")
        first_and_last = (str(period[0]), str(period[1])) if period else None
        return cls(
            allow_deletes=bool(parameters.get("allow_deletes")),
            backfill=first_and_last,
            reconcile=bool(parameters.get("reconcile")),
            from_landing=bool(parameters.get("from_landing")),
        )

    def as_parameters(self) -> dict[str, Any]:
        period = list(self.backfill) if self.backfill else None
        return {**asdict(self), "backfill": period}

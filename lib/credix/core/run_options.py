"""What a person may ask of a run beyond what changed."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue


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

    def as_parameters(self) -> Mapping[str, JsonValue]:
        """Return the parameters of 01 that say the same; a period is a list there."""
        period: list[JsonValue] | None = list(self.backfill) if self.backfill else None
        return {
            "allow_deletes": self.allow_deletes,
            "backfill": period,
            "reconcile": self.reconcile,
            "from_landing": self.from_landing,
        }

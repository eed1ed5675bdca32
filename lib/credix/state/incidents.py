"""Incidents: what people are notified of once when it begins and once when it is over.

Each run finds what is wrong as far as it can see, and names what it can judge: an incident that it
judges and does not find is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from pydantic import Field, ValidationError

from credix.core.errors import StateError
from credix.core.watermarks import Value


class Kind(StrEnum):
    """What can be wrong; `docs/how-to/troubleshoot.md` says of each what it means and what to do.

    `pipeline/notify/alerts.py` finds them.
    """

    RUN = "run"
    LATE = "late"
    DRIFT = "drift"
    REFUSED = "refused"
    SLOT = "slot"
    MONITOR = "monitor"
    MONITORING = "monitoring"

    def of(self, where: str) -> str:
        """Return the key of an incident, which says what and where: `run full`, `late orders`."""
        return f"{self} {where}"


@dataclass(frozen=True)
class Findings:
    """What a run found wrong, text by key, and the keys that it can judge."""

    wrong: Mapping[str, str] = field(default_factory=dict)
    judged: frozenset[str] = frozenset()


class Incident(Value):
    """One that is open. `is_told` once its alert went out; `is_over` until its all-clear did."""

    text: str
    since: str
    run_id: str
    is_told: bool = False
    is_over: bool = False


class Incidents(Value):
    """`state/incidents.json`: the open incidents by key."""

    open: dict[str, Incident] = Field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str, location: str) -> Self:
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            raise StateError(
                f"{location} cannot be read. Delete it: open incidents are then sent once more."
            ) from None

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    def judge(self, findings: Findings, now: str, run_id: str) -> Self:
        """Return the incidents after a run. One that begins again before its all-clear goes on."""
        after = dict(self.open)
        for key, text in findings.wrong.items():
            known = after.get(key)
            if known is None:
                after[key] = Incident(text=text, since=now, run_id=run_id)
            elif known.is_over:
                after[key] = known.model_copy(update={"is_over": False})
        for key in findings.judged - set(findings.wrong):
            if key in after:
                after[key] = after[key].model_copy(update={"is_over": True})
        # It was never sent: there is nothing to take back.
        heard = {key: one for key, one in after.items() if one.is_told or not one.is_over}
        return self.model_copy(update={"open": heard})

    def untold(self) -> dict[str, Incident]:
        """Return what has begun or is over and has not been sent yet."""
        return {key: one for key, one in self.open.items() if one.is_over or not one.is_told}

    def mark_sent(self, key: str, sent: Incident) -> Self:
        """Return the incidents after this alert or all-clear went out."""
        after = dict(self.open)
        if key in after and sent.is_over:
            del after[key]
        elif key in after:
            after[key] = after[key].model_copy(update={"is_told": True})
        return self.model_copy(update={"open": after})

"""The state files in the lake: read, change, write over the generation that was read."""

from collections.abc import Callable
from typing import TypeVar

from credix.clients.gcs.lake import Lake
from credix.core.errors import StateError
from credix.core.settings import Settings
from credix.state.incidents import Incidents
from credix.state.states import GOLD, GoldState, SourceState

S = TypeVar("S", SourceState, GoldState, Incidents)

# Contention on one state file comes from a second run and a lease's renewal: a few at most.
ATTEMPTS = 20
INCIDENTS = "incidents"


class StateStore:
    """State of the sources, gold and incidents, below `<prefix>/state/` in the lake bucket."""

    def __init__(self, settings: Settings, lake: Lake) -> None:
        self.settings, self.lake = settings, lake

    def path(self, name: str) -> str:
        return f"{self.settings.prefix}/state/{name}.json"

    def read_source(self, source: str) -> SourceState:
        return self._read(source, SourceState(source=source))[0]

    def read_gold(self) -> GoldState:
        return self._read(GOLD, GoldState())[0]

    def change_source(
        self, effect: str, source: str, change: Callable[[SourceState], SourceState]
    ) -> SourceState:
        return self._change(effect, source, SourceState(source=source), change)

    def change_gold(self, effect: str, change: Callable[[GoldState], GoldState]) -> GoldState:
        return self._change(effect, GOLD, GoldState(), change)

    def change_incidents(self, effect: str, change: Callable[[Incidents], Incidents]) -> Incidents:
        return self._change(effect, INCIDENTS, Incidents(), change)

    def _read(self, name: str, initial: S) -> tuple[S, int]:
        found = self.lake.read_text(self.settings.lake_bucket, self.path(name))
        if found is None:
            return initial, 0
        text, generation = found
        location = f"gs://{self.settings.lake_bucket}/{self.path(name)}"
        return type(initial).from_json(text, location), generation

    def _change(self, effect: str, name: str, initial: S, change: Callable[[S], S]) -> S:
        """Apply a change that may run more than once: it is repeated on the newest state."""
        for _ in range(ATTEMPTS):
            state, generation = self._read(name, initial)
            changed = change(state)
            if changed == state or self.lake.write_if_unchanged(
                effect,
                self.settings.lake_bucket,
                self.path(name),
                changed.to_json(),
                generation,
            ):
                return changed
        raise StateError(f"The state file {self.path(name)} changes too often to be written.")

"""A watermark moved back by a person, and what the next run would then read."""

from credix.capture import predicates
from credix.clients.postgres.connection import SourceConnection
from credix.core.contracts import Source
from credix.core.errors import SettingsError
from credix.core.settings import Settings
from credix.core.source_sql import table_sql
from credix.core.watermarks import Watermark
from credix.state.leases import require_idle
from credix.state.states import SourceState
from credix.state.store import StateStore


def require_earlier(source: Source, state: SourceState, watermark: Watermark | None) -> None:
    """Raise SettingsError unless the watermark is before the state's: it may only go back."""
    held = state.watermark
    if held is None:
        raise SettingsError(f"{source.name} has no watermark yet: there is nothing to rewind.")
    if watermark is None:
        return
    is_later = (
        (watermark.row_version or 0) >= (held.row_version or 0)
        if source.capture != "cursor"
        else (watermark.cursor or "") >= (held.cursor or "")
    )
    if is_later:
        raise SettingsError(
            f"The watermark of {source.name} is {describe(held)}; it can only be moved back, and "
            f"{describe(watermark)} is not before it. Ahead, rows would be lost."
        )


def count_rows(settings: Settings, source: Source, condition: str) -> int:
    """Return how many rows of the source table meet a condition."""
    table = table_sql(source, settings.postgres_schema)
    with SourceConnection(settings) as connection:
        return int(connection.rows(f"SELECT count(*) FROM {table} WHERE {condition}")[0][0])


def count_reread(settings: Settings, source: Source, watermark: Watermark | None) -> int:
    """Return how many rows the next run would read from this watermark on."""
    if watermark is None:
        return count_rows(settings, source, "TRUE")
    return count_rows(settings, source, predicates.changed_sql(source, watermark))


def rewind(states: StateStore, source: Source, watermark: Watermark | None) -> SourceState:
    """Move the watermark back; the next run reads from there and drops nothing as known.

    Raises BusyError while a run works on the source.
    """

    def set_back(state: SourceState) -> SourceState:
        require_earlier(source, state, watermark)
        require_idle(state.lease, source.name)
        # A run whose term is over may still wake up: it must not move the watermark forward again.
        attempt = state.attempt + (state.lease is not None)
        moved = {"watermark": watermark, "rereads": None, "lease": None, "attempt": attempt}
        return state.model_copy(update=moved)

    return states.change_source("state.rewind", source.name, set_back)


def describe(watermark: Watermark) -> str:
    if watermark.row_version is not None:
        return f"row version {watermark.row_version}"
    return f"cursor {watermark.cursor}"

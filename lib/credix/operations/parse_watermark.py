"""Watermarks as a user types them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from credix.capture.predicates import cursor_type
from credix.core.contracts import Source, load_source
from credix.core.errors import SettingsError
from credix.core.watermarks import Watermark

FULL = "none"


def parse_watermarks(texts: Sequence[str], sources: Sequence[str]) -> dict[str, Watermark | None]:
    """`[SOURCE=]VALUE` by source; None reads in full. Raises SettingsError on anything else."""
    parsed: dict[str, Watermark | None] = {}
    for text in texts:
        name, separator, value = text.rpartition("=")
        if not separator and len(sources) != 1:
            raise SettingsError(
                f"--watermark {text}: say whose it is, as in --watermark {sources[-1]}={text}."
                if sources
                else "This job reads no source: --watermark has no meaning for it."
            )
        source = name or sources[0]
        if source not in sources:
            raise SettingsError(
                f"--watermark {text}: this job does not read '{source}' but {', '.join(sources)}."
            )
        parsed[source] = parse_watermark(value, load_source(source))
    return parsed


def parse_watermark(text: str, source: Source) -> Watermark | None:
    """A row version for capture by row version, a date or instant (UTC) for capture by cursor."""
    if text == FULL:
        return None
    if source.capture == "log":
        raise SettingsError(
            f"--watermark {text}: {source.name} is captured by log, which begins where the last "
            f"run has stopped; only '{FULL}' has a meaning, to read it in full."
        )
    if source.capture == "row_version":
        if not text.isdecimal():
            raise SettingsError(
                f"--watermark {text}: {source.name} is captured by row version, a whole number "
                f"such as 4711, or '{FULL}' to read it in full."
            )
        return Watermark(row_version=int(text))
    try:
        if cursor_type(source) == "date":
            return Watermark(cursor=date.fromisoformat(text).isoformat())
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        return Watermark(cursor=instant.astimezone(UTC).isoformat(timespec="microseconds"))
    except ValueError:
        raise SettingsError(
            f"--watermark {text}: {source.name} is captured by cursor, a date such as 2026-03-31 "
            f"or an instant such as 2026-03-31T12:00:00+00:00, or '{FULL}' to read it in full."
        ) from None

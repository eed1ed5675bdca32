"""How far long work is, in one line that is rewritten: rows, bytes, share, time left.

In a notebook the line is an output; its last state stays and says how fast the work was. A run
receives it by the output's metadata, and shows it where a person looks on.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from types import TracebackType
from typing import Any, Self, TextIO

from credix.core.freshness import in_words

# Short work is over before its line is read.
QUIET_SECONDS = 2.0
SECONDS_BETWEEN = 0.5
# Metadata of the output that is a line of progress.
MARK = {"credix": "progress"}
TEXT = "text/plain"
ERASE_REST = "\x1b[K"
Show = Callable[[str], None]


@dataclass(frozen=True)
class Amount:
    """Rows and bytes done; `total_rows` is None where it is not known before the end."""

    rows: int
    size_bytes: int
    total_rows: int | None

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None without a total."""
        return min(1.0, self.rows / self.total_rows) if self.total_rows else None


def describe(what: str, amount: Amount, seconds: float) -> str:
    """`Reading orders: 1,200,000 of 3,000,000 rows (40 %), 195 MB, 3 s left`."""
    rows = f"{amount.rows:,} rows"
    left = []
    if amount.share is not None:
        rows = f"{amount.rows:,} of {amount.total_rows:,} rows ({100 * amount.share:.0f} %)"
        if amount.share:
            left = [f"{in_words(seconds / amount.share - seconds)} left"]
    return f"{what}: {', '.join([rows, megabytes(amount), *left])}"


def describe_end(what: str, amount: Amount, seconds: float) -> str:
    """`Reading orders: 3,000,000 rows, 489 MB in 8 s`."""
    return f"{what}: {amount.rows:,} rows, {megabytes(amount)} in {in_words(seconds)}"


def megabytes(amount: Amount) -> str:
    return f"{amount.size_bytes / 1e6:,.0f} MB"


@dataclass
class Meter:
    """Counts what is done, by any thread, and shows it now and then; nothing of short work."""

    what: str
    show: Show
    total_rows: int | None = None
    rows: int = 0
    size_bytes: int = 0
    started: float = field(default_factory=time.monotonic)
    shown_at: float | None = None
    lock: Lock = field(default_factory=Lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The last line is of the whole; after a failure the one before it stays."""
        if kind is None and self.shown_at is not None:
            self.show(describe_end(self.what, self.amount, time.monotonic() - self.started))

    @property
    def amount(self) -> Amount:
        return Amount(self.rows, self.size_bytes, self.total_rows)

    def add(self, rows: int, size_bytes: int) -> None:
        now = time.monotonic()
        with self.lock:
            self.rows += rows
            self.size_bytes += size_bytes
            since = self.started + QUIET_SECONDS - SECONDS_BETWEEN
            if now - (self.shown_at or since) < SECONDS_BETWEEN:
                return
            self.shown_at = now
            line = describe(self.what, self.amount, now - self.started)
        self.show(line)


def meter(what: str, total_rows: int | None = None) -> Meter:
    """Return a meter whose line is an output of the running cell.

    It shows nothing outside a kernel.
    """
    return Meter(what, CellLine(), total_rows)


class CellLine:
    """One output of a cell, made by the first text and rewritten by every other."""

    def __init__(self) -> None:
        self.place: Any = None

    def __call__(self, text: str) -> None:
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        if getattr(get_ipython(), "kernel", None) is None:
            return
        if self.place is None:
            self.place = display({TEXT: text}, raw=True, metadata=MARK, display_id=True)
        else:
            self.place.update({TEXT: text}, raw=True, metadata=MARK)


class TerminalLine:
    """One line of a terminal, rewritten by every text and gone when the work is over."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __call__(self, text: str) -> None:
        self.stream.write(f"\r{text}{ERASE_REST}")
        self.stream.flush()

    def clear(self) -> None:
        self("")


@contextmanager
def on_terminal(stream: TextIO) -> Iterator[Show]:
    """Who shows lines of progress on this stream; None where it is no terminal."""
    if not stream.isatty():
        yield hide
        return
    line = TerminalLine(stream)
    try:
        yield line
    finally:
        line.clear()


def hide(_: str) -> None:
    """Show nothing."""


def find_line(content: Mapping[str, Any]) -> str | None:
    """Return the line of progress in a kernel's message; None where it holds something else."""
    is_line = content.get("metadata") == MARK
    return str(content["data"][TEXT]) if is_line else None

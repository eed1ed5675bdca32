"""What the command line shows: the progress of a run, tables, errors."""

import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from credix.core.results import (
    AnyResult,
    ExtractResult,
    LandResult,
    Manifest,
    ReportResult,
    TransformResult,
)

if TYPE_CHECKING:
    from credix.pipeline.pipeline import Places

# Into a file or pipe a table is written this wide.
WIDTH = 160
# Blanks between two columns; what of a text is shown at least.
PADDING, SHORTEST_TEXT = 3, 40
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDTH)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class TerminalReporter:
    """Follows a run: on a terminal a live line per cell, elsewhere one line per finished step."""

    def __init__(self, shown: Console = console) -> None:
        self._console = shown
        self._status: Status | None = shown.status("") if shown.is_terminal else None
        self._started, self._place = time.monotonic(), ""

    def run_started(self, run_id: str, job: str) -> None:
        self._console.print(f"Run [bold]{run_id}[/bold] of job {job}")
        if self._status:
            self._status.start()

    def cell_started(self, notebook: str, number: int, count: int, heading: str) -> None:
        self._place = f"{notebook}, cell {number} of {count}: {heading}"
        if self._status:
            self._status.update(self._place)

    def progressed(self, line: str) -> None:
        if self._status:
            self._status.update(f"{self._place}. {line}")

    def step_finished(self, notebook: str, source: str, result: AnyResult) -> None:
        seconds = time.monotonic() - self._started
        self._started = time.monotonic()
        self._console.print(
            f"  {notebook:<13} {source:<13} {summarize(result):<34} {seconds:6.1f} s"
        )
        for message in messages_of(result):
            self._console.print(f"    {message}", style="yellow", markup=False)

    def warned(self, message: str) -> None:
        self._console.print(f"  {message}", style="yellow", markup=False)

    def run_finished(self, manifest: Manifest, places: "Places") -> None:
        if self._status:
            self._status.stop()
        broken = manifest.broken_step
        if broken:
            self._console.print(
                f"  {broken.step:<13} {broken.source:<13} FAILED", style="red", markup=False
            )
        self._console.print(f"{describe_end(manifest)} in {manifest.seconds:.1f} s")
        self._console.print(f"  notebooks, pages, manifest: {places.archive}", markup=False)
        if manifest.pages:
            page, _, _cell = (manifest.failed_at or manifest.pages[-1]).partition("#")
            self._console.print(f"  on this machine: {places.folder}/{page}", markup=False)


class ManifestReporter(TerminalReporter):
    """Progress for people on stderr, and the manifest for programs on stdout when all is over."""

    def __init__(self) -> None:
        super().__init__(errors)

    def run_finished(self, manifest: Manifest, places: "Places") -> None:
        super().run_finished(manifest, places)
        where = {"archive": places.archive, "folder": str(places.folder)}
        print_json({**manifest.model_dump(mode="json"), **where})


def summarize(result: AnyResult) -> str:
    """Return one phrase of a step result."""
    if result.status == "no_changes":
        return "no changes"
    if isinstance(result, TransformResult):
        counts = ", ".join(f"{count} {status}" for status, count in sorted(result.dbt.items()))
        return f"dbt: {counts}"
    if isinstance(result, ReportResult):
        return f"today's numbers may be used: {result.verdict}"
    if isinstance(result, ExtractResult) and result.slice:
        return f"{result.rows:,} rows, slice {result.slice.number}"
    return f"{result.rows:,} rows"


def messages_of(result: AnyResult) -> tuple[str, ...]:
    """Return the warnings of a step."""
    return result.messages if isinstance(result, ExtractResult | LandResult) else ()


def describe_end(manifest: Manifest) -> str:
    texts = {"done": "Done", "no_changes": "No changes, gold is current: done"}
    return texts.get(manifest.status, "Failed")


def say(message: str) -> None:
    """What a person wants to know, beside the result: on stderr, so that JSON stays JSON."""
    errors.print(message, markup=False)


def print_json(value: Any) -> None:
    """JSON as it is, never wrapped or coloured: it is for programs."""
    print(json.dumps(value, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table, one line per row; of the last column alone, a text, what does not fit is cut off."""
    # The last column takes what is left when it holds texts, which may be long.
    is_text = bool(rows) and isinstance(rows[0][-1], str | dict | None)
    table = Table(box=box.SIMPLE_HEAD, expand=is_text)
    fixed = SHORTEST_TEXT if is_text else 0
    texts = [[as_text(value) for value in row] for row in rows]
    for index, column in enumerate(columns):
        longest = max((len(row[index]) for row in texts), default=0)
        is_open = is_text and index == len(columns) - 1
        fixed += PADDING + (0 if is_open else max(longest, len(column)))
        table.add_column(
            column,
            no_wrap=True,
            width=None if is_open else max(longest, len(column)),
            ratio=1 if is_open else None,
            justify="right" if rows and isinstance(rows[0][index], int | float) else "left",
        )
    for row in texts:
        table.add_row(*map(escape, row))
    console.print(title, style="italic", markup=False)
    # A terminal wraps what is wider than it; a run's id that is cut off is of no use.
    wide = Console(file=console.file, highlight=False, width=max(console.width, fixed))
    wide.print(table)


def print_finding(sign: str, name: str, found: str) -> None:
    """One line of a check: what is not well stands out, in colours only on a terminal."""
    styles = {"✔": "green", "!": "yellow", "✘": "red"}
    console.print(
        f"{sign} {name:<22} {found}", style=styles.get(sign), markup=False, highlight=False
    )


def as_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items() if item is not None)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)


def print_error(message: str, next_command: str | None = None) -> None:
    errors.print(f"Error: {message}", style="red", markup=False)
    if next_command:
        errors.print(f"Next: {next_command}", markup=False)

"""What the command line shows: the progress of a run, tables, errors."""

import json
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class TerminalReporter:
    """Follows a run: on a terminal a live line per cell, elsewhere one line per finished step."""

    def __init__(self) -> None:
        self._status: Status | None = console.status("") if console.is_terminal else None
        self._started = time.monotonic()

    def run_started(self, run_id: str, job: str) -> None:
        console.print(f"Run [bold]{run_id}[/bold] of job {job}")
        if self._status:
            self._status.start()

    def cell_started(self, notebook: str, number: int, count: int, heading: str) -> None:
        if self._status:
            self._status.update(f"{notebook}, cell {number} of {count}: {heading}")

    def step_finished(self, notebook: str, source: str, result: dict[str, Any]) -> None:
        seconds = time.monotonic() - self._started
        self._started = time.monotonic()
        console.print(f"  {notebook:<13} {source:<13} {summarize(result):<34} {seconds:6.1f} s")
        for message in result.get("messages") or []:
            console.print(f"    {message}", style="yellow", markup=False)

    def run_finished(self, manifest: dict[str, Any], location: str) -> None:
        if self._status:
            self._status.stop()
        console.print(f"{describe_end(manifest)} in {manifest['seconds']:.1f} s")
        console.print(f"  notebooks, pages, manifest: {location}", markup=False)


def summarize(result: dict[str, Any]) -> str:
    """One phrase of a step result."""
    if result["status"] == "no_changes":
        return "no changes"
    if "dbt" in result:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(result["dbt"].items()))
        return f"dbt: {counts}"
    return f"{result['rows']:,} rows" if "rows" in result else "done"


def describe_end(manifest: dict[str, Any]) -> str:
    texts = {"done": "Done", "no_changes": "No changes, gold is current: done"}
    return texts.get(manifest["status"], "Failed")


def tell(message: str) -> None:
    """What a person wants to know, beside the result: on stderr, so that JSON stays JSON."""
    errors.print(message, markup=False)


def print_json(value: Any) -> None:
    """JSON as it is, never wrapped or coloured: it is for programs."""
    print(json.dumps(value, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    console.print(table)


def print_error(message: str) -> None:
    errors.print(f"Error: {message}", style="red", markup=False)

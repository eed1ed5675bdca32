"""The answer of a command that shows first and acts with `--yes`: for people, or as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from credix.cli import terminal


@dataclass
class Answer:
    """What the command found, and whether it has acted; JSON is printed once, at the end."""

    is_agreed: bool
    as_json: bool
    facts: Mapping[str, object] = field(default_factory=dict)

    def show(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table for people."""
        if not self.as_json:
            terminal.print_table(title, columns, rows)

    def may_act(self, what: str) -> bool:
        """Return True when the person has agreed.

        Else it is said what would be done, and how to agree.
        """
        if self.as_json and not self.is_agreed:
            terminal.print_json({**self.facts, "done": False})
        if not self.as_json and not self.is_agreed:
            terminal.console.print(f"{what}. Nothing was done: add --yes to do it.", markup=False)
        return self.is_agreed

    def tell_done(self, text: str, **more: Any) -> None:
        """It is done: what a person reads, and what a program gets besides the facts."""
        if self.as_json:
            terminal.print_json({**self.facts, "done": True, **more})
        elif text:
            terminal.console.print(text, markup=False)

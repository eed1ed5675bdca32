"""Markdown: tables, and the parts of a page that are made."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

PART = re.compile(r"(<!-- made by make docs: (\w+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(text: str) -> str:
    """A text within one cell: on one line, its bars kept apart from the table's."""
    return " ".join(re.sub(r"(?<!\\)\|", r"\\|", text).split())


def code(text: object) -> str:
    return f"`{text}`"


def fill(page: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """The page with each of its made parts as it has to be now."""
    return PART.sub(lambda found: f"{found[1]}\n{parts[found[2]]().strip()}\n\n{found[3]}", page)

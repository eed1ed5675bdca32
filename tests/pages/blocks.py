"""The code of a page, in the order in which a reader types it.

Two comments before a block, which a reader does not see, say how it is run:

    <!-- left out: why -->                       the whole block
    <!-- left out `make test`: why -->           the lines that begin so
    <!-- until "a text": `./run_pipeline.py lab` --> ended by Ctrl-C once it has said that
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

LANGUAGES = ("sh", "python", "sql")
BLOCK = re.compile(
    r"(?P<comments>(?:^<!-- (?:left out|until)[^\n]*-->\n)*)"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
LEFT_OUT = re.compile(r"<!-- left out(?: `(?P<start>[^`]+)`)?: (?P<reason>.+) -->")
UNTIL = re.compile(r'<!-- until "(?P<said>[^"]+)": `(?P<start>[^`]+)` -->')


@dataclass(frozen=True)
class Piece:
    """Code to be run at once; `reason` says why it is left out, `until` what it has to say."""

    page: str
    line: int
    language: str
    text: str
    reason: str = ""
    until: str = ""


def pieces_of(page: str, content: str) -> list[Piece]:
    """Raises ValueError where a comment is about nothing."""
    found = []
    for block in BLOCK.finditer(content):
        if block["language"] not in LANGUAGES:
            continue
        line = content[: block.start("text")].count("\n") + 1
        pieces = [Piece(page, line, block["language"], block["text"])]
        for comment in block["comments"].splitlines():
            marked = [piece for whole in pieces for piece in mark(whole, comment)]
            if not any(piece.reason or piece.until for piece in marked) or marked == pieces:
                raise ValueError(f"{page}:{line}: {comment} is about no line of the block.")
            pieces = marked
        found += [piece for piece in pieces if piece.text.strip()]
    return found


def mark(piece: Piece, comment: str) -> Iterator[Piece]:
    """The piece as the comment has it, cut where it is about some of its lines."""
    left_out, until = LEFT_OUT.fullmatch(comment), UNTIL.fullmatch(comment)
    if left_out and not left_out["start"]:
        yield replace(piece, reason=left_out["reason"])
        return
    found = left_out or until
    if found is None or piece.reason or piece.until:
        yield piece
        return
    marks = {"reason": left_out["reason"]} if left_out else {"until": found["said"]}
    waiting, first = "", piece.line
    for number, line in enumerate(piece.text.splitlines(keepends=True), piece.line):
        if not line.startswith(found["start"]):
            waiting += line
            continue
        yield replace(piece, line=first, text=waiting)
        yield replace(piece, line=number, text=line, **marks)
        waiting, first = "", number + 1
    yield replace(piece, line=first, text=waiting)

"""`make test-docs`: type the README and getting started, each in a fresh clone, line by line."""

import sys
import tempfile
from pathlib import Path

from credix.core.settings import PROJECT_DIR
from tests.pages.blocks import Piece, pieces_of
from tests.pages.reader import PageError, Reader

PAGES = ("README.md", "docs/tutorial/getting-started.md")


def main() -> None:
    """Exit code 1 at the first line that does not do what its page says."""
    left_out: list[Piece] = []
    for page in PAGES:
        pieces = pieces_of(page, (PROJECT_DIR / page).read_text("utf-8"))
        left_out += [piece for piece in pieces if piece.reason]
        try:
            read(page, [piece for piece in pieces if not piece.reason])
        except PageError as error:
            sys.exit(f"\n{error}")
    print("\nEvery line of these pages works. Left out:")
    for piece in left_out:
        first = piece.text.splitlines()[0]
        print(f"  {piece.page}:{piece.line}  {first}  ({piece.reason})")


def read(page: str, pieces: list[Piece]) -> None:
    with tempfile.TemporaryDirectory(prefix="credix-page-", ignore_cleanup_errors=True) as folder:
        reader = Reader(Path(folder))
        try:
            for piece in pieces:
                print(f"\n== {page}:{piece.line}\n{piece.text.rstrip()}\n--", flush=True)
                reader.type(piece)
        finally:
            reader.leave()


if __name__ == "__main__":
    main()

"""How the code of a page is read: what is run, what is left out, what is ended."""

import pytest

from credix.core.settings import PROJECT_DIR
from tests.pages.__main__ import PAGES
from tests.pages.blocks import Piece, pieces_of

PAGE = """Words.

<!-- left out `make test`: it is long -->
<!-- until "at http": `lab` -->
```sh
make run
make test   # all
lab
down
```

```python
print(1)
```

<!-- left out: it needs an account -->
```sql
SELECT 1
```

```
what it says
```
"""


def test_a_block_is_cut_where_some_of_its_lines_are_left_out_or_ended() -> None:
    assert pieces_of("page", PAGE) == [
        Piece("page", 6, "sh", "make run\n"),
        Piece("page", 7, "sh", "make test   # all\n", reason="it is long"),
        Piece("page", 8, "sh", "lab\n", until="at http"),
        Piece("page", 9, "sh", "down\n"),
        Piece("page", 13, "python", "print(1)\n"),
        Piece("page", 18, "sql", "SELECT 1\n", reason="it needs an account"),
    ]


def test_a_comment_about_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"page:6: .* is about no line"):
        pieces_of("page", PAGE.replace("`make test`", "`make tests`"))


@pytest.mark.parametrize("page", PAGES)
def test_most_of_a_page_is_run_and_what_is_not_says_why(page: str) -> None:
    pieces = pieces_of(page, (PROJECT_DIR / page).read_text("utf-8"))
    left_out = [piece for piece in pieces if piece.reason]
    assert len(left_out) == 1
    assert len(pieces) > 3

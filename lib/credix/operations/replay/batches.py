"""Many archived attempts merged as few: the few leave in bronze what each of them would have left.

Of a key's rows in the order of `_seq`, the last one says what bronze holds. `_changed_at` and
`_deleted_at` date from the first of the last rows that are equal to each other, or from what bronze
held before, if that was equal, too. So at most three rows of a key have to be merged, one after
another: the one before the last change, the last change, the last row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from credix.core.watermarks import Digest

BATCH_ROWS = 5_000_000
# A load job of BigQuery takes 10,000 files.
BATCH_FILES = 5_000
# Which of a key's rows each merge takes: `_place` counts them, `_since` is the last change.
PASSES = ("_place = _since - 1", "_place = _since", "_place = _versions AND _place > _since")


@dataclass(frozen=True)
class ArchivedAttempt:
    """One proven attempt: its files in the archive, by the day they landed."""

    seq: int
    run_id: str
    files: tuple[str, ...]
    rows: int
    is_full: bool
    fingerprint: str
    digest: Digest | None

    @property
    def days(self) -> tuple[str, ...]:
        return tuple(day_of(file) for file in self.files)


def day_of(file: str) -> str:
    """`2026-03-31` of `…/archive/ingestion_dt=2026-03-31/…`."""
    return file.rpartition("/")[0].rpartition("ingestion_dt=")[2]


def split(
    attempts: Sequence[ArchivedAttempt], rows: int = BATCH_ROWS, files: int = BATCH_FILES
) -> Iterator[list[ArchivedAttempt]]:
    """Yield the attempts in the order of `_seq`, in groups of so many rows and files at most.

    An attempt that has more is a group of its own.
    """
    group: list[ArchivedAttempt] = []
    held_rows = held_files = 0
    for attempt in sorted({a.seq: a for a in attempts}.values(), key=lambda a: a.seq):
        held_rows += attempt.rows
        held_files += len(attempt.files)
        if group and (held_rows > rows or held_files > files):
            yield group
            group, held_rows, held_files = [], attempt.rows, len(attempt.files)
        group.append(attempt)
    if group:
        yield group


def pass_sql(
    batch: str, target: str, keys: Sequence[str], columns: Sequence[str], chosen: str
) -> str:
    """Return the statement that makes the table of one merge out of that of the whole batch."""
    key = ", ".join(f"`{name}`" for name in keys)
    names = ", ".join(f"`{name}`" for name in columns if name != "_seq")
    in_order = f"OVER (PARTITION BY {key} ORDER BY _seq)"
    return f"""
CREATE OR REPLACE TABLE `{target}` AS
SELECT {names},
       IF(_copies = 1, _seq, ERROR('an attempt has more than one row for a key')) AS _seq
FROM (
  SELECT *,
         MAX(IF(_changes, _place, NULL)) OVER (PARTITION BY {key}) AS _since,
         COUNT(*) OVER (PARTITION BY {key}) AS _versions
  FROM (
    SELECT *,
           ROW_NUMBER() {in_order} AS _place,
           COUNT(*) OVER (PARTITION BY {key}, _seq) AS _copies,
           LAG(_seq) {in_order} IS NULL
             OR _row_hash IS DISTINCT FROM LAG(_row_hash) {in_order}
             OR _is_deleted != LAG(_is_deleted) {in_order} AS _changes
    FROM `{batch}`
  )
)
WHERE {chosen}
"""

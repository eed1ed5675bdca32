"""Many attempts merged as few: every value comes out as if each had been merged by itself."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest

from credix.clients.bigquery.warehouse import Warehouse
from credix.operations.replay.batches import PASSES, ArchivedAttempt, pass_sql, split

HISTORIES = 2_000


@dataclass(frozen=True)
class Row:
    """A row of one key: `changed_at` and `deleted_at` are those of its own attempt at first."""

    seq: int
    row_hash: int | None
    changed_at: int
    deleted_at: int | None

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None


def merge(bronze: Row | None, delta: Row) -> Row:
    """What the merge of bronze does (dbt/business_case/macros/fenced_merge.sql)."""
    if bronze is None:
        return delta
    if delta.seq <= bronze.seq:
        return bronze
    stays_deleted = bronze.is_deleted and delta.is_deleted
    is_same = (bronze.row_hash, bronze.is_deleted) == (delta.row_hash, delta.is_deleted)
    return replace(
        delta,
        changed_at=bronze.changed_at if is_same else delta.changed_at,
        deleted_at=bronze.deleted_at if stays_deleted else delta.deleted_at,
    )


def merge_all(bronze: Row | None, deltas: Iterable[Row]) -> Row | None:
    for delta in deltas:
        bronze = merge(bronze, delta)
    return bronze


def history(chance: random.Random, length: int) -> list[Row]:
    """Rows of one key: few values, so that they come back, some of them deleted."""
    hashes = [chance.choice((None, None, 1, 2)) for _ in range(length)]
    return [
        Row(seq, row_hash, seq * 10, None if row_hash else seq * 10)
        for seq, row_hash in enumerate(hashes, 1)
    ]


def chosen(rows: list[Row]) -> list[Row | None]:
    """The rows that the three passes take of a key, as `pass_sql` says it."""
    last, since = len(rows) - 1, 0
    for place in range(1, len(rows)):
        if rows[place].row_hash != rows[place - 1].row_hash:
            since = place
    return [
        rows[since - 1] if since else None,
        rows[since],
        rows[last] if last > since else None,
    ]


def test_three_rows_of_a_key_leave_what_all_of_them_would_have_left() -> None:
    for seed in range(HISTORIES):
        chance = random.Random(seed)
        whole = history(chance, chance.randrange(1, 9))
        before = merge_all(None, whole[: chance.randrange(3)])
        rows = whole[chance.randrange(len(whole)) :]
        few = [row for row in chosen(rows) if row]
        assert merge_all(before, few) == merge_all(before, rows), (seed, before, rows)


def test_the_statements_choose_these_rows(warehouse: Warehouse) -> None:
    chance = random.Random(7)
    keys = {f"k{number}": history(chance, chance.randrange(1, 7)) for number in range(60)}
    batch, target = (warehouse.table_id("temp", name) for name in ("batch", "chosen"))
    lines = [
        f"STRUCT('{key}' AS k, {row.row_hash or 'NULL'} AS _row_hash, "
        f"{row.is_deleted} AS _is_deleted, {row.seq} AS _seq)"
        for key, rows in keys.items()
        for row in rows
    ]
    chance.shuffle(lines)
    lines.sort(key=lambda line: "NULL AS" in line)
    warehouse.query(f"CREATE TABLE `{batch}` AS SELECT * FROM UNNEST([{', '.join(lines)}])")
    for place, condition in enumerate(PASSES):
        names = ["k", "_row_hash", "_is_deleted", "_seq"]
        warehouse.query(pass_sql(batch, target, ["k"], names, condition))
        found = {row["k"]: row["_seq"] for row in warehouse.query(f"SELECT * FROM `{target}`")}
        expected = {key: chosen(rows)[place] for key, rows in keys.items()}
        assert found == {key: row.seq for key, row in expected.items() if row}

    warehouse.query(f"INSERT INTO `{batch}` SELECT * FROM `{batch}` WHERE k = 'k0'")
    with pytest.raises(Exception, match="an attempt has more than one row for a key"):
        warehouse.query(pass_sql(batch, target, ["k"], names, PASSES[1]))


class TestSplit:
    def attempt(self, seq: int, rows: int, files: int = 1) -> ArchivedAttempt:
        names = tuple(f"f{seq}-{number}" for number in range(files))
        return ArchivedAttempt(seq, f"run-{seq}", names, rows, False, "f", None)

    def test_a_month_of_small_attempts_is_one_batch(self) -> None:
        month = [self.attempt(seq, 10) for seq in range(1, 8_929)]
        assert len(list(split(month, files=10_000))) == 1

    def test_rows_and_files_bound_a_batch_and_an_attempt_is_never_cut(self) -> None:
        attempts = [
            self.attempt(1, 4),
            self.attempt(2, 4),
            self.attempt(3, 9),
            self.attempt(4, 1, 3),
        ]
        seqs = [[a.seq for a in batch] for batch in split(attempts, rows=8, files=2)]
        assert seqs == [[1, 2], [3], [4]]

    def test_attempts_are_merged_once_and_in_their_order(self) -> None:
        attempts = [self.attempt(seq, 1) for seq in (3, 1, 2, 1, 3)]
        assert [a.seq for batch in split(attempts) for a in batch] == [1, 2, 3]

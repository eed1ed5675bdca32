"""Which keys a log names, and how far a snapshot has seen it, without a server."""

from dataclasses import replace
from typing import Any

import pytest

from credix.capture.log.changed_keys import (
    LogRead,
    LogReader,
    VisibleTransactions,
    key_names,
    unnested,
)
from credix.clients.postgres.pgoutput import (
    Begin,
    Commit,
    Delete,
    Ignored,
    Insert,
    Marker,
    Message,
    Relation,
    Truncate,
    Update,
)
from credix.core.contracts import load_source

RELATION = Relation(7, "oltp", "t", ("note", "id", "part"))
EVERYTHING = VisibleTransactions.parse("1000:1000:")
UNCHANGED = Marker.UNCHANGED
END = 10_000


def transaction(xid: int, lsn: int, *changes: Message) -> list[Message]:
    return [Begin(lsn, xid), *changes, Commit(lsn, lsn + 8)]


def read(*messages: Message, visible: VisibleTransactions = EVERYTHING, **facts: Any) -> LogRead:
    known = {"key": ("id",), "since": 0, "most_keys": 100, **facts}
    reader = LogReader(known["key"], visible, known["since"], known["most_keys"])
    return reader.read([RELATION, *messages], END)


def keys(*changes: Message, **facts: Any) -> set[tuple[str, ...]] | None:
    found = read(*transaction(5, 100, *changes), **facts)
    assert found.full_reason is None
    return None if found.keys is None else set(found.keys)


class TestKeys:
    def test_every_kind_of_change_names_its_key(self) -> None:
        assert keys(
            Insert(7, ("x", "a", "1")),
            Update(7, None, ("y", "b", "1")),
            Delete(7, (None, "c", None)),
            Ignored("M"),
        ) == {("a",), ("b",), ("c",)}

    def test_a_changed_key_names_both(self) -> None:
        assert keys(Update(7, (None, "a", None), ("x", "b", "1"))) == {("a",), ("b",)}

    def test_a_key_of_several_columns_comes_in_the_contracts_order(self) -> None:
        assert keys(Insert(7, ("x", "a", "1")), key=("part", "id")) == {("1", "a")}

    def test_a_key_that_was_not_sent_again_is_taken_from_the_old_row(self) -> None:
        assert keys(Update(7, (None, "a", None), ("x", UNCHANGED, "1"))) == {("a",)}

    @pytest.mark.parametrize(
        "change",
        [
            Update(7, None, ("x", UNCHANGED, "1")),
            Delete(7, (None, UNCHANGED, None)),
        ],
    )
    def test_a_change_without_its_key_means_a_full_read(self, change: Message) -> None:
        assert "does not name" in (read(*transaction(5, 100, change)).full_reason or "")

    def test_a_relation_that_lacked_the_key_means_a_full_read(self) -> None:
        renamed = replace(RELATION, columns=("note", "old_id", "part"))
        found = read(*transaction(5, 100, renamed, Insert(7, ("x", "a", "1"))))
        assert "does not name" in (found.full_reason or "")

    def test_a_truncate_means_a_full_read(self) -> None:
        found = read(*transaction(5, 100, Truncate((7,))))
        assert found.full_reason == "the table was truncated"

    def test_rows_without_a_key_are_in_no_snapshot(self) -> None:
        assert keys(Insert(7, ("x", None, "1"))) == set()

    def test_too_many_keys_are_not_kept(self) -> None:
        inserts = [Insert(7, ("x", str(number % 4), "1")) for number in range(9)]
        assert len(keys(*inserts, most_keys=4) or []) == 4
        assert keys(*inserts, most_keys=3) is None


class TestHowFar:
    def test_a_log_that_the_snapshot_has_seen_is_done_with(self) -> None:
        assert read(*transaction(5, 100), *transaction(6, 200)).next_lsn == END
        assert read().next_lsn == END

    def test_the_slot_may_not_pass_a_commit_that_the_snapshot_has_not_seen(self) -> None:
        visible = VisibleTransactions.parse("5:8:6")
        found = read(
            *transaction(7, 100, Insert(7, ("x", "seen", "1"))),
            *transaction(6, 200, Insert(7, ("x", "unseen", "1"))),
            *transaction(5, 300, Insert(7, ("x", "later", "1"))),
            visible=visible,
        )
        assert found.next_lsn == 200
        assert set(found.keys or ()) == {("seen",), ("unseen",), ("later",)}

    def test_a_commit_behind_the_mark_does_not_carry_the_slot_with_it(self) -> None:
        unseen = VisibleTransactions.parse("5:8:6")
        assert read(*transaction(6, END + 100), visible=unseen).next_lsn == END

    def test_what_an_earlier_run_has_carried_is_passed_over(self) -> None:
        unseen = VisibleTransactions.parse("4:8:5")
        found = read(
            *transaction(5, 100, Insert(7, ("x", "old", "1")), Truncate((7,))),
            *transaction(6, 200, Insert(7, ("x", "new", "1"))),
            since=200,
            visible=unseen,
        )
        assert found == LogRead(frozenset({("new",)}), None, END)


class TestVisibleTransactions:
    @pytest.mark.parametrize(
        ("snapshot", "seen", "unseen"),
        [
            ("10:10:", [9, 3], [10, 11]),
            ("10:20:10,14", [9, 11, 19], [10, 14, 20, 21]),
            # The circle has just been closed: ids before it are near 2^32, those behind it near 0.
            (
                f"{2**32 - 2}:{2**32 + 3}:{2**32 - 2},{2**32 + 1}",
                [2**32 - 3, 2**32 - 1, 0, 2],
                [2**32 - 2, 1, 3, 4],
            ),
            # Many circles later.
            (f"{7 * 2**32 + 5}:{7 * 2**32 + 5}:", [4, 2**32 - 1], [5, 6]),
            (f"{2**32 - 1}:{2**32 - 1}:", [2**32 - 2, 3_000_000_000], [2**32 - 1, 0, 1]),
        ],
    )
    def test_ids_of_32_bits_are_judged_by_the_snapshot(
        self, snapshot: str, seen: list[int], unseen: list[int]
    ) -> None:
        visible = VisibleTransactions.parse(snapshot)
        assert [xid for xid in seen if not visible.sees(xid)] == []
        assert [xid for xid in unseen if visible.sees(xid)] == []


def test_keys_are_quoted_once_for_the_array_and_once_for_the_statement() -> None:
    source = replace(load_source("installments"), key=("asset_id", "due_date"))
    keys = {("b'\\\"", "2024-01-02"), ("NULL", "2024-01-01")}
    assert unnested(keys, ("text", "date")) == (
        "SELECT * FROM unnest("
        """'{"NULL","b''\\\\\\""}'::text[], '{"2024-01-01","2024-01-02"}'::date[])"""
    )
    assert key_names(source) == '("asset_id", "due_date")'

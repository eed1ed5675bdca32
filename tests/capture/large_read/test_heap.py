"""Ranges of blocks cover every block of every relation once, whatever the sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credix.capture.large_read.heap import HeapRange, HeapSize, plan_ranges

BLOCK = 8192


def size_of(*blocks: int) -> HeapSize:
    return HeapSize(blocks, BLOCK * sum(blocks))


class TestPlanRanges:
    def test_an_empty_table_is_one_open_range(self) -> None:
        assert plan_ranges(size_of(0), 10 * BLOCK) == [HeapRange(0, None)]

    def test_a_table_is_cut_every_so_many_blocks(self) -> None:
        ranges = plan_ranges(size_of(25), 10 * BLOCK)
        assert ranges == [HeapRange(0, 10), HeapRange(10, 20), HeapRange(20, None)]

    def test_what_is_stored_out_of_line_makes_ranges_shorter(self) -> None:
        size = HeapSize((10,), 20 * BLOCK)
        assert plan_ranges(size, 10 * BLOCK) == [HeapRange(0, 5), HeapRange(5, None)]

    def test_partitions_share_a_range(self) -> None:
        ranges = plan_ranges(size_of(10, 4, 4), 12 * BLOCK)
        assert ranges == [HeapRange(0, 4), HeapRange(4, None)]

    def test_the_rest_begins_where_a_slice_ended(self) -> None:
        assert plan_ranges(size_of(25), 10 * BLOCK, first=20) == [HeapRange(20, None)]
        assert plan_ranges(size_of(25), 10 * BLOCK, first=40) == [HeapRange(40, None)]

    @given(
        st.lists(st.integers(0, 300), min_size=1, max_size=6),
        st.integers(1, 50),
        st.integers(0, 400),
    )
    def test_every_block_is_in_exactly_one_range(
        self, blocks: list[int], at_a_time: int, first: int
    ) -> None:
        ranges = plan_ranges(size_of(*blocks), at_a_time * BLOCK, first)
        assert ranges[0].first == first
        assert [piece.end for piece in ranges[:-1]] == [piece.first for piece in ranges[1:]]
        assert ranges[-1].end is None
        assert all(piece.end is None or piece.end > piece.first for piece in ranges)

    @given(
        st.lists(st.integers(0, 300), min_size=1, max_size=6),
        st.integers(6, 50),
    )
    def test_no_range_but_the_last_holds_more_than_it_may(
        self, blocks: list[int], at_a_time: int
    ) -> None:
        for piece in plan_ranges(size_of(*blocks), at_a_time * BLOCK)[:-1]:
            end = piece.end or 0
            held = sum(min(length, end) - min(length, piece.first) for length in blocks)
            assert held <= at_a_time


class TestSql:
    @pytest.mark.parametrize(
        ("piece", "sql"),
        [
            (HeapRange(0, None), "ctid >= '(0,0)'::tid"),
            (HeapRange(3, 9), "ctid >= '(3,0)'::tid AND ctid < '(9,0)'::tid"),
        ],
    )
    def test_a_range_is_a_condition_on_ctid(self, piece: HeapRange, sql: str) -> None:
        assert piece.sql == sql

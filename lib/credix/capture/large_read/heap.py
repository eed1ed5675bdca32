"""A table's heap as ranges of blocks: the pieces of a large read, and how far such a read has come.

A condition on `ctid` of a partitioned table holds in each of its partitions, so one range of block
numbers names a piece of all of them, and one block number says how far all of them are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HeapRange:
    """Blocks from `first` up to, and without, `end`; None is open-ended."""

    first: int
    end: int | None

    @property
    def sql(self) -> str:
        """True for rows in these blocks; PostgreSQL reads no others (a TID range scan)."""
        condition = f"ctid >= '({self.first},0)'::tid"
        return condition if self.end is None else f"{condition} AND ctid < '({self.end},0)'::tid"


@dataclass(frozen=True)
class HeapSize:
    """The blocks of each relation of a table, and all bytes with what is stored out of line."""

    blocks: tuple[int, ...]
    size_bytes: int

    @property
    def bytes_per_block(self) -> float:
        return self.size_bytes / max(1, sum(self.blocks))


def plan_ranges(size: HeapSize, range_bytes: int, first: int = 0) -> list[HeapRange]:
    """Return all blocks from `first` on, in order, in ranges of at most about `range_bytes`.

    The last range is open-ended: what was appended after the sizes were read belongs to it.
    """
    blocks_at_a_time = max(1, int(range_bytes / max(1.0, size.bytes_per_block)))
    starts = [first]
    while relations := count_longer(size.blocks, starts[-1]):
        starts.append(starts[-1] + max(1, blocks_at_a_time // relations))
    if len(starts) > 1:
        # No relation reaches the last start.
        starts.pop()
    ends = [*starts[1:], None]
    return [HeapRange(start, end) for start, end in zip(starts, ends, strict=True)]


def count_longer(blocks: Sequence[int], block: int) -> int:
    """Return how many relations have this block."""
    return sum(1 for length in blocks if length > block)

"""The keys that a server's log names, and how far one snapshot has seen what is in that log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from credix.clients.postgres.pgoutput import (
    Begin,
    Delete,
    Insert,
    Marker,
    Message,
    Relation,
    Row,
    Truncate,
    Update,
)
from credix.core.contracts import Source
from credix.core.source_sql import quote, quote_literal

XIDS = 1 << 32

Key = tuple[str, ...]


@dataclass(frozen=True)
class VisibleTransactions:
    """The transactions that a snapshot sees, as `pg_visible_in_snapshot` defines them.

    `oldest` is the oldest open one, `next` the next to come; `open` are those in between that are
    not over. The log has only the lower 32 bits of an id, which is within 2^31 of `next`.
    """

    oldest: int
    next: int
    open: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> "VisibleTransactions":
        """Parse the text of a `pg_snapshot`, such as `10:20:10,14,15`."""
        oldest, following, open_ones = text.split(":")
        return cls(
            int(oldest), int(following), frozenset(int(xid) for xid in open_ones.split(",") if xid)
        )

    def sees(self, xid: int) -> bool:
        distance = (xid - self.next) % XIDS
        full = self.next + (distance if distance < XIDS // 2 else distance - XIDS)
        return full < self.oldest or (full < self.next and full not in self.open)


@dataclass(frozen=True)
class LogRead:
    """What the slot returned: keys that may have changed, None when they are too many to keep.

    `full_reason` says why no list of keys would be enough; `next_lsn` is the place in the log
    before which the snapshot has seen every commit.
    """

    keys: frozenset[Key] | None
    full_reason: str | None
    next_lsn: int


class LogReader:
    """Collects keys from messages; those of transactions the snapshot cannot see do no harm."""

    def __init__(
        self, key: Sequence[str], visible: VisibleTransactions, since: int, most_keys: int
    ) -> None:
        self.key, self.visible, self.since, self.most_keys = key, visible, since, most_keys
        self.keys: set[Key] = set()
        self.has_too_many = self.is_known = False
        self.full_reason: str | None = None
        self.first_unseen: int | None = None
        self.places: dict[int, list[int] | None] = {}

    def read(self, messages: Iterable[Message], end: int) -> LogRead:
        """Collect keys up to `end`, a place after every commit that the snapshot sees."""
        for message in messages:
            match message:
                case Begin(commit_lsn, xid):
                    self._begin(commit_lsn, xid)
                case Relation(oid, _, _, columns):
                    has_key = set(self.key) <= set(columns)
                    self.places[oid] = [columns.index(c) for c in self.key] if has_key else None
                case Insert() | Update() | Delete() | Truncate() if not self.is_known:
                    self._change(message)
        next_lsn = end if self.first_unseen is None else min(end, self.first_unseen)
        keys = None if self.has_too_many else frozenset(self.keys)
        return LogRead(keys, self.full_reason, next_lsn)

    def _begin(self, commit_lsn: int, xid: int) -> None:
        # Changes before the watermark are returned again when a run failed before it advanced
        # the slot.
        self.is_known = commit_lsn < self.since
        if not self.is_known and self.first_unseen is None and not self.visible.sees(xid):
            self.first_unseen = commit_lsn

    def _change(self, message: Insert | Update | Delete | Truncate) -> None:
        match message:
            case Truncate():
                self.full_reason = "the table was truncated"
            case Insert(relation, new):
                self._take(relation, new)
            case Delete(relation, old):
                self._take(relation, old)
            case Update(relation, old, new):
                if old is not None:
                    self._take(relation, old)
                    new = complete(new, old)
                self._take(relation, new)

    def _take(self, relation: int, row: Row) -> None:
        places = self.places[relation]
        values = [row[place] for place in places] if places else [Marker.UNCHANGED]
        key = tuple(value for value in values if isinstance(value, str))
        if Marker.UNCHANGED in values:
            self.full_reason = "the log has changes whose key it does not name"
        elif len(key) == len(values) and not self.has_too_many:
            self.keys.add(key)
            if len(self.keys) > self.most_keys:
                self.has_too_many = True
                self.keys.clear()


def complete(new: Row, old: Row) -> Row:
    """Return the new row with the values of the old one that were not sent again."""
    return tuple(
        before if after is Marker.UNCHANGED else after
        for after, before in zip(new, old, strict=True)
    )


def unnested(keys: Iterable[Key], types: Sequence[str]) -> str:
    """Return a SELECT of these keys, given as texts, in the types of their columns."""
    columns = zip(*sorted(keys), strict=True)
    arrays = [f"{array_literal(c)}::{kind}[]" for c, kind in zip(columns, types, strict=True)]
    return f"SELECT * FROM unnest({', '.join(arrays)})"


def key_names(source: Source) -> str:
    return f"({', '.join(quote(column) for column in source.key)})"


def array_literal(values: Iterable[str]) -> str:
    """Return a PostgreSQL array of texts as one literal (manual, 8.15.6)."""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return quote_literal("{" + ",".join(f'"{value}"' for value in escaped) + "}")

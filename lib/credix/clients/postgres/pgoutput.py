"""The messages of PostgreSQL's `pgoutput` plugin, protocol version 1, from bytes to values.

Layouts: PostgreSQL's manual, "Logical Replication Message Formats". Values are in text format.
"""

import struct
from dataclasses import dataclass
from enum import Enum

from credix.core.errors import DataError


class Marker(Enum):
    """Marks a value that was not sent: it is stored out of line and did not change."""

    UNCHANGED = "u"


Value = str | None | Marker
Row = tuple[Value, ...]


@dataclass(frozen=True)
class Begin:
    """A transaction begins; `commit_lsn` is where its commit record starts, `xid` has 32 bits."""

    commit_lsn: int
    xid: int


@dataclass(frozen=True)
class Commit:
    """A transaction ends; `end_lsn` is just after its commit record."""

    commit_lsn: int
    end_lsn: int


@dataclass(frozen=True)
class Relation:
    """The columns of a table as they are from here on; precedes the table's first row."""

    oid: int
    schema: str
    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Insert:
    relation: int
    new: Row


@dataclass(frozen=True)
class Update:
    """`old` is None unless the replica identity changed or is FULL."""

    relation: int
    old: Row | None
    new: Row


@dataclass(frozen=True)
class Delete:
    """In `old` only the columns of the replica identity have values."""

    relation: int
    old: Row


@dataclass(frozen=True)
class Truncate:
    relations: tuple[int, ...]


@dataclass(frozen=True)
class Ignored:
    """A message that says nothing of rows: origin, type or logical message."""

    kind: str


Message = Begin | Commit | Relation | Insert | Update | Delete | Truncate | Ignored


def decode(message: bytes) -> Message:
    """Return one message; raises DataError when its kind is unknown or its length is wrong."""
    kind = message[:1].decode("latin-1")
    reader = Reader(message)
    try:
        decoded = decode_body(kind, reader)
    except (struct.error, ValueError) as error:
        raise DataError(
            f"The server's log has a message of kind '{kind}' that cannot be read "
            f"({type(error).__name__}): is its pgoutput of another protocol version than 1?"
        ) from None
    if decoded is None:
        raise DataError(
            f"The server's log has a message of the unknown kind '{kind}': is its pgoutput of "
            "another protocol version than 1?"
        )
    if not isinstance(decoded, Ignored) and reader.place != len(message):
        raise DataError(f"The server's log has a message of kind '{kind}' that is too long.")
    return decoded


def decode_body(kind: str, reader: "Reader") -> Message | None:
    match kind:
        case "B":
            commit_lsn, _committed_at, xid = reader.numbers("QqI")
            return Begin(commit_lsn, xid)
        case "C":
            _flags, commit_lsn, end_lsn, _committed_at = reader.numbers("BQQq")
            return Commit(commit_lsn, end_lsn)
        case "R":
            return read_relation(reader)
        case "I":
            relation = reader.number("I")
            reader.expect("N")
            return Insert(relation, reader.row())
        case "U":
            relation, old = reader.number("I"), None
            if reader.letter() in "KO":
                old = reader.row()
                reader.letter()
            reader.expect_read("N")
            return Update(relation, old, reader.row())
        case "D":
            relation = reader.number("I")
            reader.expect("KO")
            return Delete(relation, reader.row())
        case "T":
            count, _options = reader.numbers("IB")
            return Truncate(tuple(reader.number("I") for _ in range(count)))
        case "O" | "Y" | "M":
            return Ignored(kind)
    return None


def read_relation(reader: "Reader") -> Relation:
    oid = reader.number("I")
    schema, table = reader.text(), reader.text()
    _identity, count = reader.numbers("BH")
    columns = []
    for _ in range(count):
        reader.number("B")
        columns.append(reader.text())
        reader.numbers("Ii")
    return Relation(oid, schema, table, tuple(columns))


class Reader:
    """Reads a message from its second byte on; raises struct.error or ValueError at its end."""

    def __init__(self, message: bytes) -> None:
        self.message, self.place = message, 1
        self.last_letter = ""

    def numbers(self, layout: str) -> tuple[int, ...]:
        """Whole numbers in network order, by the letters of `struct`."""
        found = struct.unpack_from(f"!{layout}", self.message, self.place)
        self.place += struct.calcsize(f"!{layout}")
        return found

    def number(self, layout: str) -> int:
        return self.numbers(layout)[0]

    def letter(self) -> str:
        self.last_letter = chr(self.number("B"))
        return self.last_letter

    def expect(self, letters: str) -> None:
        self.letter()
        self.expect_read(letters)

    def expect_read(self, letters: str) -> None:
        if self.last_letter not in letters:
            raise ValueError(self.last_letter)

    def text(self) -> str:
        """Return a string that a zero byte ends."""
        end = self.message.index(b"\0", self.place)
        found = self.message[self.place : end].decode("utf-8")
        self.place = end + 1
        return found

    def row(self) -> Row:
        return tuple(self.value() for _ in range(self.number("H")))

    def value(self) -> Value:
        kind = self.letter()
        if kind == "n":
            return None
        if kind == "u":
            return Marker.UNCHANGED
        self.expect_read("t")
        length = self.number("I")
        end = self.place + length
        if end > len(self.message):
            raise ValueError(length)
        found = self.message[self.place : end].decode("utf-8")
        self.place = end
        return found


def lsn_number(text: str) -> int:
    """Return a place in the server's log as a number, from PostgreSQL's `16/B374D848`."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


def lsn_text(number: int) -> str:
    """Return a place in the server's log as PostgreSQL writes it."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"

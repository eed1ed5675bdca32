"""Messages of pgoutput, by hand-made bytes."""

import struct
from typing import Any

import pytest

from credix.clients.postgres.pgoutput import (
    Begin,
    Commit,
    Delete,
    Ignored,
    Insert,
    Marker,
    Relation,
    Truncate,
    Update,
    decode,
    lsn_number,
    lsn_text,
)
from credix.core.errors import DataError


def row(*values: Any) -> bytes:
    """A tuple of text values; None is NULL, Marker.UNCHANGED one that was not sent."""
    parts = [struct.pack("!H", len(values))]
    for value in values:
        if value is None:
            parts.append(b"n")
        elif value is Marker.UNCHANGED:
            parts.append(b"u")
        else:
            content = value.encode()
            parts.append(b"t" + struct.pack("!I", len(content)) + content)
    return b"".join(parts)


def relation(oid: int, *columns: str) -> bytes:
    head = (
        b"R" + struct.pack("!I", oid) + b"oltp\0" + b"t\0" + b"d" + struct.pack("!H", len(columns))
    )
    return head + b"".join(
        b"\x01" + column.encode() + b"\0" + struct.pack("!Ii", 25, -1) for column in columns
    )


OID = struct.pack("!I", 77)
INSERT = b"I" + OID + b"N" + row("a1", None, "São Paulo")


def test_a_transaction_has_a_beginning_and_an_end() -> None:
    assert decode(b"B" + struct.pack("!QqI", 2**40, -5, 4_294_967_295)) == Begin(2**40, 2**32 - 1)
    assert decode(b"C" + struct.pack("!BQQq", 0, 7, 9, 1)) == Commit(7, 9)


def test_a_relation_names_its_columns() -> None:
    assert decode(relation(77, "id", "straße")) == Relation(77, "oltp", "t", ("id", "straße"))


def test_rows_are_texts_nulls_and_unchanged_values() -> None:
    assert decode(INSERT) == Insert(77, ("a1", None, "São Paulo"))
    unchanged = b"U" + OID + b"N" + row("a1", Marker.UNCHANGED)
    assert decode(unchanged) == Update(77, None, ("a1", Marker.UNCHANGED))


@pytest.mark.parametrize("letter", [b"K", b"O"])
def test_an_old_row_comes_with_a_changed_key_and_with_a_delete(letter: bytes) -> None:
    old = letter + row("a1", None)
    assert decode(b"U" + OID + old + b"N" + row("a2", "x")) == Update(77, ("a1", None), ("a2", "x"))
    assert decode(b"D" + OID + old) == Delete(77, ("a1", None))


def test_a_truncate_names_all_its_tables() -> None:
    assert decode(b"T" + struct.pack("!IBII", 2, 1, 77, 78)) == Truncate((77, 78))


@pytest.mark.parametrize("kind", [b"O", b"Y", b"M"])
def test_what_says_nothing_of_rows_is_ignored(kind: bytes) -> None:
    assert decode(kind + b"anything") == Ignored(kind.decode())


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "unknown kind ''"),
        (b"S" + bytes(20), "unknown kind 'S'"),
        (b"B" + bytes(5), "'B' that cannot be read"),
        (b"R" + OID + b"no zero", "'R' that cannot be read"),
        (b"I" + OID + b"X" + row("a1"), "'I' that cannot be read"),
        (b"U" + OID + b"K" + row("a1") + b"K" + row("a2"), "'U' that cannot be read"),
        (b"D" + OID + b"N" + row("a1"), "'D' that cannot be read"),
        (b"I" + OID + b"N" + struct.pack("!H", 1) + b"b" + bytes(8), "'I' that cannot be read"),
        (INSERT + b"x", "'I' that is too long"),
        *((INSERT[:length], "'I' that cannot be read") for length in range(1, len(INSERT))),
    ],
)
def test_a_message_that_is_not_whole_is_refused_without_its_values(
    message: bytes, words: str
) -> None:
    with pytest.raises(DataError) as raised:
        decode(message)
    assert words in str(raised.value)
    assert "São" not in str(raised.value)


def test_places_in_the_log_are_written_as_postgresql_writes_them() -> None:
    assert lsn_number("16/B374D848") == 0x16_B374_D848
    assert lsn_text(0x16_B374_D848) == "16/B374D848"
    assert lsn_text(0) == "0/0"

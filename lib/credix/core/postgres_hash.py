"""PostgreSQL's own hashes of keys and rows, computed without it: for rows that it did not read.

A file from outside must have the same `_key_hash` and `_row_hash` as the same row extracted, or
the digests of both sides would differ. The functions are those of `src/common/hashfn.c` (Jenkins'
lookup3, seed 0, little-endian) and of the hash operator classes of the types that a contract knows.
"""

from collections.abc import Callable
from decimal import Context
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from credix.core.column_types import NUMERIC_PRECISION, NUMERIC_SCALE
from credix.core.contracts import Source
from credix.core.errors import SettingsError

Words = tuple[np.ndarray, np.ndarray, np.ndarray]
# Arrow's stubs know less of an array than what was checked before it came here.
Values = Any

GOLDEN, EXTRA = 0x9E3779B9, 3923095
BLOCK = 12
# PostgreSQL counts days and microseconds from 2000-01-01, Arrow from 1970-01-01.
DAYS_TO_2000, MICROSECONDS_TO_2000 = 10_957, 946_684_800_000_000
# A numeric's digits are of base 10,000; after the point nine decimals take three of them.
DIGIT_BASE, FRACTION_DIGITS = 10_000, 3
# Python rounds to 28 digits by default; a NUMERIC has up to 38.
ALL_DIGITS = Context(prec=NUMERIC_PRECISION)
# Types whose text does not hang on a session's settings.
KEY_TYPES = {"STRING", "INTEGER", "DATE", "BOOLEAN"}
QUOTED = r'[\s"\\(),]'


def key_hashes(source: Source, rows: pa.Table) -> np.ndarray:
    """`hashtextextended` of the key of each row, as `source_sql.key_hash_sql` has it.

    Raises SettingsError for a key whose text PostgreSQL alone can write.
    """
    texts = [key_text(source, name, rows[name].combine_chunks()) for name in source.key]
    if len(texts) > 1:
        fields: list[Values] = [quoted_field(text) for text in texts]
        joined: Values = pc.binary_join_element_wise(*fields, ",")
        texts = [pc.binary_join_element_wise("(", joined, ")", "")]
    return hash_bytes(texts[0]).view(np.int64)


def row_hashes(source: Source, rows: pa.Table) -> np.ndarray:
    """`hash_record_extended` of the contract's columns of each row.

    True for columns of PostgreSQL's usual types. Of a `uuid` it differs, which only makes a row
    look changed once when it is extracted again.
    """
    result = np.zeros(len(rows), np.uint64)
    for column in source.columns:
        values = rows[column.name].combine_chunks()
        element = HASHES[column.type](values)
        element[values.is_null().to_numpy(zero_copy_only=False)] = 0
        result = (result << np.uint64(5)) - result + element
    return result.view(np.int64)


def key_text(source: Source, name: str, values: Values) -> Values:
    [kind] = [column.type for column in source.columns if column.name == name]
    if kind not in KEY_TYPES:
        raise SettingsError(
            f"The key column {name} of {source.name} is a {kind}: files from outside can only be "
            f"taken where the key is of {', '.join(sorted(KEY_TYPES))}."
        )
    return values if kind == "STRING" else values.cast(pa.string())


def quoted_field(text: Values) -> Values:
    """Return a field of a record's text form.

    Quoted where it is empty or holds a special character.
    """
    doubled: Values = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), '"', '""')
    is_quoted = pc.or_(pc.equal(text, pa.scalar("")), pc.match_substring_regex(text, QUOTED))
    return pc.if_else(is_quoted, pc.binary_join_element_wise('"', doubled, '"', ""), text)


def hash_bytes(texts: Values) -> np.ndarray:
    """`hash_bytes_extended` of each text's UTF-8; anything for NULL."""
    binary: Values = texts.cast(pa.large_binary())
    offsets = np.frombuffer(binary.buffers()[1], np.int64)
    offsets = offsets[binary.offset : binary.offset + len(binary) + 1]
    content = np.frombuffer(binary.buffers()[2] or b"", np.uint8)
    lengths = np.diff(offsets)
    result = np.zeros(len(binary), np.uint64)
    for length in np.unique(lengths):
        chosen = np.flatnonzero(lengths == length)
        places = offsets[chosen][:, None] + np.arange(length)
        result[chosen] = hash_equally_long(content[places], int(length))
    return result


def hash_equally_long(content: np.ndarray, length: int) -> np.ndarray:
    """Return the hash of each line of a matrix of bytes."""
    whole = length // BLOCK
    padded = np.zeros((len(content), (whole + 1) * BLOCK), np.uint8)
    padded[:, :length] = content
    words = np.ascontiguousarray(padded).view("<u4").astype(np.uint32)
    start = np.full(len(content), (GOLDEN + length + EXTRA) & 0xFFFFFFFF, np.uint32)
    a, b, c = start, start.copy(), start.copy()
    for block in range(whole):
        first = words[:, 3 * block : 3 * block + 3]
        a, b, c = mix(a + first[:, 0], b + first[:, 1], c + first[:, 2])
    rest = words[:, 3 * whole :]
    # The lowest byte of c is reserved for the length.
    return finish(a + rest[:, 0], b + rest[:, 1], c + (rest[:, 2] << np.uint32(8)))


def mix(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Words:
    for shift in (4, 6, 8, 16, 19, 4):
        a = (a - c) ^ rotate(c, shift)
        c = c + b
        a, b, c = b, c, a
    return a, b, c


def finish(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    for shift in (14, 11, 25, 16, 4, 14, 24):
        c = (c ^ b) - rotate(b, shift)
        a, b, c = b, c, a
    # Seven turns have left the second word in `a` and the third in `b`.
    return (a.astype(np.uint64) << np.uint64(32)) | b.astype(np.uint64)


def rotate(word: np.ndarray, shift: int) -> np.ndarray:
    return (word << np.uint32(shift)) | (word >> np.uint32(32 - shift))


def hash_word(words: np.ndarray) -> np.ndarray:
    """`hash_uint32_extended`."""
    start = np.full(len(words), (GOLDEN + 4 + EXTRA) & 0xFFFFFFFF, np.uint32)
    return finish(start + words.astype(np.uint32), start, start)


def hash_numbers(numbers: np.ndarray) -> np.ndarray:
    """`hashint8extended`; equal for smaller integers and for instants."""
    whole = numbers.astype(np.int64)
    low = (whole & 0xFFFFFFFF).astype(np.uint32)
    high = ((whole >> 32) & 0xFFFFFFFF).astype(np.uint32)
    return hash_word(low ^ np.where(whole >= 0, high, ~high))


def hash_floats(values: Values) -> np.ndarray:
    numbers = values.fill_null(0).to_numpy().copy()
    numbers[np.isnan(numbers)] = np.nan
    hashed = hash_equally_long(numbers.astype("<f8").view(np.uint8).reshape(-1, 8), 8)
    return np.where(numbers == 0, np.uint64(0), hashed)


def hash_decimals(values: Values) -> np.ndarray:
    """`hash_numeric_extended`: the digits without zeros at either end, and their weight."""
    digits: list[bytes] = []
    weights = np.zeros(len(values), np.int64)
    for place, value in enumerate(values.fill_null(0).to_pylist()):
        found = digits_of(abs(int(value.scaleb(NUMERIC_SCALE, ALL_DIGITS))) * 1000)
        weights[place] = len(found) - 1 - FRACTION_DIGITS
        while found and found[-1] == 0:
            found.pop()
        digits.append(np.array(found, "<i2").tobytes())
    hashed = hash_bytes(pa.array(digits, pa.large_binary())) ^ weights.view(np.uint64)
    is_zero = np.array([not digit for digit in digits], bool)
    return np.where(is_zero, np.uint64(0xFFFFFFFFFFFFFFFF), hashed)


def digits_of(number: int) -> list[int]:
    """Digits of base 10,000, the greatest first; none for zero."""
    found: list[int] = []
    while number:
        number, digit = divmod(number, DIGIT_BASE)
        found.append(digit)
    return found[::-1]


def numbers_of(values: Values, kind: pa.DataType) -> np.ndarray:
    found: np.ndarray = values.cast(kind).fill_null(0).to_numpy(zero_copy_only=False)
    return found


HASHES: dict[str, Callable[[Values], np.ndarray]] = {
    "STRING": hash_bytes,
    "INTEGER": lambda values: hash_numbers(numbers_of(values, pa.int64())),
    "FLOAT": hash_floats,
    "BOOLEAN": lambda values: hash_word(numbers_of(values, pa.int8())),
    "NUMERIC": hash_decimals,
    "DATE": lambda values: hash_word(
        (numbers_of(values, pa.int32()) - DAYS_TO_2000).astype(np.int32).view(np.uint32)
    ),
    "TIMESTAMP": lambda values: hash_numbers(numbers_of(values, pa.int64()) - MICROSECONDS_TO_2000),
}

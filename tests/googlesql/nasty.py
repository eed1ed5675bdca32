"""Values that are hard on a database, one table per type: `x` with every value, `y` with some."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from credix_local.bigquery.googlesql.tables import Field
from tests.googlesql.evaluator import Rows

TEXTS = (
    *("", " ", "  a b  ", "\t\nx\u00a0", "\u3000x\u2003", "\ufeffx", "\u200bx", "\x1fx\x85"),
    *("\u2028x\u2029", "\u1680x\u202f\u205f", "x\v\f\r", "\u0130stanbul", "\u0131\u0131"),
    *("straße", "ẞ", "\u0149", "\ufb03", "ΑΣ", "ας", "\u2126", "e\u0301", "é", "😀", "\U00010428"),
    *("SÃO LUÍS", "ªº", "%_\\", "'\"`", "\r\n", "01310100", "01310-100", "01310100\n"),
    *("\u0660\u0661", "\uff11\uff12", "null", "SP ", " sp", "12", "1e3", "1_000", "1.0"),
    *("2024-02-03", " 2024-02-03", "true", "t", "inf", "abc abc"),
)
NUMBERS = (
    *("0", "0.005", "-0.005", "0.5", "-0.5", "1.5", "2.5", "-2.5", "1.005", "2.675", "10.5"),
    *("2.344999999", "0.000000001", "-0.000000001", "100", "1e20", "0.995", "-99.995", "33.335"),
    *("12345678901234567890.123456789", "123456789.987654321", "-123456789.987654321", "1e15"),
    *("9223372036854775807", "9223372036854775808", "4503599627370497.5"),
)
FLOATS = (
    *(0.0, -0.0, 0.1, 0.5, -0.5, 1.5, 2.5, -2.5, 1.005, 2.675, 1e-320, 1e15, 1e16, 1e17, 9.5e18),
    *(123456789012345680.0, 9007199254740993.0, 1 / 3, 2 / 3, 1e22, 1e5, 1e-5, 0.00001234),
    *(4503599627370497.5, 0.49999999999999994, 123.456, float("inf"), float("-inf"), -1e-9),
)
INTS = (
    *(0, 1, -1, 2, 5, 7, -7, 10, 255, 4095, 2**31, -(2**31), 2**53, 2**53 + 1, 99, 100, 50),
    *(2**63 - 1, -(2**63) + 1, 1234567890123456789),
)
DAYS = (
    *("1970-01-01", "1969-12-31", "2024-02-29", "2023-02-28", "2023-03-01", "2000-02-29"),
    *("1900-02-28", "2024-12-30", "2024-12-31", "2025-01-01", "2026-01-04", "2027-01-03"),
    *("2026-11-30", "2026-11-29", "1582-10-15", "1582-10-04", "9999-12-31"),
)
TIMES = (
    *(
        "1970-01-01 00:00",
        "1969-12-31 23:59:59.999999",
        "2024-02-29 12:00:00.000001",
        "1001-01-01 00:00",
    ),
    *(
        "2018-11-04 02:30",
        "2026-11-30 02:59:59.999999",
        "2019-02-17 01:59",
        "2026-07-01 00:00:00.1",
    ),
    *("2024-12-31 23:59:59.5", "9999-12-31 23:59:59.999999"),
)
# How many values beside each value: pairs are what a comparison or a difference is about.
BESIDE = 5


def table(kind: str, values: tuple[Any, ...]) -> Rows:
    """A table of one type, with NULL among the values."""
    given = (*values, None)
    pairs = [
        (value, given[(place * step + step) % len(given)])
        for place, value in enumerate(given)
        for step in range(1, BESIDE + 1)
    ]
    fields = (Field("id", "INTEGER"), Field("x", kind), Field("y", kind))
    return Rows(fields, [(number, *pair) for number, pair in enumerate(pairs)])


TABLES = {
    "texts": table("STRING", TEXTS),
    "numbers": table("NUMERIC", tuple(map(Decimal, NUMBERS))),
    "floats": table("FLOAT", FLOATS),
    "ints": table("INTEGER", INTS),
    "days": table("DATE", tuple(map(date.fromisoformat, DAYS))),
    "times": table("TIMESTAMP", tuple(datetime.fromisoformat(f"{one}+00:00") for one in TIMES)),
    "bools": table("BOOLEAN", (True, False)),
}

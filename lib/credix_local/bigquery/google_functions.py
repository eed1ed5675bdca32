"""Functions of GoogleSQL that DuckDB lacks or computes otherwise, in Python.

They take and return values; NULL never reaches them, but for those that SAFE_… functions call.
Rules: GoogleSQL's function reference; the tests compare with Google's reference evaluator.
"""

import math
from collections.abc import Callable
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)

NUMERIC = "DECIMAL(38, 9)"
# Enough for the product of two NUMERIC.
EXACT = Context(
    prec=120, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow]
)
NUMERIC_UNIT, NUMERIC_BOUND = Decimal("1e-9"), Decimal(10) ** 29
# All digits that a FLOAT64 can have before and after the point.
FLOAT_DIGITS = 1_100
FINEST_DIGIT, COARSEST_DIGIT = 323, -308
INT64_BITS = 64
# The words to which the emulator gives BigQuery's form.
DIVISION_BY_ZERO = "Division by zero"


def to_numeric(value: Decimal) -> Decimal:
    """Round to the nine decimals of NUMERIC, halves away from zero; raises OverflowError."""
    found = value.quantize(NUMERIC_UNIT, context=EXACT)
    if abs(found) >= NUMERIC_BOUND:
        raise OverflowError("numeric overflow")
    return found


def divide_numeric(dividend: Decimal, divisor: Decimal) -> Decimal:
    if not divisor:
        raise ZeroDivisionError(DIVISION_BY_ZERO)
    return to_numeric(EXACT.divide(dividend, divisor))


def quotient_numeric(dividend: Decimal, divisor: Decimal) -> Decimal:
    """DIV of NUMERIC: the quotient without its fraction."""
    if not divisor:
        raise ZeroDivisionError(DIVISION_BY_ZERO)
    return to_numeric(EXACT.divide_int(dividend, divisor))


def multiply_numeric(one: Decimal, other: Decimal) -> Decimal:
    return to_numeric(EXACT.multiply(one, other))


def safe_divide_numeric(dividend: Decimal | None, divisor: Decimal | None) -> Decimal | None:
    return safe(divide_numeric, dividend, divisor)


def safe_multiply_numeric(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return safe(multiply_numeric, one, other)


def safe(
    function: Callable[[Decimal, Decimal], Decimal], one: Decimal | None, other: Decimal | None
) -> Decimal | None:
    """NULL instead of an error."""
    try:
        return None if one is None or other is None else function(one, other)
    except (ZeroDivisionError, OverflowError):
        return None


def call_numeric(name: str, value: Decimal, other: Decimal) -> Decimal:
    """Return a function of one or two NUMERIC, exact to the ninth decimal; raises OverflowError."""
    calls: dict[str, Callable[[], Decimal]] = {
        "sqrt": lambda: EXACT.sqrt(value),
        "exp": lambda: EXACT.exp(value),
        "ln": lambda: EXACT.ln(value),
        "power": lambda: EXACT.power(value, other),
    }
    try:
        return to_numeric(calls[name]())
    except (InvalidOperation, Overflow, DivisionByZero) as error:
        raise OverflowError(f"numeric overflow: {name.upper()}({value})") from error


def numeric_of_float(value: float) -> Decimal:
    """CAST(FLOAT64 AS NUMERIC): all binary digits count, then halves go away from zero."""
    return to_numeric(Decimal(value))


def round_float(value: float, digits: int) -> float:
    return shorten_float(value, digits, ROUND_HALF_UP)


def truncate_float(value: float, digits: int) -> float:
    return shorten_float(value, digits, ROUND_DOWN)


def shorten_float(value: float, digits: int, rounding: str) -> float:
    """Return the FLOAT64 nearest to the rounded exact value; raises OverflowError."""
    if digits > FINEST_DIGIT or not value:
        return value
    if digits < COARSEST_DIGIT:
        return 0.0
    wide = Context(prec=FLOAT_DIGITS, rounding=rounding)
    found = float(wide.quantize(Decimal(value), wide.scaleb(Decimal(1), -digits)))
    if math.isinf(found):
        raise OverflowError(f"Floating point overflow in function: ROUND({value}, {digits})")
    return math.copysign(found, value)


def float_text(value: float) -> str:
    """CAST(FLOAT64 AS STRING): 15 digits where they suffice, else 17."""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    text = f"{value:.15g}"
    return text if float(text) == value else f"{value:.17g}"


def float_json(value: float) -> str:
    """TO_JSON_STRING of a FLOAT64."""
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    return float_text(value)


def format_numeric(pattern: str, value: Decimal) -> str:
    """FORMAT of a NUMERIC by one `%f`: no digit is lost, and halves go away from zero."""
    flags, _, places = pattern[1:-1].partition(".")
    exact = EXACT.quantize(value, Decimal(1).scaleb(-int(places or 0 if "." in pattern else 6)))
    text = f"{abs(exact):{',' if chr(39) in flags else ''}f}"
    sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
    width = int(flags.lstrip("-+ #0'") or 0)
    if "-" in flags:
        return f"{sign}{text}".ljust(width)
    if "0" in flags[: len(flags) - len(flags.lstrip("-+ #0'"))]:
        return sign + text.rjust(width - len(sign), "0")
    return f"{sign}{text}".rjust(width)


def shift_left(value: int, bits: int) -> int:
    return to_int64(value << check_shift(bits)) if bits < INT64_BITS else 0


def shift_right(value: int, bits: int) -> int:
    """Return the lowest 64 bits with the sign as a bit like the others."""
    return to_int64((value & (2**INT64_BITS - 1)) >> min(check_shift(bits), INT64_BITS))


def check_shift(bits: int) -> int:
    if bits < 0:
        raise ValueError("Bitwise binary shift by negative offset")
    return bits


def to_int64(value: int) -> int:
    """Return the lowest 64 bits, in two's complement."""
    value &= 2**INT64_BITS - 1
    return value - 2**INT64_BITS if value >= 2 ** (INT64_BITS - 1) else value


def reverse_text(value: str) -> str:
    return value[::-1]


def lower_text(value: str) -> str:
    return value.lower()


def fail(message: str) -> str:
    """Ends a statement; DuckDB's own `error` may not be part of what SAFE protects."""
    raise ValueError(message)


# By the name in SQL: the function, the types of its arguments and of its result.
FUNCTIONS: dict[str, tuple[Callable[..., object], list[str], str]] = {
    "google_call_numeric": (call_numeric, ["VARCHAR", NUMERIC, NUMERIC], NUMERIC),
    "google_divide_numeric": (divide_numeric, [NUMERIC, NUMERIC], NUMERIC),
    "google_fail": (fail, ["VARCHAR"], "VARCHAR"),
    "google_float_json": (float_json, ["DOUBLE"], "VARCHAR"),
    "google_float_text": (float_text, ["DOUBLE"], "VARCHAR"),
    "google_format_numeric": (format_numeric, ["VARCHAR", NUMERIC], "VARCHAR"),
    "google_lower_text": (lower_text, ["VARCHAR"], "VARCHAR"),
    "google_multiply_numeric": (multiply_numeric, [NUMERIC, NUMERIC], NUMERIC),
    "google_numeric_of_float": (numeric_of_float, ["DOUBLE"], NUMERIC),
    "google_quotient_numeric": (quotient_numeric, [NUMERIC, NUMERIC], NUMERIC),
    "google_reverse": (reverse_text, ["VARCHAR"], "VARCHAR"),
    "google_round_float": (round_float, ["DOUBLE", "BIGINT"], "DOUBLE"),
    "google_safe_divide_numeric": (safe_divide_numeric, [NUMERIC, NUMERIC], NUMERIC),
    "google_safe_multiply_numeric": (safe_multiply_numeric, [NUMERIC, NUMERIC], NUMERIC),
    "google_shift_left": (shift_left, ["BIGINT", "BIGINT"], "BIGINT"),
    "google_shift_right": (shift_right, ["BIGINT", "BIGINT"], "BIGINT"),
    "google_truncate_float": (truncate_float, ["DOUBLE", "BIGINT"], "DOUBLE"),
}

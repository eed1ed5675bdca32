"""The pure parts of computing as Google does: NUMERIC, texts, literals, types of expressions."""

from decimal import Decimal

import pytest
import sqlglot

from credix_local.bigquery import google_functions as functions
from credix_local.bigquery.repairs_expressions import rewritten, written_out

COLUMNS = {"t": {"i": "BIGINT", "n": "DECIMAL(38, 9)", "f": "DOUBLE", "s": "VARCHAR"}}


def translate(expression: str, source: str = "t") -> str:
    tree = sqlglot.parse_one(f"select {expression} from {source}", read="bigquery")
    written = rewritten(tree, COLUMNS).sql("duckdb").lower()
    return written.removeprefix("select ").removesuffix(f" from {source}")


def test_numeric_is_exact_to_nine_decimals_and_halves_go_away_from_zero() -> None:
    assert functions.divide_numeric(Decimal(2), Decimal(3)) == Decimal("0.666666667")
    assert functions.divide_numeric(Decimal(-1), Decimal(2 * 10**9)) == Decimal("-0.000000001")
    assert functions.multiply_numeric(Decimal("1e-9"), Decimal("0.5")) == Decimal("0.000000001")
    assert functions.quotient_numeric(Decimal("-7.5"), Decimal(2)) == Decimal(-3)
    with pytest.raises(OverflowError):
        functions.multiply_numeric(Decimal("1e20"), Decimal("1e20"))
    assert functions.safe_multiply_numeric(Decimal("1e20"), Decimal("1e20")) is None
    assert functions.safe_divide_numeric(Decimal(1), Decimal(0)) is None


@pytest.mark.parametrize(
    ("value", "digits", "rounded"),
    [(2.675, 2, 2.67), (0.125, 2, 0.13), (-0.125, 2, -0.13), (1e300, -400, 0.0), (0.1, 400, 0.1)],
)
def test_a_float_is_rounded_by_its_exact_value(value: float, digits: int, rounded: float) -> None:
    assert functions.round_float(value, digits) == rounded


def test_a_float_beyond_the_range_after_rounding_is_an_error() -> None:
    with pytest.raises(OverflowError):
        functions.round_float(1.7976931348623157e308, -308)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%.2f", "-1234.57"),
        ("%'.1f", "-1,234.6"),
        ("%10.0f", "     -1235"),
        ("%-9.1f", "-1234.6  "),
    ],
)
def test_a_numeric_is_formatted_without_loss(pattern: str, text: str) -> None:
    assert functions.format_numeric(pattern, Decimal("-1234.567")) == text


def test_bits_are_shifted_as_unsigned_ones() -> None:
    assert functions.shift_right(-1, 63) == 1
    assert functions.shift_left(1, 63) == -(2**63)
    assert functions.shift_left(1, 64) == functions.shift_right(1, 64) == 0


@pytest.mark.parametrize(
    ("literal", "written"),
    [
        (r"'\u00e9\101\x41'", "'éAA'"),
        (r"'\x27\x5c'", r"'\'\\'"),
        (r"r'\x41'", r"r'\x41'"),
        (r"'\\x41'", r"'\\x41'"),
        (r"b'\x01\xff'", "FROM_HEX('01ff')"),
        (r"'a' -- '\x41'", r"'a' -- '\x41'"),
    ],
)
def test_numbered_escapes_are_written_out(literal: str, written: str) -> None:
    assert written_out(f"select {literal}") == f"select {written}"


@pytest.mark.parametrize(
    ("expression", "written"),
    [
        # What the columns' types show to need nothing is left to DuckDB.
        ("i * i", "i * i"),
        ("cast(i as numeric)", "cast(i as decimal)"),
        ("sum(n)", "sum(n)"),
        ("sum(i)", "cast(sum(i) as bigint)"),
        ("safe_add(safe_multiply(2, abs(i)), i)", "safe_add(safe_multiply(2, abs(i)), i)"),
        ("div(i + 1, nullif(i, 0))", "((i + 1) // (nullif(i, 0)))"),
        ("n / 2", "google_divide_numeric(n, 2)"),
        # What they do not show, DuckDB finds out when it binds the call.
        ("unknown / 2", "google_divide(unknown, 2)"),
        ("round(f + 1, 2)", "google_round_to_once(f + 1, 2)"),
        ("n * 0.5", "google_multiply_once(n, google_literal('0.5', n))"),
    ],
)
def test_a_call_is_made_where_the_types_ask_for_one(expression: str, written: str) -> None:
    assert translate(expression) == written


def test_a_name_with_two_meanings_has_no_type() -> None:
    source = "(select s as i from t) as u"
    assert translate("i * i", source) == "google_multiply(i, i)"


@pytest.mark.parametrize(
    "source",
    [
        "(select i from t union all select 1.5)",
        "t, unnest([1.5]) as i",
        "t, unnest([struct(1.5 as i)])",
        "t, unnest(t.s)",
        "t, elsewhere",
    ],
)
def test_a_name_that_may_come_from_elsewhere_has_no_type(source: str) -> None:
    tree = sqlglot.parse_one(f"select i * i from {source}", read="bigquery")
    assert "GOOGLE_MULTIPLY(i, i)" in rewritten(tree, COLUMNS).sql("duckdb")

"""GoogleSQL's functions as macros of DuckDB, which choose by the types of their arguments.

DuckDB knows the types when it binds a statement: `typeof` of a list is a constant then, and the
branches for other types are dropped. Where the branches have different types, `struct_extract`
with a constant name takes one of them; `cast_to_type` takes an expression's type and drops it.

A macro repeats its arguments, so nested ones would grow exponentially: `…_once` gives the values
to a lambda, which DuckDB binds once, at 70 ns a row.
"""

import re
from typing import Any

import duckdb
from duckdb.func import FunctionNullHandling

from credix_local.bigquery.google_functions import DIVISION_BY_ZERO, FUNCTIONS, NUMERIC

# What TRIM removes without a second argument: the characters with Unicode's White_Space.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
TEXT, DOUBLE, ANY_DOUBLE = "CAST(x AS VARCHAR)", "CAST(x AS DOUBLE)", "TRY_CAST(x AS DOUBLE)"
DATE_TEXT, INT64_TEXT = r"\d+-\d+-\d+", r"\s*[+-]?(\d+|0[xX][0-9a-fA-F]+)\s*"


def type_of(*names: str) -> str:
    """Return the common type of expressions as a text, constant from binding on."""
    return f"typeof([{', '.join(names)}])"


def is_decimal(name: str) -> str:
    """Return whether an expression is a NUMERIC or BIGNUMERIC."""
    return f"({type_of(name)} LIKE 'DECIMAL%')"


def is_float(name: str) -> str:
    return f"({type_of(name)} IN ('DOUBLE[]', 'FLOAT[]'))"


def is_numeric(*names: str) -> str:
    """Return whether a calculation with these is one of NUMERIC: one is, and none is FLOAT64."""
    return f"({type_of(*names)} LIKE 'DECIMAL(%,_)[]')"


def choose(condition: str, chosen: str, other: str) -> str:
    """Return one of two expressions of different types."""
    return (
        f"struct_extract({{'a': CASE WHEN {condition} THEN {chosen} END, "
        f"'b': CASE WHEN NOT {condition} THEN {other} END}}, "
        f"CASE WHEN {condition} THEN 'a' ELSE 'b' END)"
    )


def numeric_or_float(value: str, by: str) -> str:
    """Return a value as NUMERIC where `by` is NUMERIC, else as FLOAT64; BIGNUMERIC stays."""
    kind = type_of(by)
    types = f"{{'n': NULL::{NUMERIC}, 'b': {by}, 'f': NULL::DOUBLE}}"
    key = (
        f"CASE WHEN {kind} LIKE 'DECIMAL(%,_)[]' THEN 'n' "
        f"WHEN {kind} LIKE 'DECIMAL%' THEN 'b' ELSE 'f' END"
    )
    return f"cast_to_type({value}, struct_extract({types}, {key}))"


def exactly(name: str, *arguments: str) -> str:
    """Return a call of a function that takes NUMERIC."""
    return f"{name}({', '.join(f'CAST({one} AS {NUMERIC})' for one in arguments)})"


def exact_call(name: str, *arguments: str) -> str:
    """Return a function of NUMERIC by its name; the second argument may be missing."""
    numbers = ", ".join(f"CAST({one} AS {NUMERIC})" for one in (*arguments, "0")[:2])
    return f"google_call_numeric('{name}', {numbers})"


def failure(message: str, like: str) -> str:
    """Return an error in place of a value of the type of `like`."""
    return f"cast_to_type(google_fail({message}), {like})"


def is_beyond(result: str, *operands: str) -> str:
    """Return whether a FLOAT64 became infinite by the calculation."""
    finite = " AND ".join(f"NOT isinf(CAST({one} AS DOUBLE))" for one in operands)
    return f"(isinf(CAST({result} AS DOUBLE)) AND {finite})"


def bounded(result: str, name: str, *operands: str) -> str:
    """Return a FLOAT64 that is an error where it became infinite."""
    error = failure(f"'Floating point error in function: {name}'", result)
    return f"CASE WHEN {is_beyond(result, *operands)} THEN {error} ELSE {result} END"


def divided(result: str) -> str:
    """Return a division of INT64 or FLOAT64, which fails where the divisor is zero."""
    error = failure(f"'{DIVISION_BY_ZERO}'", result)
    return f"CASE WHEN b = 0 THEN {error} ELSE {result} END"


def cast_macro(target: str, is_wrong: str, is_safe: bool, others: str = "") -> str:
    """CAST to a type that is stricter about texts than DuckDB's; `others` are more branches."""
    error = failure(f"'Could not cast literal \"' || {TEXT} || '\" to type'", f"NULL::{target}")
    return (
        f"CASE {others}WHEN {type_of('x')} = 'VARCHAR[]' AND {is_wrong} "
        f"THEN {'NULL' if is_safe else error} "
        f"ELSE {'TRY_CAST' if is_safe else 'CAST'}(x AS {target}) END"
    )


def cast_macros(prefix: str, is_safe: bool) -> dict[str, str]:
    """Return the macros of CAST or SAFE_CAST."""
    cast = "TRY_CAST" if is_safe else "CAST"
    rounded = f"WHEN {is_float('x')} THEN {cast}(round({DOUBLE}) AS BIGINT) "
    exact = f"google_numeric_of_float({DOUBLE})"
    beyond = "NULL" if is_safe else failure("'numeric overflow'", f"NULL::{NUMERIC}")
    exact = f"WHEN {is_float('x')} THEN CASE WHEN abs({DOUBLE}) < 1e29 THEN {exact} "
    exact += f"WHEN x IS NOT NULL THEN {beyond} END "
    no_number, no_bool = f"contains({TEXT}, '_')", f"lower({TEXT}) NOT IN ('true', 'false')"
    no_time = f"NOT regexp_matches({TEXT}, '^[0-9]')"
    no_int64, no_date = (
        f"NOT regexp_full_match({TEXT}, '{pattern}')" for pattern in (INT64_TEXT, DATE_TEXT)
    )
    return {
        f"{prefix}_int64(x)": cast_macro("BIGINT", no_int64, is_safe, rounded),
        f"{prefix}_numeric(x)": cast_macro(NUMERIC, no_number, is_safe, exact),
        f"{prefix}_float64(x)": cast_macro("DOUBLE", no_number, is_safe),
        f"{prefix}_bool(x)": cast_macro("BOOLEAN", no_bool, is_safe),
        f"{prefix}_date(x)": cast_macro("DATE", no_date, is_safe),
        # DuckDB has infinite ones.
        f"{prefix}_timestamp(x)": cast_macro("TIMESTAMPTZ", no_time, is_safe),
    }


def padded(text: str) -> str:
    """Return a time with 0, 3 or 6 digits of its second's fraction."""
    one = rf"regexp_replace({text}, '\.(\d|\d{{4}})(\+|$)', '.\100\2')"
    return rf"regexp_replace({one}, '\.(\d{{2}}|\d{{5}})(\+|$)', '.\10\2')"


def quoted(text: str) -> str:
    return f"'\"' || {text} || '\"'"


def floored(unit: int) -> str:
    """Whole units of a TIMESTAMP since 1970, rounded down."""
    number = "epoch_us(x)"
    return f"({number} - (({number} % {unit}) + {unit}) % {unit}) // {unit}"


BOTH_NUMERIC = f"({is_numeric('a')} AND {is_numeric('b')})"
START = f"CASE WHEN start = 0 OR start < -length({TEXT}) THEN 1 ELSE start END"
SHORT_NUMBER = (
    f"CASE WHEN contains({TEXT}, '.') THEN rtrim(rtrim({TEXT}, '0'), '.') ELSE {TEXT} END"
)
# An INT64 or NUMERIC that every reader of JSON holds exactly is no text there.
IS_SHORT_NUMBER = (
    f"(NOT contains({SHORT_NUMBER}, '.') AND TRY_CAST({SHORT_NUMBER} AS HUGEINT) "
    "BETWEEN -9007199254740992 AND 9007199254740992)"
)
ISO_TIME = f"replace(replace({padded(TEXT)}, ' ', 'T'), '+00', 'Z')"
NOT_A_NUMBER = f"isnan({ANY_DOUBLE})"

# By name and parameters: what the macro means.
MACROS: dict[str, str] = {
    # Texts.
    "google_trim(x)": f"trim(x, '{WHITE_SPACE}')",
    "google_ltrim(x)": f"ltrim(x, '{WHITE_SPACE}')",
    "google_rtrim(x)": f"rtrim(x, '{WHITE_SPACE}')",
    # What DuckDB makes of these two letters is not what Unicode does.
    "google_lower(x)": (
        "CASE WHEN contains(x, 'İ') OR contains(x, 'Σ') THEN google_lower_text(x) ELSE lower(x) END"
    ),
    "google_substr(x, start)": f"substring(x, {START})",
    "google_substr_length(x, start, size)": (
        "CASE WHEN size < 0 THEN google_fail('Third argument in SUBSTR() cannot be negative') "
        f"ELSE substring(x, {START}, size) END"
    ),
    "google_unicode(x)": "CASE WHEN x = '' THEN 0 ELSE unicode(x) END",
    "google_to_code_points(x)": (
        "CASE WHEN x = '' THEN [] ELSE list_transform(string_split(x, ''), lambda c: ord(c)) END"
    ),
    "google_regexp_extract(x, pattern, part)": (
        "CASE WHEN regexp_matches(x, pattern) THEN regexp_extract(x, pattern, part) END"
    ),
    # Numbers.
    "google_divide(a, b)": choose(
        is_numeric("a", "b"),
        exactly("google_divide_numeric", "a", "b"),
        divided(bounded("a / b", "DIVIDE", "a", "b")),
    ),
    "google_safe_divide(a, b)": choose(
        is_numeric("a", "b"),
        exactly("google_safe_divide_numeric", "a", "b"),
        f"CASE WHEN b <> 0 AND NOT {is_beyond('a / b', 'a', 'b')} THEN a / b END",
    ),
    # The native product holds twice the decimals, so it ends long before NUMERIC does.
    "google_multiply(a, b)": choose(
        BOTH_NUMERIC,
        "CASE WHEN abs(CAST(a AS DOUBLE) * CAST(b AS DOUBLE)) < 1e19 "
        f"THEN CAST(a * b AS {NUMERIC}) ELSE {exactly('google_multiply_numeric', 'a', 'b')} END",
        "a * b",
    ),
    "google_safe_multiply(a, b)": choose(
        is_numeric("a", "b"),
        exactly("google_safe_multiply_numeric", "a", "b"),
        f"CASE WHEN NOT {is_beyond('TRY(a * b)', 'a', 'b')} THEN TRY(a * b) END",
    ),
    "google_safe_add(a, b)": (
        f"CASE WHEN NOT {is_beyond('TRY(a + b)', 'a', 'b')} THEN TRY(a + b) END"
    ),
    "google_safe_subtract(a, b)": (
        f"CASE WHEN NOT {is_beyond('TRY(a - b)', 'a', 'b')} THEN TRY(a - b) END"
    ),
    "google_quotient(a, b)": choose(
        is_numeric("a", "b"),
        exactly("google_quotient_numeric", "a", "b"),
        divided("a // b"),
    ),
    "google_mod(a, b)": divided("CASE WHEN b = -1 THEN a - a ELSE a % b END"),
    "google_literal(text, x)": (
        f"cast_to_type(text, struct_extract({{'n': NULL::{NUMERIC}, 'f': NULL::DOUBLE}}, "
        f"CASE WHEN {is_numeric('x')} THEN 'n' ELSE 'f' END))"
    ),
    "google_round(x)": numeric_or_float("round(x)", "x"),
    "google_round_to(x, n)": choose(
        is_decimal("x"),
        numeric_or_float("round(x, n)", "x"),
        f"CASE WHEN NOT isfinite({DOUBLE}) THEN {DOUBLE} "
        f"ELSE google_round_float({DOUBLE}, CAST(n AS BIGINT)) END",
    ),
    "google_truncate(x)": numeric_or_float("trunc(x)", "x"),
    "google_truncate_to(x, n)": choose(
        is_decimal("x"),
        numeric_or_float("trunc(x, n)", "x"),
        f"CASE WHEN NOT isfinite({DOUBLE}) THEN {DOUBLE} "
        f"ELSE google_truncate_float({DOUBLE}, CAST(n AS BIGINT)) END",
    ),
    "google_ceil(x)": numeric_or_float("ceil(x)", "x"),
    "google_floor(x)": numeric_or_float("floor(x)", "x"),
    "google_sign(x)": f"CASE WHEN isnan({DOUBLE}) THEN x ELSE cast_to_type(sign(x), x) END",
    "google_sqrt(x)": choose(is_numeric("x"), exact_call("sqrt", "x"), "sqrt(x)"),
    "google_ln(x)": choose(is_numeric("x"), exact_call("ln", "x"), "ln(x)"),
    "google_exp(x)": choose(is_numeric("x"), exact_call("exp", "x"), bounded("exp(x)", "EXP", "x")),
    "google_power(x, y)": choose(
        is_numeric("x", "y"),
        exact_call("power", "x", "y"),
        bounded("power(x, y)", "POW", "x", "y"),
    ),
    "google_average(mean, total, number)": choose(
        is_numeric("total"), exactly("google_divide_numeric", "total", "number"), "mean"
    ),
    # The sum of INT64 is an INT64, and a wider one is an error.
    "google_total(x)": (
        "cast_to_type(x, struct_extract({'i': NULL::BIGINT, 'o': x}, "
        f"CASE WHEN {type_of('x')} = 'HUGEINT[]' THEN 'i' ELSE 'o' END))"
    ),
    "google_bit_count(x)": "bit_count(CAST(x AS BIGINT))",
    # Texts of values.
    "google_cast_bytes(x)": (
        f"CASE WHEN {type_of('x')} = 'VARCHAR[]' THEN encode({TEXT}) ELSE CAST(x AS BLOB) END"
    ),
    "google_cast_string(x)": (
        f"CASE WHEN {is_decimal('x')} THEN {SHORT_NUMBER} "
        f"WHEN {is_float('x')} THEN "
        f"CASE WHEN {NOT_A_NUMBER} THEN 'nan' ELSE google_float_text({ANY_DOUBLE}) END "
        f"WHEN {type_of('x')} LIKE 'TIMESTAMP%' THEN {padded(TEXT)} ELSE {TEXT} END"
    ),
    "google_to_json_string(x)": (
        "CASE WHEN x IS NULL THEN 'null' "
        f"WHEN {is_float('x')} THEN "
        f"CASE WHEN {NOT_A_NUMBER} THEN '\"NaN\"' ELSE google_float_json({ANY_DOUBLE}) END "
        f"WHEN {is_decimal('x')} OR {type_of('x')} = 'BIGINT[]' THEN "
        f"CASE WHEN {IS_SHORT_NUMBER} THEN {SHORT_NUMBER} ELSE {quoted(SHORT_NUMBER)} END "
        f"WHEN {type_of('x')} LIKE 'TIMESTAMP%' THEN "
        f"{quoted(ISO_TIME)} "
        "ELSE CAST(to_json(x) AS VARCHAR) END"
    ),
    "google_format_any(x)": (
        f"CASE WHEN x IS NULL THEN 'NULL' WHEN {is_float('x')} AND {ANY_DOUBLE} = 0 THEN {TEXT} "
        f"WHEN {is_float('x')} "
        "AND regexp_full_match(google_cast_string(x), '-?[0-9]+') "
        "THEN google_cast_string(x) || '.0' ELSE google_cast_string(x) END"
    ),
    # Zero has no sign; of NUMERIC no digit is lost.
    "google_format_float(pattern, x)": (
        f"CASE WHEN {is_numeric('x')} AND regexp_matches(pattern, '[fF]$') "
        f"THEN google_format_numeric(pattern, TRY_CAST(x AS {NUMERIC})) ELSE "
        f"replace(printf(pattern, CASE WHEN {DOUBLE} = 0 THEN 0e0 ELSE {DOUBLE} END), '''', ',') "
        "END"
    ),
    "google_format_integer(pattern, x)": "replace(printf(pattern, x), '''', ',')",
    "google_format_bits(pattern, x)": (
        "CASE WHEN x < 0 THEN '-' || printf(pattern, -x) ELSE printf(pattern, x) END"
    ),
    # Dates and times.
    "google_date_trunc(part, x)": "cast_to_type(date_trunc(part, x), x)",
    "google_week_trunc(first, x)": (
        "cast_to_type(date_trunc('day', x) "
        "- to_days(CAST((dayofweek(x) - first + 7) % 7 AS INTEGER)), x)"
    ),
    "google_isoyear_trunc(x)": ("cast_to_type(date_trunc('week', make_date(isoyear(x), 1, 4)), x)"),
    "google_week(first, x)": "(dayofyear(x) + 6 - (dayofweek(x) - first + 7) % 7) // 7",
    "google_microsecond(x)": "microsecond(x) % 1000000",
    "google_millisecond(x)": "millisecond(x) % 1000",
    "google_timestamp_diff(x, y, unit)": "(epoch_us(x) - epoch_us(y)) // unit",
    "google_unix_seconds(x)": floored(1_000_000),
    "google_unix_millis(x)": floored(1_000),
    **cast_macros("google_cast", is_safe=False),
    **cast_macros("google_safe_cast", is_safe=True),
}


# Parameters that are values; the others are constants, or cheap to repeat.
VALUES = frozenset({"a", "b", "x", "y", "mean", "total", "number"})


def once(signature: str, meaning: str) -> tuple[str, str] | None:
    """Return the macro that gives its values to a lambda.

    None where it takes each but once anyway.
    """
    name, parameters = signature.rstrip(")").split("(")
    names = parameters.split(", ")
    values = [one for one in names if one in VALUES]
    if all(len(re.findall(rf"\b{one}\b", meaning)) < 2 for one in values):
        return None
    inner = ", ".join(f"v.{one}" if one in values else one for one in names)
    row = ", ".join(f"'{one}': {one}" for one in values)
    body = f"list_transform([{{{row}}}], lambda v: {name}({inner}))[1]"
    return f"{name}_once({parameters})", body


ONCE = dict(filter(None, (once(*one) for one in MACROS.items())))
# The names of macros that have such a form.
REPEATING = frozenset(signature.partition("_once(")[0] for signature in ONCE)


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions and macros known to a database and all its cursors."""
    for name, (function, arguments, result) in FUNCTIONS.items():
        # Only these answer NULL to values, which DuckDB has to be asked for.
        null_handling = (
            FunctionNullHandling.SPECIAL
            if name.startswith("google_safe_")
            else FunctionNullHandling.DEFAULT
        )
        create: Any = connection.create_function
        create(name, function, arguments, result, null_handling=null_handling)
    for signature, meaning in (*MACROS.items(), *ONCE.items()):
        connection.execute(f"CREATE OR REPLACE MACRO {signature} AS {meaning}")

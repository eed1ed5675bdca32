"""Repairs of expressions: each that DuckDB computes otherwise calls one of `google_macros`.

The calls are put into the parsed statement just before it is written in DuckDB's SQL, so that
nothing is parsed once more.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import sqlglot
from bqemulator.sql import translator
from bqemulator.sql.rewriter import create_table_schema_ctas
from bqemulator.storage.engine import DuckDBEngine
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.generator import Generator

from credix_local.bigquery import google_functions, google_macros
from credix_local.bigquery.expression_types import (
    BOOL,
    FLOAT64,
    INT64,
    LITERAL,
    NUMERIC,
    OTHER,
    STRING,
    ExpressionTypes,
    remember,
)
from credix_local.bigquery.google_macros import REPEATING
from credix_local.bigquery.patching import replace

Rewrite = Callable[[Any, ExpressionTypes], exp.Expr | None]
Columns = Mapping[str, Mapping[str, str]]
# The columns of the tables that the statement in translation names, by table and name.
COLUMNS: ContextVar[Columns | None] = ContextVar("COLUMNS", default=None)
# Those of a whole run: the next one sends most of them again. Longer ones contain rows.
WRITTEN_STATEMENTS, WRITTEN_LETTERS = 512, 50_000
DECLARED = "google_declared"
WEEKDAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
# The microseconds of the units that TIMESTAMP_DIFF counts.
UNITS = {
    "MICROSECOND": 1,
    "MILLISECOND": 1_000,
    "SECOND": 1_000_000,
    "MINUTE": 60_000_000,
    "HOUR": 3_600_000_000,
    "DAY": 86_400_000_000,
}
CASTS = {
    exp.DType.BIGINT: "int64",
    exp.DType.DECIMAL: "numeric",
    exp.DType.DOUBLE: "float64",
    exp.DType.BOOLEAN: "bool",
    exp.DType.DATE: "date",
    exp.DType.TEXT: "string",
    exp.DType.TIMESTAMPTZ: "timestamp",
    exp.DType.BINARY: "bytes",
    exp.DType.VARBINARY: "bytes",
}
# Casts that never fail have no form of their own for SAFE_CAST.
UNFAILING = frozenset({"string", "bytes"})
# Names, comments and literals of a statement.
LITERALS = re.compile(
    r"(?P<name>`[^`]*`)|(?P<comment>--[^\n]*|\#[^\n]*|/\*.*?\*/)"
    r"|(?P<prefix>\b[rRbB]{1,2})?(?P<quote>'''|\"\"\"|'|\")(?P<body>(?:\\.|(?!(?P=quote)).)*)(?P=quote)",
    re.DOTALL,
)
ESCAPE = re.compile(
    r"\\(?:(?P<hex>[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|(?P<octal>[0-3][0-7]{2})|.)",
    re.DOTALL,
)
NUMBERED = re.compile(r"\\[xXuU0-3]")
# How these are written in a literal; other characters stand for themselves.
WRITTEN = {"\\": r"\\", "'": r"\'", '"': r"\"", "\n": r"\n", "\r": r"\r", "\0": ""}


def apply() -> None:
    """Make all repairs of this module."""
    keep_numeric_exact()
    register_functions()
    rewrite_expressions()
    mark_declared_types()
    read_escapes()


def keep_numeric_exact() -> None:
    """Write NUMERIC with its 38 digits, 9 of them after the point: DECIMAL(18,3) would round.

    Before the first statement is written: the generator of DuckDB's SQL takes over what it finds.
    """

    def datatype_sql(self: Generator, expression: exp.DataType) -> str:
        is_decimal = expression.this in (exp.DataType.Type.DECIMAL, exp.DataType.Type.BIGDECIMAL)
        if is_decimal and not expression.expressions:
            return google_functions.NUMERIC
        return original(self, expression)

    original = DuckDB.Generator.TRANSFORMS[exp.DataType]
    DuckDB.Generator.TRANSFORMS[exp.DataType] = datatype_sql


def register_functions() -> None:
    """The functions are there as soon as the emulator's own are."""

    def register(self: DuckDBEngine) -> None:
        original(self)
        google_macros.register(self.connection)

    original = replace(DuckDBEngine, "_register_builtin_udfs", register)


def rewrite_expressions() -> None:
    """Division by zero is among the calls, so the emulator's own step for it is left out."""

    def translate(self: Any, sql: str, *, schema: Columns | None = None, **options: Any) -> Any:
        token = COLUMNS.set(schema)
        try:
            return original(self, sql, schema=schema, **options)
        finally:
            COLUMNS.reset(token)

    def transpile(sql: str, read: str, write: str, **options: Any) -> list[str]:
        columns = COLUMNS.get()
        key = (sql, repr(columns))
        if key not in known:
            trees = [tree for tree in sqlglot.parse(sql, read=read) if tree is not None]
            found = [rewritten(tree, columns).sql(write, **options) for tree in trees]
            if len(sql) > WRITTEN_LETTERS:
                return found
            if len(known) >= WRITTEN_STATEMENTS:
                del known[next(iter(known))]
            known[key] = found
        return known[key]

    def keep(sql: str) -> str:
        return sql

    known: dict[tuple[str, str], list[str]] = {}
    original = replace(translator.SQLTranslator, "translate", translate)
    names = {"transpile": transpile, "parse_one": sqlglot.parse_one, "errors": sqlglot.errors}
    replace(translator, "sqlglot", SimpleNamespace(**names))
    replace(translator, "rewrite_division_by_zero", keep)


def mark_declared_types() -> None:
    """`CREATE TABLE x (columns) AS SELECT …` casts what has the type already, for DuckDB's sake.

    These casts are the emulator's, not the statement's: they need none of Google's functions.
    """

    def mark(columns: list[exp.Expr], values: list[exp.Expr]) -> list[exp.Expr]:
        made = original(columns, values)
        for one in made:
            if isinstance(one, exp.Alias) and isinstance(one.this, exp.Cast):
                kind = exp.Cast(this=exp.Null(), to=one.this.to.copy())
                one.set("this", exp.Anonymous(this=DECLARED, expressions=[one.this.this, kind]))
        found: list[exp.Expr] = made
        return found

    original = replace(create_table_schema_ctas, "_cast_projections_to_schema", mark)


def read_escapes() -> None:
    """Literals with escapes by number, which sqlglot takes for letters, and bytes of any value."""

    def rewrite(sql: str, caller: Any) -> str:
        found: str = original(written_out(sql), caller)
        return found

    original = replace(translator, "rewrite_session_user", rewrite)


def written_out(sql: str) -> str:
    """Return the statement with what its numbered escapes stand for."""
    return LITERALS.sub(write_literal, sql) if NUMBERED.search(sql) else sql


def write_literal(found: re.Match[str]) -> str:
    prefix, quote, body = (found["prefix"] or "").lower(), found["quote"], found["body"]
    if quote is None or "r" in prefix or not NUMBERED.search(body):
        return found.group()
    if "b" in prefix:
        value = body.encode("utf-8").decode("unicode_escape").encode("latin-1")
        return f"FROM_HEX('{value.hex()}')"

    def write(escape: re.Match[str]) -> str:
        number = escape["hex"][1:] if escape["hex"] else escape["octal"]
        if number is None:
            return escape.group()
        sign = chr(int(number, 16 if escape["hex"] else 8))
        return WRITTEN.get(sign, sign)

    return f"{quote}{ESCAPE.sub(write, body)}{quote}"


def rewritten(tree: exp.Expr, columns: Columns | None = None) -> exp.Expr:
    """Return the statement with calls of Google's functions; the given tree is changed."""
    nodes = [node for node in tree.walk() if type(node) in REWRITES]
    if not nodes:
        return tree
    types = ExpressionTypes(tree, columns)
    # Inner expressions first: what is put around them is not looked at again.
    for node in reversed(nodes):
        kind = types.of(node)
        found = REWRITES[type(node)](node, types)
        if found is None:
            continue
        remember(found, kind)
        if node is tree:
            tree = found
        else:
            node.replace(found)
    # DuckDB binds no lambda within the arguments of a table function.
    for unnest in tree.find_all(exp.Unnest):
        for function in unnest.find_all(exp.Anonymous):
            function.set("this", str(function.this).removesuffix("_once"))
    return tree


def call(name: str, *arguments: exp.Expr | str | int) -> exp.Anonymous:
    """Return a call of one of `google_macros`."""
    made: list[exp.Expr] = []
    for one in arguments:
        if isinstance(one, str):
            made.append(exp.Literal.string(one))
        else:
            made.append(exp.Literal.number(one) if isinstance(one, int) else one)
    full = f"google_{name}"
    if full in REPEATING and not all(is_short(one) for one in made):
        full += "_once"
    return exp.Anonymous(this=full, expressions=made)


def is_short(node: exp.Expr) -> bool:
    """Return whether an expression may be repeated: a column, a literal, or an aggregate of one."""
    if isinstance(node, exp.Neg | exp.Paren | exp.AggFunc):
        node = node.this
    return isinstance(
        node, exp.Column | exp.Literal | exp.Null | exp.Boolean | exp.Parameter | exp.Star
    )


def renamed(name: str, *parts: str) -> Rewrite:
    """Return the same arguments to another function; None where it has arguments besides these."""

    def rewrite(node: exp.Expr, _types: ExpressionTypes) -> exp.Expr | None:
        given = [part for part, value in node.args.items() if value not in (None, [], False)]
        if set(given) - set(parts) - {"null_if_pos_overflow", "is_numeric", "safe", "typed"}:
            return None
        return call(name, *(node.args[part] for part in parts if part in given))

    return rewrite


def with_digits(name: str) -> Rewrite:
    """ROUND and TRUNC, with and without a number of decimals."""

    def rewrite(node: exp.Round | exp.Trunc, types: ExpressionTypes) -> exp.Expr | None:
        if node.args.get("truncate"):
            return None  # A rounding mode is given.
        digits = node.args.get("decimals")
        kind = types.of(node.this)
        if kind == NUMERIC:
            return as_numeric(node.copy())
        if kind == FLOAT64 and digits is None:
            return None
        return call(name, node.this) if digits is None else call(f"{name}_to", node.this, digits)

    return rewrite


def as_numeric(node: exp.Expr) -> exp.Expr:
    """Return a calculation of NUMERIC in NUMERIC's own digits."""
    return exp.Cast(this=node, to=exp.DataType.build("DECIMAL(38, 9)"))


def rewrite_trim(node: exp.Trim, _types: ExpressionTypes) -> exp.Expr | None:
    if node.args.get("expression") is not None:
        return None
    names = {"LEADING": "ltrim", "TRAILING": "rtrim"}
    return call(names.get(str(node.args.get("position") or ""), "trim"), node.this)


def rewrite_substring(node: exp.Substring, _types: ExpressionTypes) -> exp.Expr | None:
    start, size = node.args.get("start"), node.args.get("length")
    is_plain = is_whole_number(start) and start is not None and start.name != "0"
    if start is None or (is_plain and (size is None or is_whole_number(size))):
        return None
    if size is None:
        return call("substr", node.this, start)
    return call("substr_length", node.this, start, size)


def rewrite_regexp_extract(node: exp.RegexpExtract, _types: ExpressionTypes) -> exp.Expr | None:
    if node.args.get("position") is not None or node.args.get("occurrence") is not None:
        return None
    return call("regexp_extract", node.this, node.expression, node.args.get("group") or 0)


def rewrite_product(node: exp.Mul, types: ExpressionTypes) -> exp.Expr | None:
    sides = [node.this, node.expression]
    align_literals(sides, types)
    kinds = {types.of(side) for side in sides}
    # One of them is no NUMERIC, or there is an interval.
    if kinds & {INT64, FLOAT64} or any(isinstance(side, exp.Interval) for side in sides):
        return None
    return call("multiply", node.this, node.expression)


def rewrite_division(node: exp.Div, types: ExpressionTypes) -> exp.Expr | None:
    align_literals([node.this, node.expression], types)
    if is_of_int64(node, types) and is_never_zero(node.expression):
        return None
    if types.of(node) == NUMERIC and LITERAL not in (
        types.of(node.this),
        types.of(node.expression),
    ):
        return exact("divide", node.this, node.expression)
    return call("divide", node.this, node.expression)


def rewrite_quotient(node: exp.IntDiv, types: ExpressionTypes) -> exp.Expr:
    if is_of_int64(node, types) and is_never_zero(node.expression):
        # As an operator it binds the whole of both sides, and nothing besides.
        sides = {"this": exp.Paren(this=node.this), "expression": exp.Paren(this=node.expression)}
        return exp.Paren(this=exp.IntDiv(**sides))
    return call("quotient", node.this, node.expression)


def exact(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Return a call of a function that takes NUMERIC alone."""
    return exp.Anonymous(this=f"google_{name}_numeric", expressions=list(arguments))


def safe_calculation(name: str) -> Rewrite:
    """SAFE_ADD and its like: the emulator's own form is right for INT64."""

    def rewrite(node: exp.Expr, types: ExpressionTypes) -> exp.Expr | None:
        if {types.of(node.this), types.of(node.expression)} == {INT64}:
            return None
        return call(name, node.this, node.expression)

    return rewrite


def is_of_int64(node: exp.Binary, types: ExpressionTypes) -> bool:
    return {types.of(node.this), types.of(node.expression)} == {INT64}


def is_never_zero(node: exp.Expr) -> bool:
    """Return whether a divisor is a literal, or NULL in place of zero."""
    inner = node.unnest()
    if isinstance(inner, exp.Nullif):
        return bool(inner.expression.name == "0")
    return is_whole_number(inner) and inner.name.strip("0") != ""


def rewrite_sum(node: exp.Add | exp.Sub | exp.Coalesce, types: ExpressionTypes) -> None:
    others = [node.expression] if isinstance(node, exp.Binary) else node.expressions
    align_literals([node.this, *others], types)


def rewrite_choice(node: exp.If, types: ExpressionTypes) -> None:
    if not isinstance(node.parent, exp.Case):
        align_literals([node.args.get("true"), node.args.get("false")], types)


def rewrite_case(node: exp.Case, types: ExpressionTypes) -> None:
    values = [one.args.get("true") for one in node.args["ifs"]]
    align_literals([*values, node.args.get("default")], types)


def align_literals(values: Sequence[exp.Expr | None], types: ExpressionTypes) -> None:
    """A literal FLOAT64 beside a NUMERIC is a NUMERIC; which it is, DuckDB finds out."""
    literals = [one for one in values if one is not None and float_text(one) is not None]
    others = [one for one in values if one is not None and number_text(one) is None]
    others = [one for one in others if not isinstance(one, exp.Null)]
    if literals and others and types.of(others[0]) not in (INT64, FLOAT64):
        for one in literals:
            text = exp.Literal.string(float_text(one))
            # Only the type of the other one counts.
            one.replace(exp.Anonymous(this="google_literal", expressions=[text, others[0].copy()]))


def number_text(node: exp.Expr) -> str | None:
    """Return the text of a literal number, with its sign; None for anything else."""
    if isinstance(node, exp.Neg):
        inner = number_text(node.this)
        return None if inner is None else f"-{inner}"
    return node.name if isinstance(node, exp.Literal) and not node.is_string else None


def float_text(node: exp.Expr) -> str | None:
    """Return the text of a literal FLOAT64; the emulator has written `0.5` as `0.5e0`."""
    text = number_text(node)
    if text is None or text.lstrip("-").isdigit() or text.lower().lstrip("-").startswith("0x"):
        return None
    return text.removesuffix("e0")


def is_whole_number(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit()


def rewrite_literal(node: exp.Literal, _types: ExpressionTypes) -> exp.Expr | None:
    """`.5` and `5.` are FLOAT64 like `0.5`."""
    if node.is_string or "." not in node.name or "e" in node.name.lower():
        return None
    return exp.Literal.number(f"{node.name}e0")


def rewrite_aggregate(node: exp.Avg | exp.Sum, types: ExpressionTypes) -> exp.Expr | None:
    is_part = isinstance(node.parent, exp.Window) and node.parent.this is node
    return None if is_part else judged(node, node, types)


def rewrite_window(node: exp.Window, types: ExpressionTypes) -> exp.Expr | None:
    return judged(node, node.this, types) if isinstance(node.this, exp.Avg | exp.Sum) else None


def judged(
    whole: exp.Expr, aggregate: exp.Avg | exp.Sum, types: ExpressionTypes
) -> exp.Expr | None:
    """SUM or AVG, with its window, in the type that BigQuery gives it."""
    kind = types.of(aggregate.this)
    if kind == FLOAT64 or whole.find_ancestor(exp.Pivot):
        return None
    if isinstance(aggregate, exp.Sum):
        if kind == INT64:
            return exp.Cast(this=whole.copy(), to=exp.DataType.build("BIGINT", dialect="duckdb"))
        return None if kind == NUMERIC else call("total", whole.copy())
    if kind == INT64:
        return None
    parts: list[exp.Expr] = []
    for function in (exp.Avg, exp.Sum, exp.Count):
        other = function(this=aggregate.this.copy())
        if isinstance(whole, exp.Window):
            window = whole.copy()
            window.this.replace(other)
            parts.append(window)
        else:
            parts.append(other)
    return exact("divide", *parts[1:]) if kind == NUMERIC else call("average", *parts)


def rewrite_cast(node: exp.Cast | exp.TryCast, types: ExpressionTypes) -> exp.Expr | None:
    kind = CASTS.get(node.to.this)
    value = node.this
    if kind is None or node.to.expressions or node.args.get("format"):
        return None
    text = float_text(value)
    if kind == "numeric" and text is not None:
        # The literal is a NUMERIC, it never was a FLOAT64.
        return type(node)(this=exp.Literal.string(text), to=node.to.copy())
    if types.of(value) in AS_DUCKDB[kind] or is_cast_as_duckdb_does(kind, value):
        return None
    is_safe = isinstance(node, exp.TryCast) and kind not in UNFAILING
    return call(f"{'safe_' if is_safe else ''}cast_{kind}", value)


def is_cast_as_duckdb_does(kind: str, value: exp.Expr) -> bool:
    """Return whether it shows in the text that the cast needs no help."""
    if isinstance(value, exp.Null | exp.Boolean) or is_whole_number(value):
        return True
    if isinstance(value, exp.Literal) and value.is_string:
        patterns = {"date": DAY.fullmatch, "timestamp": DAY.match}
        return kind == "string" or (kind in patterns and bool(patterns[kind](value.name)))
    return isinstance(value, exp.Anonymous) and kind == "int64" and value.name in WHOLE_CALLS


# The results of these are whole numbers.
WHOLE_CALLS = frozenset(
    f"google_{name}{form}"
    for name in ("round", "truncate", "floor", "ceil")
    for form in ("", "_once")
)
# Text between specifiers, or one: all before its letter, and the letter.
SPECIFIER = re.compile(r"([^%]+)|(%[-+ #0-9.'*]*)([a-zA-Z%])")
FORMATS = {
    **dict.fromkeys("di", "format_integer"),
    **dict.fromkeys("xXo", "format_bits"),
    **dict.fromkeys("fFeEgG", "format_float"),
    "s": "",
    "t": "format_any",
}
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# The types that DuckDB casts to these as Google does.
AS_DUCKDB = {
    "int64": (INT64, NUMERIC, BOOL),
    "numeric": (INT64, NUMERIC),
    "float64": (INT64, NUMERIC, FLOAT64),
    "bool": (INT64, BOOL),
    "date": (),
    "timestamp": (OTHER,),
    "string": (INT64, STRING, BOOL),
    "bytes": (),
}


def week_day(unit: exp.Expr | None) -> int | None:
    """Return the number of the day a week begins with, from WEEK, WEEK(MONDAY) or ISOWEEK."""
    if unit is None:
        return None
    if isinstance(unit, exp.WeekStart):
        return WEEKDAYS.index(unit.name.upper())
    return {"WEEK": 0, "ISOWEEK": 1}.get(unit.name.upper())


def rewrite_truncation(
    node: exp.DateTrunc | exp.DatetimeTrunc | exp.TimestampTrunc, _types: ExpressionTypes
) -> exp.Expr | None:
    unit, value = node.args.get("unit"), node.this
    if node.args.get("zone") is not None or unit is None:
        return None
    if isinstance(value, exp.Literal) or isinstance(node, exp.DatetimeTrunc):
        kind = "DATE" if isinstance(node, exp.DateTrunc) else "DATETIME"
        kind = "TIMESTAMP" if isinstance(node, exp.TimestampTrunc) else kind
        value = exp.Cast(this=value, to=exp.DataType.build(kind, dialect="bigquery"))
    first = week_day(unit)
    if first is not None:
        return call("week_trunc", first, value)
    if unit.name.upper() == "ISOYEAR":
        return call("isoyear_trunc", value)
    return call("date_trunc", unit.name.lower(), value)


def rewrite_extract(node: exp.Extract, _types: ExpressionTypes) -> exp.Expr | None:
    part = node.this
    if isinstance(part, exp.WeekStart) or part.name.upper() == "WEEK":
        return call("week", week_day(part) or 0, node.expression)
    if part.name.upper() in ("MICROSECOND", "MILLISECOND"):
        return call(part.name.lower(), node.expression)
    return None


def rewrite_timestamp_difference(
    node: exp.TimestampDiff, _types: ExpressionTypes
) -> exp.Expr | None:
    size = UNITS.get(node.unit.name.upper() if node.unit else "")
    if size is None:
        return None
    sides = (as_timestamp(side) for side in (node.this, node.expression))
    return call("timestamp_diff", *sides, size)


def as_timestamp(value: exp.Expr) -> exp.Expr:
    """Return a text literal as the TIMESTAMP that GoogleSQL takes it for."""
    if isinstance(value, exp.Literal) and value.is_string:
        return exp.Cast(this=value, to=exp.DataType.build("TIMESTAMP", dialect="bigquery"))
    return value


def rewrite_format(node: exp.Format, _types: ExpressionTypes) -> exp.Expr:
    """FORMAT, piece by piece where its first argument is a literal that is understood."""
    pieces = format_pieces(node.this, list(node.expressions))
    if not pieces:
        return exp.Anonymous(this="printf", expressions=[node.this, *node.expressions])
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = exp.DPipe(this=whole, expression=piece)
    return exp.Paren(this=whole) if len(pieces) > 1 else whole


def format_pieces(pattern: exp.Expr, values: list[exp.Expr]) -> list[exp.Expr]:
    """Return the texts that FORMAT joins; none where the pattern is not understood."""
    if not isinstance(pattern, exp.Literal) or not pattern.is_string:
        return []
    pieces: list[exp.Expr] = []
    for plain, place, kind in SPECIFIER.findall(pattern.name):
        if plain or kind == "%":
            pieces.append(exp.Literal.string(plain or "%"))
        elif kind not in FORMATS or not values or "*" in place:
            return []
        elif kind == "t" and place == "%":
            pieces.append(call("format_any", values.pop(0)))
        elif kind == "s":
            specifier = exp.Literal.string(place + kind)
            pieces.append(exp.Anonymous(this="printf", expressions=[specifier, values.pop(0)]))
        else:
            pieces.append(call(FORMATS[kind], place + kind.replace("i", "d"), values.pop(0)))
    return pieces if not values else []


def restore_declared(node: exp.Anonymous, _types: ExpressionTypes) -> exp.Expr | None:
    """Return the cast of a column to its declared type, see `mark_declared_types`."""
    if node.name != DECLARED:
        return None
    value, kind = node.expressions
    return exp.Cast(this=value, to=kind.to)


REWRITES: dict[type, Rewrite] = {
    exp.Add: rewrite_sum,
    exp.Anonymous: restore_declared,
    exp.Avg: rewrite_aggregate,
    exp.BitwiseCount: renamed("bit_count", "this"),
    exp.BitwiseLeftShift: renamed("shift_left", "this", "expression"),
    exp.BitwiseRightShift: renamed("shift_right", "this", "expression"),
    exp.Case: rewrite_case,
    exp.Cast: rewrite_cast,
    exp.Ceil: renamed("ceil", "this"),
    exp.Coalesce: rewrite_sum,
    exp.DateTrunc: rewrite_truncation,
    exp.DatetimeTrunc: rewrite_truncation,
    exp.Div: rewrite_division,
    exp.Exp: renamed("exp", "this"),
    exp.Extract: rewrite_extract,
    exp.Floor: renamed("floor", "this"),
    exp.Format: rewrite_format,
    exp.If: rewrite_choice,
    exp.IntDiv: rewrite_quotient,
    exp.JSONFormat: renamed("to_json_string", "this"),
    exp.Literal: rewrite_literal,
    exp.Ln: renamed("ln", "this"),
    exp.Lower: renamed("lower", "this"),
    exp.Mod: renamed("mod", "this", "expression"),
    exp.Mul: rewrite_product,
    exp.Pow: renamed("power", "this", "expression"),
    exp.RegexpExtract: rewrite_regexp_extract,
    exp.Reverse: renamed("reverse", "this"),
    exp.Round: with_digits("round"),
    exp.SafeAdd: safe_calculation("safe_add"),
    exp.SafeDivide: renamed("safe_divide", "this", "expression"),
    exp.SafeMultiply: safe_calculation("safe_multiply"),
    exp.SafeSubtract: safe_calculation("safe_subtract"),
    exp.Sign: renamed("sign", "this"),
    exp.Sqrt: renamed("sqrt", "this"),
    exp.String: renamed("cast_string", "this"),
    exp.Sub: rewrite_sum,
    exp.Substring: rewrite_substring,
    exp.Sum: rewrite_aggregate,
    exp.TimestampDiff: rewrite_timestamp_difference,
    exp.TimestampTrunc: rewrite_truncation,
    exp.Trim: rewrite_trim,
    exp.Trunc: with_digits("truncate"),
    exp.ToCodePoints: renamed("to_code_points", "this"),
    exp.TryCast: rewrite_cast,
    exp.Unicode: renamed("unicode", "this"),
    exp.UnixMillis: renamed("unix_millis", "this"),
    exp.UnixSeconds: renamed("unix_seconds", "this"),
    exp.Window: rewrite_window,
}

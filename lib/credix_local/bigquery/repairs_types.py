"""Repairs of types and functions on their way from GoogleSQL to DuckDB's SQL."""

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.generator import Generator

NUMERIC = "DECIMAL(38, 9)"


def apply() -> None:
    """Make all repairs of this module."""
    keep_numeric_exact()
    count_whole_units()


def keep_numeric_exact() -> None:
    """NUMERIC has 38 digits, 9 of them behind the point; it became DECIMAL(18,3) and rounded."""

    def datatype_sql(self: Generator, expression: exp.DataType) -> str:
        is_decimal = expression.this in (exp.DataType.Type.DECIMAL, exp.DataType.Type.BIGDECIMAL)
        if is_decimal and not expression.expressions:
            return NUMERIC
        return original(self, expression)

    original = DuckDB.Generator.TRANSFORMS[exp.DataType]
    DuckDB.Generator.TRANSFORMS[exp.DataType] = datatype_sql


def count_whole_units() -> None:
    """TIMESTAMP_DIFF counts whole units that passed, not boundaries that were crossed."""

    def timestamp_diff(self: Generator, expression: exp.TimestampDiff) -> str:
        unit = expression.unit.name if expression.unit else "DAY"
        return self.func(
            "DATE_SUB", exp.Literal.string(unit), expression.expression, expression.this
        )

    DuckDB.Generator.TRANSFORMS[exp.TimestampDiff] = timestamp_diff

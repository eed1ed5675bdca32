"""The types of GoogleSQL expressions, as far as a statement and the columns of its tables say.

They only spare work: of an expression without a known type DuckDB itself finds out the type, see
`google_macros`. So what is not certain is unknown.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlglot import exp

INT64, NUMERIC, FLOAT64, STRING, BOOL = "INT64", "NUMERIC", "FLOAT64", "STRING", "BOOL"
OTHER = "OTHER"
UNKNOWN = ""
# NULL, and what is being found out: any other type wins.
NOTHING = "NOTHING"
# A literal FLOAT64, which a NUMERIC beside it makes one.
LITERAL = "LITERAL"
DUCKDB_TYPES = {"BIGINT": INT64, "DOUBLE": FLOAT64, "VARCHAR": STRING, "BOOLEAN": BOOL}
CAST_TYPES = {
    exp.DType.BIGINT: INT64,
    exp.DType.DECIMAL: NUMERIC,
    exp.DType.DOUBLE: FLOAT64,
    exp.DType.TEXT: STRING,
    exp.DType.BOOLEAN: BOOL,
    exp.DType.DATE: OTHER,
    exp.DType.TIMESTAMPTZ: OTHER,
    exp.DType.TIMESTAMP: OTHER,
}
SAME_AS_THIS = (
    exp.Abs, exp.AnyValue, exp.Max, exp.Min, exp.Neg, exp.Nullif, exp.Paren, exp.Sign, exp.Sum,
    exp.Window, exp.Alias,
)  # fmt: skip
ALWAYS: dict[type, str] = {
    **dict.fromkeys(
        (exp.Count, exp.CountIf, exp.DateDiff, exp.Length, exp.TimestampDiff, exp.UnixMicros), INT64
    ),
    **dict.fromkeys((exp.Boolean, exp.And, exp.Or, exp.Not, exp.In, exp.Is), BOOL),
    **dict.fromkeys((exp.Trim, exp.Lower, exp.Upper, exp.Substring, exp.Concat), STRING),
    exp.Null: NOTHING,
}
CALCULATIONS = (
    exp.Add, exp.Div, exp.IntDiv, exp.Mod, exp.Mul, exp.SafeAdd, exp.SafeDivide, exp.SafeMultiply,
    exp.SafeSubtract, exp.Sub,
)  # fmt: skip
KEY = "google_type"


class ExpressionTypes:
    """The types of one statement's expressions; `columns` are those of its tables by name."""

    def __init__(self, tree: exp.Expr, columns: Mapping[str, Mapping[str, str]] | None) -> None:
        self._columns = {name.lower(): value for name, value in (columns or {}).items()}
        self._known: dict[str, str] = {}
        self._open: set[str] = set()
        self._aliases: dict[str, list[exp.Expr]] = defaultdict(list)
        self._tables: list[Mapping[str, str]] = []
        self._foreign: set[str] = set()
        self._is_certain = self._collect(tree)

    def _collect(self, tree: exp.Expr) -> bool:
        """Find all that a name may stand for; whether that is certain."""
        named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
        places: dict[str, str] = {}
        for node in tree.walk():
            if isinstance(node, exp.Alias):
                self._aliases[node.alias.lower()].append(node.this)
            elif isinstance(node, exp.Table):
                name = node.name.lower()
                if not node.db and name in named:
                    continue
                place = f"{node.catalog}.{node.db}".lower()
                if name not in self._columns or places.setdefault(name, place) != place:
                    return False
                self._tables.append(self._columns[name])
            elif isinstance(node, exp.TableAlias) and node.columns:
                # Those of UNNEST and of CTEs with a list of names.
                self._foreign.update(column.name.lower() for column in node.columns)
            elif isinstance(node, exp.PropertyEQ):
                self._foreign.add(node.name.lower())
            elif isinstance(node, exp.Unnest):
                # What another array holds may be structs, whose fields are names here.
                if not all(isinstance(one, exp.Array) for one in node.expressions):
                    return False
                offset = node.args.get("offset")
                self._foreign.add(offset.name.lower() if isinstance(offset, exp.Expr) else "offset")
            elif isinstance(node, exp.SetOperation):
                if not self._collect_columns(node):
                    return False
            elif isinstance(node, exp.Lambda | exp.Pivot):
                return False
        return True

    def _collect_columns(self, node: exp.SetOperation) -> bool:
        """Give the columns of the first query's names the values of the second, by position."""
        first, second = node.left.unnest(), node.right.unnest()
        while isinstance(first, exp.SetOperation):
            first = first.left.unnest()
        if not isinstance(first, exp.Select) or isinstance(second, exp.SetOperation):
            return False
        if not isinstance(second, exp.Select) or first.is_star or second.is_star:
            return False
        for one, other in zip(first.selects, second.selects, strict=False):
            value = other.this if isinstance(other, exp.Alias) else other
            self._aliases[one.alias_or_name.lower()].append(value)
        return True

    def of(self, node: exp.Expr | None) -> str:
        """Return the type of an expression, UNKNOWN where it is not certain."""
        if node is None:
            return NOTHING
        if node._meta and KEY in node._meta:
            return str(node._meta[KEY])
        kind = type(node)
        if kind in ALWAYS:
            return ALWAYS[kind]
        if isinstance(node, SAME_AS_THIS):
            return self.of(node.this)
        if isinstance(node, exp.Column):
            return self._of_name(node.name.lower())
        if isinstance(node, exp.Literal):
            if node.is_string:
                return STRING
            return INT64 if node.name.isdigit() else LITERAL
        if isinstance(node, exp.Cast):
            return CAST_TYPES.get(node.to.this, UNKNOWN)
        if isinstance(node, exp.Predicate):
            return BOOL
        if isinstance(node, CALCULATIONS):
            return self._of_calculation(node)
        if isinstance(node, exp.Round | exp.Trunc | exp.Ceil | exp.Floor | exp.Avg):
            return {INT64: FLOAT64, LITERAL: FLOAT64}.get(found := self.of(node.this), found)
        if isinstance(node, exp.Coalesce | exp.Greatest | exp.Least):
            return self.common([node.this, *node.expressions])
        if isinstance(node, exp.If):
            return self.common([node.args.get("true"), node.args.get("false")])
        if isinstance(node, exp.Case):
            return self.common(
                [*(one.args["true"] for one in node.args["ifs"]), node.args.get("default")]
            )
        return UNKNOWN

    def _of_name(self, name: str) -> str:
        if not self._is_certain or name in self._foreign:
            return UNKNOWN
        if name in self._known:
            return self._known[name]
        if name in self._open:
            return NOTHING
        is_first = not self._open
        self._open.add(name)
        kinds = [self.of(one) for one in self._aliases.get(name, [])]
        for columns in self._tables:
            for column, kind in columns.items():
                if column.lower() == name:
                    kinds.append(read_duckdb_type(kind))
        self._open.remove(name)
        found = joined(kinds) if kinds else UNKNOWN
        # All definitions must agree: which of them is meant is not looked at.
        if len({kind for kind in kinds if kind != NOTHING}) > 1:
            found = UNKNOWN
        if is_first:
            self._known[name] = found
        return found

    def _of_calculation(self, node: exp.Expr) -> str:
        found = self.common([node.this, node.expression])
        if found not in (INT64, NUMERIC, FLOAT64, LITERAL):
            return UNKNOWN
        is_division = isinstance(node, exp.Div | exp.SafeDivide)
        return FLOAT64 if found == LITERAL or (is_division and found == INT64) else found

    def common(self, nodes: Iterable[exp.Expr | None]) -> str:
        return joined([self.of(node) for node in nodes])


def joined(kinds: list[str]) -> str:
    """Return the type that holds values of all these."""
    found = {kind for kind in kinds if kind != NOTHING}
    if len(found) < 2:
        return found.pop() if found else NOTHING
    if not found <= {INT64, NUMERIC, FLOAT64, LITERAL}:
        return UNKNOWN
    if FLOAT64 in found:
        return FLOAT64
    return NUMERIC if NUMERIC in found else FLOAT64


def read_duckdb_type(name: str) -> str:
    if name.replace(" ", "") == "DECIMAL(38,9)":
        return NUMERIC
    return DUCKDB_TYPES.get(name, OTHER)


def remember(node: exp.Expr, kind: str) -> exp.Expr:
    """Return the expression, with the type of the one whose place it takes."""
    node.meta[KEY] = kind
    return node

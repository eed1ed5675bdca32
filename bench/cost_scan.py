"""Which columns of which tables a statement makes BigQuery read, by its text alone."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp, parse
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

Columns = Mapping[str, set[str]]
CHANGING = (exp.Merge, exp.Update, exp.Delete)


@dataclass
class Scan:
    """Columns read by table, `layer.table`; tables that change; tables pruned by `_seq`."""

    read: dict[str, set[str]]
    changed: set[str]
    pruned: set[str]


def scan(sql: str, columns: Columns) -> Scan:
    """What the statements in a text read and change.

    Tables that are not in `columns` (INFORMATION_SCHEMA) are left out.
    """
    read: dict[str, set[str]] = defaultdict(set)
    pruned: set[str] = set()
    changed: set[str] = set()
    for statement in parse(sql, dialect="bigquery"):
        if statement is None or not statement.find(exp.Select, *CHANGING):
            continue
        if isinstance(statement, CHANGING):
            target = statement.this.find(exp.Table)
            name = name_of(target) if target else ""
            changed.add(name)
            alias = statement.this.alias_or_name
            read[name] |= {
                column.name for column in statement.find_all(exp.Column) if column.table == alias
            } & columns.get(name, set())
        for query in queries(statement):
            for name, found, is_pruned in scan_query(query, columns):
                read[name] |= found
                if is_pruned:
                    pruned.add(name)
    known = {name: found for name, found in read.items() if name in columns}
    return Scan(known, changed & set(columns), pruned & set(known))


def queries(statement: exp.Expr) -> Iterator[exp.Expr]:
    """The outermost queries of a statement, each with nothing around it."""
    if isinstance(statement, exp.Query):
        yield statement.copy()
        return
    outermost = (exp.Select, exp.SetOperation)
    for node in statement.walk(prune=lambda node: isinstance(node, outermost)):
        if isinstance(node, outermost):
            yield node.copy()


def scan_query(query: exp.Expr, columns: Columns) -> Iterator[tuple[str, set[str], bool]]:
    tables: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for table in query.find_all(exp.Table):
        if table.db or table.catalog:
            layer, name = name_of(table).split(".", 1)
            table.set("catalog", None)
            table.set("db", exp.to_identifier(layer))
            table.set("this", exp.to_identifier(name))
            known = columns.get(f"{layer}.{name}") or {"unknown"}
            tables[layer][name] = dict.fromkeys(known, "STRING")
    schema: dict[str, object] = {**tables}
    qualified = qualify(query, dialect="bigquery", schema=schema, validate_qualify_columns=False)
    for scope in traverse_scope(pushdown_projections(qualified, schema=schema)):
        for alias, source in scope.sources.items():
            if isinstance(source, exp.Table) and source.db:
                used = {column.name for column in scope.columns if column.table == alias}
                yield f"{source.db}.{source.name}", used, is_pruned(scope.expression, alias)


def is_pruned(query: exp.Expr, alias: str) -> bool:
    """True when WHERE holds the table's `_seq` above a constant."""
    where = query.args.get("where")
    if where is None:
        return False
    condition = where.this
    parts = condition.flatten() if isinstance(condition, exp.And) else [condition]
    return any(is_newer_than_constant(part.unnest(), alias) for part in parts)


def is_newer_than_constant(part: exp.Expr, alias: str) -> bool:
    return (
        isinstance(part, (exp.GT, exp.GTE))
        and isinstance(part.this, exp.Column)
        and part.this.name == "_seq"
        and part.this.table in ("", alias)
        and isinstance(part.expression, exp.Literal)
    )


def name_of(table: exp.Table) -> str:
    """`layer.table`, also where project, dataset and table stand in one pair of backticks."""
    parts = [part for piece in table.parts for part in piece.name.split(".")]
    return ".".join(parts[-2:])

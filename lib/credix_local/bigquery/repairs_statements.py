"""Repairs of statements that the emulator refuses, or runs otherwise than BigQuery."""

import re
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import sqlglot
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog import ddl_sync
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.jobs import executor, routine_ddl
from bqemulator.scripting import interpreter
from bqemulator.scripting.interpreter import ScriptInterpreter
from bqemulator.sql import catalog_schema, translator
from bqemulator.sql.rewriter import create_table_schema_ctas
from bqemulator.sql.translator import SQLTranslator
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.expressions.core import POSITION_META_KEYS

from credix_local.bigquery.patching import replace

COMMENTS = r"\s*(?:/\*.*?\*/\s*|--[^\n]*\n\s*)*"
# Access and options of tables mean nothing locally; tools send them all the same.
WITHOUT_EFFECT = re.compile(
    COMMENTS + r"(?:grant|revoke|alter\s+(?:table|view|schema|materialized\s+view)\s+\S+"
    r"(?:\s+alter\s+column\s+\S+)?\s+set\s+options)\b",
    re.IGNORECASE | re.DOTALL,
)
DISTINCT_ARRAY = re.compile(
    r"array_agg\(\s*distinct\s+([\w.`]+|\w+\([\w.`]+\))\s+ignore\s+nulls\s*\)", re.IGNORECASE
)
# Those of a few jobs at a time, in the forms that one statement takes on its way.
PARSED_STATEMENTS = 64
# Those of a whole run: the next one sends most of them again. Longer ones contain rows.
TRANSLATED_STATEMENTS, TRANSLATED_LETTERS = 512, 50_000
# They look at the trees of statements and never change one.
READERS = (catalog_schema, ddl_sync, routine_ddl)
PARSE_ONE = sqlglot.parse_one
POSITIONS = frozenset(POSITION_META_KEYS)
MERGE = re.compile(COMMENTS + r"merge\b.*\bwhen\s+matched\b", re.IGNORECASE | re.DOTALL)


def apply() -> None:
    """Make all repairs of this module."""
    parse_once()
    translate_once()
    create_declared_tables_from_subqueries()
    rewrite_before_translation()
    refuse_ambiguous_merges()


def parse_once() -> None:
    """The emulator parses a statement some fifteen times; most only look at the tree.

    A caller that may change it gets a copy, a fifth of the work. What it wrote itself, in DuckDB's
    SQL, it parses but once.
    """

    def parse_one(sql: str, read: Any = None, **options: Any) -> exp.Expr:
        if sql in templates and read is None:
            return templates[sql]
        if options or read != "bigquery":
            found: exp.Expr = PARSE_ONE(sql, read=read, **options)
            return found
        return parse_shared(sql).copy()

    templates = find_templates()
    replace(sqlglot, "parse_one", parse_one)

    def parse_to_read(sql: str, read: str) -> exp.Expr:
        return parse_shared(sql) if read == "bigquery" else PARSE_ONE(sql, read=read)

    reader = SimpleNamespace(parse_one=parse_to_read, errors=sqlglot.errors)
    for module in READERS:
        replace(module, "sqlglot", reader)


def find_templates() -> dict[str, exp.Expr]:
    """Return what the generator of DuckDB's SQL parses for itself, by its text.

    Constants of its class, so nothing changes them; the compiled library creates them again for
    each statement, a quarter of the server's work.
    """
    found: dict[str, exp.Expr] = {}

    def parse_one(sql: str, read: Any = None, **options: Any) -> exp.Expr:
        tree = PARSE_ONE(sql, read=read, **options)
        if read is None and not any(options.values()):
            found[sql] = tree
        result: exp.Expr = tree
        return result

    replace(sqlglot, "parse_one", parse_one)
    DuckDB().generator()
    replace(sqlglot, "parse_one", PARSE_ONE)
    return found


@lru_cache(PARSED_STATEMENTS)
def parse_shared(sql: str) -> exp.Expr:
    """Return the tree of a statement in GoogleSQL, for those who only read it; raises SqlglotError.

    Where its words stand in the text is left out: nothing reads it, and it is two fifths of a copy.
    """
    tree = PARSE_ONE(sql, read="bigquery")
    for node in tree.walk():
        if node._meta:
            kept = {name: value for name, value in node._meta.items() if name not in POSITIONS}
            node._meta = kept or None
    return tree


def translate_once() -> None:
    """Of the same statement over the same tables the two longest parts are done once."""

    def apply_rules(self: SQLTranslator, sql: str, *, schema: dict[str, Any] | None = None) -> str:
        if len(sql) > TRANSLATED_LETTERS:
            found: str = original(self, sql, schema=schema)
            return found
        key = (sql, repr(schema))
        if key not in known:
            if len(known) >= TRANSLATED_STATEMENTS:
                del known[next(iter(known))]
            known[key] = original(self, sql, schema=schema)
        return known[key]

    known: dict[tuple[str, str], str] = {}
    original = replace(SQLTranslator, "_apply_rules", apply_rules)
    for module in (executor, interpreter):
        qualify = replace(module, "rewrite_table_refs", None)
        replace(module, "rewrite_table_refs", lru_cache(TRANSLATED_STATEMENTS)(qualify))


def create_declared_tables_from_subqueries() -> None:
    """`CREATE TABLE x (columns) AS (SELECT …)`, as dbt writes tables with a contract."""

    def first_select(body: exp.Expression | None) -> exp.Select | None:
        found: exp.Select | None = original(
            body.unnest() if isinstance(body, exp.Subquery) else body
        )
        return found

    original = replace(create_table_schema_ctas, "_first_select", first_select)


def rewrite_before_translation() -> None:
    """GRANT, REVOKE and SET OPTIONS pass without effect; ARRAY_AGG(DISTINCT … IGNORE NULLS)."""

    def rewrite(sql: str) -> str:
        if WITHOUT_EFFECT.match(sql):
            return "SELECT 1"
        distinct = r"(array_agg(distinct \1) filter (where \1 is not null))"
        return DISTINCT_ARRAY.sub(distinct, original(sql))

    original = replace(translator, "rewrite_alter_table_set_options", rewrite)


def refuse_ambiguous_merges() -> None:
    """A MERGE fails when two source rows match one target row; DuckDB keeps one at random."""

    async def run(project: str, sql: str, parameters: Any, ctx: AppContext, *, caller: Any) -> Any:
        probe = ambiguity_probe(sql) if MERGE.match(sql) else None
        if probe is not None:
            refuse_if_found(await original(project, probe, parameters, ctx, caller=caller))
        return await original(project, sql, parameters, ctx, caller=caller)

    async def run_in_script(self: ScriptInterpreter, sql: str) -> pa.Table:
        probe = ambiguity_probe(sql) if MERGE.match(sql) else None
        if probe is not None:
            refuse_if_found(await original_in_script(self, probe))
        found: pa.Table = await original_in_script(self, sql)
        return found

    original = replace(executor, "_run_single_sql", run)
    original_in_script = replace(ScriptInterpreter, "_run_query", run_in_script)


def refuse_if_found(ambiguous: pa.Table) -> None:
    if ambiguous.num_rows:
        raise InvalidQueryError(
            "UPDATE/MERGE must match at most one source row for each target row", location="query"
        )


def ambiguity_probe(sql: str) -> str | None:
    """Return a query that finds a target row with two source rows.

    None when the MERGE cannot have one.
    """
    merge = parse_shared(sql)
    if not isinstance(merge, exp.Merge) or isinstance(merge.args["on"].unnest(), exp.Boolean):
        return None
    target = merge.this.copy()
    row = f"{target.alias_or_name}.rowid"
    matches = exp.select(row).from_(target)
    matches = matches.join(merge.args["using"].copy(), on=merge.args["on"].copy())
    return matches.group_by(row).having("COUNT(*) > 1").limit(1).sql(dialect="bigquery")

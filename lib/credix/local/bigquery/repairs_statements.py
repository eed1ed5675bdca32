"""Repairs of statements that the emulator refuses, or runs otherwise than BigQuery."""

import re
from functools import lru_cache
from typing import Any

import pyarrow as pa
import sqlglot
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog import ddl_sync
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.jobs import ddl_result, executor
from bqemulator.scripting import interpreter
from bqemulator.scripting.interpreter import ScriptInterpreter
from bqemulator.sql import translator
from bqemulator.sql.rewriter import create_table_schema_ctas
from bqemulator.sql.translator import SQLTranslator
from sqlglot import exp
from sqlglot.expressions.core import POSITION_META_KEYS

from credix.local.bigquery.patching import replace

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
# Those of a whole run: the next one sends most of them again. Longer ones carry rows.
TRANSLATED_STATEMENTS, TRANSLATED_LETTERS = 512, 50_000
# Each asks about the text of a statement or writes it anew; its answer is only read.
REPEATED_QUESTIONS = (
    (ddl_sync, "_detect_catalog_drop"),
    (ddl_sync, "_detect_create_schema"),
    (ddl_sync, "_detect_plain_create_table"),
    (ddl_sync, "_detect_plain_create_view"),
    (ddl_sync, "_extract_ddl_metadata"),
    (ddl_result, "_parse_statement"),
    (executor, "_parse_for_classification"),
    (executor, "detect_drop_routine"),
    (translator, "rewrite_create_table_schema_ctas"),
    (translator, "rewrite_division_by_zero"),
)
MERGE = re.compile(COMMENTS + r"merge\b.*\bwhen\s+matched\b", re.IGNORECASE | re.DOTALL)


def apply() -> None:
    """Make all repairs of this module."""
    parse_once()
    translate_once()
    answer_once()
    create_declared_tables_from_subqueries()
    rewrite_before_translation()
    refuse_ambiguous_merges()


def parse_once() -> None:
    """The emulator parses a statement some fifteen times; a copy of the tree costs a fifth of that.

    Where its words stand in the text is not copied: nobody asks, and it is two fifths of the work.
    """

    def parse_one(sql: str, read: Any = None, **options: Any) -> exp.Expression:
        if options or not isinstance(read, str):
            return original(sql, read=read, **options)
        return parsed(sql, read).copy()

    original = replace(sqlglot, "parse_one", parse_one)

    @lru_cache(PARSED_STATEMENTS)
    def parsed(sql: str, read: str) -> exp.Expression:
        tree = original(sql, read=read)
        for node in tree.walk():
            for key in POSITION_META_KEYS if node.meta_get("line") else ():
                del node.meta[key]
        return tree


def translate_once() -> None:
    """Of the same statement over the same tables the two longest parts are done once."""

    def apply_rules(self: SQLTranslator, sql: str, *, schema: dict[str, Any] | None = None) -> str:
        if len(sql) > TRANSLATED_LETTERS:
            return original(self, sql, schema=schema)
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


def answer_once() -> None:
    """What a statement defines or drops is asked up to four times; most do neither."""
    for module, name in REPEATED_QUESTIONS:
        replace(module, name, lru_cache(PARSED_STATEMENTS)(getattr(module, name)))


def create_declared_tables_from_subqueries() -> None:
    """`CREATE TABLE x (columns) AS (SELECT …)`, as dbt writes tables with a contract."""

    def first_select(body: exp.Expression | None) -> exp.Select | None:
        return original(body.unnest() if isinstance(body, exp.Subquery) else body)

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
        return await original_in_script(self, sql)

    original = replace(executor, "_run_single_sql", run)
    original_in_script = replace(ScriptInterpreter, "_run_query", run_in_script)


def refuse_if_found(ambiguous: pa.Table) -> None:
    if ambiguous.num_rows:
        raise InvalidQueryError(
            "UPDATE/MERGE must match at most one source row for each target row", location="query"
        )


def ambiguity_probe(sql: str) -> str | None:
    """A query that finds a target row with two source rows; None when the MERGE cannot have one."""
    merge = sqlglot.parse_one(sql, read="bigquery")
    if not isinstance(merge, exp.Merge) or isinstance(merge.args["on"].unnest(), exp.Boolean):
        return None
    target = merge.this.copy()
    row = f"{target.alias_or_name}.rowid"
    matches = exp.select(row).from_(target)
    matches = matches.join(merge.args["using"].copy(), on=merge.args["on"].copy())
    return matches.group_by(row).having("COUNT(*) > 1").limit(1).sql(dialect="bigquery")

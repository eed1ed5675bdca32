"""Repairs of what CREATE TABLE and ALTER TABLE leave: column types and the catalog."""

import re
from typing import Any

from bqemulator.api.dependencies import AppContext
from bqemulator.catalog import ddl_sync
from bqemulator.catalog.models import Clustering, TimePartitioning
from bqemulator.jobs import ddl_result, executor
from bqemulator.scripting import interpreter
from bqemulator.storage.sql_identifiers import quoted_table_ref
from sqlglot import exp
from sqlglot.errors import SqlglotError

from credix_local.bigquery.patching import replace
from credix_local.bigquery.repairs_catalog import WRITE_CATALOG
from credix_local.bigquery.repairs_statements import parse_shared

Target = tuple[str, str, str]
# DuckDB's integers beside the one that BigQuery has, and decimals of other digits than NUMERIC's.
INTEGERS = re.compile(r"\bU?(?:TINYINT|SMALLINT|INTEGER|HUGEINT)\b|\bUBIGINT\b")
DECIMALS = re.compile(r"\bDECIMAL\(\d+, ?\d+\)")
FLOATS = re.compile(r"\bFLOAT\b")
TRUNCATIONS = (exp.TimestampTrunc, exp.DateTrunc, exp.DatetimeTrunc)


def apply() -> None:
    """Make the tables and the catalog say what a definition statement did.

    * A table made from a query has BigQuery's types: SUM and COUNTIF of integers gave NUMERIC, a
      literal gave a column of 32 bits.
    * PARTITION BY a truncated column and CLUSTER BY are remembered.
    * CREATE … IF NOT EXISTS leaves an existing table's description and layout alone.
    * ALTER TABLE shows in the schema.
    """

    def sync(sql: str, project: str, ctx: AppContext) -> None:
        statement = parse_definition(sql)
        found = statement.find(exp.Table) if statement else None
        if statement is None or found is None:
            original(sql, project, ctx)
            return
        target = ddl_sync._split_target(found, project)
        old = ctx.catalog.get_table(*target)
        if isinstance(statement, exp.Alter):
            if old is not None:
                schema = ddl_sync._introspect_schema(*target, ctx)
                WRITE_CATALOG(ctx.catalog, old.model_copy(update={"schema_": schema}))
        elif old is None or not statement.args.get("exists"):
            give_bigquery_types(target, ctx)
            original(sql, project, ctx)
            remember_layout(statement, target, ctx)

    # The emulator asks `constraint.kind`, which the compiled library refuses to say of OPTIONS.
    def is_required(column: exp.ColumnDef) -> bool:
        kinds = [constraint.args.get("kind") for constraint in column.args.get("constraints") or ()]
        return any(isinstance(kind, exp.NotNullColumnConstraint) for kind in kinds)

    replace(ddl_result, "_has_not_null_constraint", is_required)
    original = replace(executor, "sync_created_table", sync)
    replace(interpreter, "sync_created_table", sync)


def parse_definition(sql: str) -> exp.Create | exp.Alter | None:
    """Return the statement if it creates or alters a table, else None."""
    if not re.search(r"\b(create|alter)\b", sql, re.IGNORECASE):
        return None
    try:
        statement = parse_shared(sql)
    except SqlglotError:
        return None
    if isinstance(statement, exp.Create | exp.Alter) and statement.args.get("kind") == "TABLE":
        return statement
    return None


def give_bigquery_types(target: Target, ctx: AppContext) -> None:
    """Change columns of types that BigQuery does not have into those it would have chosen."""
    table = quoted_table_ref(*target)
    for _, name, kind, *_ in ctx.engine.execute(f"PRAGMA table_info({table})").fetchall():
        wanted = FLOATS.sub("DOUBLE", INTEGERS.sub("BIGINT", kind))
        wanted = DECIMALS.sub("DECIMAL(38,9)", wanted)
        if wanted != kind:
            column = name.replace('"', '""')
            ctx.engine.execute(f'ALTER TABLE {table} ALTER COLUMN "{column}" TYPE {wanted}')


def remember_layout(statement: exp.Create, target: Target, ctx: AppContext) -> None:
    """Write partitioning and clustering of CREATE TABLE into the catalog."""
    created = ctx.catalog.get_table(*target)
    if created is None:
        return
    changes: dict[str, Any] = {}
    cluster = statement.find(exp.ClusterProperty)
    if cluster is not None:
        changes["clustering"] = Clustering(fields=tuple(one.name for one in cluster.expressions))
    partitioning = find_partitioning(statement)
    if partitioning is not None:
        changes["time_partitioning"] = partitioning
    if changes:
        WRITE_CATALOG(ctx.catalog, created.model_copy(update=changes))


def find_partitioning(statement: exp.Create) -> TimePartitioning | None:
    """PARTITION BY DATE(column) or by a truncation; the emulator knows plain columns itself."""
    clause = statement.find(exp.PartitionedByProperty)
    column = clause.find(exp.Column) if clause else None
    if clause is None or column is None:
        return None
    if isinstance(clause.this, TRUNCATIONS):
        return TimePartitioning(type=clause.this.args["unit"].name.upper(), field=column.name)
    if isinstance(clause.this, exp.Date | exp.TsOrDsToDate):
        return TimePartitioning(field=column.name)
    return None

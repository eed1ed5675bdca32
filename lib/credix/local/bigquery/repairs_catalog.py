"""Repairs of the emulator's catalog: what it says about tables after they changed."""

import re
from collections.abc import Callable
from typing import Any

import sqlglot
from bqemulator.api.dependencies import AppContext
from bqemulator.api.routes import tables
from bqemulator.api.routes.tables import _field_to_rest
from bqemulator.catalog import ddl_sync
from bqemulator.catalog.duckdb_repository import DuckDBCatalogRepository
from bqemulator.catalog.models import Clustering, SnapshotMeta, TableMeta
from bqemulator.jobs import executor
from bqemulator.scripting import interpreter
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns
from bqemulator.versioning.snapshots import SnapshotManager
from fastapi import Response
from fastapi.routing import APIRoute
from sqlglot import exp

from credix.local.bigquery.patching import replace

WriteCatalog = Callable[[Any, TableMeta], TableMeta]


def apply() -> None:
    """Make all repairs of this module."""
    # The others write the catalog as it was before `update_table` began to alter tables.
    write_catalog = DuckDBCatalogRepository.update_table
    add_columns_of_updated_schemas()
    follow_statements(write_catalog)
    count_rows_instead_of_copying(write_catalog)
    delete_views()


def add_columns_of_updated_schemas() -> None:
    """`tables.update` with more columns adds them to the table, not only to its description."""

    def update_table(self: DuckDBCatalogRepository, table: TableMeta) -> TableMeta:
        old = self.get_table(table.project_id, table.dataset_id, table.table_id)
        if old is not None and table.table_type == "TABLE":
            known = {field.name.lower() for field in old.schema_.fields}
            new = [field for field in table.schema_.fields if field.name.lower() not in known]
            target = quoted_table_ref(table.project_id, table.dataset_id, table.table_id)
            for name, kind in bq_schema_to_duckdb_columns([_field_to_rest(field) for field in new]):
                self._engine.execute(
                    f'ALTER TABLE {target} ADD COLUMN IF NOT EXISTS "{name}" {kind}'
                )
        return original(self, table)

    original = replace(DuckDBCatalogRepository, "update_table", update_table)


def follow_statements(write_catalog: WriteCatalog) -> None:
    """The catalog says what statements did: ALTER TABLE, CLUSTER BY, CREATE … IF NOT EXISTS.

    The last left the table alone and lost its description, labels and partitioning.
    """

    def sync(sql: str, project: str, ctx: AppContext) -> None:
        statement = parse_definition(sql)
        if statement is None:
            original(sql, project, ctx)
            return
        found = statement.find(exp.Table)
        if found is None:
            return
        target = ddl_sync._split_target(found, project)
        old = ctx.catalog.get_table(*target)
        if isinstance(statement, exp.Create):
            if old is not None and statement.args.get("exists"):
                return
            original(sql, project, ctx)
            remember_clustering(statement, target, ctx, write_catalog)
        elif old is not None:
            schema = ddl_sync._introspect_schema(*target, ctx)
            write_catalog(ctx.catalog, old.model_copy(update={"schema_": schema}))

    original = replace(executor, "sync_created_table", sync)
    replace(interpreter, "sync_created_table", sync)


def parse_definition(sql: str) -> exp.Create | exp.Alter | None:
    """The statement if it creates or alters a table, else None."""
    if not re.search(r"\b(create|alter)\b", sql, re.IGNORECASE):
        return None
    try:
        statement = sqlglot.parse_one(sql, read="bigquery")
    except sqlglot.errors.SqlglotError:
        return None
    if isinstance(statement, exp.Create | exp.Alter) and statement.args.get("kind") == "TABLE":
        return statement
    return None


def remember_clustering(
    statement: exp.Create,
    target: tuple[str, str, str],
    ctx: AppContext,
    write_catalog: WriteCatalog,
) -> None:
    cluster = statement.find(exp.Cluster)
    created = ctx.catalog.get_table(*target)
    if cluster is not None and created is not None:
        clustering = Clustering(fields=tuple(column.name for column in cluster.expressions))
        write_catalog(ctx.catalog, created.model_copy(update={"clustering": clustering}))


def count_rows_instead_of_copying(write_catalog: WriteCatalog) -> None:
    """A change costs its own rows; the emulator copied the whole table after each, to look back.

    `FOR SYSTEM_TIME AS OF` therefore reads the present. Snapshots made on purpose stay copies.
    """

    def capture(
        self: SnapshotManager, project: str, dataset: str, table: str, *, kind: str = "AUTO"
    ) -> SnapshotMeta | None:
        if kind == "USER":
            return original(self, project, dataset, table, kind=kind)
        found = self._catalog.get_table(project, dataset, table)
        if found is not None and found.table_type == "TABLE":
            target = quoted_table_ref(project, dataset, table)
            counted = self._engine.execute(f"SELECT count(*) FROM {target}").fetchone()
            changes = {
                "num_rows": counted[0] if counted else 0,
                "last_modified_time": self._clock.now(),
            }
            write_catalog(self._catalog, found.model_copy(update=changes))
        return None

    original = replace(SnapshotManager, "capture", capture)


def delete_views() -> None:
    """`tables.delete` deletes a view as well; it failed with HTTP 500."""
    delete_table = tables.delete_table
    routes = [one for one in tables.router.routes if isinstance(one, APIRoute)]
    route = next(one for one in routes if one.endpoint is delete_table)

    async def delete(project_id: str, dataset_id: str, table_id: str, ctx: tables._Ctx) -> Response:
        found = ctx.catalog.get_table(project_id, dataset_id, table_id)
        if found is None or found.table_type != "VIEW":
            return await delete_table(project_id, dataset_id, table_id, ctx)
        view = quoted_table_ref(project_id, dataset_id, table_id)
        ctx.engine.execute(f"DROP VIEW IF EXISTS {view}")
        ctx.catalog.delete_table(project_id, dataset_id, table_id)
        return Response(status_code=204)

    tables.router.routes.remove(route)
    path = route.path.removeprefix(tables.router.prefix)
    tables.router.add_api_route(path, delete, methods=["DELETE"], status_code=204)

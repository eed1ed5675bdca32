"""Repairs of the emulator's catalog: what it says about tables after they changed."""

from collections.abc import Callable
from typing import Any

from bqemulator.api.routes import tables
from bqemulator.api.routes.tables import _field_to_rest
from bqemulator.catalog.duckdb_repository import DuckDBCatalogRepository
from bqemulator.catalog.models import SnapshotMeta, TableMeta
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns
from bqemulator.versioning.snapshots import SnapshotManager
from fastapi import Response
from fastapi.routing import APIRoute

from credix_local.bigquery.patching import replace

# Writes the catalog as the emulator does, without the repair that also alters the table.
WRITE_CATALOG: Callable[[Any, TableMeta], TableMeta] = DuckDBCatalogRepository.update_table


def apply() -> None:
    """Make all repairs of this module."""
    add_columns_of_updated_schemas()
    count_rows_instead_of_copying()
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
        found: TableMeta = original(self, table)
        return found

    original = replace(DuckDBCatalogRepository, "update_table", update_table)


def count_rows_instead_of_copying() -> None:
    """A change costs its own rows; the emulator copied the whole table after each, to look back.

    `FOR SYSTEM_TIME AS OF` therefore reads the present. Snapshots made on purpose stay copies.
    """

    def capture(
        self: SnapshotManager, project: str, dataset: str, table: str, *, kind: str = "AUTO"
    ) -> SnapshotMeta | None:
        if kind == "USER":
            result: SnapshotMeta | None = original(self, project, dataset, table, kind=kind)
            return result
        found = self._catalog.get_table(project, dataset, table)
        if found is not None and found.table_type == "TABLE":
            target = quoted_table_ref(project, dataset, table)
            counted = self._engine.execute(f"SELECT count(*) FROM {target}").fetchone()
            changes = {
                "num_rows": counted[0] if counted else 0,
                "last_modified_time": self._clock.now(),
            }
            WRITE_CATALOG(self._catalog, found.model_copy(update=changes))
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

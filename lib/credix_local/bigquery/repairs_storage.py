"""Repairs of the emulator's DuckDB: results of their own, bounded memory, nothing downloaded."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import duckdb
from bqemulator.storage.engine import DuckDBEngine

from credix_local.bigquery.patching import replace

MEMORY_LIMIT = "2GB"
SPATIAL = "spatial"
# Arrow tables that the emulator names for a moment; only the main connection knows them.
REGISTERED = re.compile(r"\b_bqemu_(?:export|avro|orc)")


def apply(data: Path) -> None:
    """Make all repairs of this module; `data` is the folder of the DuckDB file."""
    limit_resources(data)
    load_spatial_from_wheel()
    separate_results()


def limit_resources(data: Path) -> None:
    """Bound DuckDB's memory, let it spill into our folder and never fetch an extension."""
    settings = {
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(data / "spill"),
        "extension_directory": str(data / "extensions"),
        "autoinstall_known_extensions": "false",
        "TimeZone": "UTC",
    }

    def apply_settings(self: DuckDBEngine) -> None:
        apply_session_pragmas(self)
        for name, value in settings.items():
            # GLOBAL reaches the cursors as well.
            self.connection.execute(f"SET GLOBAL {name} = {literal(value)}")

    apply_session_pragmas = replace(DuckDBEngine, "_apply_session_pragmas", apply_settings)


def load_spatial_from_wheel() -> None:
    """DuckDB would download its spatial extension, without which the emulator does not start."""

    def load_spatial(self: DuckDBEngine) -> None:
        self.connection.execute(f"LOAD {literal(str(spatial_extension()))}")

    replace(DuckDBEngine, "_load_spatial", load_spatial)


def separate_results() -> None:
    """Requests at the same time do not see each other's rows.

    Some requests are served in threads, and all shared one connection, which holds one result:
    a table could be answered with the rows of another one's query.
    """

    def execute(
        self: DuckDBEngine, sql: str, parameters: list[Any] | None = None
    ) -> duckdb.DuckDBPyConnection:
        if REGISTERED.search(sql):
            found: duckdb.DuckDBPyConnection = original(self, sql, parameters)
            return found
        cursor = self.connection.cursor()
        return cursor.execute(sql) if parameters is None else cursor.execute(sql, parameters)

    original = replace(DuckDBEngine, "execute", execute)


def spatial_extension() -> Path:
    """Return the file of the spatial extension inside its wheel, built for this very DuckDB."""
    package = importlib.util.find_spec(f"duckdb_extension_{SPATIAL}")
    if package is None or package.origin is None:
        raise FileNotFoundError("duckdb-extension-spatial is missing: pip install 'credix[local]'.")
    version = f"v{duckdb.__version__}"
    return Path(package.origin).parent / "extensions" / version / f"{SPATIAL}.duckdb_extension"


def literal(value: str) -> str:
    """Return a text as an SQL literal of DuckDB."""
    return "'" + value.replace("'", "''") + "'"

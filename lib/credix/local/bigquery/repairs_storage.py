"""Repairs of the emulator's DuckDB: bounded memory, nothing downloaded."""

import importlib.util
from pathlib import Path

import duckdb
from bqemulator.storage.engine import DuckDBEngine

from credix.local.bigquery.patching import replace

MEMORY_LIMIT = "2GB"
SPATIAL = "spatial"


def apply(data: Path) -> None:
    """Bound DuckDB's memory, and load its spatial extension from the wheel."""
    settings = {
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(data / "spill"),
        "extension_directory": str(data / "extensions"),
        "autoinstall_known_extensions": "false",
    }

    def apply_settings(self: DuckDBEngine) -> None:
        apply_session_pragmas(self)
        for name, value in settings.items():
            self.connection.execute(f"SET {name} = {literal(value)}")

    def load_spatial(self: DuckDBEngine) -> None:
        self.connection.execute(f"LOAD {literal(str(spatial_extension()))}")

    apply_session_pragmas = replace(DuckDBEngine, "_apply_session_pragmas", apply_settings)
    replace(DuckDBEngine, "_load_spatial", load_spatial)


def spatial_extension() -> Path:
    """The file of the spatial extension inside its wheel, built for this very DuckDB."""
    package = importlib.util.find_spec(f"duckdb_extension_{SPATIAL}")
    if package is None or package.origin is None:
        raise FileNotFoundError("duckdb-extension-spatial is missing: pip install 'credix[local]'.")
    version = f"v{duckdb.__version__}"
    return Path(package.origin).parent / "extensions" / version / f"{SPATIAL}.duckdb_extension"


def literal(value: str) -> str:
    """A text as an SQL literal of DuckDB."""
    return "'" + value.replace("'", "''") + "'"

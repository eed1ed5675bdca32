"""The process that serves BigQuery: `python -m credix_local.bigquery.server --data …`."""

import argparse
import gc
import logging
import sys
from pathlib import Path

from bqemulator.config import LogFormat, LogLevel, PersistenceMode, Settings
from bqemulator.observability.logging_ import configure_logging

from credix.core.disk import make_folder
from credix.core.errors import SettingsError

PROJECT = "credix-local"
YOUNG_OBJECTS = 100_000


def main() -> None:
    """Repair the emulator, then serve until SIGTERM; ends in one sentence where it cannot write."""
    options = parse_options()
    try:
        make_folder(options.data, "chown it, and what is in it, to the user of this server")
    except SettingsError as error:
        sys.exit(str(error))
    settings = emulator_settings(options)
    # First of all: modules of the emulator log while they are imported.
    configure_logging(level=settings.log_level, fmt=settings.log_format)
    # It warns of clauses that have no counterpart in DuckDB, such as PARTITION BY.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    # The repairs come before the emulator's server is imported, which binds what they replace.
    from credix_local.bigquery import repairs

    repairs.apply(options.data, holds_jobs=options.holds)
    from bqemulator.server import run_forever

    collect_seldom()
    run_forever(settings)


def collect_seldom() -> None:
    """Parse trees are many small objects: looking for garbage took a third of their time."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m credix_local.bigquery.server")
    parser.add_argument("--data", type=Path, required=True, help="folder of the DuckDB file")
    parser.add_argument("--objects", type=Path, required=True, help="folder that gs:// names")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at; it asks for no password"
    )
    parser.add_argument("--port", type=int, required=True, help="REST")
    parser.add_argument("--grpc-port", type=int, required=True, help="Storage API")
    parser.add_argument("--holds", action="store_true", help="let tests hold jobs, at /holds")
    return parser.parse_args(arguments)


def emulator_settings(options: argparse.Namespace) -> Settings:
    """Return the emulator's settings: on disk, nothing sent or fetched anywhere."""
    return Settings(
        rest_host=options.host,
        rest_port=options.port,
        grpc_host=options.host,
        grpc_port=options.grpc_port,
        persistence_mode=PersistenceMode.PERSISTENT,
        data_dir=options.data,
        gcs_local_root=options.objects,
        default_project_id=PROJECT,
        upload_staging_dir=options.data / "uploads",
        # DuckDB would download the avro extension.
        enable_format_extensions=False,
        query_cache_ttl_seconds=0,
        metrics_enabled=False,
        tracing_enabled=False,
        log_level=LogLevel.WARNING,
        log_format=LogFormat.CONSOLE,
    )


if __name__ == "__main__":
    main()

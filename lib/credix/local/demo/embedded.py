"""The embedded source: filled once with demo data, and moved on by days."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from filelock import FileLock
from sqlalchemy import Engine, inspect

from credix.loader import build_engine, load_files
from credix.local.demo.simulate import simulate
from credix.local.demo.write import write_demo_data
from credix.settings import Settings
from credix.sources import load_source, source_names

FOLDER = "demo"


def seed_once(settings: Settings) -> list[str]:
    """Make and load demo data for source tables that do not exist; what is to be told about it.

    The files stay in `<local folder>/demo`. Tables that exist are left alone, also empty ones.
    """
    engine = source_engine(settings)
    settings.local_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.local_dir / f"{FOLDER}.lock"):
        missing = missing_tables(engine, settings.postgres_schema)
        if not missing:
            return []
        paths = write_demo_data(settings.local_dir / FOLDER, today=today_in(settings))
        files = {path.stem: path for path in paths if path.stem in missing}
        rows = load_files(engine, settings.postgres_schema, files)
    counts = ", ".join(f"{count:,} rows of {name}" for name, count in rows.items())
    return [f"Demo data was made: {counts}."]


def simulate_days(
    settings: Settings, days: int, seed: int, *, with_deletes: bool = False
) -> dict[str, int]:
    """Let days pass in the source up to today in the settings' time zone; rows by change."""
    engine = source_engine(settings)
    today = today_in(settings)
    return simulate(
        engine, settings.postgres_schema, days, seed=seed, today=today, with_deletes=with_deletes
    )


def missing_tables(engine: Engine, schema: str) -> list[str]:
    """Sources whose table does not exist."""
    tables = inspect(engine).get_table_names(schema)
    return [name for name in source_names() if load_source(name).table not in tables]


def source_engine(settings: Settings) -> Engine:
    return build_engine(
        settings.postgres_host,
        settings.postgres_port,
        settings.postgres_db,
        settings.postgres_user,
        settings.postgres_password.get_secret_value(),
    )


def today_in(settings: Settings) -> date:
    return datetime.now(ZoneInfo(settings.timezone)).date()

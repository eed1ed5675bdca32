"""The first data of an embedded source: written, loaded and remembered, once."""

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, inspect

from credix.loader import engine_from, load_files
from credix.local.demo.write import COMPANIES, INSTALLMENTS, SEED, write_demo_data
from credix.settings import Settings
from credix.sources import load_source

MARKER = "seeded.json"


def seed_once(settings: Settings) -> list[str]:
    """Fill a fresh source; what is to be told, nothing when it was filled before.

    A table that somebody dropped later is not made again: its absence is an error of the source.
    """
    folder = settings.local_dir / "demo"
    if (folder / MARKER).exists():
        return []
    return seed(settings, COMPANIES, INSTALLMENTS, SEED, replace=False)


def seed(
    settings: Settings, companies: int, installments: int, seed: int, *, replace: bool
) -> list[str]:
    """Write demo data that ends today and load it; without `replace` only into missing tables."""
    folder = settings.local_dir / "demo"
    today = datetime.now(ZoneInfo(settings.timezone)).date()
    files = write_demo_data(
        folder, today=today, companies=companies, installments=installments, seed=seed
    )
    engine = engine_from(settings.variables())
    wanted = {path.stem: path for path in files}
    if not replace:
        wanted = {n: p for n, p in wanted.items() if not has_table(engine, settings, n)}
    rows = load_files(engine, settings.postgres_schema, wanted, replace=replace)
    engine.dispose()
    remember(folder, files, {"companies": companies, "installments": installments, "seed": seed})
    return [f"{count:,} demo rows loaded into {name}." for name, count in rows.items()]


def has_table(engine: Engine, settings: Settings, source: str) -> bool:
    table = load_source(source).table
    return inspect(engine).has_table(table, schema=settings.postgres_schema)


def remember(folder: Path, files: list[Path], facts: dict[str, int]) -> None:
    """The marker comes last, so that a start that was killed in between fills what is missing."""
    (folder / MARKER).write_text(json.dumps(facts) + "\n", "utf-8")
    for path in files:
        path.unlink()

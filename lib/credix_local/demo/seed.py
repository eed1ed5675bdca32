"""The first data of an embedded source: written, loaded and remembered, once."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from filelock import FileLock
from sqlalchemy import Engine, inspect

from credix.core.contracts import load_source
from credix.core.disk import make_folder
from credix.core.progress import on_terminal
from credix.core.settings import Settings
from credix.operations.loading.loader import engine_from, load_files, translated
from credix_local.demo.write import COMPANIES, INSTALLMENTS, SEED, write_demo_data

MARKER = "seeded.json"


def seed_once(settings: Settings, say: Callable[[str], None]) -> None:
    """Fill a fresh source; nothing happens when it was filled before.

    A table that was dropped later is not created again: its absence is an error of the source.
    """
    if not (settings.local_dir / "demo" / MARKER).exists():
        seed(settings, COMPANIES, INSTALLMENTS, SEED, say, replace=False, once=True)


def seed(
    settings: Settings,
    companies: int,
    installments: int,
    seed: int,
    say: Callable[[str], None],
    *,
    replace: bool,
    once: bool = False,
) -> None:
    """Write demo data that ends today and load it; without `replace` only into missing tables.

    Two at the same time come one after the other; with `once` the second does nothing.
    """
    folder = settings.local_dir / "demo"
    make_folder(folder, "chown it to this user, or name another folder in CREDIX_LOCAL_DIR")
    with FileLock(folder / "seed.lock"):
        if not (once and (folder / MARKER).exists()):
            fill(settings, folder, companies, installments, seed, say, replace=replace)


def fill(
    settings: Settings,
    folder: Path,
    companies: int,
    installments: int,
    seed: int,
    say: Callable[[str], None],
    *,
    replace: bool,
) -> None:
    today = datetime.now(ZoneInfo(settings.timezone)).date()
    files = write_demo_data(
        folder, today=today, companies=companies, installments=installments, seed=seed
    )
    engine = engine_from(settings.variables())
    wanted = {path.stem: path for path in files}
    if not replace:
        wanted = {n: p for n, p in wanted.items() if not has_table(engine, settings, p)}
    with on_terminal(sys.stderr) as show:
        rows = load_files(engine, settings.postgres_schema, wanted, replace=replace, show=show)
    engine.dispose()
    remember(folder, files, {"companies": companies, "installments": installments, "seed": seed})
    for name in (path.stem for path in files):
        table = f"{settings.postgres_schema}.{load_source(name).table}"
        loaded = f"{rows[name]:,} demo rows loaded" if name in rows else "exists, left as it is"
        say(f"{table}: {loaded}")


def has_table(engine: Engine, settings: Settings, path: Path) -> bool:
    """Return whether the table that a file is for exists; raises what loading the file would."""
    table, schema = load_source(path.stem).table, settings.postgres_schema
    with translated(path, f"{schema}.{table}"):
        return inspect(engine).has_table(table, schema=schema)


def remember(folder: Path, files: list[Path], facts: dict[str, int]) -> None:
    """The marker comes last, so that a start that was killed in between fills what is missing."""
    (folder / MARKER).write_text(json.dumps(facts) + "\n", "utf-8")
    for path in files:
        path.unlink()

"""03: landed files into BigQuery's temp layer under an enforced schema, then into the archive."""

from collections.abc import Sequence

import pandas as pd

from credix.clients.gcs.stored import StoredObject
from credix.core.column_types import Column
from credix.core.errors import DataError, SettingsError
from credix.core.paths import hashed_table, paths_of, reference_table, stable_table
from credix.core.results import LandResult, LoadResult
from credix.state.fencing import fenced, require_fence
from credix.state.run import Run


@fenced
def read_reference(run: Run) -> list[Column]:
    """Return the schema of `<source>_schema`, which the load is held to.

    Raises SettingsError when the table is missing or is not the contract's.
    """
    table = reference_table(run.source)
    target = run.warehouse.table_id("temp", table)
    columns = run.warehouse.columns("temp", table)
    if columns is None:
        raise SettingsError(
            f"The reference table {target} does not exist: create it from the contract "
            "(Terraform does on Google, ./run_pipeline.py provision locally)."
        )
    if run.source.drift == "evolve" and lacks_only_nullable(columns, run.source.columns):
        run.warehouse.add_columns("temp", table, run.source.columns)
        columns = run.warehouse.columns("temp", table) or columns
    have = {column.name: (column.type, column.mode) for column in columns}
    want = {column.name: (column.type, column.mode) for column in run.source.landing_columns}
    if have != want:
        different = sorted(name for name in have | want if have.get(name) != want.get(name))
        raise SettingsError(
            f"{target} and {run.source.name}.json differ in {', '.join(different)}: "
            "apply the contract to the table, or restore the contract."
        )
    return columns


def lacks_only_nullable(have: Sequence[Column], want: Sequence[Column]) -> bool:
    """Return True when columns are missing and all of them can be added to a table with rows."""
    names = {column.name for column in have}
    missing = [column for column in want if column.name not in names]
    return bool(missing) and not any(column.is_required for column in missing)


@fenced
def load_hashed(run: Run, columns: Sequence[Column]) -> int:
    """Load this run's files into its own table, which expires; the rows loaded, 0 without files.

    A refused load puts the files into `failed/` with BigQuery's reason, then raises DataError.
    """
    if not landed_files(run):
        return 0
    table = hashed_table(run.source, run.run_id, run.attempt)
    try:
        rows = load(run, "warehouse.load_hashed", table, columns)
    except DataError as error:
        reject_files(run, str(error))
        raise
    run.warehouse.expire("temp", table, run.settings.temp_table_hours)
    return rows


@fenced
def load_stable(run: Run, columns: Sequence[Column]) -> int:
    """Load the same files into `<source>_dbt`, the latest delta for people: bronze never does.

    Raises FenceError when a newer run has begun, whose delta it would replace by an older one.
    """
    if not landed_files(run):
        return 0
    require_fence(run)
    return load(run, "warehouse.load_stable", stable_table(run.source), columns)


def load(run: Run, effect: str, table: str, columns: Sequence[Column]) -> int:
    uris = [f"gs://{run.settings.lake_bucket}/{file}" for file in landed_files(run)]
    job_id = f"credix-{run.run_id}-{run.attempt}-{table}"
    return run.warehouse.load_parquet(effect, uris, "temp", table, columns, job_id)


@fenced
def check_loaded(run: Run, loaded: int) -> pd.DataFrame:
    """Check that landed = loaded with one row per key; raise DataError otherwise."""
    landed = run.read_result(LandResult).rows
    if landed == loaded == 0:
        return pd.DataFrame({"step": ["landed", "loaded"], "rows": [0, 0]})
    keys = ", ".join(f"`{column}`" for column in run.source.key)
    table = run.warehouse.table_id("temp", hashed_table(run.source, run.run_id, run.attempt))
    counts = run.warehouse.query(
        f"SELECT count(*) AS n_rows, "
        f"(SELECT count(*) FROM (SELECT DISTINCT {keys} FROM `{table}`)) AS n_keys FROM `{table}`"
    )[0]
    if not landed == loaded == counts["n_rows"]:
        raise DataError(
            f"{run.source.name}: {landed} rows landed, {loaded} were loaded, {table} has "
            f"{counts['n_rows']}. The watermark stays; run again."
        )
    if counts["n_keys"] != counts["n_rows"]:
        raise DataError(
            f"{run.source.name}: {counts['n_rows'] - counts['n_keys']} rows of the delta share "
            f"their key ({', '.join(run.source.key)}) with another: remove the duplicates in the "
            "source. The watermark stays."
        )
    return pd.DataFrame(
        {"step": ["landed", "loaded", "distinct keys"], "rows": [landed, loaded, counts["n_keys"]]}
    )


@fenced
def archive_files(run: Run) -> pd.DataFrame:
    """Move the loaded files to the archive bucket: each is in one place, whenever this dies."""
    paths = paths_of(run.settings)
    lines = []
    for stored in landed_objects(run):
        path = paths.archived(stored.name)
        run.lake.move("lake.archive", stored, run.settings.archive_bucket, path)
        lines.append(
            {"file": stored.name, "archived as": f"gs://{run.settings.archive_bucket}/{path}"}
        )
    return pd.DataFrame(lines, columns=["file", "archived as"])


def finish(run: Run, loaded: int, result_path: str) -> LoadResult:
    """Write the step result: the tables that hold the rows, and the archived files."""
    paths = paths_of(run.settings)
    result = LoadResult(
        status="done",
        rows=loaded,
        temp_table=hashed_table(run.source, run.run_id, run.attempt),
        stable_table=stable_table(run.source),
        files=tuple(paths.archived(file) for file in landed_files(run)),
    )
    return run.finish(result, result_path)


def reject_files(run: Run, reason: str) -> None:
    paths = paths_of(run.settings)
    for stored in landed_objects(run):
        path = paths.failed(stored.name)
        run.lake.move("lake.reject", stored, run.settings.lake_bucket, path, reason[:1000])


def landed_files(run: Run) -> tuple[str, ...]:
    return run.read_result(LandResult).files


def landed_objects(run: Run) -> list[StoredObject]:
    """Return this run's files that are still in landing; after a repeated run there may be none."""
    files = set(landed_files(run))
    folders = {file.rpartition("/")[0] + "/" for file in files}
    bucket = run.settings.lake_bucket
    listed = [stored for one in sorted(folders) for stored in run.lake.objects(bucket, one)]
    return [stored for stored in listed if stored.name in files]

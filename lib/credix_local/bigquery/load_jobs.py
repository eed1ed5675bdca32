"""Parquet load jobs by BigQuery's rules: columns by name, exact types, whole or not at all.

The emulator inserts by position, takes `ingestion_dt=…/` in a path for a column, and empties a
table before a truncating load that may then fail. Rules: BigQuery, `JobConfigurationLoad`.
"""

import asyncio
import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from bqemulator.api.dependencies import AppContext
from bqemulator.api.routes import jobs, upload
from bqemulator.api.routes.tables import _field_to_rest, _parse_schema_fields
from bqemulator.catalog.models import (
    Clustering,
    JobMeta,
    TableFieldSchema,
    TableMeta,
    TableSchema,
    TimePartitioning,
)
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.jobs import executor
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns

from credix_local.bigquery.load_schema import (
    LoadError,
    check_file,
    check_schema,
    read_fields,
    rest_type,
)
from credix_local.bigquery.patching import replace


@dataclass(frozen=True)
class Plan:
    """A checked load job: what is read, and what becomes of the table."""

    job: executor._LoadJobConfig
    paths: list[Path]
    fields: tuple[TableFieldSchema, ...]
    old: TableMeta | None

    @property
    def table(self) -> str:
        return f"{self.job.project_id}:{self.job.dataset_id}.{self.job.table_id}"

    @property
    def makes_table(self) -> bool:
        """Whether the table is new or replaced together with its schema."""
        return self.old is None or self.job.write_disposition == "WRITE_TRUNCATE"


def apply() -> None:
    """Load Parquet by these rules; the other formats stay the emulator's."""
    load_other = executor.execute_load_job

    async def execute(
        project: str, job_id: str, config: dict[str, Any], ctx: AppContext
    ) -> JobMeta:
        if config.get("load", {}).get("sourceFormat", "CSV").upper() != "PARQUET":
            return await load_other(project, job_id, config, ctx)
        return await load_parquet(project, job_id, config, ctx)

    for module in (executor, jobs, upload):
        replace(module, "execute_load_job", execute)


async def load_parquet(
    project: str, job_id: str, config: dict[str, Any], ctx: AppContext
) -> JobMeta:
    """Run the job; a refused file fails the job and leaves the table as it was."""
    started = ctx.clock.now()
    statistics: dict[str, str] = {}
    error: dict[str, str] | None = None
    job = executor._parse_load_job_config(project, config)
    try:
        statistics = await load_checked(job, job_id, ctx)
    except (LoadError, duckdb.Error) as failure:
        reason = getattr(failure, "reason", "invalid")
        error = {"reason": reason, "message": str(failure), "location": job.source_uris[0]}
    return JobMeta(
        project_id=project,
        job_id=job_id,
        job_type="LOAD",
        state="DONE",
        configuration=config,
        statistics={"load": statistics},
        error_result=error,
        creation_time=started,
        start_time=started,
        end_time=ctx.clock.now(),
        etag=job_id,
    )


async def load_checked(
    job: executor._LoadJobConfig, job_id: str, ctx: AppContext
) -> dict[str, str]:
    """Load all files in one transaction; the statistics of the job."""
    if ctx.catalog.get_dataset(job.project_id, job.dataset_id) is None:
        raise LoadError(f"Not found: Dataset {job.project_id}:{job.dataset_id}", "notFound")
    paths = [path for uri in job.source_uris for path in expand(uri, ctx)]
    async with ctx.engine.write_lock():
        plan = make_plan(job, paths, ctx)
        loaded, total = await asyncio.to_thread(write, plan, ctx)
        register(plan, total, job_id, ctx)
    return {
        "inputFiles": str(len(paths)),
        "inputFileBytes": str(sum(path.stat().st_size for path in paths)),
        "outputRows": str(loaded),
        "outputBytes": "0",
    }


def expand(uri: str, ctx: AppContext) -> list[Path]:
    """Return the files of a URI; one `*` is allowed and also stands for several folders."""
    try:
        resolved = executor._resolve_uri(uri, ctx)
    except InvalidQueryError as error:
        raise LoadError(error.message) from error
    if "*" not in uri:
        found = [Path(resolved)] if Path(resolved).is_file() else []
    elif uri.count("*") > 1:
        raise LoadError(f"Invalid URI {uri}: only one '*' is allowed")
    else:
        root = Path(resolved.partition("*")[0]).parent
        # Only `*` is a wildcard on BigQuery.
        pattern = resolved.replace("[", "[[]").replace("?", "[?]")
        files = [path for path in root.rglob("*") if path.is_file()]
        found = sorted(path for path in files if fnmatch.fnmatchcase(str(path), pattern))
    if not found:
        raise LoadError(f"Not found: URI {uri}", "notFound")
    return found


def make_plan(job: executor._LoadJobConfig, paths: list[Path], ctx: AppContext) -> Plan:
    """Check everything that can be known before writing; raises LoadError."""
    old = ctx.catalog.get_table(job.project_id, job.dataset_id, job.table_id)
    if old is None and job.create_disposition == "CREATE_NEVER":
        table = f"{job.project_id}:{job.dataset_id}.{job.table_id}"
        raise LoadError(f"Not found: Table {table}", "notFound")
    given = given_fields(job.raw_config)
    if old is None or job.write_disposition == "WRITE_TRUNCATE":
        # Without a schema BigQuery takes that of the last file in alphabetical order.
        fields = given or read_fields(max(paths))
    else:
        fields = old.schema_.fields
        check_schema(f"{job.project_id}:{job.dataset_id}.{job.table_id}", fields, given)
    for path in paths:
        check_file(path, fields, bool(job.raw_config.get("ignoreUnknownValues")))
    return Plan(job, paths, fields, old)


def given_fields(config: dict[str, Any]) -> tuple[TableFieldSchema, ...]:
    """Return the schema that the job brings, with the REST API's names of types."""
    parsed = _parse_schema_fields((config.get("schema") or {}).get("fields") or [])
    return tuple(field.model_copy(update={"type": rest_type(field.type)}) for field in parsed)


def write(plan: Plan, ctx: AppContext) -> tuple[int, int]:
    """Write the rows; readers see the old table until the end. Rows loaded, rows in the table."""
    target = plan.job.target_ref
    # A cursor has a transaction of its own; closing it rolls back what was not committed.
    cursor = ctx.engine.connection.cursor()
    try:
        cursor.execute("BEGIN")
        is_empty_wanted = plan.old is not None and plan.job.write_disposition == "WRITE_EMPTY"
        if is_empty_wanted and count_rows(cursor, target):
            raise LoadError(f"Already Exists: Table {plan.table}", "duplicate")
        if plan.makes_table:
            cursor.execute(f"DROP TABLE IF EXISTS {target}")
            cursor.execute(f"CREATE TABLE {target} ({column_definitions(plan.fields)})")
        loaded = sum(insert_file(cursor, plan, path) for path in plan.paths)
        cursor.execute("COMMIT")
        return loaded, count_rows(cursor, target)
    finally:
        cursor.close()


def count_rows(cursor: duckdb.DuckDBPyConnection, table: str) -> int:
    return first_value(cursor.execute(f"SELECT count(*) FROM {table}"))


def first_value(cursor: duckdb.DuckDBPyConnection) -> int:
    row = cursor.fetchone()
    return row[0] if row else 0


def insert_file(cursor: duckdb.DuckDBPyConnection, plan: Plan, path: Path) -> int:
    """Append one file, each column by its own name; the rows appended."""
    wanted = {field.name.lower(): field.name for field in plan.fields}
    pairs = [
        (wanted[column.name.lower()], column.name)
        for column in read_fields(path)
        if column.name.lower() in wanted
    ]
    targets = ", ".join(quoted(target) for target, _ in pairs)
    sources = ", ".join(quoted(source) for _, source in pairs)
    # DuckDB expands patterns in a path; the file's own brackets are none.
    pattern = "".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(path))
    inserted = cursor.execute(
        f"INSERT INTO {plan.job.target_ref} ({targets}) SELECT {sources} "
        "FROM read_parquet(?, hive_partitioning = false, union_by_name = false)",
        [pattern],
    )
    return first_value(inserted)


def column_definitions(fields: tuple[TableFieldSchema, ...]) -> str:
    """Return the columns of CREATE TABLE in DuckDB's SQL."""
    columns = bq_schema_to_duckdb_columns([_field_to_rest(field) for field in fields])
    required = {field.name for field in fields if field.mode == "REQUIRED"}
    return ", ".join(
        f"{quoted(name)} {kind}{' NOT NULL' if name in required else ''}" for name, kind in columns
    )


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def register(plan: Plan, rows: int, job_id: str, ctx: AppContext) -> None:
    """Write the table's new schema, layout and size into the emulator's catalog."""
    job, now = plan.job, ctx.clock.now()
    changes: dict[str, Any] = {"num_rows": rows, "last_modified_time": now, "etag": job_id}
    partitioning = job.raw_config.get("timePartitioning")
    clustering = job.raw_config.get("clustering")
    if partitioning:
        changes["time_partitioning"] = TimePartitioning(
            type=partitioning.get("type", "DAY"),
            field=partitioning.get("field"),
            expiration_ms=partitioning.get("expirationMs"),
        )
    if clustering:
        changes["clustering"] = Clustering(fields=tuple(clustering["fields"]))
    schema = TableSchema(fields=plan.fields)
    if plan.old is None:
        table = TableMeta(
            project_id=job.project_id,
            dataset_id=job.dataset_id,
            table_id=job.table_id,
            schema=schema,
            creation_time=now,
            **changes,
        )
        ctx.catalog.create_table(table)
    else:
        ctx.catalog.update_table(plan.old.model_copy(update={"schema_": schema, **changes}))
    ctx.snapshots.record_change(job.project_id, job.dataset_id, job.table_id)

"""The settings by what they are for; `docs/settings.md` is made of these classes (`make docs`).

Field aliases are the names of the variables, descriptions what the page says of them.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr

MEBIBYTE = 1 << 20
TEBIBYTE = 1 << 40


class Environment(BaseModel):
    """The environment."""

    env: Literal["local", "dev", "stage", "prod"] = Field(
        "local", alias="CREDIX_ENV", description="local, dev, stage or prod; also dbt's target"
    )
    confirmed_env: str | None = Field(
        None,
        alias="CREDIX_CONFIRM_ENV",
        description="`prod`: commands that write may do so to `prod`; without it they refuse",
    )
    timezone: str = Field(
        "America/Sao_Paulo", alias="CREDIX_TIMEZONE", description="zone of the business day"
    )
    trigger: str = Field(
        "command",
        alias="CREDIX_TRIGGER",
        pattern=r"^[a-z_]{1,20}$",
        description="what started the run, as the page of all runs shows it: `schedule` on a "
        "scheduler",
    )
    log_format: Literal["text", "json"] = Field(
        "text",
        alias="CREDIX_LOG_FORMAT",
        description="`json`: a line of JSON for every effect, step and end of a run, with the "
        "fields that Cloud Logging reads",
    )
    local_dir: Path = Field(
        Path(".local"), alias="CREDIX_LOCAL_DIR", description="folder of the embedded stack"
    )
    run_dir: Path = Field(
        Path(".local/runs"), alias="CREDIX_RUN_DIR", description="folder of runs on disk"
    )


class SourceServer(BaseModel):
    """The source database."""

    postgres_host: str = Field(
        alias="POSTGRES_HOST",
        description="the source server; the embedded one is used when none is named",
    )
    postgres_port: int = Field(5432, alias="POSTGRES_PORT", ge=1, le=65535, description="its port")
    postgres_db: str = Field(alias="POSTGRES_DB", description="the source database")
    postgres_user: str = Field(alias="POSTGRES_USER", description="who reads it")
    postgres_password: SecretStr = Field(alias="POSTGRES_PASSWORD", description="their password")
    postgres_sslmode: str = Field(
        "prefer",
        alias="POSTGRES_SSLMODE",
        pattern=r"^(prefer|require|verify-ca|verify-full)$",
        description="whether the connection must be encrypted and the server prove itself, in "
        "libpq's words; `prefer` falls back to clear text",
    )
    postgres_sslrootcert: str | None = Field(
        None,
        alias="POSTGRES_SSLROOTCERT",
        description="file of the authority that the server's certificate is checked against",
    )
    postgres_schema: str = Field(
        "oltp",
        alias="POSTGRES_SCHEMA",
        pattern=r"^[a-z_][a-z0-9_]*$",
        description="schema of the source tables",
    )


class Google(BaseModel):
    """Google Cloud, or servers that speak its protocols."""

    gcp_project: str = Field(
        alias="GCP_PROJECT", min_length=1, description="project of buckets and datasets"
    )
    google_credentials: Literal["default", "anonymous"] = Field(
        "default",
        alias="CREDIX_GOOGLE_CREDENTIALS",
        description="application default credentials, or `anonymous` for local servers",
    )
    impersonated_account: str | None = Field(
        None,
        alias="CREDIX_IMPERSONATE_SERVICE_ACCOUNT",
        pattern=r"^[^\s@]+@[^\s@]+\.[^\s@]+$",
        description="a service account whose short-lived tokens are asked for with the "
        "credentials there are, for every request to Google, dbt's too",
    )
    google_timeout_seconds: float = Field(
        60, alias="CREDIX_GOOGLE_TIMEOUT_SECONDS", gt=0, description="bound of one request"
    )
    bigquery_location: str = Field(
        "southamerica-east1",
        alias="CREDIX_BIGQUERY_LOCATION",
        description="location of datasets and jobs",
    )
    bigquery_endpoint: str | None = Field(
        None,
        alias="BIGQUERY_EMULATOR_HOST",
        description="another server than Google's for BigQuery",
    )
    bigquery_grpc_endpoint: str | None = Field(
        None,
        alias="CREDIX_BIGQUERY_GRPC_ENDPOINT",
        description="another server than Google's for BigQuery's Storage API",
    )
    storage_endpoint: str | None = Field(
        None, alias="STORAGE_EMULATOR_HOST", description="another server than Google's for buckets"
    )
    pubsub_endpoint: str | None = Field(
        None,
        alias="PUBSUB_EMULATOR_HOST",
        description="another server than Google's for `CREDIX_ALERT_TOPIC`",
    )


class Names(BaseModel):
    """Names of datasets and buckets."""

    prefix: str = Field(
        "business_case",
        alias="CREDIX_PREFIX",
        pattern=r"^[a-z][a-z0-9_]{0,60}$",
        description="prefix of datasets and first folder in the buckets",
    )
    lake_bucket: str = Field(
        "data_lake_credix",
        alias="CREDIX_LAKE_BUCKET",
        description="landing, failed files and state",
    )
    archive_bucket: str = Field(
        "data_lake_credix_archive",
        alias="CREDIX_ARCHIVE_BUCKET",
        description="loaded files and runs",
    )
    report_bucket: str = Field(
        "credix-elementary-report",
        alias="CREDIX_REPORT_BUCKET",
        description="Elementary's page, the newest and one per run",
    )
    runs_bucket: str = Field(
        "credix-runs",
        alias="CREDIX_RUNS_BUCKET",
        description="the page of all runs; private: it names errors and watermarks",
    )


class Reading(BaseModel):
    """How the source is read."""

    extract_connections: int = Field(
        8,
        alias="CREDIX_EXTRACT_CONNECTIONS",
        ge=1,
        le=64,
        description="how many connections share the read of a whole table, never more than "
        "this machine has cores",
    )
    part_bytes: int = Field(
        200 * MEBIBYTE,
        alias="CREDIX_PART_BYTES",
        ge=MEBIBYTE,
        le=256 * MEBIBYTE,
        description="a Parquet part ends with the row group that reaches this size",
    )
    row_group_rows: int = Field(
        100_000, alias="CREDIX_ROW_GROUP_ROWS", ge=1_000, description="rows of a row group"
    )
    slice_bytes: int = Field(
        4096 * MEBIBYTE,
        alias="CREDIX_SLICE_BYTES",
        ge=1024,
        description="local disk for Parquet parts: a read that needs more is cut into slices, "
        "each a complete cycle from extract to bronze",
    )
    cursor_lag_seconds: int = Field(
        3600,
        alias="CREDIX_CURSOR_LAG_SECONDS",
        ge=0,
        description="how far a cursor is held back where the role may not see open transactions",
    )
    duckdb_memory: str = Field(
        "1GB",
        alias="CREDIX_DUCKDB_MEMORY",
        pattern=r"^\d+(MB|GB)$",
        description="memory of the profile in 01",
    )


class Bounds(BaseModel):
    """What a run may take, and what stops it."""

    max_deleted_share: float = Field(
        0.1,
        alias="CREDIX_MAX_DELETED_SHARE",
        ge=0,
        le=1,
        description="a run that finds more than this share of bronze's rows gone from the "
        "source stops, unless `--allow-deletes`; up to 100 rows always pass",
    )
    maximum_bytes_billed: int = Field(
        TEBIBYTE,
        alias="CREDIX_MAXIMUM_BYTES_BILLED",
        ge=1,
        description="bytes that one query may be billed for (1 TiB), of the steps and of dbt "
        "alike; BigQuery refuses a larger one before it runs",
    )
    retry_seconds: float = Field(
        60,
        alias="CREDIX_RETRY_SECONDS",
        ge=0,
        description="how long a request that fails for now is repeated, and a locked source "
        "table is waited for",
    )
    lease_seconds: int = Field(
        300,
        alias="CREDIX_LEASE_SECONDS",
        ge=10,
        description="term of a lease, renewed every third of it",
    )
    gold_wait_seconds: int = Field(
        300,
        alias="CREDIX_GOLD_WAIT_SECONDS",
        ge=0,
        description="how long a run waits for another that builds gold",
    )
    notebook_timeout_seconds: int = Field(
        3600, alias="CREDIX_NOTEBOOK_TIMEOUT_SECONDS", ge=1, description="bound of one cell"
    )
    temp_table_hours: int = Field(
        24, alias="CREDIX_TEMP_TABLE_HOURS", ge=1, description="expiration of a run's temp table"
    )
    die_at: str | None = Field(
        None,
        alias="CREDIX_DIE_AT",
        pattern=r"^[a-z_.]+(#\d+)?:(before|after)$",
        description="ends the process at a side effect, to prove that the next run recovers",
    )


class Telling(BaseModel):
    """Whom a run tells, and of what."""

    late_minutes: int = Field(
        60,
        alias="CREDIX_LATE_MINUTES",
        ge=1,
        description="a source whose bronze is older than this behind a run is late; numbers "
        "whose gold is, are used with care",
    )
    slot_warn_mb: int = Field(
        1024,
        alias="CREDIX_SLOT_WARN_MB",
        ge=1,
        description="`status` warns of a replication slot that keeps more of the server's log",
    )
    alert_urls: SecretStr | None = Field(
        None,
        alias="CREDIX_ALERT_URLS",
        description="whom to alert, as [Apprise](https://github.com/caronc/apprise) addresses, "
        "blank separated: `slack://…`, `mailtos://…`, `json://host/path`",
    )
    alert_topic: str | None = Field(
        None,
        alias="CREDIX_ALERT_TOPIC",
        pattern=r"^projects/[^/\s]+/topics/[^/\s]+$",
        description="a Pub/Sub topic that gets the same as JSON: `projects/P/topics/T`",
    )
    openlineage_url: str | None = Field(
        None,
        alias="CREDIX_OPENLINEAGE_URL",
        pattern=r"^https?://[^\s@]+$",
        description="a server that gets the lineage of each run as "
        "[OpenLineage](https://openlineage.io) events, at `api/v1/lineage` below "
        "this address",
    )
    openlineage_api_key: SecretStr | None = Field(
        None, alias="CREDIX_OPENLINEAGE_API_KEY", description="its bearer token"
    )
    elementary_packages: Path | None = Field(
        None,
        alias="CREDIX_ELEMENTARY_PACKAGES",
        description="a folder with the dbt packages `elementary` and `dbt_utils`, where they "
        "cannot be downloaded",
    )
    elementary_webhook: SecretStr | None = Field(
        None,
        alias="CREDIX_ELEMENTARY_WEBHOOK",
        description="a Slack or Teams webhook that Elementary itself tells of failed monitors",
    )

"""The settings that say where things are and whose; `setting_bounds` has those of how much.

`docs/settings.md` is made of these classes (`make docs`).

Field aliases are the names of the variables, descriptions what the page says of them.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr


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
    schedule: str | None = Field(
        None,
        alias="CREDIX_SCHEDULE",
        description="when which job runs, as in `installments=*/5 * * * *; full=0 5 * * *`, where "
        "that is not the schedule in `lib/credix/schedule.json`; Terraform sets it from "
        "`schedules`, `schedule --at` for the runs that it starts",
    )
    trigger: str = Field(
        "command",
        alias="CREDIX_TRIGGER",
        pattern=r"^[a-z_]{1,20}$",
        description="what started the run, as the page of all runs shows it: `schedule` on a "
        "scheduler",
    )
    cloud_run_execution: str | None = Field(
        None,
        alias="CLOUD_RUN_EXECUTION",
        description="set by Cloud Run: the execution of the job, which leases then name",
    )
    cloud_run_attempt: int = Field(
        0,
        alias="CLOUD_RUN_TASK_ATTEMPT",
        ge=0,
        description="set by Cloud Run: how often the task of that execution was begun before",
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
    dbt_account: str | None = Field(
        None,
        alias="CREDIX_DBT_IMPERSONATE_SERVICE_ACCOUNT",
        pattern=r"^[^\s@]+@[^\s@]+\.[^\s@]+$",
        description="the service account that dbt and Elementary work as, where it is another one "
        "than the rest's; they ask for its tokens with the credentials there are, not with those "
        "of `CREDIX_IMPERSONATE_SERVICE_ACCOUNT`",
    )
    google_timeout_seconds: float = Field(
        60,
        alias="CREDIX_GOOGLE_TIMEOUT_SECONDS",
        gt=0,
        description="bound of one request; on Google at least 15, where a question for a job that "
        "still runs is answered after up to 10",
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
    pages_url: str | None = Field(
        None,
        alias="CREDIX_PAGES_URL",
        description="a server that shows the pages of the buckets as `<address>/<bucket>/<object>` "
        "after a login, such as Terraform's `pages`; without one, addresses lead to Google's "
        "console, locally to the server of the buckets",
    )

"""The settings of one process: a frozen, typed object, built once at the entry point."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails

from credix.core import cron
from credix.core.errors import SettingsError

MEBIBYTE = 1 << 20
TEBIBYTE = 1 << 40


class ExtractionSettings(BaseModel):
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


class LimitSettings(BaseModel):
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
        description="how long a request or a job that fails for now is repeated, counted from its "
        "first failure, and a locked source table is waited for",
    )
    lease_seconds: int = Field(
        300,
        alias="CREDIX_LEASE_SECONDS",
        ge=10,
        description="term of a lease, renewed every third of it",
    )
    source_wait_seconds: int = Field(
        600,
        alias="CREDIX_SOURCE_WAIT_SECONDS",
        ge=0,
        description="how long a run waits for another that holds one of its sources; 0 refuses at "
        "once",
    )
    gold_wait_seconds: int = Field(
        300,
        alias="CREDIX_GOLD_WAIT_SECONDS",
        ge=0,
        description="how long a run waits for another that builds gold",
    )
    pause_seconds: int = Field(
        900,
        alias="CREDIX_PAUSE_SECONDS",
        ge=1,
        description="by hand: how long after its last cell a kernel keeps the leases on its source "
        "and on gold",
    )
    notebook_timeout_seconds: int = Field(
        3600, alias="CREDIX_NOTEBOOK_TIMEOUT_SECONDS", ge=1, description="bound of one cell"
    )
    temp_table_hours: int = Field(
        24,
        alias="CREDIX_TEMP_TABLE_HOURS",
        ge=1,
        description="expiration of a temp table whose run has failed; on the local server, which "
        "forgets it, a later run drops the table then",
    )


class NotificationSettings(BaseModel):
    """Whom a run notifies, and of what."""

    late_minutes: int = Field(
        60,
        alias="CREDIX_LATE_MINUTES",
        ge=1,
        description="how many minutes more than its schedule leaves between two runs a source may "
        "be old; where no schedule loads it, how old at all. A source whose bronze is older "
        "after a run is late; numbers whose gold is older are used with care. `late_minutes` of a "
        "source in `sources.yml` replaces its schedule and this",
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
        description="a Slack or Teams webhook that Elementary itself notifies of failed monitors",
    )


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
        description="when which job runs, as in `full=0 5 * * *; monitoring=0 12 * * *`, where "
        "that is not the schedule in `lib/contracts/`; Terraform sets it from `schedules`, "
        "`schedule --at` for the runs that it starts",
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


PROJECT_DIR = Path(__file__).resolve().parents[3]


class Settings(
    Environment,
    SourceServer,
    Google,
    Names,
    ExtractionSettings,
    LimitSettings,
    NotificationSettings,
):
    """All settings of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @field_validator("local_dir", "run_dir", "elementary_packages")
    @classmethod
    def anchor_in_project(cls, value: Path | None) -> Path | None:
        return PROJECT_DIR / value.expanduser() if value else None

    @field_validator("elementary_webhook")
    @classmethod
    def refuse_what_is_no_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("is not the address of a webhook, such as https://hooks.slack.com/…")
        return value

    @field_validator("pages_url")
    @classmethod
    def refuse_what_shows_no_pages(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        is_safe = parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1")
        if not (is_safe and parts.hostname) or "@" in value or parts.query or parts.fragment:
            raise ValueError("is not the address of a server, such as https://pages.example.com")
        return value.rstrip("/")

    @field_validator("schedule")
    @classmethod
    def refuse_what_is_no_schedule(cls, value: str | None) -> str | None:
        if value is not None:
            cron.parse_lines(value)
        return value

    @field_validator("timezone")
    @classmethod
    def refuse_unknown_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("is not an IANA time zone such as America/Sao_Paulo") from error
        return value

    @classmethod
    def load(cls, env: str | None = None) -> Self:
        """Return the settings of this process; the SettingsError names everything wrong at once."""
        return cls.parse(collect_variables(os.environ, env))

    @classmethod
    def parse(cls, variables: Mapping[str, str]) -> Self:
        """Settings from variables by name; foreign ones are ignored, unknown CREDIX_ refused."""
        known = {str(field.alias) for field in cls.model_fields.values()}
        faults = [
            unknown_variable(name, known) for name in sorted(variables) if is_unknown(name, known)
        ]
        given = {name: value for name, value in variables.items() if name in known and value != ""}
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            faults += [describe_fault(fault) for fault in error.errors()]
        if faults:
            env = given.get("CREDIX_ENV", "local")
            is_down = env == "local" and "POSTGRES_HOST" not in given
            hint = " Start the embedded stack first: ./run_pipeline.py up" if is_down else ""
            raise SettingsError(
                f"The settings of '{env}' are wrong or not complete: {'; '.join(faults)}.{hint}"
            )
        return settings

    def require_confirmation(self) -> None:
        """Raise SettingsError where this would write to `prod` without a confirmation."""
        if self.env == "prod" and self.confirmed_env != self.env:
            raise SettingsError(
                "This would write to prod. If that is meant, say so: CREDIX_CONFIRM_ENV=prod; else "
                "name another environment by --env or CREDIX_ENV."
            )

    def variables(self) -> dict[str, str]:
        """Return the settings as environment variables, for a child process; holds the password."""
        values = {
            str(field.alias): getattr(self, name) for name, field in type(self).model_fields.items()
        }
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in values.items()
            if value is not None
        }

    def secrets(self) -> list[str]:
        """Values that must never be written anywhere."""
        optional = (self.openlineage_api_key, self.elementary_webhook)
        keys = [secret.get_secret_value() for secret in optional if secret]
        return [self.postgres_password.get_secret_value(), *self.alert_addresses, *keys]

    @property
    def execution(self) -> str:
        """What the scheduler calls this process; empty without one that names it."""
        name = self.cloud_run_execution
        return f"{name}/{self.cloud_run_attempt}" if name else ""

    @property
    def alert_addresses(self) -> list[str]:
        """Apprise's addresses; they hold tokens and passwords."""
        return self.alert_urls.get_secret_value().split() if self.alert_urls else []

    def with_prefix(self, prefix: str) -> Self:
        """Return the same settings for other datasets, lake folders and state."""
        return self.model_copy(update={"prefix": prefix})

    def dataset(self, layer: str) -> str:
        """Return the dataset of a layer: temp, bronze, silver, gold or elementary."""
        return f"{self.prefix}_{layer}"


def own_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the user says: the environment over `.env`."""
    return {**read_env_file(PROJECT_DIR / ".env"), **environ}


def collect_variables(environ: Mapping[str, str], env: str | None = None) -> dict[str, str]:
    """Return all variables in force: the user's over the defaults of the environment."""
    own = own_variables(environ)
    if env is not None:
        own["CREDIX_ENV"] = env
    if own.get("CREDIX_ENV", "local") != "local":
        return own
    folder = stack_folder(own)
    defaults = {"CREDIX_RUN_DIR": str(folder / "runs"), **read_env_file(folder / "stack.env")}
    return {**defaults, **own}


def stack_folder(variables: Mapping[str, str]) -> Path:
    """Return where the embedded stack lives."""
    return PROJECT_DIR / Path(variables.get("CREDIX_LOCAL_DIR") or ".local").expanduser()


def read_env_file(path: Path) -> dict[str, str]:
    """Variables of a dotenv file; none when there is no such file."""
    return {name: value or "" for name, value in dotenv_values(path).items()}


def is_unknown(name: str, known: set[str]) -> bool:
    """Return True for a misspelt setting; CREDIX_DBT_ names the run values that dbt reads."""
    return name.startswith("CREDIX_") and not name.startswith("CREDIX_DBT_") and name not in known


def unknown_variable(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"{name} is not a setting" + (f" (did you mean {close[0]}?)" if close else "")


def describe_fault(fault: ErrorDetails) -> str:
    """Return one of pydantic's errors as a phrase that names the variable, without its value."""
    name = fault["loc"][0]
    if fault["type"] == "missing":
        return f"{name} is missing"
    return f"{name}: {fault['msg'].removeprefix('Value error, ')}"

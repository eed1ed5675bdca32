"""The settings of one process: a frozen, typed object, built once at the entry point.

A value comes from the first of: the environment, `.env` in the project folder, the defaults of
the environment (`CREDIX_ENV`). The embedded stack writes the defaults of `local` into
`<CREDIX_LOCAL_DIR>/stack.env` when it starts; the others get theirs from where they run.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from credix.errors import SettingsError

PROJECT_DIR = Path(__file__).resolve().parents[2]
MEBIBYTE = 1 << 20
TEBIBYTE = 1 << 40


class Settings(BaseModel):
    """Everything a run is told from outside. Field aliases are the names of the variables."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    env: Literal["local", "dev", "stage", "prod"] = Field("local", alias="CREDIX_ENV")

    confirmed_env: str | None = Field(None, alias="CREDIX_CONFIRM_ENV")

    postgres_host: str = Field(alias="POSTGRES_HOST")
    postgres_port: int = Field(5432, alias="POSTGRES_PORT", ge=1, le=65535)
    postgres_db: str = Field(alias="POSTGRES_DB")
    postgres_user: str = Field(alias="POSTGRES_USER")
    postgres_password: SecretStr = Field(alias="POSTGRES_PASSWORD")
    postgres_schema: str = Field("oltp", alias="POSTGRES_SCHEMA", pattern=r"^[a-z_][a-z0-9_]*$")

    gcp_project: str = Field(alias="GCP_PROJECT", min_length=1)
    google_credentials: Literal["default", "anonymous"] = Field(
        "default", alias="CREDIX_GOOGLE_CREDENTIALS"
    )
    google_timeout_seconds: float = Field(60, alias="CREDIX_GOOGLE_TIMEOUT_SECONDS", gt=0)
    bigquery_location: str = Field("southamerica-east1", alias="CREDIX_BIGQUERY_LOCATION")
    bigquery_endpoint: str | None = Field(None, alias="BIGQUERY_EMULATOR_HOST")
    bigquery_grpc_endpoint: str | None = Field(None, alias="CREDIX_BIGQUERY_GRPC_ENDPOINT")
    storage_endpoint: str | None = Field(None, alias="STORAGE_EMULATOR_HOST")

    prefix: str = Field("business_case", alias="CREDIX_PREFIX", pattern=r"^[a-z][a-z0-9_]{0,60}$")
    lake_bucket: str = Field("data_lake_credix", alias="CREDIX_LAKE_BUCKET")
    archive_bucket: str = Field("data_lake_credix_archive", alias="CREDIX_ARCHIVE_BUCKET")
    report_bucket: str = Field("credix-elementary-report", alias="CREDIX_REPORT_BUCKET")
    runs_bucket: str = Field("credix-runs", alias="CREDIX_RUNS_BUCKET")

    log_format: Literal["text", "json"] = Field("text", alias="CREDIX_LOG_FORMAT")
    trigger: str = Field("command", alias="CREDIX_TRIGGER", pattern=r"^[a-z_]{1,20}$")
    local_dir: Path = Field(Path(".local"), alias="CREDIX_LOCAL_DIR")
    run_dir: Path = Field(Path(".local/runs"), alias="CREDIX_RUN_DIR")

    timezone: str = Field("America/Sao_Paulo", alias="CREDIX_TIMEZONE")
    part_bytes: int = Field(
        200 * MEBIBYTE, alias="CREDIX_PART_BYTES", ge=MEBIBYTE, le=256 * MEBIBYTE
    )
    row_group_rows: int = Field(100_000, alias="CREDIX_ROW_GROUP_ROWS", ge=1_000)
    slice_bytes: int = Field(4096 * MEBIBYTE, alias="CREDIX_SLICE_BYTES", ge=1024)
    extract_connections: int = Field(8, alias="CREDIX_EXTRACT_CONNECTIONS", ge=1, le=64)
    duckdb_memory: str = Field("1GB", alias="CREDIX_DUCKDB_MEMORY", pattern=r"^\d+(MB|GB)$")
    lease_seconds: int = Field(300, alias="CREDIX_LEASE_SECONDS", ge=10)
    gold_wait_seconds: int = Field(300, alias="CREDIX_GOLD_WAIT_SECONDS", ge=0)
    cursor_lag_seconds: int = Field(3600, alias="CREDIX_CURSOR_LAG_SECONDS", ge=0)
    max_deleted_share: float = Field(0.1, alias="CREDIX_MAX_DELETED_SHARE", ge=0, le=1)
    notebook_timeout_seconds: int = Field(3600, alias="CREDIX_NOTEBOOK_TIMEOUT_SECONDS", ge=1)
    retry_seconds: float = Field(60, alias="CREDIX_RETRY_SECONDS", ge=0)
    temp_table_hours: int = Field(24, alias="CREDIX_TEMP_TABLE_HOURS", ge=1)
    maximum_bytes_billed: int = Field(TEBIBYTE, alias="CREDIX_MAXIMUM_BYTES_BILLED", ge=1)
    slot_warn_mb: int = Field(1024, alias="CREDIX_SLOT_WARN_MB", ge=1)
    late_minutes: int = Field(60, alias="CREDIX_LATE_MINUTES", ge=1)
    alert_urls: SecretStr | None = Field(None, alias="CREDIX_ALERT_URLS")
    alert_topic: str | None = Field(
        None, alias="CREDIX_ALERT_TOPIC", pattern=r"^projects/[^/\s]+/topics/[^/\s]+$"
    )
    pubsub_endpoint: str | None = Field(None, alias="PUBSUB_EMULATOR_HOST")
    openlineage_url: str | None = Field(
        None, alias="CREDIX_OPENLINEAGE_URL", pattern=r"^https?://[^\s@]+$"
    )
    openlineage_api_key: SecretStr | None = Field(None, alias="CREDIX_OPENLINEAGE_API_KEY")
    elementary_packages: Path | None = Field(None, alias="CREDIX_ELEMENTARY_PACKAGES")
    elementary_webhook: SecretStr | None = Field(None, alias="CREDIX_ELEMENTARY_WEBHOOK")
    die_at: str | None = Field(
        None, alias="CREDIX_DIE_AT", pattern=r"^[a-z_.]+(#\d+)?:(before|after)$"
    )

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
        """The settings of this process; the SettingsError names everything wrong at once."""
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
                f"The settings of '{env}' are not complete: {'; '.join(faults)}.{hint}"
            )
        return settings

    def require_confirmation(self) -> None:
        """Raises SettingsError where this would write to `prod` and nobody has said so."""
        if self.env == "prod" and self.confirmed_env != self.env:
            raise SettingsError(
                "This would write to prod. If that is meant, say so: CREDIX_CONFIRM_ENV=prod; else "
                "name another environment by --env or CREDIX_ENV."
            )

    def variables(self) -> dict[str, str]:
        """The settings as environment variables, for a child process; holds the password."""
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
    def alert_addresses(self) -> list[str]:
        """Apprise's addresses; they hold tokens and passwords."""
        return self.alert_urls.get_secret_value().split() if self.alert_urls else []

    def with_prefix(self, prefix: str) -> Self:
        """The same settings for other datasets, lake folders and state."""
        return self.model_copy(update={"prefix": prefix})

    def dataset(self, layer: str) -> str:
        """The dataset of a layer: temp, bronze, silver, gold or elementary."""
        return f"{self.prefix}_{layer}"


def own_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """What the user says: the environment over `.env`."""
    return {**read_env_file(PROJECT_DIR / ".env"), **environ}


def collect_variables(environ: Mapping[str, str], env: str | None = None) -> dict[str, str]:
    """All variables in force: the user's over the defaults of the environment."""
    own = own_variables(environ)
    if env is not None:
        own["CREDIX_ENV"] = env
    if own.get("CREDIX_ENV", "local") != "local":
        return own
    folder = stack_folder(own)
    defaults = {"CREDIX_RUN_DIR": str(folder / "runs"), **read_env_file(folder / "stack.env")}
    return {**defaults, **own}


def stack_folder(variables: Mapping[str, str]) -> Path:
    """Where the embedded stack lives."""
    return PROJECT_DIR / Path(variables.get("CREDIX_LOCAL_DIR") or ".local").expanduser()


def read_env_file(path: Path) -> dict[str, str]:
    """Variables of a dotenv file; none when there is no such file."""
    return {name: value or "" for name, value in dotenv_values(path).items()}


def is_unknown(name: str, known: set[str]) -> bool:
    """True for a misspelt setting; CREDIX_DBT_ names the run values that dbt reads."""
    return name.startswith("CREDIX_") and not name.startswith("CREDIX_DBT_") and name not in known


def unknown_variable(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"{name} is not a setting" + (f" (did you mean {close[0]}?)" if close else "")


def describe_fault(fault: Mapping[str, Any]) -> str:
    """One of pydantic's errors as a phrase that names the variable, without its value."""
    name = fault["loc"][0]
    if fault["type"] == "missing":
        return f"{name} is missing"
    return f"{name}: {fault['msg'].removeprefix('Value error, ')}"

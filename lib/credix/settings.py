"""The settings of one process: a frozen, typed object, built once at the entry point.

A value comes from the first of: the environment, `.env` in the project folder, the defaults of
the environment (`CREDIX_ENV`). The embedded stack writes the defaults of `local` into
`<CREDIX_LOCAL_DIR>/stack.env` when it starts; the others get theirs from where they run.

A new setting goes into `setting_groups` (where and whose) or `setting_bounds` (how much).
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import ConfigDict, SecretStr, ValidationError, field_validator

from credix import cron
from credix.errors import SettingsError
from credix.setting_bounds import MEBIBYTE as MEBIBYTE
from credix.setting_bounds import Bounds, Reading, Telling
from credix.setting_groups import Environment, Google, Names, SourceServer

PROJECT_DIR = Path(__file__).resolve().parents[2]


class Settings(Environment, SourceServer, Google, Names, Reading, Bounds, Telling):
    """Everything a run is told from outside."""

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
                f"The settings of '{env}' are wrong or not complete: {'; '.join(faults)}.{hint}"
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
    def execution(self) -> str:
        """What the scheduler calls this process; empty without one that names it."""
        name = self.cloud_run_execution
        return f"{name}/{self.cloud_run_attempt}" if name else ""

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

"""Elementary: its dbt package below `dbt/observability`, and its command line `edr`."""

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from credix.clients.dbt.project import PROJECT, Dbt
from credix.clients.effects import Effects
from credix.core.errors import SettingsError, StepError
from credix.core.redaction import without_values
from credix.core.results import FAILED, DbtNode
from credix.core.settings import PROJECT_DIR, Settings

OBSERVABILITY = PROJECT_DIR / "dbt" / "observability"
# Where `dbt deps` puts packages by default.
INSTALLED = OBSERVABILITY / "dbt_packages"
PACKAGES = ("elementary", "dbt_utils")
PAGE_DAYS = 7
EDR_SECONDS = 900
# Hosts of Microsoft Teams' webhooks; Slack's are all others, Slack's own and what speaks like it.
TEAMS = ("webhook.office.com", "logic.azure.com", "powerplatform.com")


class Elementary:
    """Elementary for one run: its tables, its monitors, its page."""

    def __init__(self, settings: Settings, effects: Effects, folder: Path, packages: Path) -> None:
        self.settings, self.effects = settings, effects
        self.folder = folder / "elementary"
        self.packages = packages
        self.version = version("elementary-data")
        self.dbt = Dbt(settings, effects, self.folder, OBSERVABILITY)

    def create_tables(self) -> None:
        """Create Elementary's tables and views, or bring them to the package's version."""
        self._execute("elementary.create_tables", "run", "package:elementary", {})

    def test(self, results_table: str) -> list[DbtNode]:
        """Build the views that monitors read and run every monitor.

        The results in `results_table`, if any, join those of the monitors.
        """
        values = {"CREDIX_DBT_RESULTS_TABLE": results_table}
        return self._execute("elementary.test", "build", "package:observability", values)

    def render_page(self) -> str:
        """Elementary's page of the last days, as it makes it."""
        page = self.folder / "index.html"
        options = {"--file-path": page, "--open-browser": "false", "--project-name": "credix"}
        self._edr("elementary.report", ["report"], options, {})
        return page.read_text("utf-8")

    def alert(self, webhook: str) -> None:
        """Let `edr monitor` notify a Slack or Teams channel of what it has not sent yet."""
        if any(host in webhook for host in TEAMS):
            channel: dict[str, Any] = {"teams": {"teams_webhook": webhook}}
        else:
            channel = {"slack": {"notification_webhook": webhook}}
        self._edr("elementary.alert", ["monitor"], {}, channel)

    def _execute(
        self, effect: str, command: str, selector: str, values: Mapping[str, str]
    ) -> list[DbtNode]:
        packages = self._lay_packages("observability", {"business_case": PROJECT})
        known = {"CREDIX_DBT_PACKAGES": str(packages), **values}
        nodes = self.dbt.execute(effect, command, [selector], known)
        broken = [node for node in nodes if node.status in FAILED - {"fail"}]
        if broken and command == "run":
            raise StepError(f"Elementary's {broken[0].name} was not built: {broken[0].message}")
        return nodes

    def _lay_packages(self, name: str, others: Mapping[str, Path]) -> Path:
        """Return a folder of packages as dbt wants them.

        Links to the installed ones, and nothing else.
        """
        folder = self.folder / "packages" / name
        folder.mkdir(parents=True, exist_ok=True)
        sources = {package: self.packages / package for package in PACKAGES}
        for package, source in {**sources, **others}.items():
            link = folder / package
            if not link.exists():
                link.symlink_to(source.resolve(), target_is_directory=True)
        return folder

    def _edr(
        self,
        effect: str,
        command: list[str],
        options: Mapping[str, object],
        channel: Mapping[str, Any],
    ) -> None:
        """Raise StepError with Elementary's last words when it fails.

        A channel's address goes through its file of settings, which is deleted after the call:
        arguments of a process are there for every user of the machine to read.
        """
        config = self.folder / "config" / "config.yml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.touch(mode=0o600)
        config.write_text(yaml.safe_dump({**CONFIG, **channel}), "utf-8")
        known = {
            "--config-dir": config.parent,
            "--profiles-dir": PROJECT,
            "--profile-target": self.settings.env,
            "--target-path": self.folder / "edr",
            "--env": self.settings.env,
            "--days-back": PAGE_DAYS,
            "--disable-samples": "true",
            **options,
        }
        arguments = [str(part) for option in known.items() for part in option]
        try:
            self.effects.perform(
                effect,
                f"edr {' '.join(command)}",
                lambda: run_edr([*command, *arguments], self._variables()),
            )
        finally:
            config.unlink()

    def _variables(self) -> dict[str, str]:
        """Return what `edr` needs to know; it has no use for secrets."""
        secrets = set(self.settings.secrets())
        variables = {**os.environ, **self.settings.variables()}
        return {
            **{
                name: value
                for name, value in variables.items()
                if secrets.isdisjoint({value, *value.split()})
            },
            "DBT_PACKAGES_FOLDER": str(self._lay_packages("edr", {})),
            "EDR_INTERNAL_TARGET_PATH": str(self.folder / "edr" / "target"),
        }


CONFIG = {
    "anonymous_usage_tracking": False,
    "disable_elementary_logo_print": True,
    "disable_elementary_version_check": True,
    "run_dbt_deps_if_needed": False,
}


def run_edr(arguments: list[str], variables: dict[str, str]) -> None:
    """Raise StepError when it fails or takes longer than EDR_SECONDS."""
    command = [str(Path(sys.executable).with_name("edr")), *arguments]
    try:
        ended = subprocess.run(
            command,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=EDR_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise StepError(
            f"Elementary's `edr {arguments[0]}` did not end within {EDR_SECONDS} s."
        ) from None
    if ended.returncode:
        words = [line for line in f"{ended.stdout}\n{ended.stderr}".splitlines() if line.strip()]
        last = without_values(words[-1]) if words else "it says nothing"
        raise StepError(f"Elementary's `edr {arguments[0]}` failed: {last}")


def find_packages(settings: Settings) -> Path | None:
    """Return the folder that holds Elementary's dbt packages; None where they are not installed.

    Raises SettingsError where CREDIX_ELEMENTARY_PACKAGES names a folder that lacks one of them, or
    has Elementary in another version than the installed command line.
    """
    named = settings.elementary_packages
    folder = named or INSTALLED
    missing = [name for name in PACKAGES if not (folder / name / "dbt_project.yml").is_file()]
    if missing and named:
        raise SettingsError(
            f"CREDIX_ELEMENTARY_PACKAGES names {named}, which has no dbt package "
            f"{' and no '.join(missing)}: lay there what `dbt deps` downloads, a folder for each."
        )
    if missing:
        return None
    require_version(folder / "elementary")
    return folder


def require_version(package: Path) -> None:
    needed = version("elementary-data")
    found = str(yaml.safe_load((package / "dbt_project.yml").read_text("utf-8")).get("version"))
    if found != needed:
        raise SettingsError(
            f"{package} is Elementary {found}, and elementary-data is {needed}: both must be of "
            "one version. Install that package with ./run_pipeline.py install-elementary."
        )

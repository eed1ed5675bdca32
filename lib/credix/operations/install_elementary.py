"""Install Elementary's dbt packages once, for the project and for Elementary's command line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from credix.clients.elementary import INSTALLED, OBSERVABILITY, PACKAGES, find_packages
from credix.core.disk import make_folder
from credix.core.errors import TransientError
from credix.core.settings import Settings

SECONDS = 60
HELP = (
    "Everything else runs without it. Where the network is closed, put the dbt packages elementary "
    "and dbt_utils into a folder and name it in CREDIX_ELEMENTARY_PACKAGES "
    "(docs/reference/monitoring.md)."
)


def install_elementary(
    settings: Settings, say: Callable[[str], None], *, best_effort: bool = False
) -> None:
    """Download the packages unless they are there; raises TransientError where that fails.

    `best_effort` tries it the first time only, and reports what went wrong instead of failing.
    """
    tried = settings.local_dir / "elementary-tried"
    if best_effort and tried.exists():
        return
    found = find_packages(settings)
    if found:
        if not best_effort:
            say(f"Elementary is installed in {found}")
        return
    if best_effort:
        make_folder(tried.parent, "name another folder in CREDIX_LOCAL_DIR")
        tried.touch()
    try:
        download()
    except TransientError as error:
        if not best_effort:
            raise
        say(str(error))
        return
    say(f"Installed Elementary in {INSTALLED}")


def download() -> None:
    """`dbt deps` beside the place of the packages, which they get whole or not at all."""
    beside = make_folder(
        OBSERVABILITY / "target", f"in an image they are installed by its build. {HELP}"
    )
    with TemporaryDirectory(dir=beside) as folder:
        packages = Path(folder) / "packages"
        try:
            ended = subprocess.run(
                [str(Path(sys.executable).with_name("dbt")), *ARGUMENTS, "--log-path", folder],
                env={**os.environ, "CREDIX_DBT_PACKAGES": str(packages)},
                cwd=OBSERVABILITY,
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
            reason = last_line(ended.stdout + ended.stderr) if ended.returncode else ""
        except subprocess.TimeoutExpired:
            reason = f"`dbt deps` did not end within {SECONDS} s"
        if "Max retries exceeded" in reason:
            reason = "dbt's package hub cannot be reached from here"
        missing = [name for name in PACKAGES if not (packages / name).is_dir()]
        if reason or missing:
            reason = reason or f"`dbt deps` has not brought {' and '.join(missing)}"
            raise TransientError(f"Elementary could not be installed: {reason}. {HELP}")
        INSTALLED.mkdir(exist_ok=True)
        for name in PACKAGES:
            shutil.rmtree(INSTALLED / name, ignore_errors=True)
            (packages / name).replace(INSTALLED / name)


ARGUMENTS = ("--no-use-colors", "deps", "--profiles-dir", "../business_case")


def last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "`dbt deps` failed"

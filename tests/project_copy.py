"""A copy of the project, which a test may change."""

import shutil
import sys
from pathlib import Path

from credix.core.settings import PROJECT_DIR, Settings


def copy_project(folder: Path) -> Path:
    """Everything that the command line needs, into a new folder."""
    shutil.copytree(PROJECT_DIR / "lib", folder / "lib")
    shutil.copytree(PROJECT_DIR / "notebooks", folder / "notebooks")
    shutil.copytree(PROJECT_DIR / "dbt", folder / "dbt", ignore=shutil.ignore_patterns("target"))
    shutil.copy(PROJECT_DIR / "run_pipeline.py", folder)
    return folder


def variables_for(project: Path, settings: Settings) -> dict[str, str]:
    """The environment in which the copy's own code works with these settings."""
    return {
        **settings.variables(),
        "PYTHONPATH": str(project / "lib"),
        "PATH": str(Path(sys.executable).parent),
        "HOME": str(project),
    }

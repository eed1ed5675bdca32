"""02: the parts that keep the contract reach the landing folder of the lake."""

from importlib import import_module

import pandas as pd
from IPython.display import display

from credix.core.results import LandResult
from credix.state import run as runs
from credix.state.run import Run
from credix.warehouse import landing
from credix.workbook import show


def warm_up() -> None:
    """Import what the cells need later, while the kernel waits for its turn."""
    import_module("credix.clients.gcs.lake")


def resume_run(source: str, run_folder: str) -> Run:
    """Continue the run of that folder, show it, and return it.

    Args:
        source: The source of the run; empty: that of the latest run opened by hand.
        run_folder: The run's folder; empty: that of the latest run opened by hand.

    Raises:
        SettingsError: There is no such run: 01 opens one.
        FenceError: Another run has begun on the source since.
    """
    run = runs.resume_run(source, run_folder)
    display(show.describe_run(run))
    return run


def check_parts(run: Run) -> None:
    """Hold the footer of each part to the contract; show rows and columns of each.

    Raises:
        DataError: A part differs from the contract in columns, rows or NULLs.
    """
    display(show.table(landing.check_parts(run)))


def sweep_landing(run: Run) -> pd.DataFrame:
    """Move files that no living run will load to the archive or to `failed/`; show them.

    Returns:
        One line per file: `file`, `moved to` and `reason`.
    """
    swept = landing.sweep_landing(run)
    display(show.table(swept))
    return swept


def upload_parts(run: Run) -> pd.DataFrame:
    """Upload each part under a name that contains its content's hash; show the files.

    Returns:
        One line per file: `file`, `rows` and `bytes`.
    """
    landed = landing.upload_parts(run)
    display(show.table(landed))
    return landed


def finish(run: Run, landed: pd.DataFrame, swept: pd.DataFrame, result_path: str) -> LandResult:
    """Write the step result, show and return it.

    Args:
        run: The run that `resume_run` has returned.
        landed: What `upload_parts` has returned.
        swept: What `sweep_landing` has returned; each file becomes a warning.
        result_path: File of the step result; empty: in the run folder.

    Raises:
        DataError: Not as many rows landed as were extracted.
    """
    result = landing.finish(run, landed, swept, result_path)
    display(show.describe_result(result))
    return result

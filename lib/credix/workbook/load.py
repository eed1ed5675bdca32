"""03: the landed files into BigQuery's temp layer under an enforced schema, then to the archive."""

from collections.abc import Sequence
from importlib import import_module

import pandas as pd
from IPython.display import display

from credix.core.column_types import Column
from credix.core.results import LoadResult
from credix.state import run as runs
from credix.state.run import Run
from credix.warehouse import temp_layer
from credix.workbook import show


def warm_up() -> None:
    """Import what the cells need later, while the kernel waits for its turn."""
    for name in ("credix.clients.gcs.lake", "credix.clients.bigquery.warehouse"):
        import_module(name)


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


def read_reference(run: Run) -> list[Column]:
    """Read the schema that the load is held to, show it, and return its columns.

    Raises:
        SettingsError: The reference table is missing, or differs from the contract.
    """
    columns = temp_layer.read_reference(run)
    table = {
        "column": [column.name for column in columns],
        "type": [column.type for column in columns],
        "mode": [column.mode for column in columns],
        "description": [column.description for column in columns],
    }
    display(show.table(pd.DataFrame(table)))
    return columns


def load_hashed(run: Run, columns: Sequence[Column]) -> int:
    """Load the files into the table of this run alone; show that landed = loaded.

    Returns:
        The rows that were loaded; 0 without files.

    Raises:
        DataError: BigQuery refused a file, which goes to `failed/`; or the counts differ, or two
            rows share a key.
    """
    loaded = temp_layer.load_hashed(run, columns)
    display(show.table(temp_layer.check_loaded(run, loaded)))
    return loaded


def load_stable(run: Run, columns: Sequence[Column]) -> None:
    """Load the files into `<source>_dbt`, the latest delta for people; print its rows.

    Raises:
        FenceError: A newer run has begun, whose delta this would replace.
    """
    print(f"{temp_layer.load_stable(run, columns):,} rows in {run.source.name}_dbt")


def archive_files(run: Run) -> None:
    """Move the loaded files to the archive bucket; show where each is stored."""
    display(show.table(temp_layer.archive_files(run)))


def finish(run: Run, loaded: int, result_path: str) -> LoadResult:
    """Write the step result, show and return it.

    Args:
        run: The run that `resume_run` has returned.
        loaded: What `load_hashed` has returned.
        result_path: File of the step result; empty: in the run folder.
    """
    result = temp_layer.finish(run, loaded, result_path)
    display(show.describe_result(result))
    return result

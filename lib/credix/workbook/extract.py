"""01: one source table at one moment becomes a delta in Parquet.

The delta comes from a snapshot of PostgreSQL or, where the run is ordered to, from files of outside
writers in the landing folder. Both are an `Extraction` with the same steps.
"""

from collections.abc import Mapping
from importlib import import_module

from IPython.display import display
from pydantic import JsonValue

from credix.capture.delta import Delta
from credix.capture.extraction import Extraction
from credix.capture.extraction import open_extraction as open_for
from credix.core.results import ExtractResult
from credix.core.run_options import RunOptions
from credix.core.watermarks import Watermark
from credix.report import profile
from credix.state import run as runs
from credix.state.run import Run
from credix.workbook import show


def warm_up() -> None:
    """Import what the cells need later, while the kernel waits for its turn."""
    for name in ("adbc_driver_postgresql.dbapi", "credix.clients.gcs.lake"):
        import_module(name)


def open_run(
    source: str,
    run_id: str,
    run_folder: str,
    attempt: int,
    watermark: Mapping[str, JsonValue] | None,
    business_date: str,
    *,
    commit: bool,
    allow_deletes: bool,
    backfill: list[str] | None,
    reconcile: bool,
    from_landing: bool,
) -> Run:
    """Open the run that the parameters name, show it, and return it.

    Args:
        source: The source to read, as `sources.yml` names it.
        run_id: The run; empty opens one by hand, in the sandbox unless `commit` is true.
        run_folder: Where the run keeps its parts and step results.
        attempt: The fencing token of the run: the `_seq` of every row that it writes.
        watermark: Where the last run stopped; None reads the whole table.
        business_date: `YYYY-MM-DD`; empty: today in the business's time zone.
        commit: By hand only: work on the real state, with fence and lease.
        allow_deletes: Accept more deletes than the settings allow, this once.
        backfill: First and last day of a period to read again by cursor.
        reconcile: Also read what differs in value from bronze.
        from_landing: Take the files of outside writers instead of a snapshot.

    Raises:
        SettingsError: The source is not known, or the orders contradict each other.
        BusyError: Another run works on the source.
    """
    run = runs.open_run(
        source,
        run_id,
        run_folder,
        attempt,
        Watermark.model_validate(watermark) if watermark else None,
        business_date,
        commit=commit,
        orders=RunOptions(
            allow_deletes=allow_deletes,
            backfill=(backfill[0], backfill[1]) if backfill else None,
            reconcile=reconcile,
            from_landing=from_landing,
        ),
    )
    display(show.describe_run(run))
    return run


def open_extraction(run: Run) -> Extraction:
    """Take the snapshot, or list the files in landing; show it as a table of facts.

    All later steps read this snapshot, or these files, however long they take.

    Raises:
        SourceError: PostgreSQL cannot be reached, or refuses the snapshot.
    """
    extraction = open_for(run)
    display(show.table(extraction.describe()))
    return extraction


def check_contract(extraction: Extraction) -> None:
    """Hold the table, or each file, to the contract; show what was compared.

    A file that violates the contract goes to `failed/` with the reason, and stops no other.

    Raises:
        SourceError: A column is missing or of another type, or the key is not unique.
    """
    table, sentence = extraction.check()
    print(sentence)
    display(show.table(table))


def plan_delta(extraction: Extraction) -> None:
    """Choose the rows to read by the watermark; print the reason and the statement."""
    print(extraction.plan())


def write_delta(extraction: Extraction) -> Delta:
    """Write the changed rows and a tombstone for each key that is gone; show the parts.

    Returns:
        The delta: its Parquet parts in the run's folder, and what was counted.

    Raises:
        DataError: More keys are gone than the settings allow and the run was not ordered to
            delete them, or a value does not fit its column.
    """
    delta = extraction.write()
    print(extraction.summarize())
    display(show.table(delta.table()))
    return delta


@show.optional("The profile")
def show_profile(run: Run, delta: Delta) -> None:
    """Show types, nulls and ranges of the delta's columns; texts are masked."""
    display(show.table(profile.summarize(run, delta)))


@show.optional("The months")
def show_months(run: Run, delta: Delta) -> None:
    """Plot the delta's rows by the month of their cursor column, where there is one."""
    profile.plot_months(run, delta)


def finish(extraction: Extraction, result_path: str) -> ExtractResult:
    """Write the step result that 02 lands and 04 commits; show and return it.

    Args:
        extraction: The extraction, whose delta is written.
        result_path: File of the step result; empty: in the run folder.
    """
    result = extraction.write_result(result_path)
    display(show.describe_result(result))
    return result

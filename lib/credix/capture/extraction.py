"""Where a delta comes from: a snapshot of PostgreSQL, or files that wait in the landing folder."""

from typing import Protocol

import pandas as pd

from credix.capture.delta import Delta
from credix.capture.external.delta import open_landing
from credix.capture.extract import open_snapshot
from credix.core.results import ExtractResult
from credix.state.run import Run


class Extraction(Protocol):
    """One extract, step by step in this order; each step relies on those before it.

    `SnapshotExtraction` (capture/extract.py) reads a snapshot of PostgreSQL. `LandingExtraction`
    (capture/external/delta.py) takes the files of outside writers.
    """

    def describe(self) -> pd.DataFrame:
        """Return the snapshot as facts, or the files that wait by name."""

    def check(self) -> tuple[pd.DataFrame, str]:
        """Hold the source to the contract.

        Returns:
            What was compared, one line per column or per file, and a sentence on the result.

        Raises:
            SourceError: The table violates the contract. A file that does goes to `failed/`.
        """

    def plan(self) -> str:
        """Choose the rows to read; return the reason and the statement."""

    def write(self) -> Delta:
        """Write the delta as Parquet parts into the run's folder.

        Raises:
            DataError: More keys are gone than the settings allow, and the run was not ordered to
                delete them.
        """

    def summarize(self) -> str:
        """Return what was written, in a few lines."""

    def write_result(self, result_path: str) -> ExtractResult:
        """Write the step result of 01 and return it."""

    def close(self) -> None:
        """Release the source; nothing happens where it is released."""


def open_extraction(run: Run) -> Extraction:
    """Take the snapshot, or list the files in landing where the run was ordered to read them."""
    return open_landing(run) if run.orders.from_landing else open_snapshot(run)
